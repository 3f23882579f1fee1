use rand_chacha::ChaCha8Rng;

use crate::figurines::{
    chance::below,
    phrases::with_article,
    profile::{Fact, Profile},
};

/// The text about a figurine that tells everything its profile knows, in one to three short sentences.
///
/// No sentence begins with a value: a word at the start of a text is another token than the same word after a space, so that
/// carrying it over would no longer be copying.
pub(crate) fn info(rng: &mut ChaCha8Rng, profile: &Profile) -> String {
    let (name, pronoun) = (profile.owner.name, profile.owner.pronoun);
    let beside = beside_the_name(profile);
    // `It was bought by Lily from Paris for 5 euros.` but `It was bought by Lily, a baker, for 5 euros.`
    let comma = if beside.contains(',') { "," } else { "" };
    let price = profile.get(Fact::Price);
    let mut price_told = false;
    let mut text = match below(rng, 7) {
        0 => format!("Owned by {name}{beside}."),
        1 => format!("It belongs to {name}{beside}."),
        2 => format!("It is owned by {name}{beside}."),
        3 => format!("The owner is {name}{beside}."),
        4 => told_apart(format!("It belongs to {name}."), profile),
        5 => told_apart(format!("It is owned by {name}."), profile),
        _ => match price {
            Some(price) => {
                price_told = true;
                format!("It was bought by {name}{beside}{comma} for {price}.")
            }
            None => format!("Owned by {name}{beside}."),
        },
    };
    let price = price.filter(|_| !price_told).map(|price| match below(rng, 2) {
        0 => format!(" It cost {price}."),
        _ => format!(" {pronoun} paid {price}."),
    });
    let pet = profile.get(Fact::Pet).map(|pet| format!(" {pronoun} has {}.", with_article(pet)));
    text.extend([price, pet].into_iter().flatten());
    text
}

/// `, a teacher from Paris, aged 34`: what stands after the owner's name.
pub(super) fn beside_the_name(profile: &Profile) -> String {
    let job = profile.get(Fact::Job).map(|job| format!(", {}", with_article(job)));
    let city = profile.get(Fact::City).map(|city| format!(" from {city}"));
    let age = profile.get(Fact::Age).map(|age| format!(", aged {age}"));
    [job, city, age].into_iter().flatten().collect()
}

/// A sentence about the figurine, and one about its owner where there is something to say: `She is a teacher.`
fn told_apart(first: String, profile: &Profile) -> String {
    let job = profile.get(Fact::Job).map(with_article);
    let city = profile.get(Fact::City).map(|city| format!("from {city}"));
    let job_and_city: Vec<_> = [job, city].into_iter().flatten().collect();
    let rest = Some(job_and_city.join(" ")).filter(|words| !words.is_empty());
    let age = profile.get(Fact::Age).map(str::to_owned);
    let predicates: Vec<_> = [age, rest].into_iter().flatten().collect();
    if predicates.is_empty() {
        first
    } else {
        format!("{first} {} is {}.", profile.owner.pronoun, predicates.join(" and "))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand_chacha::rand_core::SeedableRng;

    use super::*;
    use crate::figurines::names::PEOPLE;

    fn texts(facts: &[(Fact, &'static str)]) -> BTreeSet<String> {
        let mut profile = Profile { owner: PEOPLE[0], facts: facts.iter().copied().collect() };
        profile.facts.insert(Fact::Owner, PEOPLE[0].name);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        (0..200).map(|_| info(&mut rng, &profile)).collect()
    }

    #[test]
    fn every_form_of_a_text_tells_its_facts() {
        assert_eq!(
            texts(&[(Fact::Job, "teacher"), (Fact::City, "Paris")]).into_iter().collect::<Vec<_>>(),
            [
                "It belongs to Lily, a teacher from Paris.",
                "It belongs to Lily. She is a teacher from Paris.",
                "It is owned by Lily, a teacher from Paris.",
                "It is owned by Lily. She is a teacher from Paris.",
                "Owned by Lily, a teacher from Paris.",
                "The owner is Lily, a teacher from Paris.",
            ]
        );
    }

    #[test]
    fn the_price_is_told_once() {
        for text in texts(&[(Fact::Price, "20 euros"), (Fact::Pet, "dog")]) {
            assert_eq!(text.matches("20 euros").count(), 1, "{text}");
            assert!(text.ends_with("She has a dog."), "{text}");
        }
    }

    #[test]
    fn an_age_alone_makes_a_sentence() {
        let texts = texts(&[(Fact::Age, "34")]);

        assert!(texts.contains("It is owned by Lily. She is 34."), "{texts:?}");
        assert!(texts.contains("It is owned by Lily, aged 34."), "{texts:?}");
    }
}
