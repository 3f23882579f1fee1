use rand_chacha::ChaCha8Rng;

use crate::{
    Kind,
    figurines::{
        chance::{between, percent, pick},
        items::{Draft, Form, Lines, Stage, choose, letter, options},
        phrases::{contextual_phrasings, not_told, topic},
        profile::Fact,
    },
};

/// Splices a visual expression into a contextual question: "Who owns the red robot?"
///
/// `None` when the figurine cannot be told from the others.
pub(crate) fn visual_to_context(
    stage: &Stage,
    rng: &mut ChaCha8Rng,
    target: usize,
    form: Form,
) -> Option<Draft> {
    let expression = choose(rng, stage.expressions(target))?;
    let told: Vec<_> = stage.profiles[target].facts.iter().collect();
    let (&fact, &value) = *pick(rng, &told);
    let phrasing = pick(rng, contextual_phrasings(fact));
    let number = stage.number(target);
    let prompt = format!("{}/{}", phrasing.id, expression.id);
    let mut draft = Draft {
        lines: Lines::Texts,
        question: phrasing.ask(&expression.text),
        answer: phrasing.tell(value, (form == Form::Cited).then_some(number)),
        accepted: vec![value.to_owned()],
        cited: form == Form::Cited,
        citations: vec![number],
        ..Draft::plain(Kind::VisualToContext, "pronoun_substitution", prompt)
    };
    if form == Form::Choice {
        offer(stage, rng, target, (fact, Some(value)), &mut draft);
    }
    Some(draft)
}

/// Asks a figurine for something that its text does not tell; two times of three another figurine's text does.
///
/// `None` when the figurine cannot be told from the others, or its text tells everything.
pub(crate) fn unanswerable_visual_to_context(
    stage: &Stage,
    rng: &mut ChaCha8Rng,
    target: usize,
    form: Form,
) -> Option<Draft> {
    let expression = choose(rng, stage.expressions(target))?;
    let mut untold = Fact::ALL.to_vec();
    untold.retain(|&fact| stage.profiles[target].get(fact).is_none());
    let elsewhere: Vec<_> =
        untold.iter().copied().filter(|&fact| !stage.other_facts(target, fact).is_empty()).collect();
    if !elsewhere.is_empty() && percent(rng, 67) {
        untold = elsewhere;
    }
    if untold.is_empty() {
        return None;
    }
    let fact = *pick(rng, &untold);
    let phrasing = pick(rng, contextual_phrasings(fact));
    let prompt = format!("{}/{}", phrasing.id, expression.id);
    let mut draft = Draft {
        lines: Lines::Texts,
        question: phrasing.ask(&expression.text),
        answer: not_told(topic(fact)),
        cited: form == Form::Cited,
        answerable: false,
        ..Draft::plain(Kind::UnanswerableVisualToContext, "unmentioned_topics", prompt)
    };
    if form == Form::Choice {
        offer(stage, rng, target, (fact, None), &mut draft);
    }
    Some(draft)
}

/// Turns an item into a multiple-choice one; the wrong values are those of the other figurines.
fn offer(
    stage: &Stage,
    rng: &mut ChaCha8Rng,
    target: usize,
    (fact, right): (Fact, Option<&str>),
    draft: &mut Draft,
) {
    let fill = fact.values().into_iter().map(str::to_owned).collect();
    let count = between(rng, &(2..=5));
    let options = options(rng, count, right, [stage.other_facts(target, fact), fill]);
    draft.answer = letter(options.right);
    draft.accepted = vec![options.texts[options.right].clone()];
    draft.options = options.texts;
}
