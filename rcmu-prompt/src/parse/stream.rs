use std::str;

use rcmu_core::{Answer, BoxMention, Citation, FinishReason, Refusal, Repair, Statement};

use crate::parse::{Targets, lexer::Lexer, statement::Assembler};

/// What has become certain about an answer that is still being written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseEvent {
    /// More words of the current statement, without marks and box tokens; those of one statement join to its text.
    Words(String),
    /// The current statement cites this.
    Citation(Citation),
    /// The current statement names this box.
    Box(BoxMention),
    /// The current statement is complete.
    Statement(Statement),
    /// The answer says that it cannot answer; follows its first statement.
    Refusal(Refusal),
    /// Something had to be mended.
    Repair(Repair),
}

/// Reads an answer while it is being written.
///
/// The pieces may be cut anywhere, inside a character too. Bytes that are not UTF-8 become `U+FFFD`. Only what may
/// still be the beginning of a mark, a box or a token is held back, and white space and the signs of Markdown before a
/// statement until a word follows. A statement is told with the first word of the next one, since marks between them on a line of their own are its citations.
///
/// # Examples
///
/// ```
/// use rcmu_core::{FinishReason, ImageSize};
/// use rcmu_prompt::{ParseEvent, StreamParser, Targets};
///
/// # fn main() -> Result<(), rcmu_core::Error> {
/// let mut parser = StreamParser::new(Targets::new(1, 0, ImageSize::new(640, 480)?));
///
/// assert_eq!(parser.push("Lily ["), [ParseEvent::Words("Lily".into())]);
/// assert!(matches!(parser.push("1]")[..], [ParseEvent::Citation(_)]));
/// let (_, answer) = parser.finish(FinishReason::EndOfText);
///
/// assert_eq!(answer.statements[0].text, "Lily");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct StreamParser {
    text: String,
    /// The bytes of a character that is not complete, at most three.
    partial: Vec<u8>,
    lexer: Lexer,
    assembler: Assembler,
}

impl StreamParser {
    /// A parser that has read nothing.
    pub fn new(targets: Targets) -> Self {
        Self {
            text: String::new(),
            partial: Vec::new(),
            lexer: Lexer::default(),
            assembler: Assembler::new(targets),
        }
    }

    /// Reads more text.
    pub fn push(&mut self, text: &str) -> Vec<ParseEvent> {
        self.push_bytes(text.as_bytes())
    }

    /// Reads more bytes of the text.
    pub fn push_bytes(&mut self, bytes: &[u8]) -> Vec<ParseEvent> {
        let mut all = std::mem::take(&mut self.partial);
        all.extend_from_slice(bytes);
        let mut rest = all.as_slice();
        loop {
            match str::from_utf8(rest) {
                Ok(text) => {
                    self.read(text);
                    break;
                }
                Err(error) => {
                    let (good, bad) = rest.split_at(error.valid_up_to());
                    self.read(&String::from_utf8_lossy(good));
                    let Some(bad_len) = error.error_len() else {
                        self.partial = bad.to_vec();
                        break;
                    };
                    self.read("\u{fffd}");
                    rest = &bad[bad_len..];
                }
            }
        }
        self.assembler.drain()
    }

    /// The text read so far, whole characters only.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Ends the answer; gives the last events and the whole.
    pub fn finish(mut self, finish: FinishReason) -> (Vec<ParseEvent>, Answer) {
        if !self.partial.is_empty() {
            self.read("\u{fffd}");
        }
        let Self { text, mut lexer, mut assembler, .. } = self;
        lexer.finish(&text, &mut |item, span| assembler.take(&text, item, span));
        assembler.finish(text, finish)
    }

    fn read(&mut self, more: &str) {
        let from = self.text.len();
        self.text.push_str(more);
        let Self { text, lexer, assembler, .. } = self;
        for (offset, c) in text[from..].char_indices() {
            lexer.feed(text, from + offset, c, &mut |item, span| assembler.take(text, item, span));
        }
    }
}

#[cfg(test)]
mod tests {
    use rcmu_core::{ImageSize, RegionId};

    use super::*;

    #[test]
    fn marks_on_a_line_of_their_own_wait_for_a_word() -> Result<(), rcmu_core::Error> {
        let mut parser = StreamParser::new(Targets::new(3, 0, ImageSize::new(640, 480)?));

        assert_eq!(parser.push("Nights [1].\n[1, 3]").len(), 3, "words, the first mark, words");
        let events = parser.push("\n[2] She");

        let told: Vec<_> = events
            .iter()
            .map(|event| match event {
                ParseEvent::Citation(citation) => citation.target.region().map(RegionId::number),
                ParseEvent::Statement(statement) => Some(100 + statement.citations.len() as u32),
                _ => None,
            })
            .collect();
        assert_eq!(told, [Some(3), Some(102), Some(2), None]);
        assert_eq!(events.last(), Some(&ParseEvent::Words("She".into())));
        Ok(())
    }
}
