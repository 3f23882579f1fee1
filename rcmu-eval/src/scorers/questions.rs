use std::cell::Cell;

use crate::judge::{Entailment, JudgeError, Verdict};

/// The most questions that a judge is asked about one answer for its claims, for its citations, and for what it mentions.
pub(super) const MAX_QUESTIONS: usize = 4096; // at a second each little more than an hour

/// What a judge of texts is asked about one answer.
pub(super) struct Questions<'a> {
    judge: &'a dyn Entailment,
    left: Cell<usize>,
}

/// Why there is no verdict.
pub(super) enum Stop {
    /// The judge gave none.
    Judge(JudgeError),
    /// It has been asked enough.
    Enough,
}

impl<'a> Questions<'a> {
    /// At most [`MAX_QUESTIONS`].
    pub(super) const fn new(judge: &'a dyn Entailment) -> Self {
        Self { judge, left: Cell::new(MAX_QUESTIONS) }
    }

    /// As many as there are.
    pub(super) const fn unlimited(judge: &'a dyn Entailment) -> Self {
        Self { judge, left: Cell::new(usize::MAX) }
    }

    /// Asks what the premise says about the hypothesis.
    pub(super) fn entails(&self, premise: &str, hypothesis: &str) -> Result<Verdict, Stop> {
        self.left.set(self.left.get().checked_sub(1).ok_or(Stop::Enough)?);
        self.judge.entails(premise, hypothesis).map_err(Stop::Judge)
    }
}

impl Stop {
    /// What was found; none where the judge has been asked enough.
    pub(super) fn found<T>(result: Result<T, Self>) -> Result<Option<T>, JudgeError> {
        match result {
            Ok(found) => Ok(Some(found)),
            Err(Self::Enough) => Ok(None),
            Err(Self::Judge(error)) => Err(error),
        }
    }
}
