use std::{
    collections::HashMap,
    fs::File,
    io::{self, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use super::{
    Manifest, Record, RecordKey, SyncPolicy, TornTail,
    disk::{Disk, System},
    frame::{self, head},
    lock::Lock,
    log::{AppendError, Log},
    read::{check_regular, scan},
    record::Entry,
};
use crate::Error;

/// A journal that this process writes.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    // Dropped before the log, which holds the locked file.
    _lock: Lock,
    log: Log,
    keys: HashMap<(u64, u32), RecordKey>,
    torn: Option<TornTail>,
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
    /// [`Error::JournalVersion`]; [`Error::File`] when it cannot be read or written.
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
        let failed = |source| Error::File { path: path.to_owned(), source };
        match check_regular(path) {
            Err(Error::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
        let mut file = disk.open(path).map_err(failed)?;
        let lock = Lock::take(&file, path)?;
        let mut keys = HashMap::new();
        let scan = scan(&*disk, &file, path, |record| {
            keys.insert(record.order(), record.key);
        })?;
        if let Some(recorded) = &scan.manifest {
            let differences = recorded.differences(manifest);
            if !differences.is_empty() {
                return Err(Error::ManifestChanged { path: path.to_owned(), differences });
            }
            if scan.torn.is_some() {
                disk.cut(&file, scan.good).map_err(failed)?;
            }
            file.seek(SeekFrom::Start(scan.good)).map_err(failed)?;
        } else {
            begin(&*disk, &mut file, manifest).map_err(failed)?;
        }
        // A process that was killed may have left all of it unflushed, even the name.
        disk.sync(&file).and_then(|()| disk.sync_name(path)).map_err(failed)?;
        let log = Log::new(file, disk, policy);
        Ok(Self { path: path.to_owned(), _lock: lock, log, keys, torn: scan.torn })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The torn tail that was cut when the journal was opened.
    pub const fn torn(&self) -> Option<TornTail> {
        self.torn
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
            let path = self.path.clone();
            return Err(Error::RecordedTwice { path, item: record.item, repeat: record.repeat });
        }
        let key = record.key;
        let frame = framed(&Entry::Record(record)).map_err(AppendError::Failed);
        let frame = frame.map_err(|error| self.error(error))?;
        self.log.append(&frame).map_err(|error| self.error(error))?;
        self.keys.insert(order, key);
        Ok(())
    }

    /// Flushes what the policy has left waiting.
    ///
    /// # Errors
    ///
    /// As [`Journal::append`].
    pub fn flush(&mut self) -> Result<(), Error> {
        self.log.flush().map_err(|error| self.error(error))
    }

    fn error(&self, error: AppendError) -> Error {
        let path = self.path.clone();
        match error {
            AppendError::Failed(source) => Error::File { path, source },
            AppendError::Broken => Error::JournalBroken { path },
        }
    }
}

/// Writes head and manifest over whatever was torn there.
pub(super) fn begin(disk: &dyn Disk, file: &mut File, manifest: &Manifest) -> io::Result<()> {
    disk.cut(file, 0)?;
    file.seek(SeekFrom::Start(0))?;
    let mut start = head().to_vec();
    start.extend(framed(&Entry::Manifest(Box::new(manifest.clone())))?);
    disk.write(file, &start)
}

pub(super) fn framed(entry: &Entry) -> io::Result<Vec<u8>> {
    frame::encode(&entry.to_payload())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a record has more than 64 MiB"))
}
