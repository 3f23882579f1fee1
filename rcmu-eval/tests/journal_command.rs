//! The example `journal` does what it says, and no file is lost by it.
#![allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]

#[path = "../examples/journal.rs"]
mod journal_command;
mod runs;

use std::{
    fs,
    path::{Path, PathBuf},
};

use journal_command::command;
use rcmu_eval::{
    Error, Reply,
    journal::{self, SyncPolicy},
    judge::{Entailment, FactVision, RecordedEntailment, RecordedVision, RuleEntailment, VisionCheck},
    run::{Replay, RunOptions, Shard, write_predictions},
};
use runs::{Echo, Scratch, dataset, options, run};

/// A finished run of 20 items of which two, 5 and 15, got no text; and some half of it.
fn journal_of_20(scratch: &Scratch) -> PathBuf {
    let path = scratch.path("run.journal");
    run(&dataset(&scratch.path(""), 20), &Echo::new(), options(), &path).unwrap();
    path
}

fn said(words: &[&str]) -> String {
    command(words).unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Turns over a bit in the middle, so that one record is damaged.
fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn inspect_tells_what_there_is_and_what_failed() {
    let scratch = Scratch::new("command-inspect");
    let path = journal_of_20(&scratch);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 5]).unwrap();

    let found = said(&["inspect", text(&path)]);

    assert!(found.starts_with("model    echo-1\ndataset  questions, 20 items, SHA-256 "), "{found}");
    assert!(found.contains("records  19 of 20, 1 missing, 2 without a text\n"), "{found}");
    assert!(found.contains("failed   item-5, repeat 0: the engine failed: fives are not served"), "{found}");
    assert!(found.contains("\ntorn     "), "{found}");
    assert_eq!(fs::read(&path).unwrap(), &bytes[..bytes.len() - 5], "nothing is changed");

    damage(&path);
    let error = command(&["inspect", text(&path)]).expect_err("it is damaged").to_string();
    assert!(error.ends_with("; `journal repair` keeps the good records"), "{error}");
}

#[test]
fn a_repair_in_place_keeps_the_damaged_journal_and_the_run_goes_on() {
    let scratch = Scratch::new("command-repair");
    let path = journal_of_20(&scratch);
    let whole = fs::read(&path).unwrap();
    assert!(said(&["repair", text(&path)]).ends_with("has no damage; nothing was changed"));
    damage(&path);
    let damaged = fs::read(&path).unwrap();

    let found = said(&["repair", text(&path)]);

    let kept = scratch.path("run.journal.kept");
    assert!(found.starts_with("19 records kept, 0 left out as repeated; "), "{found}");
    assert!(found.ends_with("run.journal.kept"), "{found}");
    assert_eq!(fs::read(&kept).unwrap(), damaged);
    let summary = run(&dataset(&scratch.path(""), 20), &Echo::new(), options(), &path).unwrap();
    assert_eq!((summary.resumed, summary.made), (19, 1));
    let sorted = scratch.path("sorted");
    journal::canonical(&path, &sorted).unwrap();
    assert_eq!(fs::read(sorted).unwrap(), whole, "the run that nothing happened to");
}

/// A journal of five verdicts, one of which follows.
fn journal_of_verdicts(scratch: &Scratch) -> PathBuf {
    let path = scratch.path("judge.journal");
    let judge = RecordedEntailment::open(&path, &RuleEntailment, SyncPolicy::EachRecord).unwrap();
    for age in 0..5 {
        judge.entails("age: 3", &format!("age: {age}")).unwrap();
    }
    path
}

#[test]
fn verdicts_are_repaired_in_place_too() {
    let scratch = Scratch::new("command-verdicts");
    let path = journal_of_verdicts(&scratch);
    let whole = fs::read(&path).unwrap();
    assert!(said(&["repair", text(&path)]).ends_with("has no damage; nothing was changed"));
    assert_eq!(fs::read(&path).unwrap(), whole);
    assert!(!scratch.path("judge.journal.kept").exists());
    damage(&path);
    let damaged = fs::read(&path).unwrap();
    let error = command(&["inspect", text(&path)]).expect_err("it is damaged").to_string();
    assert!(error.ends_with("; `journal repair` keeps the good records"), "{error}");

    let found = said(&["repair", text(&path)]);

    assert!(found.starts_with("4 records kept, 0 left out as repeated; "), "{found}");
    assert_eq!(fs::read(scratch.path("judge.journal.kept")).unwrap(), damaged);
    let judge = RecordedEntailment::open(&path, &RuleEntailment, SyncPolicy::EachRecord).unwrap();
    assert_eq!(judge.len(), 4);
}

#[test]
fn inspect_tells_how_often_a_judge_said_what() {
    let scratch = Scratch::new("command-inspect-verdicts");
    let path = journal_of_verdicts(&scratch);
    let name = RuleEntailment.identity();
    let texts = format!("judge    {name}\njudged   texts\nverdicts 5, 4 contradict, 1 entail");
    assert_eq!(said(&["inspect", text(&path)]), texts);

    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 5]).unwrap();
    let torn = said(&["inspect", text(&path)]);
    assert!(torn.contains("verdicts 4, 3 contradict, 1 entail\ntorn     "), "{torn}");
    assert!(torn.ends_with(": the next scoring cuts them when it goes on"), "{torn}");
    assert!(said(&["repair", text(&path)]).starts_with("4 records kept"), "a torn tail is cut");

    let seen = scratch.path("judge-vision.journal");
    let judge = RecordedVision::open(&seen, &FactVision, SyncPolicy::EachRecord).unwrap();
    let dataset = dataset(&scratch.path(""), 1);
    for words in ["a red robot", "a blue cat"] {
        judge.shows(&dataset.items()[0], 0, words).unwrap();
    }
    let found = said(&["inspect", text(&seen)]);
    assert!(found.ends_with("\njudged   pictures\nverdicts 2, 2 nothing"), "{found}");
    // The same question twice is damage, as it is to a scoring.
    let bytes = fs::read(&seen).unwrap();
    let length = u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize;
    fs::write(&seen, [bytes.as_slice(), &bytes[24 + length..]].concat()).unwrap();
    let error = command(&["inspect", text(&seen)]).expect_err("verdicts stand twice").to_string();
    assert!(error.contains("a second verdict on one question"), "{error}");
}

#[test]
fn nothing_that_is_there_is_written_over() {
    let scratch = Scratch::new("command-there");
    let path = journal_of_20(&scratch);
    let there = scratch.path("there");
    fs::write(&there, "mine").unwrap();
    for words in [
        ["repair", text(&path), text(&there)],
        ["without-failures", text(&path), text(&there)],
        ["predictions", text(&path), text(&there)],
        ["merge", text(&there), text(&path)],
    ] {
        let error = command(&words).expect_err("the file is there");
        let error = error.downcast::<Error>().unwrap();
        assert!(matches!(*error, Error::File { .. }), "{words:?}: {error}");
        assert_eq!(fs::read_to_string(&there).unwrap(), "mine");
    }

    damage(&path);
    let damaged = fs::read(&path).unwrap();
    fs::write(scratch.path("run.journal.kept"), "older").unwrap();
    assert!(command(&["repair", text(&path)]).is_err());
    assert_eq!(fs::read(&path).unwrap(), damaged);
    assert_eq!(fs::read_to_string(scratch.path("run.journal.kept")).unwrap(), "older");
    assert!(!scratch.path("run.journal.new").exists());
}

#[test]
fn items_that_failed_are_asked_again_in_the_same_journal() {
    let scratch = Scratch::new("command-failures");
    let path = journal_of_20(&scratch);
    let before = fs::read(&path).unwrap();

    assert!(said(&["without-failures", text(&path)]).starts_with("2 records without a text left out; "));

    assert_eq!(fs::read(scratch.path("run.journal.kept")).unwrap(), before);
    let summary = run(&dataset(&scratch.path(""), 20), &Echo::new(), options(), &path).unwrap();
    assert_eq!((summary.resumed, summary.made), (18, 2));
    let copy = scratch.path("copy");
    assert!(said(&["without-failures", text(&path), text(&copy)]).ends_with(text(&copy)));
    assert!(said(&["without-failures", text(&copy)]).ends_with("has no failures; nothing was changed"));
}

#[test]
fn a_journal_that_is_being_written_is_not_replaced() {
    let scratch = Scratch::new("command-locked");
    let path = journal_of_20(&scratch);
    let manifest = journal::read(&path).unwrap().manifest;
    let writer = journal::Journal::open(&path, &manifest, journal::SyncPolicy::EachRecord).unwrap();

    let error = command(&["without-failures", text(&path)]).expect_err("someone writes it");

    assert!(matches!(*error.downcast::<Error>().unwrap(), Error::ResultsLocked { .. }));
    drop(writer);
    assert!(command(&["without-failures", text(&path)]).is_ok());
}

#[test]
fn predictions_make_the_round_trip_with_their_failures() {
    let scratch = Scratch::new("command-predictions");
    let dataset = dataset(&scratch.path(""), 20);
    let (path, out) = (scratch.path("run"), scratch.path("predictions.jsonl"));
    let twice = RunOptions { repeats: 2, parallel: 4, ..options() };
    run(&dataset, &Echo::new(), twice.clone(), &path).unwrap();

    let found = said(&["predictions", text(&path), text(&out)]);

    assert!(found.starts_with("40 replies are in ") && found.ends_with("; 0 were not asked yet"), "{found}");
    let again = scratch.path("again");
    run(&dataset, &Replay::from_predictions(&out).unwrap(), twice, &again).unwrap();
    let replies = |path: &Path| {
        let mut contents = journal::read(path).unwrap();
        contents.sort();
        contents.records.into_iter().map(|own| (own.item, own.repeat, own.reply)).collect::<Vec<_>>()
    };
    assert_eq!(replies(&path), replies(&again));
    let second = scratch.path("second.jsonl");
    write_predictions(&journal::read(&again).unwrap(), &second).unwrap();
    assert_eq!(fs::read(out).unwrap(), fs::read(second).unwrap());
}

#[test]
fn a_line_that_the_reader_would_refuse_is_not_written() {
    let scratch = Scratch::new("command-long");
    let mut contents = journal::read(journal_of_20(&scratch)).unwrap();
    contents.records[3].reply = Reply::Text { text: "\u{1}".repeat(1 << 20), finish: "end_of_text".into() };
    let out = scratch.path("predictions.jsonl");

    let error = write_predictions(&contents, &out).expect_err("six bytes for each character");

    assert!(matches!(error, Error::Item { item, .. } if item == "item-3"));
    assert!(!out.exists());
}

#[test]
fn parts_are_merged_into_the_whole_run() {
    let scratch = Scratch::new("command-merge");
    let whole = fs::read(journal_of_20(&scratch)).unwrap();
    let parts: Vec<_> = (1..=2).map(|index| scratch.path(&format!("part-{index}"))).collect();
    for (index, path) in (1..).zip(&parts) {
        let options = RunOptions { shard: Shard::new(index, 2).unwrap(), ..options() };
        run(&dataset(&scratch.path(""), 20), &Echo::new(), options, path).unwrap();
    }
    let merged = scratch.path("merged");

    let found = said(&["merge", text(&merged), text(&parts[0]), text(&parts[1])]);

    assert!(found.starts_with("20 records of 2 parts are in "), "{found}");
    assert_eq!(fs::read(merged).unwrap(), whole);
}

#[test]
fn other_words_are_answered_with_the_usage() {
    for words in
        [&[][..], &["inspect"], &["repair"], &["merge", "to"], &["predictions", "a"], &["delete", "a"]]
    {
        assert!(command(words).expect_err("no command").to_string().starts_with("usage: journal inspect"));
    }
}
