//! Who decides whether a text follows from another, and whether a picture shows what a text says.
//!
//! ```text
//! Entailment ─┬─ RuleEntailment   facts, numbers and words; needs no model
//!             └─ GeneratorJudge   asks any generator, local or remote
//! VisionCheck ─┬─ FactVision      compares with the visual facts of a sample
//!              └─ GeneratorVision asks a generator that sees
//! ```
//!
//! A judge that gives no verdict is an error, never a score.

mod error;
mod facts;
mod generator;
mod prompt;
mod reply;
mod rules;
mod vision;
mod words;

use rcmu_data::Sample;
use serde::{Deserialize, Serialize};

pub use error::JudgeError;
pub use facts::FactVision;
pub use generator::GeneratorJudge;
pub use rules::{RuleEntailment, fact_lines};
pub use vision::{GeneratorVision, PictureOpener};

pub(crate) use words::{Word, find, is_negated, is_number, is_stop_word, lower, outermost, positions, words};

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
}

/// The judges that the scorers ask.
#[derive(Clone, Copy)]
pub struct Judges<'a> {
    /// For texts.
    pub entailment: &'a dyn Entailment,
    /// For what regions show.
    pub vision: &'a dyn VisionCheck,
}

impl Judges<'static> {
    /// The judges that need no model: [`RuleEntailment`] and [`FactVision`].
    pub const fn rules() -> Self {
        Self { entailment: &RuleEntailment, vision: &FactVision }
    }
}
