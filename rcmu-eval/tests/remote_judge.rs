//! A judge behind an endpoint that does everything wrong that an endpoint can do.

#![allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]

mod endpoint;
mod runs;

use std::{
    path::Path,
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use rcmu_core::{FinishReason, ScriptedGenerator};
use rcmu_data::{Sample, remote::Endpoint};
use rcmu_eval::{
    ItemScore, Outcome,
    dataset::Dataset,
    journal,
    judge::{
        Entailment, FactVision, GeneratorJudge, GeneratorVision, JudgeError, Judges, RuleEntailment,
        VisionCheck,
    },
    metrics::BootstrapOptions,
    report::{Headline, ReportOptions, Scores},
    run::{RemoteGenerator, Run, RunOptions},
    scorers::score_item,
};

use endpoint::{
    DEADLINE, KEY, RETRIES, description, endpoint,
    faults::Fault,
    generator,
    log::{check_log, keep_log},
    said, say, search, send, verdict,
};
use runs::Scratch;

/// Scores the right answer with a judge at this address.
fn judged(address: &str) -> ItemScore {
    let generator = generator(address, 2);
    let judge = GeneratorJudge::new(&generator, 5).with_timeout(DEADLINE);
    let sample = description();
    let judges = Judges { entailment: &judge, vision: &FactVision };
    score_item(&sample, &sample.answer, FinishReason::EndOfText, &judges)
}

#[test]
fn a_judge_that_replies_as_asked_is_believed() {
    let (address, asked) = endpoint(|stream, question, _| say(stream, &question.verdict()));

    let score = judged(&address);

    assert_eq!(score.outcome, Outcome::Scored, "{score:?}");
    assert!(asked.load(Ordering::SeqCst) >= 2, "the judge was asked");
    assert!((score.measures["rcid_accuracy"] - 1.0).abs() < 1e-12, "{score:?}");
}

#[test]
fn a_judge_that_says_no_takes_the_score() {
    let (address, _) = endpoint(|stream, question, _| say(stream, &verdict(&question.mark, "contradict")));

    let score = judged(&address);

    assert_eq!(score.outcome, Outcome::Scored, "{score:?}");
    assert!(score.measures["rcid_accuracy"] < 0.5, "{score:?}");
}

#[test]
fn a_judge_that_fails_in_passing_is_asked_again() {
    let (address, asked) = endpoint(|stream, question, number| match number % 2 {
        0 => send(stream, "503 Busy", "retry-after: 0\r\n", ""),
        _ => say(stream, &question.verdict()),
    });

    let score = judged(&address);

    assert_eq!(score.outcome, Outcome::Scored, "{score:?}");
    assert!(asked.load(Ordering::SeqCst) >= 4, "each question was asked twice");
}

#[test]
fn a_judge_that_sees_is_shown_the_picture() {
    let (address, _) = endpoint(|stream, question, _| say(stream, &question.verdict()));
    let generator = RemoteGenerator::new(Endpoint::new(address, "judge")).unwrap();
    let open = |sample: &Sample| sample.picture.open(Path::new("."));
    let vision = GeneratorVision::new(GeneratorJudge::new(&generator, 5), &open);
    let sample = description();

    let shown = vision.shows(&sample, 0, "a red robot");

    assert_eq!(shown.unwrap(), Some(true));
}

#[test]
fn what_kept_a_question_from_its_endpoint_is_told() {
    // Both are words of the libraries that say so: `invalid peer certificate: UnknownIssuer`, `Connection refused`.
    for (name, told) in
        [("has a certificate that nobody signed", "certificate"), ("has nobody listening", "efused")]
    {
        let fault = Fault::all().into_iter().find(|fault| fault.name == name).unwrap();
        let generator = generator(&fault.address, 0);

        let error = GeneratorJudge::new(&generator, 5).entails("age: 41", "age: 34").unwrap_err();

        assert!(matches!(error, JudgeError::Generate(_)), "{name}: {error:?}");
        assert!(said(&error).contains(told), "{name}: {}", said(&error));
    }
}

/// What is judged by the endpoint: texts or pictures; the rules judge the others.
#[derive(Clone, Copy)]
enum Judged {
    Texts,
    Pictures,
}

/// Scores the right answer by endpoints that fail, each with all numbers of retries.
fn check_faults(name: &str, judged: Judged) {
    keep_log();
    let scratch = Scratch::new(name);
    let sample = description();
    let right = ScriptedGenerator::new([sample.answer.clone()]);
    let dataset = Dataset::new("described", "", [sample]).unwrap();
    let path = scratch.path("run.journal");
    Run::new(&dataset, &right, RunOptions::default()).unwrap().execute(&path).unwrap();
    let contents = journal::read(&path).unwrap();
    for retries in RETRIES {
        // All faults at a time, as most of the time is waiting.
        thread::scope(|scope| {
            for fault in Fault::all() {
                let (dataset, contents, scratch) = (&dataset, &contents, &scratch);
                scope.spawn(move || {
                    let place = format!("{}, {retries} retries", fault.name);
                    let generator = generator(&fault.address, retries);
                    let judge = GeneratorJudge::new(&generator, 5).with_timeout(DEADLINE);
                    let open = |sample: &Sample| sample.picture.open(Path::new("."));
                    let vision = GeneratorVision::new(judge.clone(), &open);
                    let judges = match judged {
                        Judged::Texts => Judges { entailment: &judge, vision: &FactVision },
                        Judged::Pictures => Judges { entailment: &RuleEntailment, vision: &vision },
                    };
                    let begun = Instant::now();

                    let scores = Scores::of(dataset, contents, &judges).unwrap();

                    let took = begun.elapsed();
                    assert!(took <= DEADLINE + Duration::from_secs(1), "{place} took {took:?}");
                    fault.check_asked(&place, retries, took);
                    let [score] = scores.items() else { panic!("{place}: one item has one score") };
                    assert_eq!(
                        (score.outcome, score.measures.len()),
                        (Outcome::JudgeFailed, 0),
                        "{place}: {score:?}"
                    );
                    let report = scores.report(&ReportOptions::default()).unwrap();
                    assert!(matches!(report.headline(), Headline::Refused { failures: 1, .. }), "{place}");
                    assert_eq!(report.rows, [], "{place}");
                    let folder = scratch.path(&format!("{}-{retries}", fault.number));
                    report.write(&folder).unwrap();
                    scores.compare(&scores, &BootstrapOptions::default()).unwrap().write(&folder).unwrap();
                    assert_eq!(search(&folder, &place), 6 + 4, "{place}: files of a report and a comparison");
                    let names = format!("{} {}", judges.entailment.identity(), judges.vision.identity());
                    let texts = format!("{generator:?} {score:?} {report:?} {scores:?} {names}");
                    assert!(!texts.contains(KEY), "{place}");
                    if retries == 0 {
                        let verdict = match judged {
                            Judged::Texts => judge.entails("age: 41", "age: 34").map(drop),
                            Judged::Pictures => vision.shows(&dataset.items()[0], 0, "a red robot").map(drop),
                        };
                        let error = said(&verdict.expect_err("it is no verdict"));
                        assert!(!error.contains(KEY), "{place}: {error}");
                    }
                });
            }
        });
    }
    check_log();
}

#[test]
fn no_fault_becomes_a_score_or_shows_the_key_or_outlasts_the_deadline() {
    check_faults("remote-judge", Judged::Texts);
}

#[test]
fn no_fault_becomes_something_seen_or_shows_the_key_or_outlasts_the_deadline() {
    check_faults("remote-vision", Judged::Pictures);
}
