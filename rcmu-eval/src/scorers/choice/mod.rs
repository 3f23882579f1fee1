mod reply;

use std::{collections::BTreeSet, fmt};

use rcmu_core::Answer;
use rcmu_data::Sample;

use crate::{dataset::is_insufficient, scorers::choice::reply::Reply};

/// Name and version of the chain by which options are read. A change that may alter a result gets a new number.
pub const CHOICE_CHAIN: &str = "choice-3";

/// By which step of the chain an option was read, in the order of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MatchedBy {
    /// The reply, or its first line, is a letter and nothing else: `B`, `(b)`, `**B**`.
    Letter,
    /// The reply is an option's text, letter for letter.
    OptionExact,
    /// The reply is an option's text, but for case, punctuation and articles; the letter of `A. nurse` is no article.
    OptionNormalised,
    /// A letter is stated as the answer: `Answer: B`, `The answer is (B)`, `Option B`. `The answer is B or C` states two.
    /// `A` and `I` may be words: what stands next to them tells.
    Stated,
    /// The reply begins with a letter and a sign: `B. teacher`, `(B) teacher`, `**B** teacher`.
    Leading,
    /// The reply refuses, and one option says that the question cannot be answered.
    Refusal,
    /// Last resort: the words of exactly one option stand in the reply without a negation.
    OptionContained,
    /// Last resort: exactly one option's capital letter stands in the reply; `A` and `I` only in brackets, bold, a list
    /// of letters, before a sign or the end of a line, and before words such as `is` and `because`.
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
    let text = statements.join("\n");
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
mod tests;
