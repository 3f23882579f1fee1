mod reply;

use std::{collections::BTreeSet, fmt};

use rcmu_core::Answer;
use rcmu_data::Sample;

use crate::{dataset::is_insufficient, scorers::choice::reply::Reply};

/// Name and version of the chain by which options are read. A change that may alter a result gets a new number.
pub const CHOICE_CHAIN: &str = "choice-2";

/// By which step of the chain an option was read, in the order of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MatchedBy {
    /// The reply is a letter and nothing else: `B`, `(b)`, `**B**`.
    Letter,
    /// The reply is an option's text, letter for letter.
    OptionExact,
    /// The reply is an option's text, but for case, punctuation and articles.
    OptionNormalised,
    /// A letter is stated as the answer: `Answer: B`, `The answer is (B)`, `Option B`. `The answer is B or C` states two.
    Stated,
    /// The reply begins with a letter and a sign: `B. teacher`, `(B) teacher`, `**B** teacher`.
    Leading,
    /// The reply refuses, and one option says that the question cannot be answered.
    Refusal,
    /// Last resort: the words of exactly one option stand in the reply without a negation.
    OptionContained,
    /// Last resort: exactly one option's capital letter stands in the reply; `A` and `I` only in brackets, bold or
    /// a list of letters.
    LetterContained,
}

impl fmt::Display for MatchedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Letter => "a letter alone",
            Self::OptionExact => "the text of an option",
            Self::OptionNormalised => "the text of an option but for case, punctuation and articles",
            Self::Stated => "a letter stated as the answer",
            Self::Leading => "a letter at the beginning",
            Self::Refusal => "a refusal",
            Self::OptionContained => "the words of one option only",
            Self::LetterContained => "the letter of one option only",
        })
    }
}

/// The option that a reply chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Its place, from 0.
    pub index: usize,
    /// How it was read.
    pub by: MatchedBy,
}

/// Why no option could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    /// The reply has no word.
    #[error("the reply is empty")]
    Empty,
    /// More than one option is meant.
    #[error("the reply means more than one option")]
    Ambiguous,
    /// The reply refuses, and no option says that the question cannot be answered.
    #[error("the reply refuses, and no option does")]
    Declined,
    /// No option is meant.
    #[error("the reply means no option")]
    NoMatch,
}

/// Reads which option a reply chooses, by the first step of [`MatchedBy`] that finds something.
///
/// A step that finds two options ends the chain: the reply is ambiguous.
///
/// # Errors
///
/// [`Unread`] when no option, or more than one, is meant.
///
/// # Examples
///
/// ```
/// use rcmu_core::{FinishReason, ImageSize};
/// use rcmu_eval::scorers::{MatchedBy, choose};
/// use rcmu_prompt::{Targets, parse};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let options = ["teacher", "nurse", "Not enough information"].map(String::from);
/// let read = |text: &str| -> Result<_, Box<dyn std::error::Error>> {
///     let answer = parse(text, Targets::new(4, 0, ImageSize::new(1000, 1000)?), FinishReason::EndOfText);
///     Ok(choose(&answer, &options)?)
/// };
///
/// assert_eq!((read("Answer: b")?.index, read("Answer: b")?.by), (1, MatchedBy::Stated));
/// assert_eq!((read("A nurse.[2]")?.index, read("A nurse.[2]")?.by), (1, MatchedBy::OptionNormalised));
/// assert!(read("A or B").is_err());
/// # Ok(())
/// # }
/// ```
///
/// # Source
///
/// Ours.
pub fn choose(answer: &Answer, options: &[String]) -> Result<Choice, Unread> {
    let statements: Vec<_> = answer.statements.iter().map(|statement| statement.text.as_str()).collect();
    let text = statements.join(" ");
    let reply = Reply::read(text.trim(), options);
    if reply.words.is_empty() {
        return Err(Unread::Empty);
    }
    let steps = [
        (MatchedBy::Letter, reply.letter_alone()),
        (MatchedBy::OptionExact, reply.option_exact()),
        (MatchedBy::OptionNormalised, reply.option_normalised()),
        (MatchedBy::Stated, reply.stated()),
        (MatchedBy::Leading, reply.leading()),
    ];
    for (by, found) in steps {
        if let Some(choice) = only(&found, by)? {
            return Ok(choice);
        }
    }
    if answer.refusal.is_some() {
        let insufficient: BTreeSet<_> =
            (0..options.len()).filter(|&at| is_insufficient(&options[at])).collect();
        return only(&insufficient, MatchedBy::Refusal)?.ok_or(Unread::Declined);
    }
    let by_words = only(&reply.contained(0), MatchedBy::OptionContained)?;
    let by_letter = only(&reply.letters_contained(), MatchedBy::LetterContained)?;
    match (by_words, by_letter) {
        (Some(words), Some(letter)) if words.index != letter.index => Err(Unread::Ambiguous),
        (words, letter) => words.or(letter).ok_or(Unread::NoMatch),
    }
}

fn only(found: &BTreeSet<usize>, by: MatchedBy) -> Result<Option<Choice>, Unread> {
    match found.len() {
        0 => Ok(None),
        1 => Ok(found.first().map(|&index| Choice { index, by })),
        _ => Err(Unread::Ambiguous),
    }
}

/// The place of the right option of a multiple-choice sample: that of its letter, or of the option that its answer
/// spells out. `None` when neither is there.
///
/// # Examples
///
/// Of the options `teacher` and `nurse`, the answers `B`, `b.`, `B. nurse` and `A nurse.` mean the place 1, and `C` means
/// none.
///
/// # Source
///
/// Ours.
pub fn right_option(sample: &Sample) -> Option<usize> {
    sample.right_option()
}

fn letter_index(word: &str) -> Option<usize> {
    match word.as_bytes() {
        [letter @ b'a'..=b'z'] => Some(usize::from(letter - b'a')),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rcmu_core::{FinishReason, ImageSize};
    use rcmu_data::{Kind, PictureSource, Provenance};
    use rcmu_prompt::{Targets, parse};

    use super::*;

    fn read(text: &str, options: &[&str]) -> Result<(usize, MatchedBy), Unread> {
        let size = ImageSize::new(1000, 1000).expect("the sides are not empty");
        let answer = parse(text, Targets::new(4, 0, size), FinishReason::EndOfText);
        let options: Vec<_> = options.iter().map(|option| (*option).to_owned()).collect();
        choose(&answer, &options).map(|choice| (choice.index, choice.by))
    }

    const JOBS: [&str; 4] =
        ["teacher", "nurse", "there is not enough information to answer the question", "cook"];

    #[test]
    fn each_step_reads_what_it_should() {
        use MatchedBy::*;
        for (text, index, by) in [
            ("B", 1, Letter),
            ("b.", 1, Letter),
            ("(D)", 3, Letter),
            ("**A**", 0, Letter),
            ("A [3]", 0, Letter),
            ("teacher", 0, OptionExact),
            ("A teacher.", 0, OptionNormalised),
            ("The Nurse!", 1, OptionNormalised),
            ("Answer: B", 1, Stated),
            ("answer: b", 1, Stated),
            ("The correct answer is (B).", 1, Stated),
            ("The answer is **D** because she cooks.", 3, Stated),
            ("The answer is A because she teaches.", 0, Stated),
            ("Option A is wrong, the answer is option B.", 1, Stated),
            ("I would take option D.", 3, Stated),
            ("The answer is B, a nurse.", 1, Stated),
            ("The answer is B, D is wrong.", 1, Stated),
            ("The answer is B; A, C and D are wrong.", 1, Stated),
            ("Answer: B, D wears a hat.", 1, Stated),
            ("The answer is B; C says she cooks.", 1, Stated),
            ("The answer is B and not D.", 1, Stated),
            ("\\boxed{B}", 1, Stated),
            ("B. nurse", 1, Leading),
            ("B) She is a nurse.", 1, Leading),
            ("(b) nurse", 1, Leading),
            ("C. there is not enough information to answer the question", 2, Leading),
            ("There is no information about her job.", 2, Refusal),
            ("Cannot be answered. The description does not provide any information about it.", 2, Refusal),
            ("She works as a nurse.", 1, OptionContained),
            ("She is not a teacher but works as a nurse.", 1, OptionContained),
            ("I think B fits.", 1, LetterContained),
            ("It must be (A) then", 0, LetterContained),
        ] {
            assert_eq!(read(text, &JOBS), Ok((index, by)), "{text}");
        }
    }

    #[test]
    fn letters_inside_the_words_of_the_chosen_option_choose_nothing() {
        let people = ["Ann Lee", "Samuel C. Reed", "Tom Hill", "Max Berg"];
        let plans = ["Plan A", "Plan C", "Plan B"];

        assert_eq!(read("B. Samuel C. Reed", &people), Ok((1, MatchedBy::Leading)));
        assert_eq!(read("C. Plan B.", &plans), Ok((2, MatchedBy::Leading)));
        assert_eq!(read("B. Samuel C. Reed or C.", &people), Err(Unread::Ambiguous));
        assert_eq!(read("B. Plan A.", &plans), Err(Unread::Ambiguous));
    }

    #[test]
    fn the_right_option_is_told_by_letter_or_by_text() {
        let place = |answer: &str| {
            let sample = Sample {
                id: "a".into(),
                picture: PictureSource::File("a.png".into()),
                references: Vec::new(),
                regions: Vec::new(),
                kind: Kind::Open,
                question: "What does she do?".into(),
                options: vec!["teacher".into(), "nurse".into()],
                cited: false,
                answer: answer.into(),
                accepted: Vec::new(),
                citations: Vec::new(),
                answerable: true,
                provenance: Provenance::default(),
            };
            right_option(&sample)
        };

        assert_eq!(
            ["B", "b.", "B. nurse", "A nurse.", "C"].map(place),
            [Some(1), Some(1), Some(1), Some(1), None]
        );
    }

    #[test]
    fn what_means_two_options_is_ambiguous() {
        for text in [
            "A or B",
            "A, B",
            "Answer: A. No, the answer is B.",
            "The answer is B or C.",
            "Answer: A, B",
            "Answer: B, C",
            "Answer: B/D",
            "Answer: (B), (C)",
            "The answer is B, C, or D.",
            "The answer is B or C, I think.",
            "The answer is **B** and **D** because she cooks.",
            "A. teacher B. nurse",
            "B. She is a teacher",
            "A teacher or a nurse",
            "B fits, she is a teacher",
        ] {
            assert_eq!(read(text, &JOBS), Err(Unread::Ambiguous), "{text}");
        }
        assert_eq!(read("red", &["red", "red", "blue"]), Err(Unread::Ambiguous));
    }

    #[test]
    fn what_means_no_option_is_unread() {
        for text in
            ["A doctor.", "I do not know her", "E", "She is not a teacher", "The answer is a doctor", "G."]
        {
            assert_eq!(read(text, &JOBS), Err(Unread::NoMatch), "{text}");
        }
        for text in ["", "...", "[1]"] {
            assert_eq!(read(text, &JOBS), Err(Unread::Empty), "{text}");
        }
        assert_eq!(read("Cannot be answered.", &["red", "blue"]), Err(Unread::Declined));
    }

    #[test]
    fn the_longer_option_is_meant_where_one_is_part_of_the_other() {
        let options = ["red", "the red robot", "blue"];

        assert_eq!(read("It is the red robot over there", &options), Ok((1, MatchedBy::OptionContained)));
        assert_eq!(read("It is red, the red robot", &options), Err(Unread::Ambiguous));
    }
}
