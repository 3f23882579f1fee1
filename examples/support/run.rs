use std::{
    collections::HashMap,
    error::Error,
    fs, io,
    path::Path,
    process,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use rcmu::core::GenerateOptions;
use rcmu_eval::{
    dataset::Dataset,
    journal,
    report::ReportOptions,
    run::{Answerer, Run, RunOptions, RunSummary, Shard},
};
use signal_hook::{consts::SIGINT, flag};

/// What a shell gives for a program that Ctrl-C ended.
const STOPPED: i32 = 130;

/// Asks what the journal lacks, with a bar. Ctrl-C ends the program after the answer that is being made, a second one at
/// once.
pub(crate) fn execute(
    dataset: &Dataset,
    answerer: &dyn Answerer,
    options: RunOptions,
    journal: &Path,
) -> Result<RunSummary, Box<dyn Error>> {
    let (stopped, cancel) = (stopped()?, options.cancel.clone());
    stopped.store(false, Ordering::Relaxed);
    let run = Run::new(dataset, answerer, options)?.on_progress(|progress| {
        eprint!("\r{progress}  ");
        if stopped.load(Ordering::Relaxed) {
            cancel.cancel();
        }
    });
    let summary = run.execute(journal)?;
    if summary.cancelled {
        let (done, journal) = (summary.resumed + summary.made, journal.display());
        eprintln!(
            "\nstopped: {done} of {} answers are in {journal}; the same command goes on",
            summary.total
        );
        process::exit(STOPPED);
    }
    // What comes after the answers is made anew each time: the first Ctrl-C ends it.
    stopped.store(true, Ordering::Relaxed);
    Ok(summary)
}

/// Whether Ctrl-C has come; where it has, the next one ends the program.
fn stopped() -> io::Result<&'static Arc<AtomicBool>> {
    static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    if STOP.get().is_none() {
        let stop = Arc::new(AtomicBool::new(false));
        flag::register_conditional_shutdown(SIGINT, STOPPED, Arc::clone(&stop))?;
        flag::register(SIGINT, Arc::clone(&stop))?;
        return Ok(STOP.get_or_init(|| stop));
    }
    Ok(STOP.get_or_init(Arc::default))
}

/// Asks one dataset and writes its report into a folder.
pub(crate) fn evaluate(
    options: &HashMap<String, String>,
    answerer: &dyn Answerer,
    out: &Path,
) -> Result<(), Box<dyn Error>> {
    let dataset = super::dataset(options)?;
    fs::create_dir_all(out)?;
    let path = out.join("run.journal");
    let settings = RunOptions {
        mode: options.get("mode").map_or("full", String::as_str).parse()?,
        generate: GenerateOptions::greedy(96),
        parallel: options.get("parallel").map_or(Ok(1), |text| text.parse())?,
        shard: options.get("shard").map_or(Ok(Shard::WHOLE), |text| text.parse())?,
        ..RunOptions::default()
    };
    let summary = execute(&dataset, answerer, settings, &path)?;
    eprintln!("\n{} answers, {} of them from an earlier run", summary.total, summary.resumed);
    let contents = journal::read(&path)?;
    let scores = super::judge::scores(options, &dataset, &contents, out)?;
    let shown = options.get("shown").map(|text| text.parse()).transpose()?;
    let report = scores.report(&ReportOptions { shown, ..ReportOptions::default() })?;
    report.write(out)?;
    println!("{}\nthe report is {}", report.headline().words(), out.join("report.html").display());
    Ok(())
}
