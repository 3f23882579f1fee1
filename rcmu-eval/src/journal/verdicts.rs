use std::{collections::HashMap, path::Path, path::PathBuf};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    Difference, RecordKey, SyncPolicy, TornTail,
    disk::{Disk, System},
    record::Entry,
    store::{Head, Store},
};
use crate::Error;

/// What the verdicts of a judge are: the first entry of their journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VerdictManifest {
    /// Whether texts or pictures are judged.
    pub(crate) judged: Judged,
    /// The judge's own name of itself and its settings.
    pub(crate) judge: String,
}

/// What a verdict is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Judged {
    /// Whether a text follows from another.
    Texts,
    /// Whether a region of a picture shows what a text says.
    Pictures,
}

impl Head for VerdictManifest {
    const MAGIC: [u8; 8] = *b"RCMUJUDG";
    const HOLDS: &'static str = "verdicts of a judge";

    fn changed(path: PathBuf, differences: Vec<Difference>) -> Error {
        Error::JudgeChanged { path, differences }
    }
}

/// One verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct VerdictRecord<V> {
    /// What was asked.
    key: RecordKey,
    /// What the judge said.
    verdict: V,
}

impl<V> VerdictRecord<V> {
    /// What was asked.
    pub(super) const fn key(&self) -> RecordKey {
        self.key
    }

    /// What the judge said.
    pub(super) const fn verdict(&self) -> &V {
        &self.verdict
    }
}

/// Says that there is an earlier verdict on the same question.
pub(super) fn judged_twice(path: &Path, offset: u64) -> Error {
    let message = "a second verdict on one question".into();
    Error::JournalCorrupt { path: path.to_owned(), offset, message }
}

/// The verdicts of one judge, by question, in a journal that this process writes.
///
/// It has the form of a run's journal, with another beginning: head, frames, lock, and what is made of torn tails and of
/// damage are the same.
#[derive(Debug)]
pub(crate) struct VerdictJournal<V> {
    store: Store,
    verdicts: HashMap<RecordKey, V>,
}

impl<V: Copy + Serialize + DeserializeOwned> VerdictJournal<V> {
    /// Opens the journal of a judge, or begins it. Nothing is changed in a file that is refused.
    pub(crate) fn open(path: &Path, manifest: &VerdictManifest, policy: SyncPolicy) -> Result<Self, Error> {
        Self::open_on(Box::new(System), path, manifest, policy)
    }

    /// As [`VerdictJournal::open`], on this disk.
    pub(super) fn open_on(
        disk: Box<dyn Disk>,
        path: &Path,
        manifest: &VerdictManifest,
        policy: SyncPolicy,
    ) -> Result<Self, Error> {
        let mut verdicts = HashMap::new();
        let take = |offset, record: VerdictRecord<V>| match verdicts.insert(record.key, record.verdict) {
            None => Ok(()),
            Some(_) => Err(judged_twice(path, offset)),
        };
        let store = Store::open(disk, path, manifest, policy, take)?;
        Ok(Self { store, verdicts })
    }

    /// The torn tail that was cut when the journal was opened.
    pub(crate) const fn torn(&self) -> Option<TornTail> {
        self.store.torn()
    }

    /// How many verdicts it has.
    pub(crate) fn len(&self) -> usize {
        self.verdicts.len()
    }

    /// The verdict on a question.
    pub(crate) fn find(&self, key: RecordKey) -> Option<V> {
        self.verdicts.get(&key).copied()
    }

    /// Appends the verdict on a question that has none; when this returns, it is as safe as the policy says.
    pub(crate) fn append(&mut self, key: RecordKey, verdict: V) -> Result<(), Error> {
        self.store.append(&Entry::<VerdictManifest, _>::Record(VerdictRecord { key, verdict }))?;
        self.verdicts.insert(key, verdict);
        Ok(())
    }

    /// Flushes what the policy has left waiting.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        self.store.flush()
    }
}
