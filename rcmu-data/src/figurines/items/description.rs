use rand_chacha::ChaCha8Rng;

use crate::{
    Kind,
    figurines::{
        chance::pick,
        items::{Draft, Form, Lines, Stage},
        phrases::{capitalised, noun, with_article},
        profile::{Fact, Profile},
    },
};

/// How a description is asked for and begun.
const PHRASINGS: [(&str, &str, Shape); 4] = [
    ("description-1", "Describe the image.", Shape::List("")),
    ("description-2", "Describe the picture.", Shape::List("")),
    ("description-3", "What does the image show?", Shape::List("The image shows ")),
    ("description-4", "Describe the figurines.", Shape::Sentences),
];

/// The shape of a description.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// One sentence that begins with these words.
    List(&'static str),
    /// One sentence per figurine.
    Sentences,
}

/// Weaves the texts into a caption that names every figurine with colour and shape, its owner, and one more fact.
///
/// The figurines come in the order of their regions, not of their places. A mark stands after the mention.
pub(crate) fn description(stage: &Stage, rng: &mut ChaCha8Rng, form: Form) -> Draft {
    let (id, question, shape) = *pick(rng, &PHRASINGS);
    let cited = form == Form::Cited;
    let mentions: Vec<String> = (1..)
        .zip(stage.order)
        .map(|(number, &target)| {
            let mention = mention(&noun(&stage.scene.figurines[target]), &stage.profiles[target]);
            if cited { format!("{mention} [{number}]") } else { mention }
        })
        .collect();
    let answer = match shape {
        Shape::List(beginning) => capitalised(&format!("{beginning}{}.", joined(&mentions))),
        Shape::Sentences => {
            let sentences: Vec<_> =
                mentions.iter().map(|mention| format!("{}.", capitalised(mention))).collect();
            sentences.join(" ")
        }
    };
    Draft {
        lines: Lines::Texts,
        question: question.to_owned(),
        answer,
        cited,
        citations: (1..=stage.order.len() as u32).collect(),
        ..Draft::plain(Kind::Description, "contextual_description", id)
    }
}

/// The mentions with a comma before `and`, for they have commas of their own.
fn joined(mentions: &[String]) -> String {
    match mentions {
        [most @ .., last] if !most.is_empty() => format!("{}, and {last}", most.join(", ")),
        _ => mentions.concat(),
    }
}

/// `a red robot owned by Lily, a teacher`: the owner, and the first other fact in the order of [`Fact::ALL`].
fn mention(noun: &str, profile: &Profile) -> String {
    let (it, name) = (with_article(noun), profile.owner.name);
    let more = profile.facts.iter().find(|(fact, _)| **fact != Fact::Owner);
    match more {
        Some((Fact::Job, job)) => format!("{it} owned by {name}, {}", with_article(job)),
        Some((Fact::City, city)) => format!("{it} owned by {name} from {city}"),
        Some((Fact::Age, age)) => format!("{it} owned by {name}, aged {age}"),
        Some((Fact::Price, price)) => format!("{it} bought by {name} for {price}"),
        Some((Fact::Pet, pet)) => format!("{it} owned by {name}, who has {}", with_article(pet)),
        Some((Fact::Owner, _)) | None => format!("{it} owned by {name}"),
    }
}
