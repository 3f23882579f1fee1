mod joined;
mod rows;

use serde::{Deserialize, Serialize};

use crate::{
    ItemScore,
    metrics::{BootstrapOptions, McNemar, PairedDifference, PairedItem, mcnemar, paired_bootstrap},
};

use joined::Joined;
pub(crate) use rows::{CitedAnswer, Side, compare_row};

/// Two runs compared on the items that both measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The measure.
    pub measure: String,
    /// Mean difference, interval and effect size.
    pub paired: PairedDifference,
    /// `McNemar`'s test; none when a value is neither 0 nor 1, or items have no value of their own.
    pub mcnemar: Option<McNemar>,
    /// Items with this measure in the first run only.
    pub only_in_first: usize,
    /// Items with this measure in the second run only.
    pub only_in_second: usize,
}

/// Compares the second run with the first on one measure, item by item.
///
/// Items that one of the runs did not measure are left out and counted. `None` when no item is left.
///
/// # Examples
///
/// Two items; the second run gets both right, the first only one: the difference is `(0 + 1) / 2 = 0.5`, and one item
/// is discordant, so that `McNemar`'s exact p-value is `min(1, 2 * 0.5) = 1`.
///
/// ```
/// use rcmu_data::Kind;
/// use rcmu_eval::{ItemScore, Outcome, metrics::{BootstrapOptions, compare}};
///
/// let item = |id: &str, accuracy| ItemScore {
///     item: id.into(),
///     kind: Kind::VisualToContext,
///     cluster: id.into(),
///     outcome: Outcome::Scored,
///     how: String::new(),
///     measures: [("accuracy".to_owned(), accuracy)].into(),
/// };
/// let (first, second) = ([item("a", 1.0), item("b", 0.0)], [item("a", 1.0), item("b", 1.0)]);
/// let found = compare(&first, &second, "accuracy", &BootstrapOptions::default()).expect("items are shared");
///
/// assert_eq!(found.paired.difference, 0.5);
/// let test = found.mcnemar.expect("all values are 0 or 1");
/// assert_eq!((test.only_first, test.only_second), (0, 1));
/// assert!((test.exact_p - 1.0).abs() < 1e-12);
/// ```
///
/// # Source
///
/// Ours; see [`paired_bootstrap`] and [`mcnemar`] for theirs.
pub fn compare<'a>(
    first: &'a [ItemScore],
    second: &'a [ItemScore],
    measure: &str,
    options: &BootstrapOptions,
) -> Option<Comparison> {
    let value = |score: &'a ItemScore| {
        let value = score.measures.get(measure).copied().filter(|value| value.is_finite())?;
        Some((score.cluster.as_str(), value))
    };
    plain(Joined::of(&joined::measured(first), &joined::measured(second), value), measure, options)
}

/// Compares runs on a measure that each item has a value of.
fn plain(joined: Joined<'_, f64>, measure: &str, options: &BootstrapOptions) -> Option<Comparison> {
    let pairs = joined.pairs.into_iter();
    let pairs: Vec<_> = pairs.map(|(cluster, first, second)| PairedItem { cluster, first, second }).collect();
    let paired = paired_bootstrap(&pairs, options)?;
    let is_proportion =
        pairs.iter().all(|pair| [pair.first, pair.second].iter().all(|value| *value == 0.0 || *value == 1.0));
    let discordant =
        |one: f64| pairs.iter().filter(|pair| pair.first == one && pair.second == 1.0 - one).count();
    Some(Comparison {
        measure: measure.to_owned(),
        paired,
        mcnemar: is_proportion.then(|| mcnemar(discordant(1.0), discordant(0.0))),
        only_in_first: joined.only_in_first,
        only_in_second: joined.only_in_second,
    })
}

#[cfg(test)]
mod tests {
    use rcmu_data::Kind;

    use super::*;
    use crate::Outcome;

    fn run(values: &[(&str, Option<f64>)]) -> Vec<ItemScore> {
        let item = |(id, value): &(&str, Option<f64>)| ItemScore {
            item: (*id).to_owned(),
            kind: Kind::VisualToContext,
            cluster: (*id).to_owned(),
            outcome: if value.is_some() { Outcome::Scored } else { Outcome::ModelFailed },
            how: String::new(),
            measures: value.map(|value| ("accuracy".to_owned(), value)).into_iter().collect(),
        };
        values.iter().map(item).collect()
    }

    #[test]
    fn runs_are_joined_by_item_and_failures_left_out() {
        let first = run(&[("a", Some(1.0)), ("b", Some(0.0)), ("c", Some(0.0)), ("d", None)]);
        let second = run(&[("c", Some(1.0)), ("b", Some(1.0)), ("a", Some(1.0)), ("d", Some(1.0))]);

        let found =
            compare(&first, &second, "accuracy", &BootstrapOptions::default()).expect("items are shared");

        assert_eq!((found.only_in_first, found.only_in_second), (0, 1));
        assert_eq!((found.paired.count, found.paired.difference), (3, 2.0 / 3.0));
        // b = 0, c = 2: the exact p-value is 2 / 4.
        let test = found.mcnemar.expect("all values are 0 or 1");
        assert_eq!((test.only_first, test.only_second), (0, 2));
        assert!((test.exact_p - 0.5).abs() < 1e-12);
    }

    #[test]
    fn shares_have_no_mcnemar_and_nothing_shared_has_no_comparison() {
        let first = run(&[("a", Some(0.5))]);
        let second = run(&[("a", Some(1.0))]);
        let options = BootstrapOptions::default();

        assert_eq!(compare(&first, &second, "accuracy", &options).and_then(|found| found.mcnemar), None);
        assert_eq!(compare(&first, &second, "token_f1", &options), None);
    }
}
