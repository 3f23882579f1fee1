use std::collections::VecDeque;

use rcmu_core::{Answer, CancelToken, Event, EventStream, Stats};
use rcmu_prompt::{ParseEvent, StreamParser, Targets};

use crate::Error;

/// What happens while an answer is made.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum AnswerEvent {
    /// The prompt has been encoded.
    Started {
        /// Tokens of the prompt, those of pictures included.
        prompt_tokens: usize,
        /// Prompt tokens that stand for pictures.
        image_tokens: usize,
    },
    /// More text, as the model wrote it.
    Text(String),
    /// Words, marks, boxes and whole statements, as soon as they are certain.
    Parsed(ParseEvent),
    /// The parsed answer; nothing follows.
    Finished {
        /// The answer.
        answer: Box<Answer>,
        /// What it cost.
        stats: Stats,
    },
}

/// The events of one answer; dropping it before its end cancels the work.
#[derive(Debug)]
pub struct AnswerStream {
    events: EventStream,
    parser: Option<StreamParser>,
    ready: VecDeque<AnswerEvent>,
}

impl AnswerStream {
    pub(crate) fn new(events: EventStream, targets: Targets) -> Self {
        Self { events, parser: Some(StreamParser::new(targets)), ready: VecDeque::new() }
    }

    /// A token that stops the work; the stream still yields the partial answer.
    pub fn cancel_token(&self) -> CancelToken {
        self.events.cancel_token()
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Started { prompt_tokens, image_tokens } => {
                self.ready.push_back(AnswerEvent::Started { prompt_tokens, image_tokens });
            }
            Event::Text(text) => {
                let parsed = self.parser.as_mut().map(|parser| parser.push(&text)).unwrap_or_default();
                self.ready.push_back(AnswerEvent::Text(text));
                self.ready.extend(parsed.into_iter().map(AnswerEvent::Parsed));
            }
            Event::Finished { reason, stats } => {
                if let Some(parser) = self.parser.take() {
                    let (parsed, answer) = parser.finish(reason);
                    self.ready.extend(parsed.into_iter().map(AnswerEvent::Parsed));
                    self.ready.push_back(AnswerEvent::Finished { answer: Box::new(answer), stats });
                }
            }
            _ => {}
        }
    }
}

impl Iterator for AnswerStream {
    type Item = Result<AnswerEvent, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(event));
            }
            match self.events.next() {
                Some(Ok(event)) => self.take(event),
                Some(Err(error)) => {
                    self.parser = None;
                    return Some(Err(error.into()));
                }
                // Ended before the last event: the thread died without a word.
                None => return self.parser.take().map(|_| Err(Error::StreamEnded)),
            }
        }
    }
}
