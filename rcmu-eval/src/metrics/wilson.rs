use crate::{Interval, IntervalMethod, metrics::normal_quantile};

/// Wilson's 95 % score interval of a proportion.
///
/// With `p = successes / count` and `z = 1.959964`:
/// `(p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n)`.
///
/// `None` when there is no trial, or there are more successes than trials.
///
/// # Examples
///
/// 8 of 10: `z² = 3.841459`, the middle is `(0.8 + 0.192073) / 1.384146 = 0.716740`, half the width is
/// `1.959964 √(0.016 + 0.009604) / 1.384146 = 0.226577`.
///
/// ```
/// let interval = rcmu_eval::metrics::wilson(8, 10).expect("there are trials");
///
/// assert!((interval.low - 0.490163).abs() < 1e-6);
/// assert!((interval.high - 0.943317).abs() < 1e-6);
/// ```
///
/// # Source
///
/// Theirs: E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927).
/// Without continuity correction.
pub fn wilson(successes: usize, count: usize) -> Option<Interval> {
    if count == 0 || successes > count {
        return None;
    }
    let n = count as f64;
    let p = successes as f64 / n;
    let z = normal_quantile(0.025);
    let scale = 1.0 + z * z / n;
    let middle = (p + z * z / (2.0 * n)) / scale;
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt() / scale;
    // At 0 and n the ends are exactly 0 and 1; rounding must not move them.
    let low = if successes == 0 { 0.0 } else { (middle - half).max(0.0) };
    let high = if successes == count { 1.0 } else { (middle + half).min(1.0) };
    Some(Interval { low, high, method: IntervalMethod::Wilson })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_the_scale_are_reached_exactly() {
        let none = wilson(0, 10).expect("there are trials");
        let all = wilson(10, 10).expect("there are trials");

        // z² / (n + z²) = 3.841459 / 13.841459 = 0.277533.
        assert_eq!(none.low, 0.0);
        assert!((none.high - 0.277_533).abs() < 1e-6, "{none:?}");
        assert_eq!(all.high, 1.0);
        assert!((all.low - 0.722_467).abs() < 1e-6, "{all:?}");
    }

    #[test]
    fn impossible_counts_have_no_interval() {
        assert_eq!(wilson(0, 0), None);
        assert_eq!(wilson(3, 2), None);
    }
}
