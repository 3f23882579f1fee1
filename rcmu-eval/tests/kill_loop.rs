//! A run that is killed again and again ends in the journal of a run that was not.
#![allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]

mod runs;

use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};
use rcmu_eval::{journal, run::RunOptions};
use runs::{Echo, Scratch, dataset, options, run};

/// The folder in which a child process has to run.
const FOLDER: &str = "RCMU_TEST_KILL_FOLDER";
/// Set for a child with several threads.
const PARALLEL: &str = "RCMU_TEST_KILL_PARALLEL";
/// How often a run is killed at least, unless the environment says otherwise by this name.
const KILLS: (&str, u64) = ("RCMU_KILLS", 200);
/// Items of the run.
const ITEMS: usize = 200;

/// The child's side: runs until it is killed or done.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let parallel = std::env::var(PARALLEL).map_or(1, |threads| threads.parse().unwrap());
    let log = Some(folder.join("calls"));
    let echo = Echo { delay: Duration::from_micros(300), log, ..Echo::new() };
    run(&dataset(&folder, ITEMS), &echo, RunOptions { parallel, ..options() }, &folder.join("run")).unwrap();
}

/// Kills a run at random moments until one comes through; returns how often it was killed.
fn kill_until_done(scratch: &Scratch, parallel: usize, seed: u64, mut longest: Duration) -> u64 {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut kills, mut recorded) = (0, 0);
    loop {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["child", "--exact", "--test-threads=1"]);
        command.env(FOLDER, scratch.path("")).env(PARALLEL, parallel.to_string());
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        let wait = longest.mul_f64(f64::from(rng.next_u32()) / f64::from(u32::MAX));
        thread::sleep(wait);
        child.kill().unwrap();
        let status = child.wait().unwrap();
        if status.success() {
            return kills;
        }
        assert_eq!(status.code(), None, "the run itself never fails");
        kills += 1;
        // On a busy machine a child may need longer to begin than it was given.
        if kills % 16 == 0 {
            longest *= 2;
        }
        // What it left can always be read, once there is a whole manifest.
        let found = match journal::read(scratch.path("run")) {
            Ok(contents) => contents.records.len(),
            Err(rcmu_eval::Error::NotAJournal { .. } | rcmu_eval::Error::File { .. }) => 0,
            Err(error) => panic!("after {kills} kills: {error}"),
        };
        assert!(found >= recorded, "what was recorded stays");
        recorded = found;
    }
}

/// The journal of a run that nothing happened to.
fn undisturbed(name: &str) -> Vec<u8> {
    let scratch = Scratch::new(name);
    let path = scratch.path("run");
    run(&dataset(&scratch.path(""), ITEMS), &Echo::new(), options(), &path).unwrap();
    fs::read(path).unwrap()
}

#[test]
fn a_run_killed_at_random_moments_loses_nothing_and_asks_one_item_again_per_kill() {
    let expected = undisturbed("kill-whole");
    let wanted = std::env::var(KILLS.0).map_or(KILLS.1, |kills| kills.parse().unwrap());
    let (mut kills, mut runs, mut asked_again) = (0, 0, 0);
    while kills < wanted {
        let scratch = Scratch::new("kill");
        let own = kill_until_done(&scratch, 1, runs, Duration::from_millis(30));

        // Serially, the journal is in order already: its bytes are those of the undisturbed run.
        assert_eq!(fs::read(scratch.path("run")).unwrap(), expected, "run {runs}");
        let calls = fs::metadata(scratch.path("calls")).unwrap().len();
        assert!((ITEMS as u64..=ITEMS as u64 + own).contains(&calls), "{calls} calls with {own} kills");
        asked_again += calls - ITEMS as u64;
        kills += own;
        runs += 1;
    }
    println!("{kills} kills in {runs} runs: 0 lost, 0 double, {asked_again} asked again");
}

#[test]
fn with_many_threads_each_asks_one_item_again_per_kill() {
    let expected = undisturbed("kill-threads-whole");
    let scratch = Scratch::new("kill-threads");

    let kills = kill_until_done(&scratch, 4, 99, Duration::from_millis(25));

    let sorted = scratch.path("sorted");
    journal::canonical(scratch.path("run"), &sorted).unwrap();
    assert_eq!(fs::read(sorted).unwrap(), expected);
    let calls = fs::metadata(scratch.path("calls")).unwrap().len();
    assert!(calls <= ITEMS as u64 + 4 * kills, "{calls} calls with {kills} kills");
}
