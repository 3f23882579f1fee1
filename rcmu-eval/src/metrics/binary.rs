/// How often a model declined to answer, and whether it should have.
///
/// The positive class is "declines": a true positive is an unanswerable question that was not answered.
///
/// # Examples
///
/// Of 10 unanswerable questions 6 were declined, of 20 answerable ones 2: precision `6 / 8`, recall `6 / 10`,
/// F1 `12 / (12 + 2 + 4) = 0.666667`; 4 of 10 unanswerable ones were answered, 2 of 20 answerable ones refused.
///
/// ```
/// use rcmu_eval::metrics::Confusion;
///
/// let counts = Confusion { true_positive: 6, false_positive: 2, true_negative: 18, false_negative: 4 };
///
/// assert_eq!(counts.precision(), Some(0.75));
/// assert_eq!(counts.recall(), Some(0.6));
/// assert_eq!(counts.f1(), Some(12.0 / 18.0));
/// assert_eq!(counts.miss_rate(), Some(0.4));
/// assert_eq!(counts.false_alarm_rate(), Some(0.1));
/// ```
///
/// # Source
///
/// Theirs: C. J. van Rijsbergen, Information Retrieval (1979), chapter 7. That nothing is said where a denominator is
/// 0 is ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Confusion {
    /// Unanswerable and declined.
    pub true_positive: usize,
    /// Answerable and declined.
    pub false_positive: usize,
    /// Answerable and not declined.
    pub true_negative: usize,
    /// Unanswerable and not declined.
    pub false_negative: usize,
}

impl Confusion {
    /// Counts pairs of "should decline" and "declined".
    pub fn count(pairs: impl IntoIterator<Item = (bool, bool)>) -> Self {
        let mut counts = Self::default();
        for pair in pairs {
            *match pair {
                (true, true) => &mut counts.true_positive,
                (false, true) => &mut counts.false_positive,
                (false, false) => &mut counts.true_negative,
                (true, false) => &mut counts.false_negative,
            } += 1;
        }
        counts
    }

    /// Share of the declined questions that are unanswerable: `TP / (TP + FP)`; `None` when none was declined.
    pub fn precision(self) -> Option<f64> {
        ratio(self.true_positive, self.true_positive + self.false_positive)
    }

    /// Share of the unanswerable questions that were declined: `TP / (TP + FN)`; `None` when there is none.
    pub fn recall(self) -> Option<f64> {
        ratio(self.true_positive, self.true_positive + self.false_negative)
    }

    /// Harmonic mean of both: `2 TP / (2 TP + FP + FN)`; `None` when nothing is unanswerable and none was declined.
    pub fn f1(self) -> Option<f64> {
        ratio(2 * self.true_positive, 2 * self.true_positive + self.false_positive + self.false_negative)
    }

    /// Share of the unanswerable questions that were not declined, `FN / (TP + FN)`.
    ///
    /// It is the hallucinated-answer rate where every text that does not decline is an answer.
    pub fn miss_rate(self) -> Option<f64> {
        ratio(self.false_negative, self.true_positive + self.false_negative)
    }

    /// Share of the answerable questions that were declined, `FP / (FP + TN)`: the over-refusal rate.
    pub fn false_alarm_rate(self) -> Option<f64> {
        ratio(self.false_positive, self.false_positive + self.true_negative)
    }
}

fn ratio(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_counted_where_they_belong() {
        let counts =
            Confusion::count([(true, true), (false, true), (false, true), (true, false), (false, false)]);

        let expected = Confusion { true_positive: 1, false_positive: 2, true_negative: 1, false_negative: 1 };
        assert_eq!(counts, expected);
    }

    #[test]
    fn nothing_is_said_where_nothing_was_seen() {
        let counts = Confusion { true_negative: 5, ..Confusion::default() };

        assert_eq!((counts.precision(), counts.recall(), counts.f1()), (None, None, None));
        assert_eq!((counts.miss_rate(), counts.false_alarm_rate()), (None, Some(0.0)));
    }
}
