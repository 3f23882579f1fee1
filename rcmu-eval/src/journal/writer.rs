use std::{collections::HashMap, path::Path};

use super::{
    Manifest, Record, RecordKey, SyncPolicy, TornTail,
    disk::{Disk, System},
    read::recorded_twice,
    record::Entry,
    store::Store,
};
use crate::Error;

/// A journal that this process writes.
#[derive(Debug)]
pub struct Journal {
    store: Store,
    keys: HashMap<(u64, u32), RecordKey>,
}

impl Journal {
    /// Opens the journal of a run, or begins it: a missing file, an empty one, or one that ends before its manifest
    /// does.
    ///
    /// A torn tail is cut; [`Journal::torn`] tells it. Nothing is changed in a file that is refused.
    ///
    /// # Errors
    ///
    /// [`Error::ResultsLocked`] when another process writes it; [`Error::ManifestChanged`] with all differences when it
    /// belongs to another run; [`Error::JournalCorrupt`], [`Error::RecordedTwice`], [`Error::NotAJournal`],
    /// [`Error::JournalKind`], [`Error::JournalVersion`]; [`Error::File`] when it cannot be read or written.
    pub fn open(path: impl AsRef<Path>, manifest: &Manifest, policy: SyncPolicy) -> Result<Self, Error> {
        Self::open_on(Box::new(System), path.as_ref(), manifest, policy)
    }

    /// As [`Journal::open`], on this disk.
    pub(super) fn open_on(
        disk: Box<dyn Disk>,
        path: &Path,
        manifest: &Manifest,
        policy: SyncPolicy,
    ) -> Result<Self, Error> {
        let mut keys = HashMap::new();
        let store = Store::open(disk, path, manifest, policy, |_, record: Record| {
            match keys.insert(record.order(), record.key) {
                None => Ok(()),
                Some(_) => Err(recorded_twice(path, record)),
            }
        })?;
        Ok(Self { store, keys })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.store.path()
    }

    /// The torn tail that was cut when the journal was opened.
    pub const fn torn(&self) -> Option<TornTail> {
        self.store.torn()
    }

    /// How many records it has.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether it has no record yet.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The key under which this repeat of the item at this place is recorded.
    pub fn find(&self, place: u64, repeat: u32) -> Option<RecordKey> {
        self.keys.get(&(place, repeat)).copied()
    }

    /// Appends a record; when this returns, it is as safe as the policy says.
    ///
    /// # Errors
    ///
    /// [`Error::RecordedTwice`] when there is one of this item and repeat; [`Error::File`] when it cannot be written or
    /// flushed, or has more than 64 MiB; [`Error::JournalBroken`] ever after. All earlier records stay as they are.
    pub fn append(&mut self, record: Record) -> Result<(), Error> {
        let order = record.order();
        if self.keys.contains_key(&order) {
            return Err(recorded_twice(self.path(), record));
        }
        let key = record.key;
        self.store.append(&Entry::<Manifest, _>::Record(record))?;
        self.keys.insert(order, key);
        Ok(())
    }

    /// Flushes what the policy has left waiting.
    ///
    /// # Errors
    ///
    /// As [`Journal::append`].
    pub fn flush(&mut self) -> Result<(), Error> {
        self.store.flush()
    }
}
