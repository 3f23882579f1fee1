use std::collections::{BTreeMap, BTreeSet};

use crate::{
    SummaryRow,
    metrics::{BootstrapOptions, bootstrap, names, ordered_sum},
};

/// The cited numbers of one answer against the right ones.
///
/// A number that points at nothing is cited and no hit: it is wrong like any other.
///
/// # Examples
///
/// Cited `{1, 3, 9}`, right `{1, 2}`: precision `1 / 3`, recall `1 / 2`, F1 `2 * 1 / (3 + 2) = 0.4`, not exact.
///
/// ```
/// use rcmu_eval::metrics::CitationCounts;
///
/// let counts = CitationCounts::of(&[1, 3, 9].into(), &[1, 2].into());
///
/// assert_eq!(counts.precision(), 1.0 / 3.0);
/// assert_eq!((counts.recall(), counts.f1(), counts.exact()), (0.5, 0.4, 0.0));
/// ```
///
/// # Source
///
/// Theirs: precision, recall and F1 of sets. Ours: for an unanswerable question the right set is empty, so that
/// citing nothing scores 1 and citing anything 0; where something should be cited, citing nothing has precision 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CitationCounts {
    /// Right numbers that were cited.
    pub hits: usize,
    /// Numbers that were cited, each once.
    pub cited: usize,
    /// Right numbers.
    pub right: usize,
}

impl CitationCounts {
    /// Compares two sets of numbers.
    pub fn of(cited: &BTreeSet<u64>, right: &BTreeSet<u64>) -> Self {
        Self { hits: cited.intersection(right).count(), cited: cited.len(), right: right.len() }
    }

    /// `hits / cited`.
    pub fn precision(self) -> f64 {
        self.share(self.hits, self.cited)
    }

    /// `hits / right`.
    pub fn recall(self) -> f64 {
        self.share(self.hits, self.right)
    }

    /// `2 hits / (cited + right)`, which is the harmonic mean of both.
    pub fn f1(self) -> f64 {
        self.share(2 * self.hits, self.cited + self.right)
    }

    /// 1 when the sets are equal, else 0.
    pub fn exact(self) -> f64 {
        f64::from(u8::from(self.hits == self.cited && self.hits == self.right))
    }

    fn share(self, part: usize, whole: usize) -> f64 {
        if self.cited == 0 && self.right == 0 {
            1.0
        } else if whole == 0 {
            0.0
        } else {
            part as f64 / whole as f64
        }
    }

    pub(crate) fn add(self, other: Self) -> Self {
        Self {
            hits: self.hits + other.hits,
            cited: self.cited + other.cited,
            right: self.right + other.right,
        }
    }
}

/// Citation quality of many answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CitationAverages {
    /// Precision.
    pub precision: f64,
    /// Recall.
    pub recall: f64,
    /// F1.
    pub f1: f64,
    /// Share of the answers whose set is exactly right.
    pub exact: f64,
}

impl CitationAverages {
    /// Micro averages: hits, cited and right numbers are added up first, so that each number weighs the same. `None`
    /// without answers.
    ///
    /// # Examples
    ///
    /// `{1}` for `{1}`, and `{2, 3}` for `{2}`: 2 hits of 3 cited and of 2 right; precision `2 / 3`, recall `2 / 2`, F1
    /// `2 * 2 / (3 + 2) = 0.8`; exact is 1 of 2.
    ///
    /// ```
    /// use rcmu_eval::metrics::{CitationAverages, CitationCounts};
    ///
    /// let items = [CitationCounts::of(&[1].into(), &[1].into()), CitationCounts::of(&[2, 3].into(), &[2].into())];
    /// let micro = CitationAverages::micro_average(&items).expect("there are answers");
    ///
    /// assert_eq!((micro.precision, micro.recall, micro.f1, micro.exact), (2.0 / 3.0, 1.0, 0.8, 0.5));
    /// ```
    ///
    /// # Source
    ///
    /// Theirs: micro averaging, in C. D. Manning, P. Raghavan and H. Schütze, Introduction to Information Retrieval
    /// (2008), section 13.6. Ours: the share of exact answers, which has no sums.
    pub fn micro_average(items: &[CitationCounts]) -> Option<Self> {
        let total = items.iter().fold(CitationCounts::default(), |sum, item| sum.add(*item));
        let (precision, recall, f1) = (total.precision(), total.recall(), total.f1());
        Some(Self { precision, recall, f1, exact: mean(items, CitationCounts::exact)? })
    }

    /// Macro averages: the means over the answers, so that each answer weighs the same. `None` without answers.
    ///
    /// # Examples
    ///
    /// The same two answers: precision `(1 + 1/2) / 2 = 0.75`, recall `(1 + 1) / 2`, F1 `(1 + 2/3) / 2 = 0.833333`,
    /// exact `(1 + 0) / 2`.
    ///
    /// ```
    /// use rcmu_eval::metrics::{CitationAverages, CitationCounts};
    ///
    /// let items = [CitationCounts::of(&[1].into(), &[1].into()), CitationCounts::of(&[2, 3].into(), &[2].into())];
    /// let found = CitationAverages::macro_average(&items).expect("there are answers");
    ///
    /// assert_eq!((found.precision, found.recall, found.exact), (0.75, 1.0, 0.5));
    /// assert!((found.f1 - 0.833333).abs() < 1e-6);
    /// ```
    ///
    /// # Source
    ///
    /// Theirs: macro averaging, as above, of documents or classes. Ours: of answers.
    pub fn macro_average(items: &[CitationCounts]) -> Option<Self> {
        Some(Self {
            precision: mean(items, CitationCounts::precision)?,
            recall: mean(items, CitationCounts::recall)?,
            f1: mean(items, CitationCounts::f1)?,
            exact: mean(items, CitationCounts::exact)?,
        })
    }
}

fn mean(items: &[CitationCounts], value: impl Fn(CitationCounts) -> f64) -> Option<f64> {
    let values: Vec<_> = items.iter().map(|item| value(*item)).collect();
    (!items.is_empty()).then(|| ordered_sum(values) / items.len() as f64)
}

/// The counts of one answer and the picture it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CitedItem {
    /// A key of its picture.
    pub cluster: String,
    /// Its counts.
    pub counts: CitationCounts,
}

/// The rows of the micro averages over all answers, with intervals by drawing pictures.
///
/// Macro averages are ordinary means and come with [`summarise`](crate::metrics::summarise); micro averages need the
/// counts, which scores do not have. `failed` items of which nothing is known widen no micro average: one of them may
/// cite any number of things. Their worst and best values are therefore 0 and 1 as soon as one item failed.
///
/// # Examples
///
/// The two answers of [`CitationAverages::micro_average`] about one picture: precision `2 / 3`, from 0 to 1 as one more
/// answer failed, and no interval of one picture.
///
/// ```
/// use rcmu_eval::metrics::{BootstrapOptions, CitationCounts, CitedItem, citation_rows};
///
/// let item = |hits, cited, right| CitedItem { cluster: "a".into(), counts: CitationCounts { hits, cited, right } };
/// let rows = citation_rows(&[item(1, 1, 1), item(1, 2, 1)], 1, &BootstrapOptions::default());
///
/// assert_eq!(rows[0].measure, "citation_precision_micro");
/// assert_eq!((rows[0].value, rows[0].worst, rows[0].best), (2.0 / 3.0, 0.0, 1.0));
/// assert_eq!(rows[0].interval, None);
/// ```
///
/// # Source
///
/// Theirs: [`CitationAverages::micro_average`] and [`bootstrap`]. Ours: pictures as clusters, and the bounds.
pub fn citation_rows(items: &[CitedItem], failed: usize, options: &BootstrapOptions) -> Vec<SummaryRow> {
    let mut clusters: BTreeMap<&str, CitationCounts> = BTreeMap::new();
    for item in items {
        let sum = clusters.entry(&item.cluster).or_default();
        *sum = sum.add(item.counts);
    }
    citation_sum_rows(items.len(), &clusters.into_values().collect::<Vec<_>>(), failed, options)
}

/// As [`citation_rows`], of so many answers and the sums of each picture.
pub(crate) fn citation_sum_rows(
    count: usize,
    clusters: &[CitationCounts],
    failed: usize,
    options: &BootstrapOptions,
) -> Vec<SummaryRow> {
    let Some(micro) = CitationAverages::micro_average(clusters) else { return Vec::new() };
    let row = |measure: &str, value: f64, of: fn(CitationCounts) -> f64| SummaryRow {
        measure: measure.to_owned(),
        slice: "all".to_owned(),
        count,
        value,
        interval: bootstrap(clusters.len(), options, |drawn| {
            let drawn = drawn.iter().map(|&at| clusters[at as usize]);
            of(drawn.fold(CitationCounts::default(), CitationCounts::add))
        }),
        worst: if failed > 0 { 0.0 } else { value },
        best: if failed > 0 { 1.0 } else { value },
        chance: None,
    };
    vec![
        row(names::CITATION_PRECISION_MICRO, micro.precision, CitationCounts::precision),
        row(names::CITATION_RECALL_MICRO, micro.recall, CitationCounts::recall),
        row(names::CITATION_F1_MICRO, micro.f1, CitationCounts::f1),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(cited: &[u64], right: &[u64]) -> CitationCounts {
        CitationCounts::of(&cited.iter().copied().collect(), &right.iter().copied().collect())
    }

    #[test]
    fn an_unanswerable_question_wants_no_citation() {
        let none = counts(&[], &[]);
        let some = counts(&[1], &[]);

        assert_eq!((none.precision(), none.recall(), none.f1(), none.exact()), (1.0, 1.0, 1.0, 1.0));
        assert_eq!((some.precision(), some.recall(), some.f1(), some.exact()), (0.0, 0.0, 0.0, 0.0));
    }

    #[test]
    fn micro_weighs_numbers_and_macro_weighs_answers() {
        let items = [counts(&[1], &[1]), counts(&[2, 3], &[2])];

        let micro = CitationAverages::micro_average(&items).expect("there are answers");
        let macro_average = CitationAverages::macro_average(&items).expect("there are answers");

        assert_eq!((micro.precision, micro.recall, micro.f1, micro.exact), (2.0 / 3.0, 1.0, 0.8, 0.5));
        assert_eq!((macro_average.precision, macro_average.recall, macro_average.exact), (0.75, 1.0, 0.5));
        assert!((macro_average.f1 - 5.0 / 6.0).abs() < 1e-12);
        assert_eq!(CitationAverages::micro_average(&[]), None);
    }

    #[test]
    fn failed_answers_leave_micro_averages_open() {
        let items = [CitedItem { cluster: "a".into(), counts: counts(&[1], &[1]) }];

        let rows = citation_rows(&items, 1, &BootstrapOptions::default());

        assert_eq!(rows.len(), 3);
        assert!(rows.iter().all(|row| (row.worst, row.value, row.best) == (0.0, 1.0, 1.0)));
        assert_eq!(citation_rows(&[], 0, &BootstrapOptions::default()), []);
    }
}
