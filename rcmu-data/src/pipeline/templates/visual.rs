use std::collections::BTreeSet;

use crate::pipeline::{
    NamedValue, QuestionDraft, SeenObject, VisualDraft,
    criteria::{normalised, words},
    hash::choice,
};

/// Colours and patterns.
const COLOURS: [&str; 22] = [
    "red",
    "orange",
    "yellow",
    "green",
    "blue",
    "purple",
    "pink",
    "white",
    "black",
    "brown",
    "grey",
    "gray",
    "beige",
    "golden",
    "silver",
    "turquoise",
    "maroon",
    "navy",
    "striped",
    "spotted",
    "plaid",
    "checkered",
];
/// Words before what someone wears or holds.
const WEARING: [&str; 3] = ["wearing", "in", "holding"];
/// What is worn: in a red coat, but not in a red car.
const CLOTHES: [&str; 21] = [
    "coat", "jacket", "shirt", "sweater", "hoodie", "vest", "suit", "uniform", "dress", "skirt", "jeans",
    "pants", "trousers", "shorts", "hat", "cap", "helmet", "scarf", "shoes", "boots", "jersey",
];
/// Small words that stand before a colour and a noun.
const ARTICLES: [&str; 6] = ["a", "an", "the", "his", "her", "their"];
/// Places, the longest first.
const PLACES: [&str; 9] = [
    "on the far left",
    "on the far right",
    "in the middle",
    "in the foreground",
    "in the background",
    "in the center",
    "in the centre",
    "on the left",
    "on the right",
];
const COLOUR_QUESTIONS: [&str; 2] = ["What colour is {x}?", "Which colour does {x} have?"];
const PLACE_QUESTIONS: [&str; 2] = ["Where in the image is {x}?", "In which part of the image is {x}?"];

/// Finds colours, clothes and places in the expressions, and asks for them.
pub(super) fn draft(seen: &[SeenObject], seed: u64) -> VisualDraft {
    let mut draft = VisualDraft { attributes: Vec::new(), questions: Vec::new() };
    for it in seen {
        let mut known = BTreeSet::new();
        for expression in &it.expressions {
            for (name, value, [first, second], answer) in attributes(it, expression) {
                if !known.insert(name) {
                    continue;
                }
                let questions = [first, second];
                let question = questions[choice(seed, &[&it.object.to_string(), name], 2)].to_owned();
                let (object, about) = (it.object, name.to_owned());
                draft.questions.push(QuestionDraft { object, about: about.clone(), question, answer });
                draft.attributes.push(NamedValue { object, name: about, value });
            }
        }
    }
    draft
}

type Attribute = (&'static str, String, [&'static str; 2], String);

/// What an expression says is seen of its object.
fn attributes(it: &SeenObject, expression: &str) -> Vec<Attribute> {
    let words: Vec<_> = words(expression).collect();
    let noun: Vec<_> = normalised(&it.noun).split(' ').map(str::to_owned).collect();
    let mut found: Vec<Attribute> = Vec::new();
    // `the red figurine`: the colour stands right before the noun.
    let at = words.windows(noun.len()).position(|window| window == noun);
    if let Some(colour) = at.and_then(|at| words.get(at.checked_sub(1)?)).filter(|word| is_colour(word)) {
        found.push(("colour", colour.clone(), COLOUR_QUESTIONS, format!("The colour is {colour}.")));
    }
    // `in the red coat`: a colour and one noun behind a word for wearing or holding.
    for (at, word) in words.iter().enumerate().filter(|(_, word)| WEARING.contains(&word.as_str())) {
        let mut rest = words.iter().skip(at + 1).skip_while(|word| ARTICLES.contains(&word.as_str()));
        if let (Some(colour), Some(what)) = (rest.next().filter(|word| is_colour(word)), rest.next()) {
            let value = format!("{colour} {what}");
            if word != "holding" && !CLOTHES.contains(&what.as_str()) {
                continue;
            }
            let (name, questions, answer) = if word == "holding" {
                (
                    "object held",
                    ["What is {x} holding?", "What does {x} hold?"],
                    format!("It is the {value}."),
                )
            } else {
                ("clothing", ["What is {x} wearing?", "What does {x} wear?"], format!("It is the {value}."))
            };
            found.push((name, value, questions, answer));
        }
    }
    let lower = expression.to_lowercase();
    if let Some(place) = PLACES.into_iter().find(|place| lower.contains(place)) {
        found.push(("place", place.to_owned(), PLACE_QUESTIONS, format!("It is {place}.")));
    }
    found
}

fn is_colour(word: &str) -> bool {
    COLOURS.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(noun: &str, expression: &str) -> Vec<(String, String)> {
        let seen = SeenObject { object: 1, noun: noun.into(), expressions: vec![expression.into()] };
        let draft = draft(&[seen], 7);
        assert_eq!(draft.attributes.len(), draft.questions.len());
        draft.attributes.into_iter().map(|it| (it.name, it.value)).collect()
    }

    #[test]
    fn colours_clothes_and_places_are_found() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());

        assert_eq!(
            values("dog", "the black dog on the left"),
            [pair("colour", "black"), pair("place", "on the left")]
        );
        assert_eq!(values("woman", "the woman in a red coat"), [pair("clothing", "red coat")]);
        assert_eq!(
            values("man", "the man holding the blue umbrella"),
            [pair("object held", "blue umbrella")]
        );
        // The coat is red, the woman is not; nor is a car worn.
        assert_eq!(values("woman", "the woman near the red car"), []);
        assert_eq!(values("woman", "the woman in a blue car"), []);
    }
}
