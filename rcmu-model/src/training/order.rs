//! Which conversations a step sees: a function of the settings alone, so that a resumed training sees the same.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

use super::TrainSettings;

/// The items of a window of `bucket_steps` steps.
///
/// Data without end are taken in their order. Others are shuffled anew for each round through them.
pub(super) fn window(settings: &TrainSettings, len: Option<u64>, window: u64) -> Vec<u64> {
    let size = (settings.bucket_steps * settings.batch) as u64;
    let places = window * size..(window + 1) * size;
    let Some(len) = len else { return places.collect() };
    let (mut round, mut shuffled) = (u64::MAX, Vec::new());
    places
        .map(|place| {
            if place / len != round {
                round = place / len;
                shuffled = (0..len).collect();
                shuffle(&mut shuffled, settings.seed, round);
            }
            shuffled[(place % len) as usize]
        })
        .collect()
}

/// The items of each step of a window, by their place in it: those of similar length together, in random order.
pub(super) fn steps(settings: &TrainSettings, window: u64, lengths: &[usize]) -> Vec<Vec<usize>> {
    let mut places: Vec<usize> = (0..lengths.len()).collect();
    places.sort_by_key(|&place| lengths[place]);
    let mut micro: Vec<&[usize]> = places.chunks(settings.micro_batch.max(1)).collect();
    shuffle(&mut micro, settings.seed ^ 0x6d69_6372_6f62_6174, window);
    let flat: Vec<usize> = micro.into_iter().flatten().copied().collect();
    flat.chunks(settings.batch.max(1)).map(<[usize]>::to_vec).collect()
}

/// Fisher and Yates' shuffle.
fn shuffle<T>(values: &mut [T], seed: u64, stream: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    for last in (1..values.len()).rev() {
        // The bias of the remainder is below 2^-40 for any list that fits into memory.
        let other = (rng.next_u64() % (last as u64 + 1)) as usize;
        values.swap(last, other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_sees_every_item_once() {
        let settings = TrainSettings { batch: 3, bucket_steps: 2, ..TrainSettings::default() };

        let mut seen: Vec<u64> = (0..4).flat_map(|at| window(&settings, Some(8), at)).collect();

        assert_eq!(seen.len(), 24);
        for round in seen.chunks_mut(8) {
            round.sort_unstable();
            assert_eq!(round, [0, 1, 2, 3, 4, 5, 6, 7]);
        }
    }

    #[test]
    fn endless_data_are_taken_in_their_order() {
        let settings = TrainSettings { batch: 2, bucket_steps: 2, ..TrainSettings::default() };

        assert_eq!(window(&settings, None, 3), [12, 13, 14, 15]);
    }
}
