use sha2::{Digest, Sha256};

use crate::figurines::chance::scaled;

/// SHA-256 of a purpose, a seed and texts; no two lists of texts are hashed as one.
pub(super) fn digest(purpose: &str, seed: u64, texts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(purpose);
    hash.update(seed.to_le_bytes());
    for text in texts {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    hash.finalize().into()
}

/// The first eight bytes of a digest as a number.
pub(super) fn number(digest: &[u8; 32]) -> u64 {
    digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// A number below `count`, decided by the seed and the texts; 0 when there is nothing to choose from.
pub(super) fn choice(seed: u64, texts: &[&str], count: usize) -> usize {
    scaled(number(&digest("rcmu-pipeline-choice", seed, texts)), count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_kept_apart_and_every_choice_is_made() {
        assert_ne!(digest("a", 0, &["bc", "d"]), digest("a", 0, &["b", "cd"]));
        assert_eq!(number(&[1; 32]), 0x0101_0101_0101_0101);
        let made: std::collections::BTreeSet<_> = (0..100).map(|seed| choice(seed, &["x"], 5)).collect();
        assert_eq!(made.len(), 5);
        assert_eq!(choice(7, &["x"], 0), 0);
    }
}
