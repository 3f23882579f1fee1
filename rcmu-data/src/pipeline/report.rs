use std::collections::BTreeMap;

use super::{Failure, StepName, Tally};
use crate::Kind;

/// How far one step got, over all pictures or class nouns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepCount {
    /// Finished in this run.
    pub done: u64,
    /// Finished in an earlier run and read from the journal.
    pub resumed: u64,
    /// Tried in this run and not done.
    pub failed: u64,
    /// Not tried, as the run had given up asking.
    pub not_asked: u64,
}

/// A step that is not done.
#[derive(Debug)]
pub struct StepFailure {
    /// The id of the picture, or the class noun and the number of the request.
    pub unit: String,
    /// The step.
    pub step: StepName,
    /// Why.
    pub failure: Failure,
}

/// What a run did, dropped and left undone.
#[derive(Debug, Default)]
pub struct Report {
    /// How far each step got.
    pub steps: BTreeMap<StepName, StepCount>,
    /// How often each criterion dropped a part of a draft: in this run, also where a step then failed, and in the
    /// finished steps of the runs it resumed. A draft that is refused as a whole is among the failures.
    pub filtered: Tally,
    /// What failed in this run; a later run tries it again, but for requests for profiles that others made up for.
    pub failures: Vec<StepFailure>,
    /// Ids of the pictures that lack a step and gave no samples, in order.
    pub unfinished: Vec<String>,
    /// How many samples of each kind were given.
    pub samples: BTreeMap<Kind, u64>,
    /// Bytes of a torn last line that were cut from the journal.
    pub torn_bytes: u64,
    /// Whether the run stopped asking after too many calls had failed one after the other.
    pub gave_up: bool,
}

impl Report {
    /// Whether every picture gave its samples.
    pub fn is_complete(&self) -> bool {
        self.unfinished.is_empty()
    }

    pub(super) fn count(&mut self, step: StepName) -> &mut StepCount {
        self.steps.entry(step).or_default()
    }

    pub(super) fn add(&mut self, tally: &Tally) {
        for (&criterion, count) in tally {
            *self.filtered.entry(criterion).or_default() += count;
        }
    }
}
