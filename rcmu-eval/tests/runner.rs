//! What a run asks, records, leaves out and takes up again.
#![allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]

mod runs;

use std::{
    fs,
    sync::Mutex,
    time::{Duration, Instant},
};

use rcmu_core::{
    CancelToken, GenerateOptions, Generator, Piece, Request, ScriptedGenerator, SpecialToken, Visual,
};
use rcmu_eval::{
    Error, Reply,
    dataset::Dataset,
    journal,
    run::{Answerer, Asked, Mode, Replay, Run, RunOptions},
};
use runs::{Echo, Scratch, dataset, options, run, write_picture};

/// Sees every request and says nothing of interest.
#[derive(Default)]
struct Watcher(Mutex<Vec<Request>>);

impl Answerer for Watcher {
    fn identity(&self) -> String {
        "watcher".into()
    }

    fn answer(
        &self,
        asked: &Asked<'_>,
        _control: &rcmu_core::Control,
    ) -> Result<Option<Reply>, rcmu_core::GenerateError> {
        self.0.lock().unwrap().push(asked.request.clone());
        Ok(Some(Reply::Text { text: "A".into(), finish: "end_of_text".into() }))
    }
}

fn requests(dataset: &Dataset, mode: Mode, scratch: &Scratch) -> Vec<Request> {
    let watcher = Watcher::default();
    let path = scratch.path("watched.journal");
    let _ = fs::remove_file(&path);
    Run::new(dataset, &watcher, RunOptions { mode, ..options() }).unwrap().execute(path).unwrap();
    watcher.0.into_inner().unwrap()
}

fn count(request: &Request, wanted: SpecialToken) -> usize {
    request.prompt.pieces().iter().filter(|piece| **piece == Piece::Special(wanted)).count()
}

#[test]
fn failures_are_recorded_and_never_become_a_text() {
    let scratch = Scratch::new("failures");
    let dataset = dataset(&scratch.path(""), 20);
    let path = scratch.path("run.journal");

    let summary = run(&dataset, &Echo::new(), options(), &path).unwrap();

    assert_eq!((summary.total, summary.made, summary.failed, summary.cancelled), (20, 20, 2, false));
    for record in journal::read(&path).unwrap().records {
        let five = record.item == "item-5" || record.item == "item-15";
        let reason = "the engine failed: fives are not served";
        match record.reply {
            Reply::Failed { reason: found } => assert!(five && found == reason, "{found}"),
            Reply::Text { text, finish } => {
                assert!(!five && text.contains("seed 0") && finish == "end_of_text");
            }
        }
    }
}

#[test]
fn a_finished_run_asks_nothing_again_and_changes_nothing() {
    let scratch = Scratch::new("again");
    let dataset = dataset(&scratch.path(""), 12);
    let path = scratch.path("run.journal");
    run(&dataset, &Echo::new(), options(), &path).unwrap();
    let bytes = fs::read(&path).unwrap();

    let echo = Echo::new();
    let summary = run(&dataset, &echo, options(), &path).unwrap();

    assert_eq!((summary.resumed, summary.made, echo.calls()), (12, 0, 0));
    assert_eq!(fs::read(&path).unwrap(), bytes);
    assert!(!scratch.path("run.journal.pid").exists());
}

#[test]
fn a_cancelled_run_keeps_what_it_has_and_goes_on_later() {
    let scratch = Scratch::new("cancel");
    let dataset = dataset(&scratch.path(""), 30);
    let whole = scratch.path("whole");
    run(&dataset, &Echo::new(), options(), &whole).unwrap();
    let path = scratch.path("run");
    for (round, expected_calls) in [(1, 4), (2, 4)] {
        let cancel = CancelToken::new();
        let echo = Echo { cancel: Some((cancel.clone(), 4)), ..Echo::new() };

        let summary = run(&dataset, &echo, RunOptions { cancel, ..options() }, &path).unwrap();

        // The fourth answer was cut; three are kept.
        assert!(summary.cancelled);
        assert_eq!((summary.made, echo.calls()), (3, expected_calls), "round {round}");
    }

    let summary = run(&dataset, &Echo::new(), options(), &path).unwrap();

    assert_eq!((summary.resumed, summary.made, summary.cancelled), (6, 24, false));
    assert_eq!(fs::read(&path).unwrap(), fs::read(&whole).unwrap());
}

#[test]
fn a_run_cancelled_before_it_began_asks_nothing() {
    let scratch = Scratch::new("cancelled");
    let dataset = dataset(&scratch.path(""), 3);
    let options = options();
    options.cancel.cancel();
    let echo = Echo::new();

    let summary = run(&dataset, &echo, options, &scratch.path("run")).unwrap();

    assert_eq!((summary.made, summary.cancelled, echo.calls()), (0, true, 0));
}

/// Never says anything in time.
struct Slow;

impl Generator for Slow {
    fn identity(&self) -> String {
        "slow".into()
    }

    fn generate(
        &self,
        _request: &Request,
        _control: &rcmu_core::Control,
        _on_event: &mut dyn FnMut(rcmu_core::Event),
    ) -> Result<rcmu_core::Generation, rcmu_core::GenerateError> {
        let finish = rcmu_core::FinishReason::Deadline;
        Ok(rcmu_core::Generation {
            text: String::new(),
            token_ids: vec![],
            finish,
            stats: rcmu_core::Stats::default(),
            logprobs: vec![],
        })
    }
}

/// Breaks when it is asked for the fourth time.
struct Breaking(Echo);

impl Generator for Breaking {
    fn identity(&self) -> String {
        Generator::identity(&self.0)
    }

    fn generate(
        &self,
        request: &Request,
        control: &rcmu_core::Control,
        on_event: &mut dyn FnMut(rcmu_core::Event),
    ) -> Result<rcmu_core::Generation, rcmu_core::GenerateError> {
        if self.0.calls() == 3 {
            return Err(rcmu_core::GenerateError::BackendFailed { message: "out of memory".into() });
        }
        self.0.generate(request, control, on_event)
    }
}

#[test]
fn a_broken_backend_ends_the_run_and_fails_no_item() {
    let scratch = Scratch::new("broken");
    let dataset = dataset(&scratch.path(""), 10);
    let path = scratch.path("run");

    let broken = Run::new(&dataset, &Breaking(Echo::new()), options()).unwrap().execute(&path);
    let kept = journal::read(&path).unwrap().records.len();
    let echo = Echo::new();
    let summary = run(&dataset, &echo, options(), &path).unwrap();

    assert!(matches!(broken, Err(rcmu_eval::Error::Answerer { .. })), "{broken:?}");
    assert_eq!((kept, summary.resumed, summary.made, echo.calls()), (3, 3, 7, 7));
}

#[test]
fn no_text_within_the_time_limit_is_a_failure() {
    let scratch = Scratch::new("slow");
    let dataset = dataset(&scratch.path(""), 1);
    let path = scratch.path("run");

    let summary = Run::new(&dataset, &Slow, options()).unwrap().execute(&path).unwrap();

    assert_eq!(summary.failed, 1);
    let reason = "no text within the time limit".to_owned();
    assert_eq!(journal::read(&path).unwrap().records[0].reply, Reply::Failed { reason });
}

#[test]
fn a_deadline_is_recorded_as_the_reason_of_the_end() {
    let scratch = Scratch::new("deadline");
    let dataset = dataset(&scratch.path(""), 1);
    let echo = Echo { delay: Duration::from_millis(20), ..Echo::new() };
    let path = scratch.path("run");

    run(&dataset, &echo, RunOptions { timeout: Some(Duration::from_millis(1)), ..options() }, &path).unwrap();

    let records = journal::read(&path).unwrap().records;
    assert!(matches!(&records[0].reply, Reply::Text { finish, .. } if finish == "deadline"));
}

#[test]
fn repeats_have_seeds_of_their_own() {
    let scratch = Scratch::new("repeats");
    let dataset = dataset(&scratch.path(""), 2);
    let path = scratch.path("run");
    let generate = GenerateOptions { seed: u64::MAX, ..GenerateOptions::greedy(16) };

    run(&dataset, &Echo::new(), RunOptions { repeats: 3, generate, ..RunOptions::default() }, &path).unwrap();

    let contents = journal::read(&path).unwrap();
    let seeds = contents.records.iter().map(|record| match &record.reply {
        Reply::Text { text, .. } => {
            (record.repeat, text.split_once("seed ").unwrap().1.split(',').next().unwrap())
        }
        Reply::Failed { reason } => panic!("{reason}"),
    });
    let max = u64::MAX.to_string();
    assert_eq!(
        seeds.collect::<Vec<_>>(),
        [(0, max.as_str()), (1, "0"), (2, "1"), (0, &max), (1, "0"), (2, "1")]
    );
    let keys: std::collections::HashSet<_> = contents.records.iter().map(|record| record.key).collect();
    assert_eq!(keys.len(), 6);
}

#[test]
fn a_picture_that_changed_since_is_an_error_and_is_not_mixed_in() {
    let scratch = Scratch::new("changed");
    let dataset = dataset(&scratch.path(""), 4);
    let path = scratch.path("run");
    run(&dataset, &Echo::new(), options(), &path).unwrap();
    let bytes = fs::read(&path).unwrap();
    write_picture(&scratch.path("p.png"), 8);

    let error = run(&dataset, &Echo::new(), options(), &path).expect_err("the picture changed");

    assert!(matches!(error, Error::ItemChanged { item, .. } if item == "item-0"));
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn an_item_whose_picture_is_missing_stops_the_run_by_name() {
    let scratch = Scratch::new("missing");
    let whole = dataset(&scratch.path(""), 4);
    let mut items = whole.items().to_vec();
    std::sync::Arc::make_mut(&mut items[2]).picture = rcmu_data::PictureSource::File("q.png".into());
    let dataset = Dataset::new("questions", scratch.path(""), items).unwrap();
    let path = scratch.path("run");

    let error = run(&dataset, &Echo::new(), options(), &path).expect_err("there is no picture");

    assert!(matches!(error, Error::Item { item, .. } if item == "item-2"));
    assert_eq!(journal::read(&path).unwrap().records.len(), 2);
}

#[test]
fn the_modes_take_away_what_they_say() {
    let scratch = Scratch::new("modes");
    let dataset = dataset(&scratch.path(""), 2);
    let full = requests(&dataset, Mode::Full, &scratch);
    let text = |request: &Request| request.prompt.to_reference_text();

    assert_eq!(count(&full[0], SpecialToken::BoxStart), 3);
    assert!(text(&full[0]).contains("Dog number 2."));

    let grey = requests(&dataset, Mode::NoPicture, &scratch);
    assert_eq!(text(&grey[0]), text(&full[0]));
    match &grey[0].visuals[..] {
        [Visual::Image(rcmu_core::Picture::Rgb { size, pixels })] => {
            assert_eq!((size.width(), size.height()), (2, 2));
            assert_eq!(**pixels, [128; 12]);
        }
        other => panic!("expected one grey picture, found {other:?}"),
    }

    let bare = requests(&dataset, Mode::NoContext, &scratch);
    assert!(!text(&bare[0]).contains("Dog number") && text(&bare[0]).contains("question 0?"));

    let unplaced = requests(&dataset, Mode::NoBoxes, &scratch);
    assert_eq!(count(&unplaced[0], SpecialToken::BoxStart), 0);
    assert!(text(&unplaced[0]).contains("[3]: The information of the dog in the image: Dog number 2."));
}

#[test]
fn permuted_contexts_are_told_in_the_record() {
    let scratch = Scratch::new("permuted");
    let dataset = dataset(&scratch.path(""), 8);
    let path = scratch.path("run");
    let mode = Mode::PermutedContexts { seed: 3 };
    let watcher = Watcher::default();

    Run::new(&dataset, &watcher, RunOptions { mode, ..options() }).unwrap().execute(&path).unwrap();

    let requests = watcher.0.into_inner().unwrap();
    let records = journal::read(&path).unwrap().records;
    for (record, request) in records.iter().zip(requests) {
        let text = request.prompt.to_reference_text();
        let lines: Vec<_> = text.lines().filter(|line| line.contains("Dog number")).collect();
        for (line, from) in lines.iter().zip(&record.permutation) {
            assert!(line.ends_with(&format!("Dog number {}.", from - 1)), "{line}");
        }
        assert!(record.permutation.iter().zip(1..).all(|(&from, own)| from != own));
    }
    let all: std::collections::BTreeSet<_> =
        records.iter().map(|record| record.permutation.clone()).collect();
    assert_eq!(
        all.len(),
        2,
        "eight items have both orders of three in which none stays, but for 2 in 256 seeds"
    );
}

#[test]
fn a_replay_gives_what_was_recorded_and_fails_where_nothing_was() {
    let scratch = Scratch::new("replay");
    let dataset = dataset(&scratch.path(""), 12);
    let (path, again) = (scratch.path("run"), scratch.path("again"));
    run(&dataset, &Echo::new(), RunOptions { repeats: 2, ..options() }, &path).unwrap();

    let replay = Replay::from_journal(&path).unwrap();
    let wanted = RunOptions { repeats: 3, ..options() };
    let summary = Run::new(&dataset, &replay, wanted).unwrap().execute(&again).unwrap();

    // Item 5 failed twice when it was recorded; no item has a third answer.
    assert_eq!((summary.made, summary.failed), (36, 2 + 12));
    let first = journal::read(&path).unwrap().records;
    let second = journal::read(&again).unwrap().records;
    for record in first {
        let same = second.iter().find(|own| (own.place, own.repeat) == (record.place, record.repeat));
        assert_eq!(same.map(|own| &own.reply), Some(&record.reply));
    }
    let unrecorded = second.iter().find(|record| record.repeat == 2).unwrap();
    assert_eq!(unrecorded.reply, Reply::Failed { reason: "no answer to this item is recorded".into() });
}

#[test]
fn predictions_are_read_by_item() {
    let scratch = Scratch::new("predictions");
    let dataset = dataset(&scratch.path(""), 3);
    let file = scratch.path("answers.jsonl");
    fs::write(&file, "{\"item\":\"item-1\",\"text\":\"one\"}\n\n{\"item\":\"x\",\"text\":\"\",\"finish\":\"max_tokens\"}\n")
        .unwrap();
    let replay = Replay::from_predictions(&file).unwrap();
    let path = scratch.path("run");

    let summary = Run::new(&dataset, &replay, options()).unwrap().execute(&path).unwrap();

    assert_eq!((summary.made, summary.failed), (3, 2));
    assert_eq!(replay.strangers(&dataset), ["x"]);
    let records = journal::read(&path).unwrap().records;
    assert_eq!(records[1].reply, Reply::Text { text: "one".into(), finish: "end_of_text".into() });

    for (line, expected) in [
        ("{\"item\":\"a\"}", "2: `text` is missing"),
        (
            "{\"item\":1,\"text\":\"\"}",
            "2: `item` is not valid: invalid type: integer `1`, expected a string",
        ),
        ("{\"item\":\"a\",\"text\":\"\",\"score\":1}", "2: `score` is no field of this format"),
        ("{\"item\":\"b\",\"text\":\"\"}", "2: `item` has an answer on an earlier line"),
        ("[]", "2: is no object"),
    ] {
        fs::write(&file, format!("{{\"item\":\"b\",\"text\":\"b\"}}\n{line}\n")).unwrap();
        let message = Replay::from_predictions(&file).expect_err(line).to_string();
        assert!(message.ends_with(&format!("answers.jsonl:{expected}")), "{message}");
    }
}

#[test]
fn progress_counts_up_to_the_end() {
    let scratch = Scratch::new("progress");
    let dataset = dataset(&scratch.path(""), 10);
    let seen = Mutex::new(Vec::new());
    let generator: Box<dyn Generator> = Box::new(ScriptedGenerator::new(vec!["A"; 9]));

    let run = Run::new(&dataset, &*generator, options()).unwrap();
    run.on_progress(|progress| seen.lock().unwrap().push(*progress)).execute(scratch.path("run")).unwrap();

    let seen = seen.into_inner().unwrap();
    assert_eq!(seen.iter().map(|progress| progress.done).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
    assert!(seen.iter().all(|progress| (progress.total, progress.resumed) == (10, 0)));
    assert_eq!(seen[9].failed, 1, "the script has no tenth answer");
    assert!(seen[8].remaining().is_some());
}

#[test]
fn ten_thousand_recorded_items_are_resumed_in_time_linear_in_their_number() {
    let scratch = Scratch::new("linear");
    let time = |items: usize| {
        let dataset = dataset(&scratch.path(""), items);
        let path = scratch.path(&format!("run-{items}"));
        let batch = rcmu_eval::journal::SyncPolicy::Batch(std::num::NonZeroU32::new(1000).unwrap());
        let options = RunOptions { sync: batch, ..options() };
        run(&dataset, &Echo::new(), options.clone(), &path).unwrap();
        let begun = Instant::now();
        assert_eq!(run(&dataset, &Echo::new(), options, &path).unwrap().resumed, items as u64);
        begun.elapsed().as_secs_f64()
    };

    let (small, large) = (time(1000), time(4000));

    // Four times the items: a quadratic pass would take sixteen times as long.
    assert!(large < small.max(0.02) * 10.0, "{small} s, {large} s");
}
