use rand_chacha::ChaCha8Rng;

use crate::{
    Kind,
    figurines::{
        Accessory, Colour, Shape, Stand,
        chance::{below, between, pick, weighted},
        items::{Draft, Form, Lines, Stage, letter, options},
        phrases::{
            Aspect, NOT_THERE, Phrasing, contextual_reference, visual_phrasings, visual_value, with_article,
        },
    },
};

/// Splices a contextual reference into a visual question: "What colour is the figurine of the teacher?"
///
/// `None` when there is nothing to ask for.
pub(crate) fn context_to_visual(
    stage: &Stage,
    rng: &mut ChaCha8Rng,
    target: usize,
    form: Form,
) -> Option<Draft> {
    let told: Vec<_> = stage.profiles[target].facts.iter().collect();
    let (&fact, &known) = *pick(rng, &told);
    let reference = contextual_reference(rng, fact, known);
    let aspect = an_aspect(stage, rng, &[target])?;
    let phrasing = pick(rng, visual_phrasings(aspect));
    let value = visual_value(&stage.scene.figurines[target], aspect)?;
    let number = stage.number(target);
    let mut draft = Draft {
        lines: Lines::Texts,
        question: phrasing.ask(&reference),
        answer: visual_answer(phrasing, aspect, &value, (form == Form::Cited).then_some(number)),
        accepted: vec![value.clone()],
        cited: form == Form::Cited,
        citations: vec![number],
        ..Draft::plain(
            Kind::ContextToVisual,
            "pronoun_substitution",
            format!("{}/{}", phrasing.id, fact.name()),
        )
    };
    if form == Form::Choice {
        let wrong = stage.other_looks(target, aspect);
        offer(rng, aspect, Some(&value), wrong, &mut draft);
    }
    Some(draft)
}

/// Asks for a figurine of which a text of some other scene tells, not one of these.
///
/// The fact is one that a text of this scene tells of one of its own figurines. `None` when there is nothing to ask
/// for, or no value is left.
pub(crate) fn unanswerable_context_to_visual(
    stage: &Stage,
    rng: &mut ChaCha8Rng,
    form: Form,
) -> Option<Draft> {
    let someone = &stage.profiles[below(rng, stage.profiles.len())];
    let told: Vec<_> = someone.facts.keys().copied().collect();
    let fact = *pick(rng, &told);
    let mut values = fact.values();
    values.retain(|value| stage.profiles.iter().all(|profile| profile.get(fact) != Some(value)));
    if values.is_empty() {
        return None;
    }
    let value = *pick(rng, &values);
    let reference = contextual_reference(rng, fact, value);
    let everyone: Vec<_> = (0..stage.profiles.len()).collect();
    let aspect = an_aspect(stage, rng, &everyone)?;
    let phrasing = pick(rng, visual_phrasings(aspect));
    let mut draft = Draft {
        lines: Lines::Texts,
        question: phrasing.ask(&reference),
        answer: NOT_THERE.to_owned(),
        cited: form == Form::Cited,
        answerable: false,
        ..Draft::plain(
            Kind::UnanswerableContextToVisual,
            "other_instance",
            format!("{}/{}", phrasing.id, fact.name()),
        )
    };
    if form == Form::Choice {
        let wrong = everyone.iter().filter_map(|&at| visual_value(&stage.scene.figurines[at], aspect));
        let wrong = wrong.collect();
        offer(rng, aspect, None, wrong, &mut draft);
    }
    Some(draft)
}

/// The answer in words: nouns get their article, colours have none.
pub(super) fn visual_answer(phrasing: &Phrasing, aspect: Aspect, value: &str, cited: Option<u32>) -> String {
    match aspect {
        Aspect::Look | Aspect::Shape | Aspect::Accessory => phrasing.tell(&with_article(value), cited),
        Aspect::Colour | Aspect::Stand => phrasing.tell(value, cited),
    }
}

/// Something that can be seen of one of these figurines.
pub(super) fn an_aspect(stage: &Stage, rng: &mut ChaCha8Rng, targets: &[usize]) -> Option<Aspect> {
    let weights = Aspect::ALL.map(|aspect| {
        let seen = targets.iter().any(|&at| visual_value(&stage.scene.figurines[at], aspect).is_some());
        match aspect {
            _ if !seen => 0,
            Aspect::Look => 4,
            Aspect::Colour | Aspect::Shape | Aspect::Accessory => 2,
            Aspect::Stand => 1,
        }
    });
    weighted(rng, weights.into_iter()).map(|at| Aspect::ALL[at])
}

/// Turns an item into a multiple-choice one; the wrong values are those of the other figurines.
fn offer(rng: &mut ChaCha8Rng, aspect: Aspect, right: Option<&str>, wrong: Vec<String>, draft: &mut Draft) {
    let count = between(rng, &(2..=5));
    let options = options(rng, count, right, [wrong, values(aspect)]);
    draft.answer = letter(options.right);
    draft.accepted = vec![options.texts[options.right].clone()];
    draft.options = options.texts;
}

/// Everything that a figurine may show of an aspect.
fn values(aspect: Aspect) -> Vec<String> {
    let colours = || Colour::ALL.iter().filter(|colour| **colour != Colour::Pink);
    match aspect {
        Aspect::Look => {
            let looks = colours().flat_map(|colour| Shape::ALL.iter().map(move |shape| (colour, shape)));
            looks.map(|(colour, shape)| format!("{} {}", colour.word(), shape.word())).collect()
        }
        Aspect::Colour => colours().map(|colour| colour.word().to_owned()).collect(),
        Aspect::Shape => Shape::ALL.iter().map(|shape| shape.word().to_owned()).collect(),
        Aspect::Accessory => Accessory::ALL.iter().map(|accessory| accessory.word().to_owned()).collect(),
        Aspect::Stand => Stand::ALL.iter().map(|stand| stand.word().to_owned()).collect(),
    }
}
