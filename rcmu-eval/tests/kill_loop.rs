//! A run that is killed again and again ends in the report of a run that was not.
#![allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]

mod runs;

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};
use rcmu_eval::{journal, run::RunOptions};
use runs::{Echo, Logged, Scratch, Undisturbed, dataset, is_kill, options, run, times_asked};

/// The folder in which a child process has to run.
const FOLDER: &str = "RCMU_TEST_KILL_FOLDER";
/// How many threads the child has.
const PARALLEL: &str = "RCMU_TEST_KILL_PARALLEL";
/// How often a working run is killed, unless the environment says otherwise by this name.
const KILLS: (&str, u64) = ("RCMU_KILLS", 200);
/// Items of the run.
const ITEMS: u64 = 200;
/// A child is killed after so many items at most, and some milliseconds.
const MOST: u64 = 24;

/// The child's side: runs until it is killed or done.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let parallel = std::env::var(PARALLEL).unwrap().parse().unwrap();
    let dataset = dataset(&folder, ITEMS as usize);
    let echo = Echo { delay: Duration::from_micros(300), ..Echo::new() };
    let logged = Logged { echo, log: folder.join("asked") };
    run(&dataset, &logged, RunOptions { parallel, ..options() }, &folder.join("run")).unwrap();
}

/// What was seen of kills that hit a working run: its journal was there, and it had asked and recorded since it began.
#[derive(Debug, Default)]
struct Hits {
    /// In each tenth of the run.
    tenths: [u64; 10],
    /// Those that left a torn tail.
    torn: u64,
    /// Items whose answers were cut, so that they were asked again.
    asked_again: u64,
    /// Children that were done, or that died before they had begun to work.
    misses: u64,
}

impl Hits {
    fn count(&self) -> u64 {
        self.tenths.iter().sum()
    }

    /// Whether there are this many, and some in each tenth of the run.
    fn are_enough(&self, wanted: u64) -> bool {
        self.count() >= wanted && self.tenths.iter().all(|&kills| kills >= wanted / 40)
    }
}

/// A run in a folder of its own that is killed at random moments.
struct Victim<'a> {
    scratch: &'a Scratch,
    parallel: u64,
    rng: ChaCha8Rng,
}

impl Victim<'_> {
    fn spawn(&self) -> Child {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["child", "--exact", "--test-threads=1"]);
        command.env(FOLDER, self.scratch.path("")).env(PARALLEL, self.parallel.to_string());
        command.stdout(Stdio::null()).spawn().unwrap()
    }

    /// How many items the children have begun so far.
    fn begun(&self) -> u64 {
        fs::metadata(self.scratch.path("asked")).map_or(0, |log| log.len() / Logged::LINE)
    }

    /// Kills children until one is done or there are enough hits; tells whether one is done.
    fn kill(&mut self, hits: &mut Hits, wanted: u64) -> bool {
        let (mut begun, mut recorded) = (0, 0);
        while !hits.are_enough(wanted) {
            let all = hits.count() + hits.misses;
            assert!(all < 100 + 10 * wanted, "hardly any kill hits a working run: {hits:?}");
            let mut child = self.spawn();
            // Once a thread has its second item, its first is recorded; from there on, any moment is as good.
            let until = begun + self.parallel + 1 + u64::from(self.rng.next_u32()) % MOST;
            let done = loop {
                if let Some(status) = child.try_wait().unwrap() {
                    assert!(status.success(), "the run itself never fails");
                    break true;
                }
                if self.begun() >= until {
                    break false;
                }
                thread::sleep(Duration::from_micros(100));
            };
            if !done {
                thread::sleep(Duration::from_micros(u64::from(self.rng.next_u32()) % 5000));
                child.kill().unwrap();
            }
            let status = child.wait().unwrap();
            if status.success() {
                hits.misses += 1;
                return true;
            }
            assert!(is_kill(status), "the run itself never fails: {status}");
            // What it left can always be read, and all of it was asked.
            let contents = journal::read(self.scratch.path("run")).unwrap();
            let (asked, found) = (self.begun() - begun, contents.records.len() as u64);
            assert!(found > recorded, "a child that works records");
            let again = asked - (found - recorded);
            assert!(again <= self.parallel, "{again} answers of one child are lost");
            if found < ITEMS {
                hits.tenths[(found * 10 / ITEMS) as usize] += 1;
                hits.torn += u64::from(contents.torn.is_some());
            } else {
                hits.misses += 1;
            }
            hits.asked_again += again;
            (begun, recorded) = (begun + asked, found);
        }
        false
    }
}

/// Kills runs until this many kills have hit one that worked, and checks what becomes of each run.
fn kill_runs(name: &str, parallel: u64, wanted: u64) -> Hits {
    let whole = Scratch::new(&format!("{name}-whole"));
    let right = Undisturbed::new(&whole, ITEMS as usize, ITEMS as usize);
    let mut hits = Hits::default();
    let mut runs = 0;
    while !hits.are_enough(wanted) {
        let scratch = Scratch::new(name);
        let rng = ChaCha8Rng::seed_from_u64(runs);
        let mut victim = Victim { scratch: &scratch, parallel, rng };
        let (before, again) = (hits.count() + hits.misses, hits.asked_again);
        let path = scratch.path("run");
        if !victim.kill(&mut hits, wanted) {
            let logged = Logged::new(scratch.path("asked"));
            run(&right.dataset, &logged, options(), &path).unwrap();
        }
        let place = format!("run {runs}");
        right.check(&path, &place);
        if parallel == 1 {
            assert!(fs::read(&path).unwrap() == right.bytes, "{place}: one thread writes in order");
        }
        // Each item was asked, and no more often than its answers were cut.
        let times = times_asked(&scratch.path("asked"));
        assert_eq!(times.len() as u64, ITEMS, "{place}");
        let again = hits.asked_again - again;
        assert_eq!(times.values().sum::<u64>(), ITEMS + again, "{place}");
        assert!(again <= parallel * (hits.count() + hits.misses - before), "{place}");
        runs += 1;
    }
    println!(
        "{} kills of a working run, {runs} runs, {parallel} threads: 0 lost, 0 double, {hits:?}",
        hits.count()
    );
    hits
}

#[test]
fn a_run_killed_at_random_moments_loses_nothing_and_asks_one_item_again_per_kill() {
    let wanted = std::env::var(KILLS.0).map_or(KILLS.1, |kills| kills.parse().unwrap());

    let hits = kill_runs("kill", 1, wanted);

    assert!(hits.count() >= wanted, "{hits:?}");
    assert!(hits.asked_again <= hits.count() + hits.misses, "{hits:?}");
}

#[test]
fn with_many_threads_each_asks_one_item_again_per_kill() {
    let hits = kill_runs("kill-threads", 4, 20);

    assert!(hits.count() >= 20, "{hits:?}");
}
