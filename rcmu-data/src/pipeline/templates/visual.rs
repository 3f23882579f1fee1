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

/// What an expression says is seen of its object: what stands behind another noun may be said of another thing.
fn attributes(it: &SeenObject, expression: &str) -> Vec<Attribute> {
    let words: Vec<_> = words(expression).collect();
    let noun: Vec<_> = normalised(&it.noun).split(' ').map(str::to_owned).collect();
    let mut found: Vec<Attribute> = Vec::new();
    let at = words.windows(noun.len()).position(|window| window == noun);
    // `the red figurine`: the colour stands right before the noun.
    if let Some(colour) = at.and_then(|at| words.get(at.checked_sub(1)?)).filter(|word| is_colour(word)) {
        found.push(("colour", colour.clone(), COLOUR_QUESTIONS, format!("The colour is {colour}.")));
    }
    // How many words tell of the object itself.
    let mut own = at.map(|at| at + noun.len());
    // `woman in the red coat`: a colour and one noun behind a word for wearing or holding.
    if let Some((verb, value, end)) = own.and_then(|at| worn_or_held(&words, at)) {
        let (name, questions) = if verb == "holding" {
            ("object held", ["What is {x} holding?", "What does {x} hold?"])
        } else {
            ("clothing", ["What is {x} wearing?", "What does {x} wear?"])
        };
        let answer = format!("It is the {value}.");
        found.push((name, value, questions, answer));
        own = Some(end);
    }
    let whole = words.join(" ");
    let place = PLACES.into_iter().find_map(|place| Some((place, whole.strip_suffix(place)?)));
    if let Some((place, before)) = place {
        let small = |word: &&str| ARTICLES.contains(word) || is_colour(word);
        let before: Vec<_> = before.split(' ').filter(|word| !word.is_empty()).collect();
        // `guy on the left` has one noun, too, though not that of its class.
        if own == Some(before.len()) || before.iter().filter(|word| !small(word)).count() <= 1 {
            found.push(("place", place.to_owned(), PLACE_QUESTIONS, format!("It is {place}.")));
        }
    }
    found
}

/// The word for wearing or holding at this place, what is worn or held, and where its words end.
fn worn_or_held(words: &[String], at: usize) -> Option<(&str, String, usize)> {
    let verb = words.get(at).filter(|word| WEARING.contains(&word.as_str()))?;
    let articles = words[at + 1..].iter().take_while(|word| ARTICLES.contains(&word.as_str())).count();
    let at = at + 1 + articles;
    let [colour, what, ..] = &words[at..] else { return None };
    let fits = is_colour(colour) && (verb == "holding" || CLOTHES.contains(&what.as_str()));
    fits.then(|| (verb.as_str(), format!("{colour} {what}"), at + 2))
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

    #[test]
    fn what_is_said_of_another_thing_is_not_found() {
        for (noun, expression) in [
            ("man", "the man beside the woman in a red coat"),
            ("dog", "the dog next to the man wearing a blue shirt"),
            ("child", "the child behind the man holding the blue umbrella"),
            ("man", "the man not wearing a red hat"),
            ("dog", "the dog on the left of the black cat"),
            ("dog", "the dog beside the cat on the left"),
            ("dog", "the dog beside the dog on the left"),
            ("person", "man with the dog in the middle"),
        ] {
            assert_eq!(values(noun, expression), [], "{expression}");
        }
    }

    #[test]
    fn a_place_stands_behind_the_only_noun_or_what_is_worn() {
        let place = ("place".to_owned(), "on the left".to_owned());
        for (noun, expression, count) in [
            ("woman", "the young woman on the left", 1),
            ("person", "guy on the left", 1),
            ("woman", "the woman in a red coat on the left", 2),
            ("woman", "the woman in a red coat, on the left.", 2),
        ] {
            let found = values(noun, expression);

            assert_eq!((found.len(), found.last()), (count, Some(&place)), "{expression}");
        }
    }
}
