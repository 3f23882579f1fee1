use std::ops::RangeInclusive;

use rand_chacha::{ChaCha8Rng, rand_core::RngCore};

/// A number below `count`, which is not 0. The same on every platform.
pub(super) fn below(rng: &mut ChaCha8Rng, count: usize) -> usize {
    assert!(count > 0, "nothing to choose from");
    scaled(rng.next_u64(), count)
}

/// A random number as one below `count`; 0 when `count` is.
pub(crate) fn scaled(number: u64, count: usize) -> usize {
    // The high half of the product is uniform up to count / 2^64.
    ((u128::from(number) * count as u128) >> 64) as usize
}

/// A number of the range; its start when it is empty.
pub(super) fn between(rng: &mut ChaCha8Rng, range: &RangeInclusive<usize>) -> usize {
    range.start() + below(rng, range.end().saturating_sub(*range.start()).saturating_add(1))
}

/// One of the items, of which there is at least one.
pub(super) fn pick<'a, T>(rng: &mut ChaCha8Rng, items: &'a [T]) -> &'a T {
    &items[below(rng, items.len())]
}

/// Whether something of this probability happens.
pub(super) fn percent(rng: &mut ChaCha8Rng, percent: u32) -> bool {
    below(rng, 100) < percent as usize
}

/// A place among the weights, as often as its weight says; `None` when all are 0.
pub(super) fn weighted(rng: &mut ChaCha8Rng, weights: impl Iterator<Item = u32> + Clone) -> Option<usize> {
    let total: u64 = weights.clone().map(u64::from).sum();
    if total == 0 {
        return None;
    }
    let mut at = below(rng, total as usize) as u64;
    weights.into_iter().map(u64::from).position(|weight| {
        let found = at < weight;
        at = at.saturating_sub(weight);
        found
    })
}

/// Puts the items into a random order; all orders are equally likely.
pub(super) fn shuffle<T>(rng: &mut ChaCha8Rng, items: &mut [T]) {
    for end in (2..=items.len()).rev() {
        items.swap(end - 1, below(rng, end));
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    #[test]
    fn every_order_of_three_comes_about_equally_often() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut counts = std::collections::BTreeMap::new();

        for _ in 0..6000 {
            let mut items = [0, 1, 2];
            shuffle(&mut rng, &mut items);
            *counts.entry(items).or_insert(0) += 1;
        }

        // 1000 each, standard deviation sqrt(6000 * 1/6 * 5/6) = 29: five of them.
        assert_eq!(counts.len(), 6);
        assert!(counts.values().all(|count| (855..=1145).contains(count)), "{counts:?}");
    }

    #[test]
    fn weights_decide_how_often_a_place_is_chosen() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut counts = [0; 3];

        for _ in 0..4000 {
            counts[weighted(&mut rng, [1, 0, 3].into_iter()).expect("the weights are not all 0")] += 1;
        }

        // 1000 and 3000, standard deviation 27: five of them.
        assert_eq!(counts[1], 0);
        assert!((863..=1137).contains(&counts[0]), "{counts:?}");
        assert_eq!(weighted(&mut rng, [0, 0].into_iter()), None);
        assert!(weighted(&mut rng, [u32::MAX; 3].into_iter()).is_some());
    }
}
