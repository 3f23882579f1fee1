use std::collections::BTreeMap;

use crate::ItemScore;

/// What two runs say about the same items.
pub(super) struct Joined<'a, V> {
    /// A key of the picture, the first run's value, the second run's; in the order of the items' names.
    pub(super) pairs: Vec<(&'a str, V, V)>,
    /// Items of which the first run alone has a value.
    pub(super) only_in_first: usize,
    /// Items of which the second run alone has a value.
    pub(super) only_in_second: usize,
}

impl<'a, V> Joined<'a, V> {
    /// Joins by name; `value` gives the picture's key and the value, or `None` where there is none.
    pub(super) fn of<K: Ord, T>(
        first: &BTreeMap<K, &'a T>,
        second: &BTreeMap<K, &'a T>,
        value: impl Fn(&'a T) -> Option<(&'a str, V)>,
    ) -> Self {
        let mut joined = Self { pairs: Vec::new(), only_in_first: 0, only_in_second: 0 };
        for (name, item) in first {
            let other = second.get(name).and_then(|other| value(other));
            match (value(item), other) {
                (Some((cluster, one)), Some((_, other))) => joined.pairs.push((cluster, one, other)),
                (Some(_), None) => joined.only_in_first += 1,
                (None, Some(_)) => joined.only_in_second += 1,
                (None, None) => {}
            }
        }
        let strangers = second.iter().filter(|(name, _)| !first.contains_key(*name));
        joined.only_in_second += strangers.filter(|(_, item)| value(item).is_some()).count();
        joined
    }
}

/// The measured ones of these scores, by item.
pub(super) fn measured(scores: &[ItemScore]) -> BTreeMap<&str, &ItemScore> {
    let measured = scores.iter().filter(|score| score.outcome.is_measured());
    measured.map(|score| (score.item.as_str(), score)).collect()
}
