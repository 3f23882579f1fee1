//! As many answers are asked and judged at a time as the options say, and no more.

#![allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]

mod runs;
mod verdicts;

use std::{
    sync::{Condvar, Mutex},
    thread,
    time::Duration,
};

use rcmu_core::{Control, GenerateError};
use rcmu_eval::{
    Reply,
    judge::{Entailment, FactVision, JudgeError, Judges, RecordedEntailment, RuleEntailment, Verdict},
    report::{ScoreOptions, Scores},
    run::{Answerer, Asked, RunOptions},
};
use runs::{Scratch, dataset, options, run};
use verdicts::{Answers, batch};

/// How many there are at a time.
const PARALLEL: usize = 4;
/// How many come in all.
const ITEMS: usize = 16;
/// How long the first ones wait for each other: enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the later ones stay, so that one too many would be seen.
const STAY: Duration = Duration::from_millis(5);

/// A room that nobody leaves before so many are in it at once.
struct Room {
    wanted: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    inside: usize,
    most: usize,
    entered: usize,
}

impl Room {
    fn new(wanted: usize) -> Self {
        Self { wanted, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Comes in, waits and leaves; says whether there were ever as many as are wanted.
    fn pass(&self) -> bool {
        let mut state = self.state.lock().unwrap();
        state.inside += 1;
        state.entered += 1;
        state.most = state.most.max(state.inside);
        self.changed.notify_all();
        let too_few = |state: &mut State| state.most < self.wanted;
        let (state, waited) = self.changed.wait_timeout_while(state, PATIENCE, too_few).unwrap();
        drop(state);
        thread::sleep(STAY);
        self.state.lock().unwrap().inside -= 1;
        !waited.timed_out()
    }

    /// How many there were at once at most, and how many came.
    fn counts(&self) -> (usize, usize) {
        let state = self.state.lock().unwrap();
        (state.most, state.entered)
    }
}

impl Answerer for Room {
    fn identity(&self) -> String {
        "room".into()
    }

    fn answer(&self, _: &Asked<'_>, _: &Control) -> Result<Option<Reply>, GenerateError> {
        Ok(Some(if self.pass() {
            Reply::Text { text: "There were enough.".into(), finish: "end_of_text".into() }
        } else {
            Reply::Failed { reason: "there were too few".into() }
        }))
    }
}

impl Entailment for Room {
    fn identity(&self) -> String {
        "room".into()
    }

    fn entails(&self, premise: &str, hypothesis: &str) -> Result<Verdict, JudgeError> {
        if self.pass() { RuleEntailment.entails(premise, hypothesis) } else { Err(JudgeError::Empty) }
    }
}

/// Scores answers that have a question each.
fn score(judge: &dyn Entailment, parallel: usize, answers: &Answers) -> usize {
    let judges = Judges { entailment: judge, vision: &FactVision };
    let options = ScoreOptions { parallel, ..ScoreOptions::default() };
    let scores = Scores::with_options(&answers.dataset, &answers.contents, &judges, &options).unwrap();
    scores.items().iter().filter(|score| score.outcome.is_measured()).count()
}

#[test]
fn a_run_asks_as_many_at_a_time_as_it_says() {
    for parallel in [1, PARALLEL] {
        let scratch = Scratch::new(&format!("parallel-run-{parallel}"));
        let (dataset, room) = (dataset(&scratch.path(""), ITEMS), Room::new(parallel));

        let summary =
            run(&dataset, &room, RunOptions { parallel, ..options() }, &scratch.path("run")).unwrap();

        assert_eq!((summary.made, summary.failed), (ITEMS as u64, 0));
        assert_eq!(room.counts(), (parallel, ITEMS));
    }
}

#[test]
fn a_scoring_judges_as_many_at_a_time_as_it_says() {
    let scratch = Scratch::new("parallel-score");
    let answers = Answers::in_numbers(&scratch.path(""), ITEMS);
    for parallel in [1, PARALLEL] {
        let room = Room::new(parallel);

        assert_eq!(score(&room, parallel, &answers), ITEMS);

        assert_eq!(room.counts(), (parallel, ITEMS));
    }
}

#[test]
fn a_journal_of_verdicts_lets_as_many_be_judged_at_a_time() {
    let scratch = Scratch::new("parallel-recorded");
    let answers = Answers::in_numbers(&scratch.path(""), ITEMS);
    let room = Room::new(PARALLEL);
    let recorded = RecordedEntailment::open(scratch.path("verdicts"), &room, batch()).unwrap();

    assert_eq!(score(&recorded, PARALLEL, &answers), ITEMS);

    assert_eq!((room.counts(), recorded.len()), ((PARALLEL, ITEMS), ITEMS));
}

#[test]
fn no_more_are_asked_at_a_time_than_there_are() {
    let scratch = Scratch::new("parallel-few");
    let (dataset, room) = (dataset(&scratch.path(""), 2), Room::new(2));

    let summary =
        run(&dataset, &room, RunOptions { parallel: 256, ..options() }, &scratch.path("run")).unwrap();

    assert_eq!((summary.failed, room.counts()), (0, (2, 2)));
}
