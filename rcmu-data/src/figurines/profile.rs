use std::{collections::BTreeMap, ops::RangeInclusive};

use rand_chacha::ChaCha8Rng;

use crate::figurines::{
    chance::{below, between, pick, shuffle},
    names::{AGES, CITIES, JOBS, PEOPLE, PETS, PRICES, Person, is_held_out_pair},
};

/// Something that a profile may tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Fact {
    /// Who owns the figurine.
    Owner,
    /// The owner's job.
    Job,
    /// The owner's city.
    City,
    /// The owner's age.
    Age,
    /// What the figurine cost.
    Price,
    /// The owner's pet.
    Pet,
}

impl Fact {
    /// All facts, in order.
    pub const ALL: [Self; 6] = [Self::Owner, Self::Job, Self::City, Self::Age, Self::Price, Self::Pet];

    /// Its name among the facts of a region.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Job => "job",
            Self::City => "city",
            Self::Age => "age",
            Self::Price => "price",
            Self::Pet => "pet",
        }
    }

    /// Everything that it may say.
    pub fn values(self) -> Vec<&'static str> {
        match self {
            Self::Owner => PEOPLE.iter().map(|person| person.name).collect(),
            Self::Job => JOBS.to_vec(),
            Self::City => CITIES.to_vec(),
            Self::Age => AGES.to_vec(),
            Self::Price => PRICES.to_vec(),
            Self::Pet => PETS.to_vec(),
        }
    }
}

/// What is known about one figurine: its owner and some more facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Profile {
    /// Who owns it.
    pub(crate) owner: Person,
    /// The facts, the owner's name among them.
    pub(crate) facts: BTreeMap<Fact, &'static str>,
}

impl Profile {
    /// What it says about this.
    pub(crate) fn get(&self, fact: Fact) -> Option<&'static str> {
        self.facts.get(&fact).copied()
    }
}

/// Which pairs of name and job the profiles of a scene may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pairs {
    /// None that is held out.
    TrainingOnly,
    /// Any, one at least of those that are held out.
    HeldOutAtLeastOne,
}

/// Makes the profiles of a scene, each with `facts` facts; no two agree in any fact.
///
/// Where the values of a fact run out, later profiles go without it.
pub(crate) fn cast(
    rng: &mut ChaCha8Rng,
    count: usize,
    facts: &RangeInclusive<usize>,
    pairs: Pairs,
) -> Vec<Profile> {
    let mut values = Values::new(rng);
    // The held-out pair may be anyone's.
    let special = (pairs == Pairs::HeldOutAtLeastOne && count > 0).then(|| below(rng, count));
    let held_out = special.map(|_| values.take_held_out_pair(rng));
    let profiles = (0..count).map_while(|at| {
        let reserved = held_out.filter(|_| special == Some(at));
        let owner = reserved.map(|(owner, _)| owner).or_else(|| values.people.pop())?;
        let mut profile = Profile { owner, facts: BTreeMap::from([(Fact::Owner, owner.name)]) };
        let mut others = [Fact::Job, Fact::City, Fact::Age, Fact::Price, Fact::Pet];
        shuffle(rng, &mut others);
        if let Some((_, job)) = reserved {
            profile.facts.insert(Fact::Job, job);
        }
        let wanted = between(rng, facts).max(profile.facts.len());
        for fact in others {
            if profile.facts.len() < wanted
                && !profile.facts.contains_key(&fact)
                && let Some(value) = values.take(fact, owner, pairs)
            {
                profile.facts.insert(fact, value);
            }
        }
        Some(profile)
    });
    profiles.collect()
}

/// What is left for the profiles to come.
struct Values {
    people: Vec<Person>,
    rest: BTreeMap<Fact, Vec<&'static str>>,
}

impl Values {
    fn new(rng: &mut ChaCha8Rng) -> Self {
        let mut people = PEOPLE.to_vec();
        shuffle(rng, &mut people);
        let rest = Fact::ALL.into_iter().skip(1).map(|fact| {
            let mut values = fact.values();
            shuffle(rng, &mut values);
            (fact, values)
        });
        Self { people, rest: rest.collect() }
    }

    fn take(&mut self, fact: Fact, owner: Person, pairs: Pairs) -> Option<&'static str> {
        let values = self.rest.get_mut(&fact)?;
        let fits = |value: &&str| {
            fact != Fact::Job || pairs != Pairs::TrainingOnly || !is_held_out_pair(owner.name, value)
        };
        let at = values.iter().position(fits)?;
        Some(values.remove(at))
    }

    fn take_held_out_pair(&mut self, rng: &mut ChaCha8Rng) -> (Person, &'static str) {
        let pairs = PEOPLE.into_iter().flat_map(|person| JOBS.into_iter().map(move |job| (person, job)));
        let pairs: Vec<_> = pairs.filter(|(person, job)| is_held_out_pair(person.name, job)).collect();
        let (person, job) = *pick(rng, &pairs);
        self.people.retain(|other| *other != person);
        self.rest.entry(Fact::Job).and_modify(|jobs| jobs.retain(|other| *other != job));
        (person, job)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    fn is_held_out(profile: &Profile) -> bool {
        profile.get(Fact::Job).is_some_and(|job| is_held_out_pair(profile.owner.name, job))
    }

    #[test]
    fn no_two_profiles_of_a_scene_agree_in_a_fact() {
        for seed in 0..500 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);

            let profiles = cast(&mut rng, 4, &(2..=3), Pairs::TrainingOnly);

            assert_eq!(profiles.len(), 4);
            let values: Vec<_> = profiles.iter().flat_map(|profile| profile.facts.iter()).collect();
            assert_eq!(values.iter().collect::<BTreeSet<_>>().len(), values.len());
            assert!(profiles.iter().all(|profile| (2..=3).contains(&profile.facts.len())));
            assert!(profiles.iter().all(|profile| !is_held_out(profile)));
        }
    }

    #[test]
    fn a_test_scene_has_a_held_out_pair_at_any_place() {
        let mut places = BTreeSet::new();

        for seed in 0..200 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let profiles = cast(&mut rng, 3, &(2..=3), Pairs::HeldOutAtLeastOne);
            let first = profiles.iter().position(is_held_out);
            places.insert(first.expect("one pair is held out"));
        }

        assert_eq!(places.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn values_that_run_out_leave_profiles_shorter() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);

        let profiles = cast(&mut rng, 12, &(6..=6), Pairs::TrainingOnly);

        // Six pets: six of the twelve profiles have all six facts.
        assert_eq!(profiles.iter().filter(|profile| profile.get(Fact::Pet).is_some()).count(), 6);
        assert_eq!(profiles.iter().filter(|profile| profile.get(Fact::City).is_some()).count(), 12);
    }
}
