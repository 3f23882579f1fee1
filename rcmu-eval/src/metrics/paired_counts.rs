use std::collections::BTreeMap;

use crate::metrics::{
    BootstrapOptions, PairedDifference,
    bootstrap::{draws, percentiles},
    paired::{or_zero, p_value},
};

/// Counts of one item as two runs have them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairedCounts<'a, const N: usize> {
    /// A key of its picture.
    pub cluster: &'a str,
    /// The first run's counts.
    pub first: [f64; N],
    /// The second run's counts.
    pub second: [f64; N],
}

/// Compares two runs on a measure that has no value of one item, such as a ratio of sums, by drawing pictures with both
/// runs' counts of all their items.
///
/// With `a` and `b` the sums of both runs' counts, the difference is `of(b) - of(a)`; its interval and p-value come from
/// draws of pictures as in [`paired_bootstrap`](crate::metrics::paired_bootstrap). Draws in which `of` has no value are
/// left out. `None` without items, and when `of` has no value of all of them. Counts are whole numbers, so that their
/// order does not matter.
///
/// # Examples
///
/// Hits and cited numbers of two answers: `1 / 1` and `0 / 3` of the first run, `1 / 1` and `1 / 1` of the second. The
/// precision of all cited numbers is `1 / 4` and `2 / 2`, the difference `1 - 0.25 = 0.75`.
///
/// ```
/// use rcmu_eval::metrics::{BootstrapOptions, PairedCounts, paired_counts};
///
/// let items = [
///     PairedCounts { cluster: "a", first: [1.0, 1.0], second: [1.0, 1.0] },
///     PairedCounts { cluster: "b", first: [0.0, 3.0], second: [1.0, 1.0] },
/// ];
/// let precision = |[hits, cited]: &[f64; 2]| (*cited > 0.0).then(|| hits / cited);
/// let found = paired_counts(&items, precision, &BootstrapOptions::default()).expect("numbers are cited");
///
/// assert_eq!((found.first, found.second, found.difference), (0.25, 1.0, 0.75));
/// // A draw has the first picture twice (1 - 1), the second twice (1 - 0), or both (0.75).
/// let interval = found.interval.expect("two pictures");
/// assert_eq!((interval.low, interval.high), (0.0, 1.0));
/// ```
///
/// # Source
///
/// Theirs: the draws, as [`paired_bootstrap`](crate::metrics::paired_bootstrap). Ours: pictures as clusters.
pub fn paired_counts<const N: usize>(
    items: &[PairedCounts<'_, N>],
    of: impl Fn(&[f64; N]) -> Option<f64>,
    options: &BootstrapOptions,
) -> Option<PairedDifference> {
    if items.is_empty() {
        return None;
    }
    let mut clusters: BTreeMap<&str, Sums<N>> = BTreeMap::new();
    let mut total = Sums::zero();
    for item in items {
        let own = Sums([item.first, item.second]);
        clusters.entry(item.cluster).or_insert_with(Sums::zero).add(&own);
        total.add(&own);
    }
    let clusters: Vec<_> = clusters.into_values().collect();
    let both = |sums: &Sums<N>| Some([of(&sums.0[0])?, of(&sums.0[1])?]);
    let [first, second] = both(&total)?;
    let values = draws(clusters.len(), options, &mut |drawn| {
        let mut sums = Sums::zero();
        for &at in drawn {
            sums.add(&clusters[at as usize]);
        }
        both(&sums).map_or(f64::NAN, |[first, second]| or_zero(second - first))
    });
    Some(PairedDifference {
        count: items.len(),
        first,
        second,
        difference: or_zero(second - first),
        interval: percentiles(&values),
        p_value: p_value(&values),
        effect_size: None,
    })
}

/// The counts of both runs.
#[derive(Clone, Copy)]
struct Sums<const N: usize>([[f64; N]; 2]);

impl<const N: usize> Sums<N> {
    const fn zero() -> Self {
        Self([[0.0; N]; 2])
    }

    fn add(&mut self, other: &Self) {
        for (sums, more) in self.0.iter_mut().zip(&other.0) {
            for (sum, more) in sums.iter_mut().zip(more) {
                *sum += more;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{PairedItem, paired_bootstrap};

    /// The mean of values, whose counts are their sum and number.
    fn mean([sum, count]: &[f64; 2]) -> Option<f64> {
        (*count > 0.0).then(|| sum / count)
    }

    #[test]
    fn a_mean_is_compared_as_by_its_items() {
        // Whole numbers, four items to a picture: every sum is exact, and both ways draw the same pictures.
        let names: Vec<_> = (0..40).map(|at| format!("p{}", at / 4)).collect();
        let values = |at: usize| ((at * 7 % 5) as f64, (at * 3 % 4) as f64);
        let items = names.iter().enumerate().map(|(at, cluster)| {
            let (first, second) = values(at);
            PairedItem { cluster, first, second }
        });
        let items: Vec<_> = items.collect();
        let counts = items.iter().map(|item| PairedCounts {
            cluster: item.cluster,
            first: [item.first, 1.0],
            second: [item.second, 1.0],
        });
        let options = BootstrapOptions::default();

        let by_item = paired_bootstrap(&items, &options).expect("there are items");
        let by_sums = paired_counts(&counts.collect::<Vec<_>>(), mean, &options).expect("there are items");

        assert_eq!((by_sums.count, by_sums.first, by_sums.second), (40, by_item.first, by_item.second));
        assert!((by_sums.difference - by_item.difference).abs() < 1e-12);
        let ends = |found: &PairedDifference| found.interval.map(|interval| [interval.low, interval.high]);
        let (own, theirs) = (ends(&by_sums).expect("pictures"), ends(&by_item).expect("pictures"));
        assert!((own[0] - theirs[0]).abs() < 1e-12 && (own[1] - theirs[1]).abs() < 1e-12);
    }

    #[test]
    fn nothing_is_said_without_items_or_without_a_value() {
        let none = PairedCounts { cluster: "a", first: [0.0, 0.0], second: [1.0, 1.0] };

        assert_eq!(paired_counts(&[], |_: &[f64; 1]| Some(1.0), &BootstrapOptions::default()), None);
        assert_eq!(paired_counts(&[none], mean, &BootstrapOptions::default()), None);
    }
}
