use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

use crate::{Interval, IntervalMethod};

/// How a bootstrap draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootstrapOptions {
    /// Number of draws; more than [`BootstrapOptions::MAX_RESAMPLES`] count as that.
    pub resamples: u32,
    /// Start of the random sequence (`ChaCha8`): the same on every platform.
    pub seed: u64,
}

impl BootstrapOptions {
    /// The most draws.
    pub const MAX_RESAMPLES: u32 = 1_000_000;
}

impl Default for BootstrapOptions {
    /// 1000 draws, seed 0.
    fn default() -> Self {
        Self { resamples: 1000, seed: 0 }
    }
}

/// A 95 % interval of any statistic by percentiles: draws `units` numbers below `units`, with replacement, again and
/// again, and takes the 2.5 % and 97.5 % quantiles of the statistic of these draws.
///
/// With `B` statistics in ascending order, the quantile `q` is the one at place `q (B - 1)`, from 0; between two places
/// it is interpolated linearly. Draws whose statistic is not finite are left out. `None` for fewer than two units, or
/// when no draw is left.
///
/// # Examples
///
/// A statistic that counts the draws, 0, 1, 2, 3 and 4: the ends are at the places `0.025 * 4 = 0.1` and
/// `0.975 * 4 = 3.9`, where the values are `0 + 0.1 * 1` and `3 + 0.9 * 1`.
///
/// ```
/// use rcmu_eval::metrics::{BootstrapOptions, bootstrap};
///
/// let options = BootstrapOptions { resamples: 5, seed: 0 };
/// let mut count = -1.0;
/// let interval = bootstrap(2, &options, |_| { count += 1.0; count }).expect("there are units");
///
/// assert!((interval.low - 0.1).abs() < 1e-12 && (interval.high - 3.9).abs() < 1e-12);
/// ```
///
/// # Source
///
/// Theirs: B. Efron, Bootstrap methods: another look at the jackknife, Annals of Statistics 7 (1979), percentile
/// interval.
pub fn bootstrap(
    units: usize,
    options: &BootstrapOptions,
    mut statistic: impl FnMut(&[u32]) -> f64,
) -> Option<Interval> {
    percentiles(&draws(units, options, &mut statistic))
}

/// The interval of statistics in ascending order.
pub(super) fn percentiles(ascending: &[f64]) -> Option<Interval> {
    let (low, high) = (quantile(ascending, 0.025)?, quantile(ascending, 0.975)?);
    Some(Interval { low, high, method: IntervalMethod::ClusterBootstrap })
}

/// The finite statistics of all draws in ascending order.
pub(super) fn draws(
    units: usize,
    options: &BootstrapOptions,
    statistic: &mut dyn FnMut(&[u32]) -> f64,
) -> Vec<f64> {
    let Some(count) = u32::try_from(units).ok().filter(|&count| count >= 2) else { return Vec::new() };
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let mut drawn = vec![0; units];
    let mut values = Vec::new();
    for _ in 0..options.resamples.min(BootstrapOptions::MAX_RESAMPLES) {
        for unit in &mut drawn {
            // The high half of the product is uniform up to count / 2^32.
            *unit = ((u64::from(rng.next_u32()) * u64::from(count)) >> 32) as u32;
        }
        values.push(statistic(&drawn));
    }
    values.retain(|value| value.is_finite());
    values.sort_by(f64::total_cmp);
    values
}

fn quantile(ascending: &[f64], share: f64) -> Option<f64> {
    let last = ascending.len().checked_sub(1)?;
    let place = share * last as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(last);
    Some(ascending[below] + (ascending[above] - ascending[below]) * (place - below as f64))
}

/// Sum and number of the values of each cluster, in the order of the clusters' names; values are added in ascending order.
pub(super) fn cluster_sums<K: Ord>(values: impl IntoIterator<Item = (K, f64)>) -> Vec<(f64, f64)> {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_unstable_by(|one, other| one.0.cmp(&other.0).then(one.1.total_cmp(&other.1)));
    let clusters = values.chunk_by(|one, other| one.0 == other.0);
    clusters.map(|own| (own.iter().map(|(_, value)| *value).sum(), own.len() as f64)).collect()
}

/// A 95 % interval of a mean whose items come in clusters, such as the questions about one picture.
///
/// Whole clusters are drawn, so that items that stand or fall together are not taken for independent ones. With
/// `sᵢ` and `nᵢ` the sum and number of the values of cluster `i`, the statistic of a draw is `Σ sᵢ / Σ nᵢ`. `None`
/// for fewer than two clusters.
///
/// # Examples
///
/// Two pictures with the values 0, 0 and 1, 1: a draw is both (0.5), the first twice (0) or the second twice (1).
///
/// ```
/// use rcmu_eval::metrics::{BootstrapOptions, cluster_bootstrap};
///
/// let values = [("a", 0.0), ("a", 0.0), ("b", 1.0), ("b", 1.0)];
/// let interval = cluster_bootstrap(&values, &BootstrapOptions::default()).expect("two clusters");
///
/// assert_eq!((interval.low, interval.high), (0.0, 1.0));
/// ```
///
/// # Source
///
/// Theirs: A. C. Davison and D. V. Hinkley, Bootstrap Methods and their Application (1997), section 3.8. Pictures as
/// clusters are ours.
pub fn cluster_bootstrap(values: &[(&str, f64)], options: &BootstrapOptions) -> Option<Interval> {
    bootstrap_sums(&cluster_sums(values.iter().copied()), options)
}

/// As [`cluster_bootstrap`], of the sum and number of the values of each cluster.
pub(super) fn bootstrap_sums(clusters: &[(f64, f64)], options: &BootstrapOptions) -> Option<Interval> {
    bootstrap(clusters.len(), options, |drawn| {
        let (mut sum, mut count) = (0.0, 0.0);
        for &at in drawn {
            let (s, n) = clusters[at as usize];
            sum += s;
            count += n;
        }
        sum / count
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_interpolated() {
        // Place 0.025 * 4 = 0.1 between 0 and 10; 0.975 * 4 = 3.9 between 30 and 40.
        let values = [0.0, 10.0, 20.0, 30.0, 40.0];

        assert!((quantile(&values, 0.025).expect("not empty") - 1.0).abs() < 1e-12);
        assert!((quantile(&values, 0.975).expect("not empty") - 39.0).abs() < 1e-12);
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn many_clusters_agree_with_the_normal_approximation() {
        // 400 items of which half are 1: the standard error is 0.5 / 20 = 0.025, the ends 0.5 ± 0.049.
        let names: Vec<_> = (0..400).map(|at| at.to_string()).collect();
        let values: Vec<_> =
            names.iter().enumerate().map(|(at, name)| (name.as_str(), (at % 2) as f64)).collect();

        let interval =
            cluster_bootstrap(&values, &BootstrapOptions { resamples: 4000, seed: 1 }).expect("clusters");

        // The quantile itself varies by √(0.025 * 0.975 / 4000) / 2.34 = 0.00105 (2.34: density there); its steps are
        // 1 / 400.
        assert!((interval.low - 0.451).abs() < 0.004, "{interval:?}");
        assert!((interval.high - 0.549).abs() < 0.004, "{interval:?}");
    }

    #[test]
    fn questions_about_one_picture_count_as_one() {
        // 40 pictures with ten equal answers each: as wide as 40 items, √10 times as wide as 400.
        let names: Vec<_> = (0..40).map(|at| at.to_string()).collect();
        let clustered: Vec<_> =
            (0..400).map(|at| (names[at / 10].as_str(), ((at / 10) % 2) as f64)).collect();
        let options = BootstrapOptions { resamples: 4000, seed: 2 };

        let interval = cluster_bootstrap(&clustered, &options).expect("clusters");

        // 0.5 ± 1.96 * 0.5 / √40 = 0.5 ± 0.155; the steps are 1 / 40.
        assert!((interval.low - 0.345).abs() < 0.026, "{interval:?}");
        assert!((interval.high - 0.655).abs() < 0.026, "{interval:?}");
    }

    #[test]
    fn one_cluster_has_no_interval_and_draws_without_value_are_left_out() {
        let options = BootstrapOptions::default();

        assert_eq!(cluster_bootstrap(&[("a", 0.0), ("a", 1.0)], &options), None);
        assert_eq!(bootstrap(3, &options, |_| f64::NAN), None);
        assert_eq!(bootstrap(3, &BootstrapOptions { resamples: 0, seed: 0 }, |_| 1.0), None);
        let some = bootstrap(2, &options, |drawn| if drawn[0] == drawn[1] { f64::NAN } else { 1.0 });
        assert_eq!(some.map(|interval| interval.low), Some(1.0));
    }
}
