use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use crate::{Control, Event, FinishReason, GenerateError, Generation, Generator, Request, Stats};

/// A generator that gives prepared answers in order, for tests without a model.
///
/// Each answer is streamed word by word. Cancellation, deadline, `max_new_tokens` (counted in words) and stop strings
/// are honoured, so that code built on a [`Generator`] can be tested in full. A grammar is refused: the answers are as they are.
#[derive(Debug)]
pub struct ScriptedGenerator {
    answers: Mutex<VecDeque<String>>,
}

impl ScriptedGenerator {
    /// Makes a generator that will give these answers.
    pub fn new<S: Into<String>>(answers: impl IntoIterator<Item = S>) -> Self {
        Self { answers: Mutex::new(answers.into_iter().map(Into::into).collect()) }
    }
}

impl Generator for ScriptedGenerator {
    fn identity(&self) -> String {
        "scripted".into()
    }

    fn generate(
        &self,
        request: &Request,
        control: &Control,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Generation, GenerateError> {
        request.options.check().map_err(|error| GenerateError::Request(Box::new(error)))?;
        if request.options.grammar.is_some() {
            return Err(GenerateError::Unsupported { option: "grammar" });
        }
        let next = self.answers.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let answer = next.ok_or(GenerateError::ScriptEnded)?;
        on_event(Event::Started { prompt_tokens: 0, image_tokens: 0 });

        let end_and_begin = |stop: &String| answer.find(stop.as_str()).map(|at| (at + stop.len(), at));
        let cut = request.options.stop.iter().filter_map(end_and_begin).min().map(|(_, at)| at);
        let mut finish = if cut.is_some() { FinishReason::StopString } else { FinishReason::EndOfText };
        let mut text = String::new();
        let mut words = 0;
        for word in answer[..cut.unwrap_or(answer.len())].split_inclusive(' ') {
            if let Some(reason) = control.stop_reason() {
                finish = reason;
                break;
            }
            if words == request.options.max_new_tokens as usize {
                finish = FinishReason::MaxTokens;
                break;
            }
            words += 1;
            text.push_str(word);
            on_event(Event::Text(word.to_owned()));
        }
        let stats = Stats { new_tokens: words, ..Stats::default() };
        on_event(Event::Finished { reason: finish, stats: stats.clone() });
        Ok(Generation { text, token_ids: Vec::new(), finish, stats, logprobs: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GenerateOptions, Grammar};

    fn run(options: GenerateOptions, control: &Control) -> Result<Generation, GenerateError> {
        let request = Request { options, ..Request::default() };
        ScriptedGenerator::new(["one two three"]).generate(&request, control, &mut |_| {})
    }

    #[test]
    fn options_are_honoured() -> Result<(), GenerateError> {
        let control = Control::default();

        let limited = run(GenerateOptions::greedy(2), &control)?;
        assert_eq!((limited.text.as_str(), limited.finish), ("one two ", FinishReason::MaxTokens));

        let stopped =
            run(GenerateOptions { stop: vec![" th".into()], ..GenerateOptions::default() }, &control)?;
        assert_eq!((stopped.text.as_str(), stopped.finish), ("one two", FinishReason::StopString));

        control.cancel.cancel();
        let cancelled = run(GenerateOptions::default(), &control)?;
        assert_eq!((cancelled.text.as_str(), cancelled.finish), ("", FinishReason::Cancelled));
        Ok(())
    }

    #[test]
    fn a_grammar_is_refused() -> Result<(), crate::Error> {
        let options =
            GenerateOptions { grammar: Some(Grammar::new("start: \"a\"")?), ..GenerateOptions::default() };

        let result = run(options, &Control::default());

        assert!(matches!(result, Err(GenerateError::Unsupported { option: "grammar" })));
        Ok(())
    }

    #[test]
    fn an_exhausted_script_is_an_error() {
        let generator = ScriptedGenerator::new(Vec::<String>::new());

        let result = generator.generate(&Request::default(), &Control::default(), &mut |_| {});

        assert!(matches!(result, Err(GenerateError::ScriptEnded)));
    }
}
