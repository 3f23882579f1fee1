//! Totals next to the file of a dataset are those beside its items, and say what the journal and the file do not share.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod runs;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use rcmu_core::ScriptedGenerator;
use rcmu_data::{
    PictureSource, Sample,
    figurines::WorldOptions,
    formats::{Extras, Layout, jsonl, llava, qwen, sharegpt},
};
use rcmu_eval::{
    Error,
    dataset::{Dataset, DatasetFile, Format, Opened, RcpBench, figurine_bench, figurine_scenes},
    journal::{self, Contents, Journal, SyncPolicy},
    judge::{Entailment, FactVision, JudgeError, Judges, RuleEntailment, Verdict},
    metrics::BootstrapOptions,
    report::{FileTotals, Report, ReportOptions, Scores, totals, totals_from_file},
    run::{Mode, Run, RunOptions, Shard},
};
use runs::{Scratch, write_picture};

/// Few draws: what is compared holds for any number.
fn quick() -> ReportOptions {
    let bootstrap = BootstrapOptions { resamples: 40, seed: 3 };
    ReportOptions { bootstrap, shown: Some(0), ..ReportOptions::default() }
}

/// The file `name.jsonl` with the items of 12 scenes, and these items.
fn scenes(scratch: &Scratch, name: &str) -> (PathBuf, Dataset) {
    let mut world = WorldOptions::test().simple();
    world.layout.side = 64;
    let path = scratch.path(&format!("{name}.jsonl"));
    let mut writer = jsonl::create(&path).unwrap();
    for item in figurine_scenes(3, 12, &world).unwrap().items() {
        writer.write(item).unwrap();
    }
    writer.finish().unwrap();
    let dataset = Dataset::open(&path).unwrap();
    (path, dataset)
}

/// The file `name.jsonl` with two sets of multiple-choice questions, and these questions.
fn choices(scratch: &Scratch, name: &str) -> (PathBuf, Dataset) {
    // Small pictures, which are opened quickly.
    write_picture(&scratch.path("p.png"), 7);
    let small = PictureSource::File("p.png".into());
    let mut bench = RcpBench::from_samples(figurine_bench(3, 2).unwrap().items()).unwrap();
    for item in &mut bench.items {
        item.query = small.clone();
        item.references.iter_mut().for_each(|reference| reference.picture = small.clone());
    }
    let path = scratch.path(&format!("{name}.jsonl"));
    bench.write(&path).unwrap();
    let dataset = Dataset::open_rcp_bench(&path).unwrap();
    (path, dataset)
}

/// Right answers, wrong ones, ones that cite nothing that is there, and ones that decline.
fn mixed(dataset: &Dataset) -> Vec<String> {
    let answers = dataset.items().iter().enumerate().map(|(at, item)| match at % 5 {
        0 => "It is a blue cat.[1]".into(),
        1 => "Cannot be answered. The text does not say that. [9]".into(),
        2 => "B".into(),
        _ => item.answer.clone(),
    });
    answers.collect()
}

/// The journal of a run.
fn run(scratch: &Scratch, dataset: &Dataset, answers: Vec<String>, options: RunOptions) -> Contents {
    let path = scratch.path("as-run");
    let _ = fs::remove_file(&path);
    Run::new(dataset, &ScriptedGenerator::new(answers), options).unwrap().execute(&path).unwrap();
    journal::read(path).unwrap()
}

/// Writes a journal, the last record first, as threads may leave them.
fn written(scratch: &Scratch, contents: &Contents) -> PathBuf {
    let path = scratch.path("turned");
    let _ = fs::remove_file(&path);
    let mut journal = Journal::open(&path, &contents.manifest, SyncPolicy::default()).unwrap();
    for record in contents.records.iter().rev() {
        journal.append(record.clone()).unwrap();
    }
    path
}

fn streamed(file: &DatasetFile, journal: &Path) -> Result<FileTotals, Error> {
    totals_from_file(file, journal, &Judges::rules(), &quick())
}

/// Checks that all three ways come to one report; gives what the file comes to.
fn check(scratch: &Scratch, file: &DatasetFile, dataset: &Dataset, contents: &Contents) -> FileTotals {
    let path = written(scratch, contents);

    let found = streamed(file, &path).unwrap();

    let scores = Scores::of(dataset, contents, &Judges::rules()).unwrap();
    let whole = Report { items: Vec::new(), ..scores.report(&quick()).unwrap() };
    assert!(whole.rows.len() > 5, "there is something to compare");
    assert_eq!(found.report, whole);
    assert_eq!(found.report.to_json().unwrap(), whole.to_json().unwrap(), "bit for bit");
    assert_eq!(totals(dataset, &path, &Judges::rules(), &quick()).unwrap(), whole);
    found
}

#[test]
fn a_file_gives_the_totals_of_the_items_in_memory() {
    let scratch = Scratch::new("streamed-same");
    let (path, dataset) = scenes(&scratch, "scenes");
    let file = DatasetFile::open(&path, None).unwrap();
    let count = dataset.items().len() as u64;
    assert_eq!((file.identity(), file.format()), (dataset.identity(), Format::Jsonl));
    assert_eq!(file.folder(), dataset.folder());

    let whole = run(&scratch, &dataset, mixed(&dataset), RunOptions::default());
    let found = check(&scratch, &file, &dataset, &whole);
    assert_eq!((found.missing, found.strangers, found.first_stranger), (0, 0, None));

    let mut cut = whole;
    cut.records.truncate(40);
    let found = check(&scratch, &file, &dataset, &cut);
    assert_eq!((found.missing, found.strangers), (count - 40, 0));

    let twice = RunOptions { repeats: 2, ..RunOptions::default() };
    let answers = [mixed(&dataset), mixed(&dataset)].concat();
    let found = check(&scratch, &file, &dataset, &run(&scratch, &dataset, answers, twice));
    assert_eq!((found.report.total() as u64, found.missing), (2 * count, 0));

    let shard = Shard::new(2, 3).unwrap();
    let part = RunOptions { shard, mode: Mode::PermutedContexts { seed: 1 }, ..RunOptions::default() };
    let found = check(&scratch, &file, &dataset, &run(&scratch, &dataset, mixed(&dataset), part));
    assert_eq!((found.report.total() as u64, found.strangers), (shard.len(count), 0));
}

#[test]
fn conversations_give_the_totals_of_the_items_in_memory() {
    let scratch = Scratch::new("streamed-conversations");
    write_picture(&scratch.path("p.png"), 7);
    let scenes = figurine_scenes(3, 6, &WorldOptions::test().simple()).unwrap();
    let mut items: Vec<Sample> = scenes.items().iter().map(|item| Sample::clone(item)).collect();
    for item in &mut items {
        item.picture = PictureSource::File("p.png".into());
    }
    for format in [Format::Llava, Format::ShareGpt, Format::Qwen] {
        let path = scratch.path(&format!("{format:?}.jsonl"));
        let create = match format {
            Format::Llava => llava::create,
            Format::ShareGpt => sharegpt::create,
            _ => qwen::create,
        };
        let mut writer = create(&path, Layout::Lines, Extras::Write).unwrap();
        for item in &items {
            writer.write(item).unwrap();
        }
        writer.finish().unwrap();
        let dataset = Opened::read(&path, Some(format)).unwrap().dataset;
        let file = DatasetFile::open(&path, None).unwrap();
        assert_eq!((file.identity(), file.format()), (dataset.identity(), format));

        let contents = run(&scratch, &dataset, mixed(&dataset), RunOptions::default());
        let found = check(&scratch, &file, &dataset, &contents);

        assert_eq!((found.report.total(), found.missing, found.strangers), (items.len(), 0, 0), "{format:?}");
    }
}

#[test]
fn questions_in_all_rotations_are_read_from_their_file() {
    let scratch = Scratch::new("streamed-rotated");
    let (path, dataset) = choices(&scratch, "choices");
    let file = DatasetFile::open(&path, None).unwrap();
    assert_eq!((file.identity(), file.format()), (dataset.identity(), Format::Rcp));
    check(&scratch, &file, &dataset, &run(&scratch, &dataset, mixed(&dataset), RunOptions::default()));
    let (file, rotated) = (file.rotated().unwrap(), dataset.rotated().unwrap());
    assert_eq!(file.identity(), rotated.identity());
    assert_eq!(file.clone().rotated().unwrap().identity(), rotated.identity(), "rotated once");

    // One answer in thirteen is A, right or wrong: some questions are right in all rotations, some are not.
    let answers = rotated.items().iter().enumerate().map(|(at, item)| match at % 13 {
        12 => "A".into(),
        _ => item.answer.clone(),
    });
    let mut contents = run(&scratch, &rotated, answers.collect(), RunOptions::default());
    // One rotation of the last question was never asked.
    contents.records.pop();
    let found = check(&scratch, &file, &rotated, &contents);

    let row = |measure: &str| {
        let row = found.report.rows.iter().find(|row| row.measure == measure && row.slice == "all");
        row.map(|row| (row.count, row.value))
    };
    let (count, share) = row("rotation_accuracy").unwrap();
    assert_eq!(count, dataset.items().len() - 1);
    let (_, all) = row("rotation_all").unwrap();
    assert!(0.0 < all && all < share && share < 1.0, "{all} and {share}");
}

#[test]
fn what_journal_and_file_do_not_share_is_told_and_counts_for_nothing() {
    let scratch = Scratch::new("streamed-strangers");
    let (path, dataset) = scenes(&scratch, "scenes");
    let file = DatasetFile::open(path, None).unwrap();
    let count = dataset.items().len() as u64;
    let mut contents = run(&scratch, &dataset, mixed(&dataset), RunOptions::default());
    let before = check(&scratch, &file, &dataset, &contents);

    // Beyond the dataset, and a repeat that nobody asked for.
    for (place, repeat, item) in [(count, 0, "beyond"), (u64::MAX, 7, "far beyond"), (0, 1, "again")] {
        let record = contents.records[0].clone();
        contents.records.push(journal::Record { place, repeat, item: item.into(), ..record });
    }
    let found = check(&scratch, &file, &dataset, &contents);
    assert_eq!(found.report, before.report);
    assert_eq!((found.missing, found.strangers), (0, 3));
    assert_eq!(found.first_stranger.as_deref(), Some("again"), "the first in the order of places");

    // An answer to another item is none to the one at its place.
    contents.records[5].item = "somebody else".into();
    let found = check(&scratch, &file, &dataset, &contents);
    assert_eq!((found.missing, found.strangers), (1, 4));
    assert_eq!(found.first_stranger.as_deref(), Some("somebody else"));
    assert_eq!(found.report.failures(), before.report.failures() + 1);
}

/// Rules that count what they are asked, and cannot keep what they say.
struct Counted {
    asked: AtomicUsize,
    is_full: bool,
}

impl Entailment for Counted {
    fn identity(&self) -> String {
        RuleEntailment.identity()
    }

    fn entails(&self, premise: &str, hypothesis: &str) -> Result<Verdict, JudgeError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        RuleEntailment.entails(premise, hypothesis)
    }

    fn finish(&self) -> Result<(), Error> {
        if self.is_full { Err(Error::JournalBroken { path: "verdicts".into() }) } else { Ok(()) }
    }
}

#[test]
fn there_are_no_totals_when_verdicts_cannot_be_kept() {
    let scratch = Scratch::new("streamed-verdicts");
    let (path, dataset) = scenes(&scratch, "scenes");
    let file = DatasetFile::open(path, None).unwrap();
    let contents = run(&scratch, &dataset, mixed(&dataset), RunOptions::default());
    let journal = written(&scratch, &contents);
    let judge = Counted { asked: AtomicUsize::new(0), is_full: true };
    let judges = Judges { entailment: &judge, vision: &FactVision };

    let result = totals_from_file(&file, journal, &judges, &quick());

    assert!(matches!(result, Err(Error::JournalBroken { .. })), "{result:?}");
}

#[test]
fn damage_is_named_before_a_judge_is_asked() {
    let scratch = Scratch::new("streamed-damage");
    let (path, dataset) = scenes(&scratch, "scenes");
    let file = DatasetFile::open(&path, None).unwrap();
    let contents = run(&scratch, &dataset, mixed(&dataset), RunOptions::default());
    let journal = written(&scratch, &contents);
    let (text, bytes) = (fs::read_to_string(&path).unwrap(), fs::read(&journal).unwrap());
    let judge = Counted { asked: AtomicUsize::new(0), is_full: false };
    let judges = Judges { entailment: &judge, vision: &FactVision };
    let asked = || judge.asked.swap(0, Ordering::SeqCst);
    let score = |file: &DatasetFile| totals_from_file(file, &journal, &judges, &quick());
    score(&file).unwrap();
    assert!(asked() > 0, "there is something to ask");

    // The last byte of the journal is none of what was written.
    let mut damaged = bytes.clone();
    *damaged.last_mut().unwrap() ^= 1;
    fs::write(&journal, damaged).unwrap();
    let known = journal::read(&journal).unwrap_err().to_string();
    let error = score(&file).unwrap_err();
    assert!(matches!(error, Error::JournalCorrupt { .. }), "{error}");
    assert_eq!((error.to_string(), asked()), (known, 0));

    // A record twice: the second stands at the end.
    let mut twice = bytes.clone();
    let head = bytes.len() - 12 - last_payload(&bytes);
    twice.extend(&bytes[head..]);
    fs::write(&journal, twice).unwrap();
    let known = journal::read(&journal).unwrap_err().to_string();
    let error = score(&file).unwrap_err();
    assert!(matches!(error, Error::RecordedTwice { .. }), "{error}");
    assert_eq!((error.to_string(), asked()), (known, 0));

    // A line of the dataset that is at fault.
    fs::write(&journal, &bytes).unwrap();
    let third = text.lines().nth(2).unwrap();
    fs::write(&path, text.replacen(third, &third.replacen("\"question\"", "\"demand\"", 1), 1)).unwrap();
    let known = Dataset::open(&path).unwrap_err().to_string();
    for error in [DatasetFile::open(&path, None).unwrap_err(), score(&file).unwrap_err()] {
        assert!(error.to_string().contains("scenes.jsonl:3: "), "{error}");
        assert_eq!(error.to_string(), known);
    }

    // A dataset that has changed since it was opened, and another one.
    asked();
    fs::write(&path, text.lines().take(20).fold(String::new(), |text, line| text + line + "\n")).unwrap();
    assert!(matches!(score(&file), Err(Error::OtherDataset { .. })));
    asked();
    let other = DatasetFile::open(&path, None).unwrap();
    assert!(matches!(score(&other), Err(Error::OtherDataset { .. })));
    assert_eq!(asked(), 0);
}

/// The length of the last record: frames begin with the length of their payload, and the first stands at byte 12.
fn last_payload(bytes: &[u8]) -> usize {
    let (mut at, mut last) = (12, 0);
    while at < bytes.len() {
        last = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        at += 12 + last;
    }
    last
}
