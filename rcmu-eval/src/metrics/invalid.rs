use std::collections::BTreeMap;

use crate::{
    SummaryRow,
    metrics::{BootstrapOptions, bootstrap, names},
};

/// How many of the numbers that an answer cites point at nothing.
///
/// # Examples
///
/// Of two regions, `Lily [1], Tom [9].` cites 1 and 9, and 9 is nothing: `1 / 2`.
///
/// ```
/// use rcmu_eval::metrics::InvalidCitations;
///
/// assert_eq!(InvalidCitations { invalid: 1, cited: 2 }.share(), Some(0.5));
/// assert_eq!(InvalidCitations { invalid: 0, cited: 0 }.share(), None);
/// ```
///
/// # Source
///
/// Ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InvalidCitations {
    /// Cited numbers of no region and no reference picture, each once.
    pub invalid: usize,
    /// All cited numbers, each once.
    pub cited: usize,
}

impl InvalidCitations {
    /// `invalid / cited`; `None` where nothing is cited.
    pub fn share(self) -> Option<f64> {
        (self.cited > 0).then(|| self.invalid as f64 / self.cited as f64)
    }

    pub(crate) fn add(self, other: Self) -> Self {
        Self { invalid: self.invalid + other.invalid, cited: self.cited + other.cited }
    }
}

/// The row `citation_invalid_micro` over all answers that cite anything, with an interval by drawing pictures; `None`
/// when none does.
///
/// Each answer comes with a key of its picture. As in [`citation_rows`](crate::metrics::citation_rows), `failed` items
/// may have cited any number of things: at worst and at best the value is then 1 and 0.
///
/// # Examples
///
/// Two answers, of which one cites 1 and 9 of two regions, and the other 1: `(1 + 0) / (2 + 1) = 0.333333`.
///
/// ```
/// use rcmu_eval::metrics::{BootstrapOptions, InvalidCitations, invalid_citation_row};
///
/// let answers = [("a", InvalidCitations { invalid: 1, cited: 2 }), ("b", InvalidCitations { invalid: 0, cited: 1 })];
/// let row = invalid_citation_row(&answers, 0, &BootstrapOptions::default()).expect("numbers are cited");
///
/// assert_eq!((row.value, row.count), (1.0 / 3.0, 2));
/// ```
///
/// # Source
///
/// Ours; the average as [`CitationAverages::micro_average`](crate::metrics::CitationAverages::micro_average).
pub fn invalid_citation_row(
    answers: &[(&str, InvalidCitations)],
    failed: usize,
    options: &BootstrapOptions,
) -> Option<SummaryRow> {
    let mut clusters: BTreeMap<&str, InvalidCitations> = BTreeMap::new();
    let citing: Vec<_> = answers.iter().filter(|(_, counts)| counts.cited > 0).collect();
    for (cluster, counts) in &citing {
        let sum = clusters.entry(cluster).or_default();
        *sum = sum.add(*counts);
    }
    invalid_sum_row(citing.len(), &clusters.into_values().collect::<Vec<_>>(), failed, options)
}

/// As [`invalid_citation_row`], of so many answers that cite and the sums of each picture with one.
pub(crate) fn invalid_sum_row(
    count: usize,
    clusters: &[InvalidCitations],
    failed: usize,
    options: &BootstrapOptions,
) -> Option<SummaryRow> {
    let sum = |counts: &mut dyn Iterator<Item = InvalidCitations>| {
        counts.fold(InvalidCitations::default(), InvalidCitations::add)
    };
    let value = sum(&mut clusters.iter().copied()).share()?;
    Some(SummaryRow {
        measure: names::CITATION_INVALID_MICRO.to_owned(),
        slice: "all".to_owned(),
        count,
        value,
        interval: bootstrap(clusters.len(), options, |drawn| {
            let drawn = sum(&mut drawn.iter().map(|&at| clusters[at as usize]));
            drawn.share().unwrap_or(f64::NAN)
        }),
        worst: if failed > 0 { 1.0 } else { value },
        best: if failed > 0 { 0.0 } else { value },
        chance: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_without_citations_are_in_no_denominator_and_failures_leave_all_open() {
        let answers = [
            ("a", InvalidCitations { invalid: 1, cited: 4 }),
            ("a", InvalidCitations::default()),
            ("b", InvalidCitations { invalid: 0, cited: 1 }),
        ];
        let options = BootstrapOptions::default();

        let row = invalid_citation_row(&answers, 1, &options).expect("numbers are cited");

        // (1 + 0) / (4 + 1); a draw has one picture twice (1 / 4 or 0 / 1) or both.
        assert_eq!((row.value, row.count, row.worst, row.best), (0.2, 2, 1.0, 0.0));
        let interval = row.interval.expect("two pictures");
        assert_eq!((interval.low, interval.high), (0.0, 0.25));
        assert_eq!(invalid_citation_row(&answers[1..2], 0, &options), None);
    }
}
