use serde::{Deserialize, Serialize};
use statrs::distribution::{Binomial, ChiSquared, ContinuousCDF, DiscreteCDF};

/// `McNemar`'s test of two runs that answered the same items.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct McNemar {
    /// Items that only the first run got right.
    pub only_first: usize,
    /// Items that only the second run got right.
    pub only_second: usize,
    /// Two-sided exact p-value: twice the smaller binomial tail, 1 at most.
    pub exact_p: f64,
    /// Chi-square statistic with continuity correction.
    pub chi_square: f64,
    /// Its p-value with one degree of freedom.
    pub chi_square_p: f64,
    /// Effect size: the share of the discordant items that the second run won, minus one half (Cohen's g); 0 when
    /// there are none.
    pub g: f64,
}

/// Tests whether two runs are right equally often; only items that exactly one of them got right count.
///
/// With `b = only_first`, `c = only_second`: the exact p-value is `min(1, 2 P(X ≤ min(b, c)))` for `X ~ B(b + c, ½)`;
/// the statistic is `max(0, |b - c| - 1)² / (b + c)`, and its p-value `P(χ² ≥ statistic)` with one degree of freedom;
/// `g = c / (b + c) - ½`. Without discordant items both p-values are 1.
///
/// # Panics
///
/// Never: one half is a probability, and one degree of freedom is possible.
///
/// # Examples
///
/// `b = 2`, `c = 8`: `P(X ≤ 2) = (1 + 10 + 45) / 1024`, hence `p = 112 / 1024 = 0.109375`; the statistic is
/// `(6 - 1)² / 10 = 2.5`, its p-value that of `√2.5 = 1.581139` on both sides of a standard normal distribution,
/// `2 * 0.056923 = 0.113846`; `g = 8 / 10 - 0.5 = 0.3`.
///
/// ```
/// let test = rcmu_eval::metrics::mcnemar(2, 8);
///
/// assert!((test.exact_p - 0.109375).abs() < 1e-12);
/// assert!((test.chi_square - 2.5).abs() < 1e-12);
/// assert!((test.chi_square_p - 0.113846).abs() < 1e-6);
/// assert!((test.g - 0.3).abs() < 1e-12);
/// ```
///
/// # Source
///
/// Theirs: Q. `McNemar`, Psychometrika 12 (1947); the correction by A. L. Edwards, Psychometrika 13 (1948), which
/// does not go below 0; g by J. Cohen, Statistical Power Analysis for the Behavioral Sciences (1988), chapter 5.
pub fn mcnemar(only_first: usize, only_second: usize) -> McNemar {
    let discordant = only_first.saturating_add(only_second);
    if discordant == 0 {
        return McNemar { only_first, only_second, exact_p: 1.0, chi_square: 0.0, chi_square_p: 1.0, g: 0.0 };
    }
    let binomial = Binomial::new(0.5, discordant as u64).expect("one half is a probability");
    let exact_p = (2.0 * binomial.cdf(only_first.min(only_second) as u64)).min(1.0);
    let apart = (only_first.abs_diff(only_second) as f64 - 1.0).max(0.0);
    let chi_square = apart * apart / discordant as f64;
    let distribution = ChiSquared::new(1.0).expect("one degree of freedom is possible");
    let chi_square_p = if chi_square > 0.0 { distribution.sf(chi_square) } else { 1.0 };
    let g = only_second as f64 / discordant as f64 - 0.5;
    McNemar { only_first, only_second, exact_p, chi_square, chi_square_p, g }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_counts_tell_nothing() {
        for count in [0, 1, 7] {
            let test = mcnemar(count, count);

            assert_eq!((test.exact_p, test.chi_square, test.chi_square_p, test.g), (1.0, 0.0, 1.0, 0.0));
        }
    }

    #[test]
    fn the_order_of_the_runs_changes_only_the_sign_of_the_effect() {
        let (one, other) = (mcnemar(3, 12), mcnemar(12, 3));

        assert_eq!(
            (one.exact_p, one.chi_square, one.chi_square_p),
            (other.exact_p, other.chi_square, other.chi_square_p)
        );
        assert!((one.g + other.g).abs() < 1e-12);
    }
}
