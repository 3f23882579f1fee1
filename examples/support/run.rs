use std::{
    error::Error,
    path::Path,
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use rcmu_eval::{
    dataset::Dataset,
    run::{Answerer, Run, RunOptions, RunSummary},
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
    let (stopped, cancel) = (Arc::new(AtomicBool::new(false)), options.cancel.clone());
    flag::register_conditional_shutdown(SIGINT, STOPPED, Arc::clone(&stopped))?;
    flag::register(SIGINT, Arc::clone(&stopped))?;
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
