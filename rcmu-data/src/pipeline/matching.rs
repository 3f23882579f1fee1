use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::{
    AnnotatedPicture, Criterion, Failure, Profile,
    criteria::{normalised, says},
};

/// The profiles of each class noun, by the noun as it is compared.
pub(super) type Pools = BTreeMap<String, Vec<Profile>>;

/// Gives every object a profile of its class noun; no two objects of a picture share a profile or a name.
///
/// Which one is decided by the seed, the picture and the noun. A profile that says the name of one that is given
/// already comes last, so that names stay references where the pool allows it.
pub(super) fn contexts(
    picture: &AnnotatedPicture,
    pools: &Pools,
    seed: u64,
) -> Result<Vec<Profile>, Failure> {
    let mut given: Vec<Profile> = Vec::new();
    let mut names = BTreeSet::new();
    for (at, object) in picture.objects.iter().enumerate() {
        let noun = pool_noun(&object.noun);
        let pool = pools.get(&noun).map_or(&[][..], Vec::as_slice);
        let first = choice(seed, &[&picture.id, &noun], pool.len());
        let turned = || {
            let (before, after) = pool.split_at(first);
            after.iter().chain(before).filter(|profile| !names.contains(&normalised(&profile.name)))
        };
        let is_apart = |profile: &&Profile| {
            given.iter().all(|other| !says(&profile.text, &other.name) && !says(&other.text, &profile.name))
        };
        let Some(profile) = turned().find(is_apart).or_else(|| turned().next()).cloned() else {
            return Err(Failure::at(Criterion::EnoughProfiles, format!("objects[{at}]")));
        };
        names.insert(normalised(&profile.name));
        given.push(profile);
    }
    Ok(given)
}

/// A class noun as pools know it: in lower case, with single spaces.
pub(super) fn pool_noun(noun: &str) -> String {
    noun.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A number below `count`, decided by the seed and the texts; 0 when there is nothing to choose from.
pub(super) fn choice(seed: u64, texts: &[&str], count: usize) -> usize {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    for text in texts {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    let digest = hash.finalize();
    let number = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    // The high half of the product is uniform up to count / 2^64.
    ((u128::from(number) * count as u128) >> 64) as usize
}
