use rand_chacha::ChaCha8Rng;

use crate::{
    Kind,
    figurines::{
        Fact, Figurine,
        chance::{below, pick},
        items::{
            Draft, Lines, Stage, choose,
            context_to_visual::{an_aspect, visual_answer},
        },
        phrases::{
            capitalised, contextual_phrasings, contextual_reference, listed, looks, may_be_at, noun, place,
            visual_phrasings, visual_value, with_article,
        },
    },
};

const STEP: &str = "grounding";

/// From a box to what is there, or back. No context lines; a box stands in a question as plain numbers, in an
/// answer between box tokens.
pub(crate) fn boxes(stage: &Stage, rng: &mut ChaCha8Rng, target: usize) -> Option<Draft> {
    let figurine = &stage.scene.figurines[target];
    let at = figurine.bbox.to_string();
    Some(match below(rng, 5) {
        0 | 1 => Draft {
            question: format!("What is at {at}?"),
            answer: capitalised(&format!("{}.", with_article(&noun(figurine)))),
            accepted: vec![noun(figurine)],
            ..Draft::plain(Kind::Grounding, STEP, "box-1")
        },
        2 => Draft {
            question: format!("What colour is at {at}?"),
            answer: capitalised(&format!("{}.", figurine.colour.word())),
            accepted: vec![figurine.colour.word().into()],
            ..Draft::plain(Kind::Grounding, STEP, "box-2")
        },
        way_back => {
            let expression = choose(rng, looks(stage.scene, target))?;
            let (id, question) = if way_back == 3 { ("where-1", "Where is") } else { ("where-2", "Find") };
            let end = if way_back == 3 { '?' } else { '.' };
            Draft {
                question: format!("{question} {}{end}", expression.text),
                answer: format!("{}.", between_tokens(figurine)),
                accepted: vec![at],
                ..Draft::plain(Kind::Grounding, STEP, format!("{id}/{}", expression.id))
            }
        }
    })
}

/// From a corner or side to what is there, or back. No context lines.
pub(crate) fn coarse(stage: &Stage, rng: &mut ChaCha8Rng, target: usize) -> Option<Draft> {
    let figurine = &stage.scene.figurines[target];
    let is_alone = |place: &str| {
        let mut places = stage.scene.figurines.iter().filter(|other| may_be_at(other, place));
        places.next().is_some() && places.next().is_none()
    };
    if below(rng, 2) == 0 {
        let place = place(figurine).filter(|place| is_alone(place))?;
        Some(Draft {
            question: format!("What is {}?", at_the(place)),
            answer: capitalised(&format!("{}.", with_article(&noun(figurine)))),
            accepted: vec![noun(figurine)],
            ..Draft::plain(Kind::Grounding, STEP, "corner-1")
        })
    } else {
        let expression = choose(rng, looks(stage.scene, target))?;
        let place = place(figurine)?;
        Some(Draft {
            question: format!("On which side is {}?", expression.text),
            answer: capitalised(&format!("{}.", at_the(place))),
            accepted: vec![place.into()],
            ..Draft::plain(Kind::Grounding, STEP, format!("corner-2/{}", expression.id))
        })
    }
}

/// From the number of a context line without a text to what is there, or back.
pub(crate) fn numbers(stage: &Stage, rng: &mut ChaCha8Rng, target: usize) -> Option<Draft> {
    let number = stage.number(target);
    let draft = |id: String| Draft {
        lines: Lines::Boxes,
        cited: true,
        citations: vec![number],
        ..Draft::plain(Kind::Grounding, STEP, id)
    };
    if below(rng, 2) == 0 {
        let expression = choose(rng, looks(stage.scene, target))?;
        return Some(Draft {
            question: format!("Which number does {} have?", expression.text),
            answer: format!("It [{number}] has number {number}."),
            accepted: vec![number.to_string()],
            ..draft(format!("number-2/{}", expression.id))
        });
    }
    let aspect = an_aspect(stage, rng, &[target])?;
    let phrasing = pick(rng, visual_phrasings(aspect));
    let value = visual_value(&stage.scene.figurines[target], aspect)?;
    Some(Draft {
        question: phrasing.ask(&format!("[{number}]")),
        answer: visual_answer(phrasing, aspect, &value, Some(number)),
        accepted: vec![value],
        ..draft(format!("number-1/{}", phrasing.id))
    })
}

/// From the number of a context line to what its text tells, or back; nothing has to be seen for it.
pub(crate) fn told(stage: &Stage, rng: &mut ChaCha8Rng, target: usize) -> Draft {
    let number = stage.number(target);
    let (fact, value) = a_fact(stage, rng, target);
    if below(rng, 2) == 0 {
        return number_of_told(stage, rng, target, fact, value);
    }
    let phrasing = pick(rng, contextual_phrasings(fact));
    Draft {
        question: phrasing.ask(&format!("[{number}]")),
        answer: phrasing.tell(value, Some(number)),
        accepted: vec![value.to_owned()],
        ..told_draft(number, format!("told-1/{}", phrasing.id))
    }
}

/// From what a text tells to the number of its context line.
pub(crate) fn told_number(stage: &Stage, rng: &mut ChaCha8Rng, target: usize) -> Draft {
    let (fact, value) = a_fact(stage, rng, target);
    number_of_told(stage, rng, target, fact, value)
}

fn number_of_told(stage: &Stage, rng: &mut ChaCha8Rng, target: usize, fact: Fact, value: &str) -> Draft {
    let number = stage.number(target);
    Draft {
        question: format!("Which number does {} have?", contextual_reference(rng, fact, value)),
        answer: format!("It [{number}] has number {number}."),
        accepted: vec![number.to_string()],
        ..told_draft(number, format!("told-2/{}", fact.name()))
    }
}

/// Something that the text about a figurine tells.
fn a_fact(stage: &Stage, rng: &mut ChaCha8Rng, target: usize) -> (Fact, &'static str) {
    let facts: Vec<_> = stage.profiles[target].facts.iter().collect();
    let (&fact, &value) = *pick(rng, &facts);
    (fact, value)
}

fn told_draft(number: u32, id: String) -> Draft {
    Draft {
        lines: Lines::Texts,
        cited: true,
        citations: vec![number],
        ..Draft::plain(Kind::Grounding, STEP, id)
    }
}

/// The text of a context line word for word, asked for by number, or by what the picture shows where that is `seen`.
///
/// `None` when the figurine is to be seen and cannot be told from the others.
pub(crate) fn recited(stage: &Stage, rng: &mut ChaCha8Rng, target: usize, seen: bool) -> Option<Draft> {
    let number = stage.number(target);
    let (id, thing) = if seen {
        let expression = choose(rng, looks(stage.scene, target))?;
        (format!("recited-2/{}", expression.id), expression.text)
    } else {
        ("recited-1".to_owned(), format!("[{number}]"))
    };
    Some(Draft {
        lines: Lines::Texts,
        question: format!("What is the information about {thing}?"),
        answer: format!("The text [{number}] is: {}", stage.infos[target]),
        accepted: vec![stage.infos[target].clone()],
        cited: true,
        citations: vec![number],
        ..Draft::plain(Kind::Grounding, STEP, id)
    })
}

/// All figurines: by number in the order of their regions, or from left to right with or without their boxes.
pub(crate) fn listing(stage: &Stage, rng: &mut ChaCha8Rng) -> Draft {
    let thing = |figurine: &Figurine| with_article(&noun(figurine));
    let mut from_left: Vec<_> = stage.scene.figurines.iter().collect();
    from_left.sort_by_key(|figurine| {
        let [x1, y1, x2, y2] = figurine.bbox.xyxy();
        (x1 + x2, y1 + y2)
    });
    let things: Vec<_> = from_left.iter().map(|figurine| thing(figurine)).collect();
    let plain = |id: &str, question: &str, items: &[String]| Draft {
        question: question.to_owned(),
        answer: capitalised(&format!("{}.", listed(items))),
        accepted: vec![listed(&things)],
        ..Draft::plain(Kind::Grounding, STEP, id)
    };
    match below(rng, 3) {
        0 => plain("list-1", "Which figurines are there?", &things),
        1 => {
            let placed: Vec<_> =
                from_left.iter().map(|it| format!("{} {}", thing(it), between_tokens(it))).collect();
            plain("list-2", "Where are the figurines?", &placed)
        }
        _ => {
            let numbered: Vec<_> = (1..)
                .zip(stage.order)
                .map(|(number, &at): (u32, _)| format!("{} [{number}]", thing(&stage.scene.figurines[at])))
                .collect();
            let in_order: Vec<_> = stage.order.iter().map(|&at| thing(&stage.scene.figurines[at])).collect();
            Draft {
                lines: Lines::Boxes,
                cited: true,
                citations: (1..=stage.order.len() as u32).collect(),
                accepted: vec![listed(&in_order)],
                ..plain("list-3", "Which figurines are there?", &numbered)
            }
        }
    }
}

/// The box of a figurine as the model writes it.
fn between_tokens(figurine: &Figurine) -> String {
    let mut prompt = rcmu_core::Prompt::new();
    rcmu_prompt::push_bbox(&mut prompt, figurine.bbox);
    prompt.to_reference_text()
}

/// `at the top left`, `on the left`.
fn at_the(place: &str) -> String {
    if matches!(place, "left" | "right") { format!("on the {place}") } else { format!("at the {place}") }
}

#[cfg(test)]
mod tests {
    use crate::figurines::{Mix, WorldOptions, scene_items};

    #[test]
    fn a_number_is_asked_for_by_what_one_text_alone_tells() {
        let mix = Mix { told_numbers: 1, ..Mix::default() };
        let options = WorldOptions { mix, picture: false, ..WorldOptions::grounding(3) };
        for seed in 0..300 {
            let samples = scene_items(seed, &options).expect("three figurines have owners").samples;
            assert!(!samples.is_empty(), "scene {seed}");
            for sample in samples {
                let fact = sample.provenance.prompt.strip_prefix("told-2/").expect("nothing else is asked");
                let telling = (1..).zip(&sample.regions).filter(|(_, region)| {
                    region.facts.get(fact).is_some_and(|value| sample.question.contains(&format!(" {value}")))
                });
                let numbers: Vec<u32> = telling.map(|(number, _)| number).collect();
                assert_eq!(numbers, sample.citations, "{}", sample.question);
                assert_eq!(sample.answer, format!("It [{0}] has number {0}.", numbers[0]));
            }
        }
    }
}
