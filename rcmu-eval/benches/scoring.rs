//! Scores recorded answers in one process, tenfold more each time: is the time linear, is the memory?
//!
//! `cargo bench -p rcmu-eval --bench scoring`

use std::{error::Error, fs, num::NonZeroU32, time::Instant};

use rcmu_core::{GenerateOptions, Request, ScriptedGenerator};
use rcmu_data::figurines::WorldOptions;
use rcmu_eval::{
    Reply,
    dataset::{Dataset, figurine_scenes},
    journal::{self, Journal, Record, RecordKey, SyncPolicy},
    judge::Judges,
    report::{ReportOptions, Scores},
    run::{Run, RunOptions},
};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("rcmu-bench-scoring-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    println!("{:>8}  {:>9}  {:>9}  {:>11}  {:>13}", "items", "read", "score", "time/item", "peak memory");
    let mut first = None;
    for count in [1000, 10_000, 100_000] {
        let dataset = items(count)?;
        let path = folder.join(format!("{count}.journal"));
        record(&dataset, &path)?;
        let began = Instant::now();
        let contents = journal::read(&path)?;
        let read = began.elapsed();
        let began = Instant::now();
        let scores = Scores::of(&dataset, &contents, &Judges::rules())?;
        let report = scores.report(&ReportOptions { shown: Some(20), ..ReportOptions::default() })?;
        let score = began.elapsed();
        assert_eq!(report.total(), count);
        let each = (read + score).as_secs_f64() / count as f64;
        let ratio = each / *first.get_or_insert(each);
        println!(
            "{count:>8}  {:>7.2} s  {:>7.2} s  {:>6.1} µs ×{ratio:.2}  {:>9}",
            read.as_secs_f64(),
            score.as_secs_f64(),
            each * 1e6,
            peak().map_or_else(|| "unknown".to_owned(), |kib| format!("{} MiB", kib / 1024)),
        );
    }
    fs::remove_dir_all(folder)?;
    Ok(())
}

/// So many items about scenes of the figurine world; none is drawn.
fn items(count: usize) -> Result<Dataset, Box<dyn Error>> {
    // A scene has six questions at most, and now and then fewer.
    let scenes = figurine_scenes(0, count / 4, &WorldOptions::test())?;
    Ok(Dataset::new("bench", "", scenes.items()[..count].to_vec())?)
}

/// Records the right answer to two of three items and a wrong one to the third.
fn record(dataset: &Dataset, path: &std::path::Path) -> Result<(), Box<dyn Error>> {
    let nobody = ScriptedGenerator::new(Vec::<String>::new());
    let manifest = Run::new(dataset, &nobody, RunOptions::default())?.manifest();
    let mut journal = Journal::open(path, &manifest, SyncPolicy::Batch(NonZeroU32::MAX))?;
    let request = Request { options: GenerateOptions::greedy(8), ..Request::default() };
    for (place, item) in (0..).zip(dataset.items()) {
        let text = if place % 3 == 0 { "It is a blue cat.[1]".to_owned() } else { item.answer.clone() };
        journal.append(Record {
            key: RecordKey::new(&manifest.model, dataset.hash(), &item.id, &request, 0),
            place,
            item: item.id.clone(),
            repeat: 0,
            permutation: Vec::new(),
            reply: Reply::Text { text, finish: "end_of_text".into() },
        })?;
    }
    journal.flush()?;
    Ok(())
}

/// The most memory that this process has had, in KiB, where the system tells.
fn peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().split(' ').next()?.parse().ok()
}
