use serde::{Deserialize, Serialize};

use crate::{
    Interval,
    metrics::{
        BootstrapOptions,
        bootstrap::{cluster_sums, draws, percentiles},
        ordered_sum,
    },
};

/// Differences that are no further apart are equal but for rounding.
const ROUNDING: f64 = 1e-12; // values are in 0..=1, and a step of theirs next to 1 is 2e-16

/// One item as two runs scored it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairedItem<'a> {
    /// A key of its picture.
    pub cluster: &'a str,
    /// The first run's value.
    pub first: f64,
    /// The second run's value.
    pub second: f64,
}

/// By how much the second of two runs is better.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairedDifference {
    /// Items that both runs measured.
    pub count: usize,
    /// Mean of the first run; the ratio of its sums in [`paired_counts`](crate::metrics::paired_counts).
    pub first: f64,
    /// That of the second run.
    pub second: f64,
    /// Second minus first.
    pub difference: f64,
    /// Its interval; none for fewer than two pictures.
    pub interval: Option<Interval>,
    /// Two-sided p-value of the bootstrap: twice the smaller share of draws on one side of 0, each share with one
    /// draw added; none for fewer than two pictures.
    pub p_value: Option<f64>,
    /// Effect size: the mean difference in standard deviations of the differences (Cohen's `d_z`); none when all
    /// differences are equal, and for ratios of sums, of which no item has one of its own.
    pub effect_size: Option<f64>,
}

/// Compares two runs on the same items by drawing pictures, with both runs' values of all their items.
///
/// With `dᵢ = secondᵢ - firstᵢ`: the difference is the mean of `dᵢ`, its interval that of
/// [`cluster_bootstrap`](crate::metrics::cluster_bootstrap) over `dᵢ`, and `d_z = mean(d) / sd(d)` with `n - 1` in
/// the standard deviation. Of `B` draws let `l` be at 0 or below and `h` at 0 or above: the p-value is
/// `min(1, 2 (min(l, h) + 1) / (B + 1))`. `None` without items.
///
/// # Examples
///
/// Differences 1, 0, 1, 0: the mean is 0.5, the variance `4 * 0.25 / 3 = 0.333333`, and
/// `d_z = 0.5 / 0.577350 = 0.866025`. Where all differences are 1, no draw of 1000 is at 0 or below: the p-value is
/// `2 * (0 + 1) / (1000 + 1) = 0.001998`.
///
/// ```
/// use rcmu_eval::metrics::{BootstrapOptions, PairedItem, paired_bootstrap};
///
/// let item = |cluster, second| PairedItem { cluster, first: 0.0, second };
/// let items = [item("a", 1.0), item("b", 0.0), item("c", 1.0), item("d", 0.0)];
/// let found = paired_bootstrap(&items, &BootstrapOptions::default()).expect("there are items");
///
/// assert_eq!(found.difference, 0.5);
/// assert!((found.effect_size.expect("they differ") - 0.866025).abs() < 1e-6);
///
/// let clear = [item("a", 1.0), item("b", 1.0)];
/// let found = paired_bootstrap(&clear, &BootstrapOptions::default()).expect("there are items");
///
/// assert!((found.p_value.expect("two pictures") - 0.001998).abs() < 1e-6);
/// ```
///
/// # Source
///
/// Theirs: P. Koehn, Statistical significance tests for machine translation evaluation, EMNLP 2004, with the added
/// draw of Davison and Hinkley (1997), section 4.2; `d_z` by J. Cohen (1988), section 2.3. Pictures as clusters are
/// ours.
pub fn paired_bootstrap(items: &[PairedItem], options: &BootstrapOptions) -> Option<PairedDifference> {
    if items.is_empty() {
        return None;
    }
    let n = items.len() as f64;
    let mean = |value: &dyn Fn(&PairedItem) -> f64| ordered_sum(items.iter().map(value).collect()) / n;
    let difference = or_zero(mean(&|item| item.second - item.first));
    let squares = mean(&|item| (item.second - item.first - difference).powi(2)) * n;
    let deviation = (squares / (n - 1.0)).sqrt();
    let differences = || items.iter().map(|item| item.second - item.first);
    let spread =
        differences().fold(f64::NEG_INFINITY, f64::max) - differences().fold(f64::INFINITY, f64::min);
    let clusters = cluster_sums(items.iter().map(|item| (item.cluster, item.second - item.first)));
    let mut statistic = |drawn: &[u32]| {
        let drawn = drawn.iter().map(|&at| clusters[at as usize]);
        let (sum, count) = drawn.fold((0.0, 0.0), |(sum, count), (s, n)| (sum + s, count + n));
        or_zero(sum / count)
    };
    let values = draws(clusters.len(), options, &mut statistic);
    Some(PairedDifference {
        count: items.len(),
        first: mean(&|item| item.first),
        second: mean(&|item| item.second),
        difference,
        interval: percentiles(&values),
        p_value: p_value(&values),
        effect_size: (spread > ROUNDING).then(|| difference / deviation),
    })
}

/// A difference, or 0 where it may be that of rounding alone: on which side of 0 it lies tells nothing then.
pub(super) fn or_zero(difference: f64) -> f64 {
    if difference.abs() < ROUNDING { 0.0 } else { difference }
}

/// The two-sided p-value of drawn differences, in ascending order; none without draws.
pub(super) fn p_value(drawn: &[f64]) -> Option<f64> {
    let share = |side: &dyn Fn(f64) -> bool| {
        (drawn.iter().filter(|&&value| side(value)).count() + 1) as f64 / (drawn.len() + 1) as f64
    };
    let p = 2.0 * share(&|value| value <= 0.0).min(share(&|value| value >= 0.0));
    (!drawn.is_empty()).then_some(p.min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(second: impl Fn(usize) -> f64) -> Vec<(String, f64)> {
        (0..50).map(|at| (format!("p{at}"), second(at))).collect()
    }

    fn run(items: &[(String, f64)]) -> PairedDifference {
        let items: Vec<_> = items
            .iter()
            .map(|(cluster, second)| PairedItem { cluster, first: 0.0, second: *second })
            .collect();
        paired_bootstrap(&items, &BootstrapOptions::default()).expect("there are items")
    }

    #[test]
    fn a_clear_difference_is_found_and_none_is_not() {
        let clear = run(&items(|at| if at % 5 == 0 { 0.0 } else { 1.0 }));
        let none = run(&items(|at| if at % 2 == 0 { -1.0 } else { 1.0 }));

        assert_eq!(clear.difference, 0.8);
        assert!(clear.p_value.expect("clusters") < 0.01);
        assert!(none.p_value.expect("clusters") > 0.5);
        let interval = none.interval.expect("clusters");
        assert!(interval.low < 0.0 && interval.high > 0.0);
    }

    #[test]
    fn differences_that_rounding_alone_tells_apart_have_no_effect_size() {
        let same = run(&items(|_| 0.1));
        let items: Vec<_> = (1..8).map(|at| (format!("p{at}"), f64::from(at) / 10.0)).collect();
        let steps: Vec<_> = items
            .iter()
            .map(|(cluster, first)| PairedItem { cluster, first: *first, second: *first + 0.1 })
            .collect();
        let steps = paired_bootstrap(&steps, &BootstrapOptions::default()).expect("there are items");

        assert_eq!((same.effect_size, steps.effect_size), (None, None));
        assert!((steps.difference - 0.1).abs() < 1e-12);
    }

    #[test]
    fn differences_that_come_to_nothing_but_for_rounding_are_no_finding() {
        let of = |pictures: &[&[f64]]| {
            let names: Vec<_> = (0..pictures.len()).map(|at| format!("p{at}")).collect();
            let items = names.iter().zip(pictures).flat_map(|(cluster, own)| {
                own.iter().map(move |&second| PairedItem { cluster, first: 0.0, second })
            });
            paired_bootstrap(&items.collect::<Vec<_>>(), &BootstrapOptions::default())
                .expect("there are items")
        };

        // -0.3 + 0.1 + 0.2 is 0, and so is every draw.
        let same = of(&[&[-0.3, 0.1, 0.2][..]; 20]);
        let interval = same.interval.expect("pictures");
        assert_eq!((same.difference, interval.low, interval.high, same.p_value), (0.0, 0.0, 0.0, Some(1.0)));
        // Draws are 0.15, 0 and -0.15, of which half are 0: three quarters lie on either side.
        let even = of(&[&[0.1, 0.2], &[-0.3, 0.0]]);
        assert_eq!((even.difference, even.p_value), (0.0, Some(1.0)));
    }

    #[test]
    fn equal_runs_have_no_effect_size() {
        let same = run(&items(|_| 0.0));

        assert_eq!((same.difference, same.effect_size, same.p_value), (0.0, None, Some(1.0)));
    }
}
