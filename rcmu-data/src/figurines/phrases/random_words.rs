use rand_chacha::ChaCha8Rng;

use crate::figurines::{
    chance::shuffle,
    names::{JOBS, is_held_out_pair},
    profile::Fact,
};

/// A text of up to `count` random words, each of them the value of some fact and none there twice: `It says Lily 34 baker Oslo.`
///
/// Nothing about it can be guessed, so that repeating it is copying and nothing else. Like every text it does not begin with
/// a value, and no name stands in it beside a job that training keeps apart from it.
pub(crate) fn random_words(rng: &mut ChaCha8Rng, count: usize) -> String {
    let mut values = [Fact::Owner, Fact::Job, Fact::City, Fact::Age, Fact::Pet].map(Fact::values).concat();
    shuffle(rng, &mut values);
    let pair = |name: &str, job: &str| JOBS.contains(&job) && is_held_out_pair(name, job);
    let mut words: Vec<&str> = Vec::new();
    for word in values {
        if words.len() < count && !words.iter().any(|other| pair(other, word) || pair(word, other)) {
            words.push(word);
        }
    }
    format!("It says {}.", words.join(" "))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    #[test]
    fn texts_have_the_words_asked_for_and_no_pair_that_is_held_out() {
        for seed in 0..300 {
            let text = random_words(&mut ChaCha8Rng::seed_from_u64(seed), 6);
            let words: Vec<_> = text.trim_end_matches('.').split(' ').collect();

            assert_eq!(words.len(), 8, "{text}");
            assert_eq!(words.iter().collect::<BTreeSet<_>>().len(), 8, "{text}");
            for name in Fact::Owner.values().into_iter().filter(|name| words.contains(name)) {
                let held_out = |job: &&str| words.contains(job) && is_held_out_pair(name, job);
                assert!(!JOBS.iter().any(held_out), "{text}");
            }
        }
    }
}
