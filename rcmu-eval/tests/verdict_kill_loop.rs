//! A scoring that is killed again and again ends in the report of a scoring that was not.
#![allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]

mod kills;
mod runs;
mod verdicts;

use std::{fs, path::Path, time::Duration};

use kills::{Work, child_of_kills, kill_at_random, kills};
use runs::Scratch;
use verdicts::{Answers, Careful, Mood, Undisturbed, ends, names};

/// Answers that are judged.
const ITEMS: usize = 100;

/// A judge that says what is drawn, and tells a file what it is asked.
fn judge(folder: &Path) -> Careful {
    let delay = Duration::from_micros(300);
    Careful { log: Some(folder.join("asked")), delay, ..Careful::new(Mood::Draws) }
}

/// The child's side: scores until it is killed or done.
#[test]
fn child() {
    let Some((folder, parallel)) = child_of_kills() else { return };
    let answers = Answers::in_numbers(&folder, ITEMS);
    answers.recorded(&folder.join("verdicts"), &judge(&folder), parallel).unwrap();
}

impl Work for Undisturbed {
    fn total(&self) -> u64 {
        self.questions as u64
    }

    fn recorded(&self, folder: &Path) -> (Vec<String>, bool) {
        names(&fs::read(folder.join("verdicts")).unwrap())
    }

    fn finish(&self, folder: &Path) {
        self.answers.recorded(&folder.join("verdicts"), &judge(folder), 1).unwrap();
    }

    fn check_done(&self, folder: &Path, parallel: u64, place: &str) {
        let path = folder.join("verdicts");
        let bytes = fs::read(&path).unwrap();
        if parallel == 1 {
            assert!(bytes == self.journal, "{place}: one thread writes in order");
        }
        assert!(records(&bytes) == records(&self.journal), "{place}: verdicts are lost, double or others");
        let silent = Careful::new(Mood::Fails);
        let report = self.answers.recorded(&path, &silent, 1).unwrap();
        assert_eq!(silent.count(), 0, "{place}: every question has its verdict");
        assert!(report == self.report, "{place}: the report is another one");
    }
}

/// The records of a journal, in the order of their bytes.
fn records(bytes: &[u8]) -> Vec<&[u8]> {
    let mut records: Vec<_> = ends(bytes).windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
    records.sort_unstable();
    records
}

/// The scoring that is not killed.
fn undisturbed(scratch: &Scratch) -> Undisturbed {
    let answers = Answers::in_numbers(&scratch.path(""), ITEMS);
    let right = Undisturbed::new(scratch, answers, &Careful::new(Mood::Draws));
    assert!(right.questions >= 200, "{} questions", right.questions);
    right
}

#[test]
fn a_scoring_killed_at_random_moments_loses_no_verdict_and_asks_one_question_again_per_kill() {
    let whole = Scratch::new("verdict-kill-whole");
    let (right, wanted) = (undisturbed(&whole), kills());

    let hits = kill_at_random(&right, "verdict-kill", 1, wanted);

    assert!(hits.count() >= wanted, "{hits:?}");
    assert!(hits.asked_again <= hits.count() + hits.misses, "{hits:?}");
}

#[test]
fn with_many_threads_each_asks_one_question_again_per_kill() {
    let whole = Scratch::new("verdict-kill-threads-whole");
    let right = undisturbed(&whole);

    let hits = kill_at_random(&right, "verdict-kill-threads", 4, 20);

    assert!(hits.count() >= 20, "{hits:?}");
}
