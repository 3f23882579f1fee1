use rcmu_core::{FinishReason, GenerateError};

/// Why a judge gave no verdict.
///
/// None of the messages repeats what the judge or the judged model wrote.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JudgeError {
    /// The judge's generator gave no text.
    #[error("the judge gave no text")]
    Generate(#[source] GenerateError),
    /// The judge's text was cut.
    #[error("the judge's reply was cut: {0:?}")]
    Cut(FinishReason),
    /// The judge said nothing.
    #[error("the judge's reply is empty")]
    Empty,
    /// The reply is not the JSON object that was asked for, and nothing else.
    #[error(
        "the judge's reply is not the JSON object asked for: {problem} error at line {line}, column {column}"
    )]
    Malformed {
        /// `syntax`, `data` or `end`.
        problem: &'static str,
        /// Line of the reply, from 1.
        line: usize,
        /// Column of the reply, from 1.
        column: usize,
    },
    /// The reply does not repeat the mark of this question, so that it may be words of the judged text.
    #[error("the judge's reply does not repeat the mark of its question")]
    Mark,
    /// The score is outside its scale.
    #[error("the judge's score is not a whole number of 0..=10")]
    Score,
    /// A text is too long to be judged.
    #[error("a text of {bytes} bytes is too long to be judged; the most are {max}")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The picture cannot be opened, or a box is missing.
    #[error("the picture cannot be shown to the judge: {0}")]
    Picture(String),
    /// The journal of verdicts takes no further record; what its first error was, the end of the scoring tells.
    #[error("the verdict cannot be recorded")]
    Unrecorded,
}
