/// Someone who may own a figurine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Person {
    /// First name.
    pub(crate) name: &'static str,
    /// `She` or `He`.
    pub(crate) pronoun: &'static str,
}

/// Everyone who may own a figurine; no two names are alike.
pub(crate) const PEOPLE: [Person; 40] = {
    let mut people = [Person { name: "", pronoun: "" }; 40];
    let mut at = 0;
    while at < 20 {
        people[at] = Person { name: SHE[at], pronoun: "She" };
        people[20 + at] = Person { name: HE[at], pronoun: "He" };
        at += 1;
    }
    people
};

const SHE: [&str; 20] = [
    "Lily", "Anna", "Emma", "Nora", "Ruby", "Clara", "Alice", "Sofia", "Mia", "Eva", "Julia", "Laura",
    "Rosa", "Ida", "Greta", "Zoe", "Maria", "Helen", "Lucy", "Vera",
];
const HE: [&str; 20] = [
    "Tom", "Ben", "Max", "Leo", "Paul", "Jack", "Adam", "Noah", "Omar", "Hugo", "Karl", "Felix", "Oscar",
    "David", "Simon", "Peter", "Henry", "Louis", "Victor", "Marco",
];

/// Jobs; each takes the article `a`.
pub(crate) const JOBS: [&str; 12] = [
    "teacher", "baker", "doctor", "farmer", "painter", "singer", "pilot", "driver", "dentist", "cook",
    "writer", "nurse",
];

/// Cities.
pub(crate) const CITIES: [&str; 12] = [
    "Paris", "Rome", "London", "Berlin", "Tokyo", "Madrid", "Oslo", "Cairo", "Lima", "Delhi", "Vienna",
    "Boston",
];

/// Ages in years; no age is also a price.
pub(crate) const AGES: [&str; 12] = ["22", "27", "31", "34", "38", "43", "46", "52", "57", "61", "68", "74"];

/// Prices.
pub(crate) const PRICES: [&str; 10] = [
    "5 euros", "10 euros", "15 euros", "20 euros", "25 euros", "30 euros", "40 euros", "50 euros",
    "75 euros", "90 euros",
];

/// Pets; each takes the article `a`, and none is the shape of a figurine.
pub(crate) const PETS: [&str; 6] = ["dog", "horse", "parrot", "hamster", "turtle", "goat"];

/// Of a hundred pairs of name and job, how many are kept out of training.
const HELD_OUT_PERCENT: u64 = 12;

/// Whether this pair of name and job is in no training scene.
///
/// A pure function of the words, so that it holds for every maker of scenes: FNV-1a over `name/job`, its bits
/// mixed, modulo 100.
pub fn is_held_out_pair(name: &str, job: &str) -> bool {
    let bytes = name.bytes().chain(*b"/").chain(job.bytes());
    let hash = bytes
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    (hash ^ hash >> 32) % 100 < HELD_OUT_PERCENT
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::figurines::{Accessory, Colour, Shape};

    #[test]
    fn no_word_means_two_things() {
        let mut seen = BTreeSet::new();
        let words = PEOPLE.iter().map(|person| person.name).chain(JOBS).chain(CITIES).chain(AGES).chain(PETS);
        let prices = PRICES.iter().map(|price| price.trim_end_matches(" euros"));
        let seen_things = Shape::ALL.iter().map(|shape| shape.word());
        let seen_things = seen_things.chain(Colour::ALL.iter().map(|colour| colour.word()));
        let seen_things = seen_things.chain(Accessory::ALL.iter().map(|accessory| accessory.word()));

        for word in words.chain(prices).chain(seen_things) {
            assert!(seen.insert(word.to_lowercase()), "{word}");
        }
        assert_eq!(PEOPLE.iter().filter(|person| person.pronoun == "She").count(), 20);
    }

    #[test]
    fn about_an_eighth_of_the_pairs_is_held_out_and_every_word_is_trained_on() {
        let held_out = |name: &str| JOBS.iter().filter(|job| is_held_out_pair(name, job)).count();
        let total: usize = PEOPLE.iter().map(|person| held_out(person.name)).sum();

        // 480 pairs: 57.6 expected, standard deviation 7.
        assert!((40..=76).contains(&total), "{total}");
        assert!(PEOPLE.iter().all(|person| held_out(person.name) <= 6));
        for job in JOBS {
            let trained = PEOPLE.iter().filter(|person| !is_held_out_pair(person.name, job)).count();
            assert!(trained >= 28, "{job}: {trained}");
        }
    }
}
