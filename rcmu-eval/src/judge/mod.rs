//! Who decides whether a text follows from another, and whether a picture shows what a text says.
//!
//! ```text
//! Entailment ─┬─ RuleEntailment   facts, numbers and words; needs no model
//!             └─ GeneratorJudge   asks any generator, local or remote
//! VisionCheck ─┬─ FactVision      compares with the visual facts of a sample
//!              └─ GeneratorVision asks a generator that sees
//! ```
//!
//! A judge that gives no verdict is an error, never a score. [`RecordedEntailment`] and [`RecordedVision`] go around any
//! judge: they keep its verdicts in a journal, so that no question is asked twice.

mod error;
mod facts;
mod generator;
mod prompt;
mod recorded;
mod reply;
mod rules;
mod vision;
mod words;

use rcmu_data::Sample;
use serde::{Deserialize, Serialize};

use crate::{Error, journal::RecordKey};

pub use error::JudgeError;
pub use facts::FactVision;
pub use generator::GeneratorJudge;
pub use recorded::{RecordedEntailment, RecordedVision};
pub use rules::{RuleEntailment, fact_lines};
pub use vision::{GeneratorVision, PictureOpener};

pub(crate) use words::{Said, Word, find, is_number, is_stop_word, lower, outermost, positions, words};

/// What a premise says about a hypothesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The hypothesis follows.
    Entail,
    /// Neither it nor its opposite follows.
    Neutral,
    /// Its opposite follows.
    Contradict,
}

/// What a picture says about a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Seen {
    /// It shows what the text says.
    Yes,
    /// It does not.
    No,
    /// The text says nothing that could be seen.
    Nothing,
}

impl From<Option<bool>> for Seen {
    fn from(shown: Option<bool>) -> Self {
        match shown {
            Some(true) => Self::Yes,
            Some(false) => Self::No,
            None => Self::Nothing,
        }
    }
}

impl From<Seen> for Option<bool> {
    fn from(seen: Seen) -> Self {
        match seen {
            Seen::Yes => Some(true),
            Seen::No => Some(false),
            Seen::Nothing => None,
        }
    }
}

/// Decides whether a text follows from another.
pub trait Entailment: Send + Sync {
    /// A stable name of the judge and its settings, for reports.
    fn identity(&self) -> String;

    /// Says whether the hypothesis follows from the premise.
    ///
    /// # Errors
    ///
    /// [`JudgeError`] when there is no verdict.
    fn entails(&self, premise: &str, hypothesis: &str) -> Result<Verdict, JudgeError>;

    /// A key of everything that the verdict rests on, under which it may be kept: the judge's identity and both texts,
    /// unless the judge says more.
    ///
    /// # Errors
    ///
    /// [`JudgeError`] when this cannot be asked, so that there is no verdict either.
    fn question_key(&self, premise: &str, hypothesis: &str) -> Result<RecordKey, JudgeError> {
        Ok(RecordKey::of_question(&self.identity(), &[premise.as_bytes(), hypothesis.as_bytes()]))
    }

    /// Makes safe what the judge keeps; asked once all is scored.
    ///
    /// # Errors
    ///
    /// [`Error`] when something went wrong that is not the fault of one question: there is no scoring then.
    fn finish(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// Decides whether a region of a picture shows what a text says.
pub trait VisionCheck: Send + Sync {
    /// A stable name of the judge and its settings, for reports.
    fn identity(&self) -> String;

    /// Says whether region `index` (counted from 0) shows what the words say; `None` when the words say nothing that
    /// could be seen.
    ///
    /// # Errors
    ///
    /// [`JudgeError`] when there is no verdict.
    fn shows(&self, sample: &Sample, index: usize, words: &str) -> Result<Option<bool>, JudgeError>;

    /// A key of everything that the verdict rests on, under which it may be kept: the judge's identity, the words, and
    /// what the judge goes by of the region, be it facts or the bytes of the picture.
    ///
    /// # Errors
    ///
    /// [`JudgeError`] when this cannot be asked, so that there is no verdict either.
    fn question_key(&self, sample: &Sample, index: usize, words: &str) -> Result<RecordKey, JudgeError>;

    /// As [`Entailment::finish`].
    ///
    /// # Errors
    ///
    /// As [`Entailment::finish`].
    fn finish(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// The judges that the scorers ask.
#[derive(Clone, Copy)]
pub struct Judges<'a> {
    /// For texts.
    pub entailment: &'a dyn Entailment,
    /// For what regions show.
    pub vision: &'a dyn VisionCheck,
}

impl Judges<'_> {
    /// Both names, for reports.
    pub(crate) fn identity(&self) -> String {
        format!("{}, {}", self.entailment.identity(), self.vision.identity())
    }

    /// Asked once all is scored.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        // Both, whatever the first one says: each may have verdicts that wait for the disk.
        let (texts, pictures) = (self.entailment.finish(), self.vision.finish());
        texts.and(pictures)
    }
}

impl Judges<'static> {
    /// The judges that need no model: [`RuleEntailment`] and [`FactVision`].
    pub const fn rules() -> Self {
        Self { entailment: &RuleEntailment, vision: &FactVision }
    }
}
