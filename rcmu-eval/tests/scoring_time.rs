//! How long a scoring takes whose judge is an endpoint that lets everyone wait.

#![allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]

mod endpoint;
mod runs;
mod verdicts;

use std::{
    io::Read,
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use rcmu_data::remote::Endpoint as Remote;
use rcmu_eval::{
    Outcome,
    judge::{Entailment, FactVision, GeneratorJudge, Judges, RecordedEntailment},
    report::{ScoreOptions, Scores},
    run::RemoteGenerator,
};
use runs::Scratch;
use verdicts::{Answers, batch};

/// Answers that are judged, each by one question.
const ITEMS: usize = 9;
/// The deadline of one question.
const SHORT: Duration = Duration::from_millis(400);
const LONG: Duration = Duration::from_secs(30);
/// What a question may take longer than its deadline.
const SECOND: Duration = Duration::from_secs(1);

/// Scores answers whose judge is given this time, by an endpoint that has another time and replies after `delay`, if at
/// all; gives how many failed, how many questions there were, and the time.
fn score(parallel: usize, judge: Duration, endpoint: Duration, replies: bool) -> (usize, usize, Duration) {
    let scratch = Scratch::new(&format!("scoring-time-{parallel}-{}-{replies}", judge.as_millis()));
    let answers = Answers::in_numbers(&scratch.path(""), ITEMS);
    let (address, asked) = endpoint::endpoint(if replies {
        |stream, question, _| endpoint::say(stream, &question.verdict())
    } else {
        |stream, _, _| {
            let _ = stream.read(&mut [0]);
        }
    });
    let generator = generator(&address, endpoint);
    let judge = GeneratorJudge::new(&generator, 0).with_timeout(judge);
    let judges = Judges { entailment: &judge, vision: &FactVision };
    let options = ScoreOptions { parallel, ..ScoreOptions::default() };
    let begun = Instant::now();

    let scores = Scores::with_options(&answers.dataset, &answers.contents, &judges, &options).unwrap();

    let took = begun.elapsed();
    let failed = scores.items().iter().filter(|score| score.outcome == Outcome::JudgeFailed).count();
    (failed, asked.load(Ordering::SeqCst), took)
}

fn generator(address: &str, deadline: Duration) -> RemoteGenerator {
    let mut endpoint = Remote::new(address, "judge");
    (endpoint.deadline, endpoint.retries) = (deadline, 5);
    RemoteGenerator::new(endpoint).unwrap()
}

#[test]
fn a_scoring_takes_as_long_as_its_questions_one_after_the_other_in_each_thread() {
    let (failed, questions, _) = score(3, LONG, LONG, true);
    assert_eq!((failed, questions), (0, ITEMS), "each answer has one question");

    // The shorter of both times counts, whoever sets it.
    for (judge, endpoint) in [(SHORT, LONG), (LONG, SHORT)] {
        for parallel in [1, 3] {
            let (failed, asked, took) = score(parallel, judge, endpoint, false);

            let place = format!("{parallel} threads, {judge:?} and {endpoint:?}: {took:?}");
            assert_eq!((failed, asked), (ITEMS, ITEMS), "{place}: each question is asked once");
            let rounds = ITEMS.div_ceil(parallel) as u32;
            assert!(took >= SHORT * rounds, "{place}: the deadline is one of each question");
            assert!(took <= (SHORT + SECOND) * rounds, "{place}");
        }
    }
}

#[test]
fn threads_whose_common_question_fails_ask_it_one_after_the_other() {
    let scratch = Scratch::new("scoring-time-common");
    let (address, asked) = endpoint::endpoint(|stream, _, _| {
        let _ = stream.read(&mut [0]);
    });
    let generator = generator(&address, SHORT);
    let judge = GeneratorJudge::new(&generator, 0);
    let recorded = RecordedEntailment::open(scratch.path("verdicts"), &judge, batch()).unwrap();
    let begun = Instant::now();

    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| recorded.entails("age: 41", "age: 34").expect_err("nobody replies"));
        }
    });

    let took = begun.elapsed();
    assert!((SHORT * 3..=(SHORT + SECOND) * 3).contains(&took), "{took:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}
