//! A run in many threads or in many parts is the run in one.
#![allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]

mod runs;

use std::{fs, time::Duration};

use rcmu_core::GenerateOptions;
use rcmu_eval::{
    Error, journal,
    run::{RunOptions, Shard},
};
use runs::{Echo, Scratch, dataset, options, run};

#[test]
fn many_threads_give_the_journal_of_one() {
    let scratch = Scratch::new("parallel");
    let dataset = dataset(&scratch.path(""), 60);
    let canonical = |name: &str, parallel: usize| {
        let path = scratch.path(name);
        let echo = Echo { delay: Duration::from_millis(2), ..Echo::new() };
        run(&dataset, &echo, RunOptions { parallel, repeats: 2, ..options() }, &path).unwrap();
        let sorted = scratch.path(&format!("{name}.sorted"));
        journal::canonical(&path, &sorted).unwrap();
        (fs::read(&path).unwrap(), fs::read(sorted).unwrap())
    };

    let (serial, sorted_serial) = canonical("serial", 1);
    let (_, sorted_parallel) = canonical("parallel", 8);

    assert_eq!(serial, sorted_serial, "one thread writes in order");
    assert_eq!(sorted_serial, sorted_parallel);
}

#[test]
fn merged_shards_are_the_whole_run_byte_for_byte() {
    let scratch = Scratch::new("shards");
    let dataset = dataset(&scratch.path(""), 23);
    let whole = scratch.path("whole");
    run(&dataset, &Echo::new(), RunOptions { repeats: 2, ..options() }, &whole).unwrap();
    let expected = fs::read(&whole).unwrap();

    for of in [1, 2, 3, 7] {
        let path = |index: u32| scratch.path(&format!("part-{index}-{of}"));
        // The last one first: the order in which they are named does not count.
        let parts: Vec<_> = (1..=of).rev().map(path).collect();
        for index in 1..=of {
            let shard = Shard::new(index, of).unwrap();
            let options = RunOptions { shard, repeats: 2, parallel: index as usize, ..options() };
            run(&dataset, &Echo::new(), options, &path(index)).unwrap();
        }
        let merged = scratch.path(&format!("merged-{of}"));

        journal::merge(&parts, &merged).unwrap();

        assert_eq!(fs::read(merged).unwrap(), expected, "{of} shards");
    }
}

#[test]
fn journals_that_are_no_shards_of_one_run_are_not_merged() {
    let scratch = Scratch::new("no-shards");
    let dataset = dataset(&scratch.path(""), 6);
    let part = |index: u32, of: u32, name: &str, seed: u64| {
        let shard = Shard::new(index, of).unwrap();
        let generate = GenerateOptions { seed, ..GenerateOptions::greedy(16) };
        let path = scratch.path(name);
        run(&dataset, &Echo::new(), RunOptions { shard, generate, ..RunOptions::default() }, &path).unwrap();
        path
    };
    let (one, two, other_seed) = (part(1, 2, "a", 0), part(2, 2, "b", 0), part(2, 2, "c", 1));
    let third = part(3, 3, "d", 0);
    let merge = |parts: &[&std::path::PathBuf]| journal::merge(parts, scratch.path("x")).expect_err("no run");

    assert!(matches!(merge(&[]), Error::Shards { .. }));
    assert!(matches!(merge(&[&one]), Error::Shards { message } if message == "shard 2/2 is missing"));
    assert!(
        matches!(merge(&[&one, &one]), Error::Shards { message } if message == "shard 1/2 is there twice")
    );
    assert!(
        matches!(merge(&[&one, &third]), Error::Shards { message } if message == "shard 3/3 is none of 2")
    );
    assert!(matches!(merge(&[&one, &other_seed]), Error::ManifestChanged { differences, .. }
        if differences.len() == 1 && differences[0].field == "options.seed"));
    let cut = scratch.path("cut");
    let bytes = fs::read(&two).unwrap();
    fs::write(&cut, &bytes[..bytes.len() - 1]).unwrap();
    assert!(matches!(merge(&[&one, &cut]), Error::JournalUnfinished { missing: 1, expected: 3, .. }));
    assert!(!scratch.path("x").exists());
}
