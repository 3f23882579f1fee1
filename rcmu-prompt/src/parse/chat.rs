use std::ops::Range;

use rcmu_core::{Piece, Prompt, Repair, SpecialToken, Trust};

use crate::parse::{
    instruction::{read_instruction, read_question},
    region::{ContextLine, read_line},
};

/// The first user turn of a prompt, read back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserTurn {
    /// How many images it shows.
    pub images: usize,
    /// Its context lines in order.
    pub context: Vec<ContextLine>,
    /// Whether the instruction line asks for `[k]` marks; `None` without such a line.
    pub cited: Option<bool>,
    /// The words of the question.
    pub question: String,
    /// The options of a multiple-choice question.
    pub choices: Vec<String>,
    /// What had to be mended; the spans are bytes of the turn's text, without its pictures.
    pub repairs: Vec<Repair>,
}

/// Reads the first user turn of a chat prompt, or a prompt that is only the content of a turn.
///
/// Words of the format count only where the prompt says that they are [`Trust::Template`], box tokens only where
/// they are real ones: nothing written in a label, a text or a question is taken for structure. To read a string of
/// the published format, such as a training sample, wrap it with [`Prompt::from_reference_text`]; then every word
/// counts.
///
/// A line may end in `\r\n`. A line whose box cannot be read stays a context line; the box is missing and reported.
///
/// # Examples
///
/// ```
/// use rcmu_core::Prompt;
/// use rcmu_prompt::parse_user_turn;
///
/// let text = "[1]: The information of the dog in the image: Bella.\n\
///             Answer the following question based on the information above and the given image.\n\
///             Who is this?";
///
/// let turn = parse_user_turn(&Prompt::from_reference_text(text));
///
/// assert_eq!((turn.context.len(), turn.cited, turn.question.as_str()), (1, Some(false), "Who is this?"));
/// ```
pub fn parse_user_turn(prompt: &Prompt) -> UserTurn {
    let (turn, images) = TurnText::first_user_turn(prompt);
    let mut read = UserTurn { images, ..UserTurn::default() };
    let mut from = 0;
    while from < turn.text.len() {
        let line_end = turn.find("\n", from..turn.text.len(), |_| true).unwrap_or(turn.text.len());
        let line = from..turn.without_return(from, line_end);
        let Some(line) = read_line(&turn, line, &mut read.repairs) else { break };
        read.context.push(line);
        from = turn.text.len().min(line_end + 1);
    }
    if !read.context.is_empty()
        && let Some((cited, question)) = read_instruction(&turn, from)
    {
        read.cited = Some(cited);
        from = question;
    }
    (read.question, read.choices) = read_question(&turn, from);
    read
}

/// The text of a turn that remembers which bytes are foreign and which are real tokens.
#[derive(Clone, Debug, Default)]
pub(crate) struct TurnText {
    pub(crate) text: String,
    foreign: Vec<Range<usize>>,
    specials: Vec<usize>,
}

impl TurnText {
    fn first_user_turn(prompt: &Prompt) -> (Self, usize) {
        let mut pieces = prompt.pieces();
        let is_user = |window: &[Piece]| {
            let [Piece::Special(SpecialToken::ImStart), Piece::Text(text, Trust::Template)] = window else {
                return false;
            };
            text.starts_with("user\n")
        };
        let mut turn = Self::default();
        let mut images = 0;
        if let Some(start) = pieces.windows(2).position(is_user) {
            pieces = &pieces[start + 1..];
            if let [Piece::Text(text, _), rest @ ..] = pieces {
                turn.text.push_str(text.strip_prefix("user\n").unwrap_or(text));
                pieces = rest;
            }
        }
        for piece in pieces {
            match piece {
                Piece::Special(SpecialToken::ImEnd) => break,
                Piece::Special(SpecialToken::VisionStart | SpecialToken::VisionEnd) => {}
                Piece::Special(token) => {
                    turn.specials.push(turn.text.len());
                    turn.text.push_str(token.as_str());
                }
                Piece::Text(text, trust) => turn.push(text, *trust),
                _ => {
                    images += usize::from(matches!(piece, Piece::Image));
                    if is_vision_id(&turn.text) {
                        turn.text.clear();
                    }
                }
            }
        }
        (turn, images)
    }

    fn push(&mut self, text: &str, trust: Trust) {
        let start = self.text.len();
        self.text.push_str(text);
        if trust == Trust::Untrusted {
            self.foreign.push(start..self.text.len());
        }
    }

    /// Whether no byte of the range is foreign.
    pub(crate) fn is_template(&self, range: Range<usize>) -> bool {
        let after = self.foreign.partition_point(|foreign| foreign.end <= range.start);
        self.foreign.get(after).is_none_or(|foreign| foreign.start >= range.end)
    }

    /// Whether this control token, a real one, begins here.
    pub(crate) fn is_token(&self, token: SpecialToken, at: usize) -> bool {
        self.specials.binary_search(&at).is_ok() && self.text[at..].starts_with(token.as_str())
    }

    /// The end of the line from `start` to `end` without the `\r` that some editors write before a line break; one of
    /// foreign text stays.
    pub(crate) fn without_return(&self, start: usize, end: usize) -> usize {
        let shorter = self.text[start..end].strip_suffix('\r').map(|line| start + line.len());
        shorter.filter(|&at| self.is_template(at..end)).unwrap_or(end)
    }

    /// The first place in the range where the words of the format stand and `accept` holds.
    ///
    /// The words begin with a character of one byte. Foreign text may end as they begin, so that places are told apart
    /// where they overlap.
    pub(crate) fn find(
        &self,
        words: &str,
        range: Range<usize>,
        accept: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let mut from = range.start;
        loop {
            let at = from + self.text[from..range.end].find(words)?;
            if self.is_template(at..at + words.len()) && accept(at) {
                return Some(at);
            }
            from = at + 1;
        }
    }

    /// The last place in the range where the words of the format stand; they end with a character of one byte.
    pub(crate) fn rfind(&self, words: &str, range: Range<usize>) -> Option<usize> {
        let mut end = range.end;
        loop {
            let at = range.start + self.text[range.start..end].rfind(words)?;
            if self.is_template(at..at + words.len()) {
                return Some(at);
            }
            end = at + words.len() - 1;
        }
    }
}

/// Whether the text before a picture is its number, `Picture 2: ` or `Video 2: `.
fn is_vision_id(text: &str) -> bool {
    let number = text.strip_prefix("Picture ").or_else(|| text.strip_prefix("Video "));
    number.and_then(|rest| rest.strip_suffix(": ")).is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use rcmu_core::{BBox, ImageSize, Picture, Question, Scene};

    use super::*;
    use crate::PromptBuilder;

    #[test]
    fn lines_may_end_as_on_windows() {
        let text = "[1]: The information of the man located at <|box_start|>(1,2),(3,4)<|box_end|> in the image: Tom.\n\
                    [2]: The information of the object shown in Picture 1: Bella.\n\
                    Answer the following question based on the information above and the given image, and provide \
                    citations for your response.\n\
                    Who?\nA. Tom\nB. Bella\nAnswer with the option's letter from the given choices directly.";

        let unix = parse_user_turn(&Prompt::from_reference_text(text));
        let windows = parse_user_turn(&Prompt::from_reference_text(&text.replace('\n', "\r\n")));

        assert_eq!(windows, unix);
        assert_eq!((unix.context.len(), unix.cited, unix.choices.len()), (2, Some(true), 2));
    }

    #[test]
    fn texts_that_end_or_begin_as_the_words_around_them_are_read_back()
    -> Result<(), Box<dyn std::error::Error>> {
        let bbox = BBox::new(1, 2, 3, 4)?;
        let scene = Scene::new(Picture::from_bytes(vec![]), ImageSize::new(640, 480)?)
            .unplaced("man in the image:", "in the image: Tom.")?
            .region("dog located at", bbox, " in the image: Bella.")?;
        let built = PromptBuilder::new(&scene, &Question::new("Who?")?).build()?;

        let turn = parse_user_turn(&built.prompt);

        let line = |number, label: &str, bbox, info: &str| ContextLine::Region {
            number,
            label: label.to_owned(),
            bbox,
            info: info.to_owned(),
        };
        assert_eq!(
            turn.context,
            [
                line(1, "man in the image:", None, "in the image: Tom."),
                line(2, "dog located at", Some(bbox), " in the image: Bella."),
            ]
        );
        Ok(())
    }
}
