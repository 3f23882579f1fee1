use std::{
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use rcmu_core::{Control, Request};
use rcmu_data::Sample;

use super::{Answerer, Asked, Progress, RunOptions, prepare::prepare};
use crate::{
    Error, Reply,
    dataset::Dataset,
    journal::{Journal, Manifest, Record, RecordKey, Settings, TornTail},
};

/// All items of a dataset, or of a shard of it, asked of one generator.
///
/// # Examples
///
/// ```
/// use rcmu_core::ScriptedGenerator;
/// use rcmu_eval::{dataset, journal, run::{Run, RunOptions}};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let dataset = dataset::figurine_bench(1, 1)?;
/// let generator = ScriptedGenerator::new(vec!["B"; dataset.items().len()]);
/// # let folder = std::env::temp_dir().join(format!("rcmu-run-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// let path = folder.join("run.journal");
///
/// let summary = Run::new(&dataset, &generator, RunOptions::default())?.execute(&path)?;
///
/// assert_eq!(summary.made, dataset.items().len() as u64);
/// assert_eq!(journal::read(&path)?.missing(), 0);
/// # std::fs::remove_dir_all(folder)?;
/// # Ok(())
/// # }
/// ```
pub struct Run<'a, A: ?Sized> {
    dataset: &'a Dataset,
    answerer: &'a A,
    options: RunOptions,
    on_progress: Option<Watcher<'a>>,
}

/// Hears how far a run has come.
type Watcher<'a> = Box<dyn Fn(&Progress) + Send + Sync + 'a>;

/// What became of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunSummary {
    /// Answers that the finished journal has.
    pub total: u64,
    /// Those that an earlier run left.
    pub resumed: u64,
    /// Those that this run made, failures included.
    pub made: u64,
    /// Those that this run made and that have no text.
    pub failed: u64,
    /// Whether the run was cancelled before its end.
    pub cancelled: bool,
    /// The torn tail of an earlier run that was cut.
    pub torn: Option<TornTail>,
}

impl<'a, A: Answerer + ?Sized> Run<'a, A> {
    /// Prepares a run.
    ///
    /// # Errors
    ///
    /// [`Error::RunOption`] or [`Error::Core`] naming the setting that is out of its range.
    pub fn new(dataset: &'a Dataset, answerer: &'a A, options: RunOptions) -> Result<Self, Error> {
        options.check()?;
        Ok(Self { dataset, answerer, options, on_progress: None })
    }

    /// Tells `watcher` after each answer how far the run is; threads may call it at the same time.
    pub fn on_progress(mut self, watcher: impl Fn(&Progress) + Send + Sync + 'a) -> Self {
        self.on_progress = Some(Box::new(watcher));
        self
    }

    /// What the run is, as its journal begins.
    pub fn manifest(&self) -> Manifest {
        let options = &self.options;
        Manifest {
            model: self.answerer.identity(),
            dataset: self.dataset.identity(),
            mode: options.mode,
            options: Settings::from(&options.generate),
            timeout_secs: options.timeout.map(|timeout| timeout.as_secs_f64()),
            repeats: options.repeats,
            shard: options.shard,
            chain: options.chain.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// Asks every item that the journal at `path` has no answer to.
    ///
    /// Answers that it has are kept if they rest on the same picture, prompt and settings. A generator that fails is
    /// recorded as [`Reply::Failed`] and the run goes on. With several threads the records stand in the order in which
    /// they came; [`journal::canonical`](crate::journal::canonical) puts them in order.
    ///
    /// # Errors
    ///
    /// Those of [`Journal::open`] and [`Journal::append`]; [`Error::ItemChanged`]; [`Error::Answerer`] where the generator
    /// can answer nothing more, for which nothing is recorded; [`Error::Item`] naming an item whose
    /// picture cannot be opened or whose prompt cannot be written. What is in the journal by then stays.
    pub fn execute(&self, path: impl AsRef<Path>) -> Result<RunSummary, Error> {
        let manifest = self.manifest();
        let journal = Journal::open(path, &manifest, self.options.sync)?;
        self.fill(journal, &manifest)
    }

    /// Asks every item that an open journal has no answer to.
    pub(crate) fn fill(&self, journal: Journal, manifest: &Manifest) -> Result<RunSummary, Error> {
        let path = journal.path().to_owned();
        let (resumed, torn) = (journal.len() as u64, journal.torn());
        let places = 0..self.dataset.items().len();
        let work = Work {
            path: &path,
            model: &manifest.model,
            places: places.filter(|&place| self.options.shard.contains(place as u64)).collect(),
            next: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            total: manifest.records(),
            resumed,
            begun: Instant::now(),
            state: Mutex::new(State { journal, made: 0, failed: 0, error: None }),
        };
        let threads = self.options.parallel.min(work.places.len());
        thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(|| self.work(&work));
            }
            self.work(&work);
        });
        let mut state = work.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = state.error {
            // Whatever else went wrong, the first error says why; records that wait are flushed if that is possible.
            let _ = state.journal.flush();
            return Err(error);
        }
        state.journal.flush()?;
        let done = resumed + state.made;
        Ok(RunSummary {
            total: work.total,
            resumed,
            made: state.made,
            failed: state.failed,
            cancelled: done < work.total,
            torn,
        })
    }

    /// Takes items until there are none, the run is cancelled, or something fails.
    fn work(&self, work: &Work<'_>) {
        while !self.options.cancel.is_cancelled() && !work.stop.load(Ordering::Acquire) {
            let Some(&place) = work.places.get(work.next.fetch_add(1, Ordering::Relaxed)) else { return };
            if let Err(error) = self.ask(work, place) {
                work.fail(&mut work.lock(), error);
            }
        }
    }

    /// Asks all repeats of one item.
    fn ask(&self, work: &Work<'_>, place: usize) -> Result<(), Error> {
        let sample = &self.dataset.items()[place];
        let in_item = |source| Error::Item { item: sample.id.clone(), source: Box::new(source) };
        let prepared = prepare(sample, self.dataset.folder(), &self.options).map_err(in_item)?;
        let mut request = prepared.request;
        for repeat in 0..self.options.repeats {
            request.options.seed = self.options.generate.seed.wrapping_add(u64::from(repeat));
            let key = RecordKey::new(work.model, self.dataset.hash(), &sample.id, &request, repeat);
            let recorded = work.lock().journal.find(place as u64, repeat);
            if let Some(recorded) = recorded {
                if recorded != key {
                    return Err(Error::ItemChanged { path: work.path.to_owned(), item: sample.id.clone() });
                }
                continue;
            }
            let Some(reply) = self.answer(sample, repeat, &request)? else { return Ok(()) };
            let permutation = prepared.permutation.clone();
            let record =
                Record { key, place: place as u64, item: sample.id.clone(), repeat, permutation, reply };
            let Some(progress) = work.record(record) else { return Ok(()) };
            if let Some(watcher) = &self.on_progress {
                watcher(&progress);
            }
        }
        Ok(())
    }

    /// One reply; `None` once the run is cancelled.
    fn answer(&self, sample: &Sample, repeat: u32, request: &Request) -> Result<Option<Reply>, Error> {
        if self.options.cancel.is_cancelled() {
            return Ok(None);
        }
        let deadline = self.options.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let control = Control { cancel: self.options.cancel.clone(), deadline };
        let answer = self.answerer.answer(&Asked { sample, repeat, request }, &control);
        answer.map_err(|source| Error::Answerer { item: sample.id.clone(), source })
    }
}

/// What the threads of a run share.
struct Work<'a> {
    path: &'a Path,
    model: &'a str,
    places: Vec<usize>,
    next: AtomicUsize,
    stop: AtomicBool,
    total: u64,
    resumed: u64,
    begun: Instant,
    state: Mutex<State>,
}

struct State {
    journal: Journal,
    made: u64,
    failed: u64,
    error: Option<Error>,
}

impl Work<'_> {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops all threads; the first error is kept.
    fn fail(&self, state: &mut State, error: Error) {
        self.stop.store(true, Ordering::Release);
        state.error.get_or_insert(error);
    }

    /// Appends a record and says how far the run is now; `None` once the journal takes no more.
    fn record(&self, record: Record) -> Option<Progress> {
        let failed = matches!(record.reply, Reply::Failed { .. });
        let mut state = self.lock();
        if let Err(error) = state.journal.append(record) {
            // Before the lock is gone: the next thread finds the journal broken, and does not know why.
            self.fail(&mut state, error);
            return None;
        }
        state.made += 1;
        state.failed += u64::from(failed);
        Some(Progress {
            done: self.resumed + state.made,
            total: self.total,
            resumed: self.resumed,
            failed: state.failed,
            elapsed: self.begun.elapsed(),
        })
    }
}
