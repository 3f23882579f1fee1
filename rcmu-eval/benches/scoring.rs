//! Scores recorded answers in one process, tenfold more each time: is the time linear, and what does the memory know of
//! the number of items?
//!
//! Recorded answers are replayed by a run, whose journal is then scored in three ways: next to the file of the items into
//! totals, beside the items into totals, and into a report with all items. Time is that of the processor where the system
//! tells it, so that other work on the machine counts little.
//!
//! `cargo bench -p rcmu-eval --bench scoring`

use std::{error::Error, fmt::Write, fs, num::NonZeroU32, path::Path, process::Command, time::Instant};

use rcmu_data::{PictureSource, figurines::WorldOptions, formats::jsonl};
use rcmu_eval::{
    dataset::{Dataset, DatasetFile, figurine_scenes},
    journal::{self, SyncPolicy},
    judge::Judges,
    report::{ReportOptions, Scores, totals, totals_from_file},
    run::{Replay, Run, RunOptions},
};
use serde_json::json;

/// The smallest PNG file: every picture of the bench, since what is scored are words.
const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0:~\x9bU\0\0\0\nIDATx\x9cch\0\0\0\x82\0\x81w\xcdr\xb6\0\0\0\0IEND\xaeB`\x82";

/// What a process of its own has to do with the files in a folder.
const WORK: &str = "RCMU_BENCH_WORK";
const FOLDER: &str = "RCMU_BENCH_FOLDER";

/// What is measured.
const ALL: &[&str] = &["items", "replay", "streamed", "totals", "report"];
/// What is measured of more items: all else would be too much for small machines.
const LARGE: &[&str] = &["replay", "streamed"];

fn main() -> Result<(), Box<dyn Error>> {
    if let (Ok(work), Ok(folder)) = (std::env::var(WORK), std::env::var(FOLDER)) {
        return measure(&work, Path::new(&folder));
    }
    println!("{:>8}  {:<10} {:>9}  {:>12}  {:>12}", "items", "", "time", "an item", "peak memory");
    for (count, works) in [(1000, ALL), (10_000, ALL), (100_000, ALL), (300_000, LARGE)] {
        let name = format!("rcmu-bench-scoring-{}-{count}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder)?;
        write(count, &folder)?;
        for work in works {
            // A process of its own, whose peak is that of this work.
            let mut child = Command::new(std::env::current_exe()?);
            let status = child.env(WORK, work).env(FOLDER, &folder).status()?;
            assert!(status.success(), "{work}");
        }
        fs::remove_dir_all(folder)?;
    }
    Ok(())
}

/// Does some work and prints how long it took, reading the items included, and the most memory that the process had.
fn measure(work: &str, folder: &Path) -> Result<(), Box<dyn Error>> {
    let (items, path) = (folder.join("items.jsonl"), folder.join("run.journal"));
    let options = ReportOptions { shown: Some(0), ..ReportOptions::default() };
    let began = Instant::now();
    let count = if work == "streamed" {
        let found = totals_from_file(&DatasetFile::open(items, None)?, &path, &Judges::rules(), &options)?;
        assert_eq!((found.report.failures(), found.missing, found.strangers), (0, 0, 0));
        found.report.total()
    } else {
        beside(&Dataset::open(items)?, work, folder)?
    };
    let took = processor_time().unwrap_or_else(|| began.elapsed().as_secs_f64());
    let peak = peak().map_or_else(|| "unknown".to_owned(), |kib| format!("{:.1} MiB", kib as f64 / 1024.0));
    println!("{count:>8}  {work:<10} {took:>7.2} s  {:>9.1} µs  {peak:>12}", took * 1e6 / count as f64);
    Ok(())
}

/// Does work that holds the items; gives their number.
fn beside(dataset: &Dataset, work: &str, folder: &Path) -> Result<usize, Box<dyn Error>> {
    let (count, path) = (dataset.items().len(), folder.join("run.journal"));
    let options = ReportOptions { shown: Some(0), ..ReportOptions::default() };
    match work {
        "replay" => {
            let replay = Replay::from_predictions(folder.join("answers.jsonl"))?;
            let options = RunOptions { sync: SyncPolicy::Batch(NonZeroU32::MAX), ..RunOptions::default() };
            let summary = Run::new(dataset, &replay, options)?.execute(&path)?;
            assert_eq!((summary.made, summary.failed), (count as u64, 0));
        }
        "totals" => {
            let report = totals(dataset, &path, &Judges::rules(), &options)?;
            assert_eq!((report.total(), report.failures()), (count, 0));
        }
        "report" => {
            let contents = journal::read(&path)?;
            let scores = Scores::of(dataset, &contents, &Judges::rules())?;
            assert_eq!(scores.report(&options)?.total(), count);
        }
        _ => {}
    }
    Ok(count)
}

/// Writes so many items about scenes of the figurine world, each scene with a picture of its own, and an answer to each.
fn write(count: usize, folder: &Path) -> Result<(), Box<dyn Error>> {
    // A scene has six questions at most, and now and then fewer.
    let scenes = figurine_scenes(0, count / 4, &WorldOptions::test())?;
    let mut items = jsonl::create(folder.join("items.jsonl"))?;
    let mut answers = String::new();
    let (mut last, mut picture) = (None, String::new());
    for (place, sample) in scenes.items()[..count].iter().enumerate() {
        if last.replace(&sample.picture) != Some(&sample.picture) {
            picture = format!("{place}.png");
            fs::write(folder.join(&picture), PICTURE)?;
        }
        let mut item = sample.as_ref().clone();
        item.picture = PictureSource::File(picture.clone());
        items.write(&item)?;
        // Two of three are right.
        let text = if place % 3 == 0 { "It is a blue cat.[1]" } else { item.answer.as_str() };
        writeln!(answers, "{}", json!({"item": item.id, "text": text}))?;
    }
    items.finish()?;
    fs::write(folder.join("answers.jsonl"), answers)?;
    Ok(())
}

/// The seconds that the processors have worked for this process, where the system tells.
fn processor_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // After the name, which may hold anything, come the fields from the third on; the 14th and 15th are hundredths.
    let (_, fields) = stat.rsplit_once(") ")?;
    let ticks = fields.split(' ').skip(11).take(2).map(|field| field.parse::<u32>().ok());
    Some(ticks.sum::<Option<u32>>()?.into()).map(|ticks: f64| ticks / 100.0)
}

/// The most memory that this process has had, in KiB, where the system tells.
fn peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().split(' ').next()?.parse().ok()
}
