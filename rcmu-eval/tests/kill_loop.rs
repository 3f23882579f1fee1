//! A run that is killed again and again ends in the report of a run that was not.
#![allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]

mod kills;
mod runs;

use std::{fs, path::Path, time::Duration};

use kills::{Work, child_of_kills, kill_at_random, kills};
use rcmu_eval::{journal, run::RunOptions};
use runs::{Echo, Logged, Scratch, Undisturbed, dataset, options, run};

/// Items of the run.
const ITEMS: usize = 200;

/// The child's side: runs until it is killed or done.
#[test]
fn child() {
    let Some((folder, parallel)) = child_of_kills() else { return };
    let dataset = dataset(&folder, ITEMS);
    let echo = Echo { delay: Duration::from_micros(300), ..Echo::new() };
    let logged = Logged { echo, log: folder.join("asked") };
    run(&dataset, &logged, RunOptions { parallel, ..options() }, &folder.join("run")).unwrap();
}

impl Work for Undisturbed {
    fn total(&self) -> u64 {
        ITEMS as u64
    }

    fn recorded(&self, folder: &Path) -> (Vec<String>, bool) {
        let contents = journal::read(folder.join("run")).unwrap();
        (contents.records.into_iter().map(|record| record.item).collect(), contents.torn.is_some())
    }

    fn finish(&self, folder: &Path) {
        let logged = Logged::new(folder.join("asked"));
        run(&self.dataset, &logged, options(), &folder.join("run")).unwrap();
    }

    fn check_done(&self, folder: &Path, parallel: u64, place: &str) {
        let path = folder.join("run");
        self.check(&path, place);
        if parallel == 1 {
            assert!(fs::read(&path).unwrap() == self.bytes, "{place}: one thread writes in order");
        }
    }
}

#[test]
fn a_run_killed_at_random_moments_loses_nothing_and_asks_one_item_again_per_kill() {
    let whole = Scratch::new("kill-whole");
    let (right, wanted) = (Undisturbed::new(&whole, ITEMS, ITEMS), kills());

    let hits = kill_at_random(&right, "kill", 1, wanted);

    assert!(hits.count() >= wanted, "{hits:?}");
    assert!(hits.asked_again <= hits.count() + hits.misses, "{hits:?}");
}

#[test]
fn with_many_threads_each_asks_one_item_again_per_kill() {
    let whole = Scratch::new("kill-threads-whole");
    let right = Undisturbed::new(&whole, ITEMS, ITEMS);

    let hits = kill_at_random(&right, "kill-threads", 4, 20);

    assert!(hits.count() >= 20, "{hits:?}");
}
