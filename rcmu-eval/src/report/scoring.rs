use std::{
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use rcmu_core::CancelToken;

use crate::{
    Error, ItemScore, Outcome,
    run::{Progress, RunOptions},
};

/// How the answers of a journal are scored.
#[derive(Clone)]
pub struct ScoreOptions<'a> {
    /// How many answers are scored at a time, 1 to [`RunOptions::MAX_PARALLEL`]; more than 1 is for remote judges.
    pub parallel: usize,
    /// Stops the scoring. A judge that shall stop within a question has to know it too
    /// ([`GeneratorJudge::with_cancel`](crate::judge::GeneratorJudge::with_cancel)).
    pub cancel: CancelToken,
    /// Hears after each answer how many are scored, and how many of them a judge failed at; threads may call it at the
    /// same time.
    pub on_progress: Option<&'a (dyn Fn(&Progress) + Send + Sync)>,
}

impl Default for ScoreOptions<'_> {
    /// One at a time, in silence.
    fn default() -> Self {
        Self { parallel: 1, cancel: CancelToken::new(), on_progress: None }
    }
}

impl fmt::Debug for ScoreOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScoreOptions").field("parallel", &self.parallel).finish_non_exhaustive()
    }
}

/// The score of each entry, in their order, however many threads score.
///
/// # Errors
///
/// [`Error::RunOption`] for a number of threads out of range; [`Error::Cancelled`].
pub(super) fn score_all<E: Sync>(
    entries: &[E],
    options: &ScoreOptions<'_>,
    score: impl Fn(&E) -> ItemScore + Sync,
) -> Result<Vec<ItemScore>, Error> {
    const MAX: usize = RunOptions::MAX_PARALLEL;
    if !(1..=MAX).contains(&options.parallel) {
        let message = format!("is {}, expected 1..={MAX}", options.parallel);
        return Err(Error::RunOption { option: "parallel", message });
    }
    let begun = Instant::now();
    let next = AtomicUsize::new(0);
    let scored = Mutex::new((vec![None; entries.len()], Progress::default()));
    let work = || {
        while !options.cancel.is_cancelled() {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(entry) = entries.get(place) else { return };
            let item = score(entry);
            let mut scored = scored.lock().unwrap_or_else(PoisonError::into_inner);
            let (items, progress) = &mut *scored;
            progress.done += 1;
            progress.failed += u64::from(item.outcome == Outcome::JudgeFailed);
            items[place] = Some(item);
            let progress = Progress { total: entries.len() as u64, elapsed: begun.elapsed(), ..*progress };
            drop(scored);
            if let Some(watcher) = options.on_progress {
                watcher(&progress);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..options.parallel.min(entries.len()) {
            scope.spawn(work);
        }
        work();
    });
    // A question that was cut is a judge that failed; nothing of that may reach a report.
    if options.cancel.is_cancelled() {
        return Err(Error::Cancelled);
    }
    let (items, _) = scored.into_inner().unwrap_or_else(PoisonError::into_inner);
    items.into_iter().collect::<Option<_>>().ok_or(Error::Cancelled)
}
