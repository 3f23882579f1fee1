use std::collections::BTreeMap;

use rcmu_core::FinishReason;
use rcmu_data::Kind;
use serde::{Deserialize, Serialize};

/// What a generator said to one item, as it stands in the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// It gave a text, with box tokens written out.
    Text {
        /// The text.
        text: String,
        /// Why it ended, by the name that [`finish_name`] gives.
        finish: String,
    },
    /// It gave none.
    Failed {
        /// What it said instead, without prompts, keys or file contents.
        reason: String,
    },
}

/// The name of a finish reason in files.
pub const fn finish_name(finish: FinishReason) -> &'static str {
    match finish {
        FinishReason::EndOfText => "end_of_text",
        FinishReason::StopString => "stop_string",
        FinishReason::MaxTokens => "max_tokens",
        FinishReason::Cancelled => "cancelled",
        FinishReason::Deadline => "deadline",
        _ => "other",
    }
}

/// What became of one item. The first three are measured, the two failures are not: no failure ever becomes a zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// An answer, measured.
    Scored,
    /// A refusal to answer, measured.
    Abstained,
    /// A text in which no answer could be read: measured as wrong, and counted apart.
    Unparseable,
    /// The judge gave no verdict: not measured.
    JudgeFailed,
    /// The generator gave no text: not measured.
    ModelFailed,
}

impl Outcome {
    /// All outcomes, in order.
    pub const ALL: [Self; 5] =
        [Self::Scored, Self::Abstained, Self::Unparseable, Self::JudgeFailed, Self::ModelFailed];

    /// Whether the item's measures are known: all but the two failures.
    ///
    /// # Examples
    ///
    /// ```
    /// use rcmu_eval::Outcome;
    ///
    /// let measured = Outcome::ALL.map(Outcome::is_measured);
    ///
    /// assert_eq!(measured, [true, true, true, false, false]);
    /// ```
    pub const fn is_measured(self) -> bool {
        !matches!(self, Self::JudgeFailed | Self::ModelFailed)
    }
}

/// The measures of one item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ItemScore {
    /// The item's id.
    pub item: String,
    /// Its kind.
    pub kind: Kind,
    /// A key of its picture: items of one picture are one cluster of the bootstrap.
    pub cluster: String,
    /// What became of it.
    pub outcome: Outcome,
    /// How the answer was read, or why it failed, in words for a person.
    pub how: String,
    /// Measures by name, such as `accuracy` or `citation_f1`, each in 0..=1; one that does not apply is missing.
    pub measures: BTreeMap<String, f64>,
}

/// Which way an interval was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntervalMethod {
    /// Wilson's score interval of a proportion.
    Wilson,
    /// Percentiles of a bootstrap over pictures.
    ClusterBootstrap,
}

/// A 95 % confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// How it was made.
    pub method: IntervalMethod,
}

/// One line of the report's table: one measure over one slice of the items.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SummaryRow {
    /// Name of the measure.
    pub measure: String,
    /// Which items: the name of a kind, or `all`.
    pub slice: String,
    /// Items that were measured.
    pub count: usize,
    /// The value over the measured items.
    pub value: f64,
    /// Its interval; none for fewer than two pictures.
    pub interval: Option<Interval>,
    /// The value if every failed item had scored worst.
    pub worst: f64,
    /// The value if every failed item had scored best.
    pub best: f64,
    /// What guessing would get, where that is known.
    pub chance: Option<f64>,
}
