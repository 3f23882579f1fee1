use crate::{ItemScore, Outcome, metrics::names};

/// Whether an item was right, for lists of items and build servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Its accuracy is 1.
    Right,
    /// Its accuracy is below 1, or no answer could be read.
    Wrong,
    /// It has measures, and accuracy is none of them.
    Measured,
    /// It could not be measured.
    Failed,
}

impl Verdict {
    /// The verdict on these measures.
    pub fn of(score: &ItemScore) -> Self {
        let accuracy = score.measures.get(names::ACCURACY);
        match (score.outcome, accuracy) {
            (Outcome::JudgeFailed | Outcome::ModelFailed, _) => Self::Failed,
            (Outcome::Scored | Outcome::Abstained, None) => Self::Measured,
            (Outcome::Scored | Outcome::Abstained, Some(&accuracy)) if accuracy >= 1.0 => Self::Right,
            _ => Self::Wrong,
        }
    }

    /// Its name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Wrong => "wrong",
            Self::Measured => "measured",
            Self::Failed => "failed",
        }
    }
}
