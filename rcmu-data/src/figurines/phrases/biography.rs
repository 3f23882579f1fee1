use rand_chacha::ChaCha8Rng;

use crate::figurines::{
    chance::{between, pick, shuffle},
    names::Person,
};

/// The fewest words of a profile; those of RC&P-Bench have 100 to 130.
const MIN_WORDS: usize = 100;
/// Words from which on no sentence is added; the longest filler has 13 words.
const ENOUGH_WORDS: usize = 117;

/// Family names.
pub(crate) const SURNAMES: [&str; 12] = [
    "Blackwell",
    "Moreau",
    "Lindgren",
    "Castillo",
    "Novak",
    "Ferrari",
    "Okafor",
    "Tanaka",
    "Weber",
    "Murphy",
    "Silva",
    "Hansen",
];

/// Where a figurine was found.
pub(crate) const STORIES: [&str; 8] = [
    "at a flea market",
    "in a small museum shop",
    "at an auction",
    "in an old attic",
    "on a train",
    "at a school fair",
    "in a garden",
    "in a toy shop",
];

/// What a profile of a reference picture tells.
#[derive(Clone, Debug)]
pub(crate) struct Biography {
    /// The owner: first name and pronoun.
    pub(crate) person: Person,
    /// First and family name.
    pub(crate) owner: String,
    /// In years.
    pub(crate) age: &'static str,
    /// The owner's job.
    pub(crate) job: &'static str,
    /// Where the figurine was made.
    pub(crate) origin: &'static str,
    /// What it cost.
    pub(crate) price: &'static str,
    /// Where it was found.
    pub(crate) story: &'static str,
}

const OWNER: [&str; 3] = [
    "This figurine belongs to {owner}, who keeps it on a shelf in the living room.",
    "The owner of this figurine is {owner}, who looks at it every morning before work.",
    "{owner} owns this figurine and shows it to every guest who comes to the house.",
];
const PERSON: [&str; 3] = [
    "{She} is {age} years old and works as a {job}.",
    "At the age of {age}, {she} still enjoys working as a {job}.",
    "{She} is a {job} by profession and is now {age} years old.",
];
const ORIGIN: [&str; 3] = [
    "The figurine was made in {origin}, in a workshop that has been closed for years.",
    "It comes from {origin}, where a small family made such pieces by hand.",
    "It was made in {origin}, as a small mark under its base still tells.",
];
const PRICE: [&str; 3] = [
    "It cost {price}, which seemed a lot at first but was worth it.",
    "{She} paid {price} for it and has never been sorry about that.",
    "The price was {price}, and nobody tried to make it any lower.",
];
const STORY: [&str; 3] = [
    "{She} found it {story} on a rainy day and could not leave without it.",
    "It was found {story} during a holiday, wrapped in an old newspaper.",
    "A cousin saw it {story} and told {her} about it the same evening.",
];
/// Sentences that tell no fact.
const FILLERS: [&str; 10] = [
    "On Sundays it is dusted with a soft brush.",
    "A friend once offered to buy it, but the answer was no.",
    "It has moved house with its owner three times and was never broken.",
    "In winter it stands near the window, where the light is best.",
    "The children of the family may look at it but not touch it.",
    "Nobody remembers who gave it the first place on the shelf.",
    "It is said to bring luck before a long journey.",
    "A photo of it hangs in the hall, in a simple frame.",
    "Once it was lost for a week and then found under a chair.",
    "It was part of a larger collection that was sold piece by piece.",
];

/// Writes the profile in 100 to 130 words: the owner first, everything else in any order.
pub(crate) fn biography(rng: &mut ChaCha8Rng, facts: &Biography) -> String {
    let is_she = facts.person.pronoun == "She";
    let told = |template: &str| {
        let pronouns = if is_she { ["She", "she", "her"] } else { ["He", "he", "him"] };
        let values = [
            ("{owner}", facts.owner.as_str()),
            ("{age}", facts.age),
            ("{job}", facts.job),
            ("{origin}", facts.origin),
            ("{price}", facts.price),
            ("{story}", facts.story),
            ("{She}", pronouns[0]),
            ("{she}", pronouns[1]),
            ("{her}", pronouns[2]),
        ];
        values.iter().fold(template.to_owned(), |text, (name, value)| text.replace(name, value))
    };
    let first = told(pick::<&str>(rng, &OWNER));
    let mut rest: Vec<String> =
        [PERSON, ORIGIN, PRICE, STORY].iter().map(|sentences| told(pick::<&str>(rng, sentences))).collect();
    let mut fillers = FILLERS;
    shuffle(rng, &mut fillers);
    let wanted = between(rng, &(MIN_WORDS..=ENOUGH_WORDS));
    let mut words: usize = count_words(&first) + rest.iter().map(|text| count_words(text)).sum::<usize>();
    for filler in fillers {
        if words < wanted {
            words += count_words(filler);
            rest.push(filler.to_owned());
        }
    }
    shuffle(rng, &mut rest);
    rest.insert(0, first);
    rest.join(" ")
}

fn count_words(text: &str) -> usize {
    text.split_whitespace().count()
}

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::SeedableRng;

    use super::*;
    use crate::figurines::names::PEOPLE;

    #[test]
    fn a_profile_has_100_to_130_words_and_tells_every_fact() {
        for seed in 0..1000 {
            let person = PEOPLE[seed as usize % PEOPLE.len()];
            let story = STORIES[seed as usize % STORIES.len()];
            let owner = format!("{} Novak", person.name);
            let facts = Biography {
                person,
                owner,
                age: "34",
                job: "teacher",
                origin: "Oslo",
                price: "20 euros",
                story,
            };

            let text = biography(&mut ChaCha8Rng::seed_from_u64(seed), &facts);

            assert!((100..=130).contains(&count_words(&text)), "{}: {text}", count_words(&text));
            for value in [facts.owner.as_str(), "34", "teacher", "Oslo", "20 euros", story] {
                assert_eq!(text.matches(value).count(), 1, "{value}: {text}");
            }
            assert!(!text.contains('{'), "{text}");
        }
    }
}
