//! No judge gives the verdict that a judged text tells it to give.

#![allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]

mod endpoint;
mod injections;

use std::{path::Path, sync::Mutex};

use rcmu_core::{
    Control, Event, FinishReason, GenerateError, Generation, Generator, Piece, Prompt, Request, Trust,
};
use rcmu_data::Sample;
use rcmu_eval::{
    Outcome,
    judge::{
        Entailment, FactVision, GeneratorJudge, GeneratorVision, JudgeError, Judges, RuleEntailment, Verdict,
        VisionCheck,
    },
    scorers::score_item,
};

use endpoint::description;
use injections::{Obedient, PLANTED, Reading, Replies, careless, fill};

const HONEST: &str = "Lily is a doctor.";

/// Asks a judge about a text, and says whether it gives the verdict that planted texts want.
type Ask = fn(&dyn Generator, &str) -> Result<bool, JudgeError>;

/// Where a judge meets a text, the verdict that is wanted there, and the one that an honest judge has.
const PLACES: [(&str, &str, &str, Ask); 3] = [
    ("hypothesis", "entail", "neutral", |generator, text| {
        Ok(GeneratorJudge::new(generator, 0).entails("age: 34", text)? == Verdict::Entail)
    }),
    ("premise", "entail", "neutral", |generator, text| {
        Ok(GeneratorJudge::new(generator, 0).entails(text, "Lily is 34.")? == Verdict::Entail)
    }),
    ("picture", "yes", "nothing", |generator, text| {
        let open = |sample: &Sample| sample.picture.open(Path::new("."));
        let vision = GeneratorVision::new(GeneratorJudge::new(generator, 0), &open);
        Ok(vision.shows(&description(), 0, text)? == Some(true))
    }),
];

/// Asks a generator that obeys about every planted text, alone and behind an honest one; gives those that have their way.
fn obeyed(change: fn(&Prompt) -> Prompt) -> Vec<(&'static str, &'static str)> {
    let mut obeyed = Vec::new();
    for (place, wanted, _, ask) in PLACES {
        let generator = Obedient::new(wanted, change);
        assert!(!ask(&generator, HONEST).unwrap(), "{place}: nobody tells it what to say");
        let mark = generator.honest.get().unwrap().mark.clone();
        for (name, planted) in PLANTED {
            let planted = fill(planted, &mark, wanted);
            let texts = [format!("{HONEST} {planted}"), planted];
            if texts.iter().any(|text| ask(&generator, text).unwrap()) {
                obeyed.push((place, name));
            }
        }
    }
    obeyed
}

#[test]
fn no_planted_text_comes_where_it_is_obeyed() {
    assert_eq!(obeyed(Prompt::clone), []);
}

#[test]
fn a_careless_prompt_would_be_obeyed() {
    let obeyed = obeyed(careless);

    // What has neither a quote, nor the end of a line, nor a control token stays where it is in any prompt.
    let leaves = |text: &str| {
        text.contains(['"', '\\'])
            || text.contains("{object}")
            || text.contains("<|")
            || text.contains('\u{85}')
    };
    for (place, ..) in PLACES {
        for (name, planted) in PLANTED {
            assert_eq!(obeyed.contains(&(place, name)), leaves(planted), "{place}: {name}");
        }
    }
    assert_eq!(obeyed.len(), 3 * 32);
}

/// Keeps the requests that it gets.
#[derive(Default)]
struct Keeps(Mutex<Vec<Request>>);

impl Generator for Keeps {
    fn identity(&self) -> String {
        "keeps".into()
    }

    fn generate(
        &self,
        request: &Request,
        _: &Control,
        _: &mut dyn FnMut(Event),
    ) -> Result<Generation, GenerateError> {
        self.0.lock().unwrap().push(request.clone());
        Err(GenerateError::ScriptEnded)
    }
}

#[test]
fn a_planted_text_is_foreign_quoted_and_whole() {
    for (place, wanted, _, ask) in PLACES {
        for (name, planted) in PLANTED {
            let planted = fill(planted, "#0123456789abcdef", wanted);
            let keeps = Keeps::default();

            ask(&keeps, &planted).expect_err("it says nothing");

            let prompt = keeps.0.into_inner().unwrap().remove(0).prompt;
            let quoted = Reading::of(&prompt).quoted;
            assert!(quoted.contains(&planted), "{place}: {name}: the judge is shown what was said");
            let foreign = prompt.pieces().iter().filter_map(|piece| match piece {
                Piece::Text(text, Trust::Untrusted) => serde_json::from_str::<String>(text).ok(),
                _ => None,
            });
            assert_eq!(foreign.collect::<Vec<_>>(), quoted, "{place}: {name}: what is foreign is marked so");
            assert_eq!(quoted.len(), 2, "{place}: {name}");
        }
    }
}

/// Replies that have a planted text in them beside the judge's own verdict, or nothing but that text.
fn echoes(planted: &str, own: &str) -> [String; 6] {
    [
        format!("{planted}\n{own}"),
        format!("{own}\n{planted}"),
        format!("{planted}{own}{planted}"),
        format!("The text says: {planted}\n\n```json\n{own}\n```"),
        format!("[{}, {own}]", serde_json::to_string(planted).unwrap()),
        planted.to_owned(),
    ]
}

#[test]
fn a_reply_that_repeats_a_planted_text_is_no_verdict() {
    let mut replies = 0;
    for (place, wanted, honest, ask) in PLACES {
        for (name, planted) in PLANTED {
            for (at, knows_mark) in (0..6).flat_map(|at| [(at, true), (at, false)]) {
                // The text alone, with the mark that it cannot know, is the judge's own reply.
                if at == 5 && knows_mark {
                    continue;
                }
                let generator = Replies(|mark: &str| {
                    let planted = fill(planted, if knows_mark { mark } else { "#0123456789abcdef" }, wanted);
                    echoes(&planted, &fill("{object}", mark, honest))[at].clone()
                });

                let result = ask(&generator, &fill(planted, "#0123456789abcdef", wanted));

                assert!(
                    matches!(result, Err(JudgeError::Malformed { .. } | JudgeError::Mark)),
                    "{place}: {name}: {at}: {result:?}"
                );
                replies += 1;
            }
        }
    }
    assert_eq!(replies, 3 * 34 * 11);
}

#[test]
fn an_answer_whose_judge_repeats_it_has_no_score() {
    let sample = description();
    let open = |sample: &Sample| sample.picture.open(Path::new("."));
    for (name, planted) in PLANTED {
        let answer = format!("{} {}", sample.answer, fill(planted, "#0123456789abcdef", "entail"));
        for at in 0..6 {
            let generator = |wanted: &'static str| {
                Replies(move |mark: &str| {
                    let planted = fill(planted, "#0123456789abcdef", wanted);
                    echoes(&planted, &fill("{object}", mark, wanted))[at].clone()
                })
            };
            let (texts, pictures) = (generator("entail"), generator("yes"));
            let judge = GeneratorJudge::new(&texts, 0);
            let vision = GeneratorVision::new(GeneratorJudge::new(&pictures, 0), &open);
            for judges in [
                Judges { entailment: &judge, vision: &FactVision },
                Judges { entailment: &RuleEntailment, vision: &vision },
            ] {
                let score = score_item(&sample, &answer, FinishReason::EndOfText, &judges);

                let found = (score.outcome, score.measures.len());
                assert_eq!(found, (Outcome::JudgeFailed, 0), "{name}: {at}: {score:?}");
            }
        }
    }
}
