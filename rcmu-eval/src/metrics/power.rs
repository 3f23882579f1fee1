use crate::{Error, metrics::normal_quantile};

/// Items that each of two groups needs to tell two proportions apart: two runs on different items.
///
/// With `p̄ = (first + second) / 2` and `z` the normal quantiles of `alpha / 2` and of `1 - power`, rounded up:
/// `(z_α √(2 p̄ (1 - p̄)) + z_β √(p₁(1 - p₁) + p₂(1 - p₂)))² / (p₁ - p₂)²`.
///
/// # Errors
///
/// [`Error::Argument`] for a proportion outside 0..=1, equal proportions, or an `alpha` or `power` outside 0..1.
///
/// # Examples
///
/// 0.5 against 0.6 at 5 % with 80 % power: `(1.959964 * 0.703562 + 0.841621 * 0.7)² / 0.01 = 1.968093² / 0.01 =
/// 387.3`.
///
/// ```
/// # fn main() -> Result<(), rcmu_eval::Error> {
/// assert_eq!(rcmu_eval::metrics::unpaired_sample_size(0.5, 0.6, 0.05, 0.8)?, 388);
/// # Ok(())
/// # }
/// ```
///
/// # Source
///
/// Theirs: J. L. Fleiss, Statistical Methods for Rates and Proportions (1981), equation 3.14, without continuity
/// correction. Items of one picture are not independent: multiply by their number when they stand or fall together.
pub fn unpaired_sample_size(first: f64, second: f64, alpha: f64, power: f64) -> Result<u64, Error> {
    check("first", first, "0..=1", (0.0..=1.0).contains(&first))?;
    check("second", second, "0..=1 and not the first", (0.0..=1.0).contains(&second) && first != second)?;
    let (z_alpha, z_beta) = quantiles(alpha, power)?;
    let middle = f64::midpoint(first, second);
    let under = (2.0 * middle * (1.0 - middle)).sqrt();
    let apart = (first * (1.0 - first) + second * (1.0 - second)).sqrt();
    Ok(((z_alpha * under + z_beta * apart) / (first - second)).powi(2).ceil() as u64)
}

/// Items that both runs have to answer to tell them apart with `McNemar`'s test.
///
/// With `ψ` the share of items that exactly one run gets right and `δ` the difference of their proportions, rounded
/// up: `(z_α √ψ + z_β √(ψ - δ²))² / δ²`.
///
/// # Errors
///
/// [`Error::Argument`] for a `discordant` share outside 0..=1, a difference of 0 or above that share, or an `alpha`
/// or `power` outside 0..1.
///
/// # Examples
///
/// A fifth of the items discordant, a difference of 0.1, 5 %, 80 % power:
/// `(1.959964 * 0.447214 + 0.841621 * 0.435890)² / 0.01 = 1.243376² / 0.01 = 154.6`.
///
/// ```
/// # fn main() -> Result<(), rcmu_eval::Error> {
/// assert_eq!(rcmu_eval::metrics::paired_sample_size(0.2, 0.1, 0.05, 0.8)?, 155);
/// # Ok(())
/// # }
/// ```
///
/// # Source
///
/// Theirs: R. J. Connor, Sample size for testing differences in proportions for the paired-sample design, Biometrics
/// 43 (1987).
pub fn paired_sample_size(discordant: f64, difference: f64, alpha: f64, power: f64) -> Result<u64, Error> {
    check("discordant", discordant, "0..=1", (0.0..=1.0).contains(&discordant))?;
    let possible = difference != 0.0 && difference.abs() <= discordant;
    check("difference", difference, "up to the discordant share and not 0", possible)?;
    let (z_alpha, z_beta) = quantiles(alpha, power)?;
    let spread = z_alpha * discordant.sqrt() + z_beta * (discordant - difference * difference).sqrt();
    Ok((spread / difference).powi(2).ceil() as u64)
}

fn quantiles(alpha: f64, power: f64) -> Result<(f64, f64), Error> {
    check("alpha", alpha, "above 0 and below 1", alpha > 0.0 && alpha < 1.0)?;
    check("power", power, "above 0 and below 1", power > 0.0 && power < 1.0)?;
    Ok((normal_quantile(alpha / 2.0), normal_quantile(1.0 - power)))
}

/// NaN fails every comparison, and with it the check.
fn check(argument: &'static str, value: f64, expected: &'static str, good: bool) -> Result<(), Error> {
    if good { Ok(()) } else { Err(Error::Argument { argument, value, expected }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argument<T: std::fmt::Debug>(result: Result<T, Error>) -> &'static str {
        match result {
            Err(Error::Argument { argument, .. }) => argument,
            other => panic!("expected an error, found {other:?}"),
        }
    }

    #[test]
    fn impossible_arguments_are_refused_by_name() {
        assert_eq!(argument(unpaired_sample_size(-0.1, 0.5, 0.05, 0.8)), "first");
        assert_eq!(argument(unpaired_sample_size(0.5, 0.5, 0.05, 0.8)), "second");
        assert_eq!(argument(unpaired_sample_size(0.5, f64::NAN, 0.05, 0.8)), "second");
        assert_eq!(argument(unpaired_sample_size(0.5, 0.6, 0.0, 0.8)), "alpha");
        assert_eq!(argument(paired_sample_size(0.2, 0.1, 0.05, 1.0)), "power");
        assert_eq!(argument(paired_sample_size(0.1, 0.2, 0.05, 0.8)), "difference");
        assert_eq!(argument(paired_sample_size(1.5, 0.2, 0.05, 0.8)), "discordant");
    }

    #[test]
    fn two_models_five_points_apart_take_these_items() -> Result<(), Error> {
        // The sums stand in docs/evaluation.md; quantiles and square roots of Python's `statistics` and `math` give
        // 625.547, 978.749, 1741.836 and 1250.717.
        assert_eq!(paired_sample_size(0.2, 0.05, 0.05, 0.8)?, 626);
        assert_eq!(paired_sample_size(0.2, 0.04, 0.05, 0.8)?, 979);
        assert_eq!(paired_sample_size(0.2, 0.03, 0.05, 0.8)?, 1742);
        assert_eq!(unpaired_sample_size(0.70, 0.75, 0.05, 0.8)?, 1251);
        Ok(())
    }

    #[test]
    fn smaller_differences_need_more_items() -> Result<(), Error> {
        let sizes = [0.2, 0.1, 0.05].map(|apart| unpaired_sample_size(0.5, 0.5 + apart, 0.05, 0.8));
        let [large, middle, small] = sizes.map(|size| size.expect("the arguments are possible"));

        assert!(large < middle && middle < small);
        assert_eq!(paired_sample_size(0.2, 0.1, 0.05, 0.8)?, paired_sample_size(0.2, -0.1, 0.05, 0.8)?);
        Ok(())
    }
}
