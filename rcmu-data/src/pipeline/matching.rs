use std::collections::{BTreeMap, BTreeSet};

use super::{
    AnnotatedPicture, Criterion, Failure, Profile,
    criteria::{normalised, says},
    hash::choice,
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

/// Whether a class noun is that of a person; what someone is stands last, as in `young woman`.
pub(super) fn is_person(noun: &str) -> bool {
    let last = noun.split_whitespace().last().unwrap_or_default().to_lowercase();
    [&WOMEN[..], &MEN, &CHILDREN, &PERSONS].concat().contains(&last.as_str())
}

/// Class nouns of women.
pub(super) const WOMEN: [&str; 6] = ["woman", "lady", "girl", "bride", "waitress", "actress"];
/// Class nouns of men.
pub(super) const MEN: [&str; 7] = ["man", "gentleman", "guy", "boy", "groom", "waiter", "actor"];
/// Class nouns of children.
pub(super) const CHILDREN: [&str; 7] = ["child", "kid", "baby", "toddler", "boy", "girl", "pupil"];
/// Class nouns of persons of any sort.
const PERSONS: [&str; 17] = [
    "person",
    "player",
    "skier",
    "surfer",
    "rider",
    "driver",
    "chef",
    "cook",
    "officer",
    "batter",
    "catcher",
    "pitcher",
    "umpire",
    "snowboarder",
    "skateboarder",
    "teacher",
    "worker",
];
