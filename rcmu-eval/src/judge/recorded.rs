use std::{
    collections::HashSet,
    path::Path,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use rcmu_data::Sample;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Error,
    journal::{Judged, RecordKey, SyncPolicy, TornTail, VerdictJournal, VerdictManifest},
    judge::{Entailment, JudgeError, Seen, Verdict, VisionCheck},
};

/// A judge of texts that asks each question once and keeps the verdict in a journal.
///
/// Verdicts are kept under a hash of everything that they rest on ([`Entailment::question_key`]), each on the disk
/// before the next question is asked; a scoring that was cut asks what is missing and no more. A judge that fails leaves
/// no record: its question is asked again the next time. Threads may ask at the same time; of those with the same
/// question one asks and the others wait for its verdict.
///
/// The identity is that of the judge inside, so that a report says who judged, and is the same with a journal and
/// without.
///
/// # Examples
///
/// ```
/// use rcmu_eval::{
///     dataset, journal::{self, SyncPolicy}, judge::{FactVision, Judges, RecordedEntailment, RuleEntailment},
///     report::{ScoreOptions, Scores}, run::{Run, RunOptions},
/// };
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dataset = dataset::figurine_bench(1, 1)?;
/// # let generator = rcmu_core::ScriptedGenerator::new(vec!["B"; dataset.items().len()]);
/// # let folder = std::env::temp_dir().join(format!("rcmu-recorded-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # Run::new(&dataset, &generator, RunOptions::default())?.execute(folder.join("run.journal"))?;
/// let contents = journal::read(folder.join("run.journal"))?;
///
/// // In place of the rules, any judge that takes long or costs money.
/// let judge = RecordedEntailment::open(folder.join("judge.journal"), &RuleEntailment, SyncPolicy::EachRecord)?;
/// let judges = Judges { entailment: &judge, vision: &FactVision };
/// let options = ScoreOptions { parallel: 4, ..ScoreOptions::default() };
/// let scores = Scores::with_options(&dataset, &contents, &judges, &options)?;
/// # assert_eq!(scores.items().len(), dataset.items().len());
/// # drop(judge);
/// # std::fs::remove_dir_all(folder)?;
/// # Ok(())
/// # }
/// ```
pub struct RecordedEntailment<'a> {
    judge: &'a dyn Entailment,
    verdicts: Verdicts<Verdict>,
}

impl<'a> RecordedEntailment<'a> {
    /// Opens the journal of this judge's verdicts, or begins it. Nothing is changed in a file that is refused.
    ///
    /// # Errors
    ///
    /// [`Error::JudgeChanged`] with all differences when the journal has verdicts of another judge;
    /// [`Error::ResultsLocked`] when another process writes it; [`Error::JournalCorrupt`] naming the byte of what is
    /// damaged; [`Error::NotAJournal`], [`Error::JournalKind`], [`Error::JournalVersion`]; [`Error::File`] when it
    /// cannot be read or written.
    pub fn open(
        path: impl AsRef<Path>,
        judge: &'a dyn Entailment,
        policy: SyncPolicy,
    ) -> Result<Self, Error> {
        let manifest = VerdictManifest { judged: Judged::Texts, judge: judge.identity() };
        Ok(Self::with(VerdictJournal::open(path.as_ref(), &manifest, policy)?, judge))
    }

    /// Keeps the verdicts of this judge in its open journal.
    pub(crate) fn with(journal: VerdictJournal<Verdict>, judge: &'a dyn Entailment) -> Self {
        Self { judge, verdicts: Verdicts::new(journal) }
    }

    /// The torn tail that was cut when the journal was opened.
    pub fn torn(&self) -> Option<TornTail> {
        self.verdicts.lock().journal.torn()
    }

    /// How many verdicts are recorded.
    pub fn len(&self) -> usize {
        self.verdicts.lock().journal.len()
    }

    /// Whether no verdict is recorded yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Entailment for RecordedEntailment<'_> {
    fn identity(&self) -> String {
        self.judge.identity()
    }

    fn entails(&self, premise: &str, hypothesis: &str) -> Result<Verdict, JudgeError> {
        let key = self.judge.question_key(premise, hypothesis)?;
        self.verdicts.get(key, || self.judge.entails(premise, hypothesis))
    }

    fn question_key(&self, premise: &str, hypothesis: &str) -> Result<RecordKey, JudgeError> {
        self.judge.question_key(premise, hypothesis)
    }

    fn finish(&self) -> Result<(), Error> {
        self.verdicts.finish()?;
        self.judge.finish()
    }
}

/// A judge of what regions show that asks each question once and keeps the verdict in a journal.
///
/// As [`RecordedEntailment`], by [`VisionCheck::question_key`]: for a judge that is shown the picture, its bytes are part of the
/// question.
pub struct RecordedVision<'a> {
    judge: &'a dyn VisionCheck,
    verdicts: Verdicts<Seen>,
}

impl<'a> RecordedVision<'a> {
    /// Opens the journal of this judge's verdicts, or begins it. Nothing is changed in a file that is refused.
    ///
    /// # Errors
    ///
    /// As [`RecordedEntailment::open`].
    pub fn open(
        path: impl AsRef<Path>,
        judge: &'a dyn VisionCheck,
        policy: SyncPolicy,
    ) -> Result<Self, Error> {
        let manifest = VerdictManifest { judged: Judged::Pictures, judge: judge.identity() };
        Ok(Self::with(VerdictJournal::open(path.as_ref(), &manifest, policy)?, judge))
    }

    /// Keeps the verdicts of this judge in its open journal.
    fn with(journal: VerdictJournal<Seen>, judge: &'a dyn VisionCheck) -> Self {
        Self { judge, verdicts: Verdicts::new(journal) }
    }

    /// The torn tail that was cut when the journal was opened.
    pub fn torn(&self) -> Option<TornTail> {
        self.verdicts.lock().journal.torn()
    }

    /// How many verdicts are recorded.
    pub fn len(&self) -> usize {
        self.verdicts.lock().journal.len()
    }

    /// Whether no verdict is recorded yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl VisionCheck for RecordedVision<'_> {
    fn identity(&self) -> String {
        self.judge.identity()
    }

    fn shows(&self, sample: &Sample, index: usize, words: &str) -> Result<Option<bool>, JudgeError> {
        let key = self.judge.question_key(sample, index, words)?;
        let ask = || self.judge.shows(sample, index, words).map(Seen::from);
        self.verdicts.get(key, ask).map(Into::into)
    }

    fn question_key(&self, sample: &Sample, index: usize, words: &str) -> Result<RecordKey, JudgeError> {
        self.judge.question_key(sample, index, words)
    }

    fn finish(&self) -> Result<(), Error> {
        self.verdicts.finish()?;
        self.judge.finish()
    }
}

/// The verdicts of one judge, shared by threads.
struct Verdicts<V> {
    state: Mutex<State<V>>,
    /// A question has got its verdict, or has failed.
    settled: Condvar,
}

struct State<V> {
    journal: VerdictJournal<V>,
    /// Questions that a thread is asking.
    asking: HashSet<RecordKey>,
    /// Why the journal takes no more.
    error: Option<Error>,
}

impl<V: Copy + Serialize + DeserializeOwned> Verdicts<V> {
    /// The verdict that is recorded, or the one that `ask` gives and that is recorded by then.
    fn get(&self, key: RecordKey, ask: impl FnOnce() -> Result<V, JudgeError>) -> Result<V, JudgeError> {
        let mut state = self.lock();
        loop {
            if let Some(verdict) = state.journal.find(key) {
                return Ok(verdict);
            }
            if state.error.is_some() {
                return Err(JudgeError::Unrecorded);
            }
            if state.asking.insert(key) {
                break;
            }
            state = self.settled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        // Even a judge that panics must not let the others wait for ever.
        let _settled = Settled { verdicts: self, key };
        let verdict = ask()?;
        let mut state = self.lock();
        if let Err(error) = state.journal.append(key, verdict) {
            state.error.get_or_insert(error);
            return Err(JudgeError::Unrecorded);
        }
        Ok(verdict)
    }

    /// Flushes, and tells the first error of the journal.
    fn finish(&self) -> Result<(), Error> {
        let mut state = self.lock();
        match state.error.take() {
            Some(error) => Err(error),
            None => state.journal.flush(),
        }
    }
}

impl<V> Verdicts<V> {
    fn new(journal: VerdictJournal<V>) -> Self {
        let state = State { journal, asking: HashSet::new(), error: None };
        Self { state: Mutex::new(state), settled: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State<V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets those go on who wait for a verdict.
struct Settled<'a, V> {
    verdicts: &'a Verdicts<V>,
    key: RecordKey,
}

impl<V> Drop for Settled<'_, V> {
    fn drop(&mut self) {
        self.verdicts.lock().asking.remove(&self.key);
        self.verdicts.settled.notify_all();
    }
}
