use std::{
    fs::File,
    io::{self, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    Difference, Manifest, SyncPolicy, TornTail,
    disk::Disk,
    frame::{self, head},
    lock::Lock,
    log::{AppendError, Log},
    read::{check_regular, scan},
    record::Entry,
};
use crate::Error;

/// The manifest of a kind of journal.
pub(super) trait Head: Serialize + DeserializeOwned + Clone {
    /// What files of this kind begin with.
    const MAGIC: [u8; 8];
    /// What they hold, in words.
    const HOLDS: &'static str;

    /// Says that the journal at `path` has another manifest.
    fn changed(path: PathBuf, differences: Vec<Difference>) -> Error;
}

impl Head for Manifest {
    const MAGIC: [u8; 8] = *b"RCMUJRNL";
    const HOLDS: &'static str = "answers of a model";

    fn changed(path: PathBuf, differences: Vec<Difference>) -> Error {
        Error::ManifestChanged { path, differences }
    }
}

/// A locked file of frames, the first of which is a manifest, to which this process appends.
#[derive(Debug)]
pub(super) struct Store {
    path: PathBuf,
    // Dropped before the log, which holds the locked file.
    _lock: Lock,
    log: Log,
    torn: Option<TornTail>,
}

impl Store {
    /// Opens a journal, or begins it: a missing file, an empty one, or one that ends before its manifest does.
    ///
    /// `take` gets each record with the byte at which it begins. A torn tail is cut; nothing is changed in a file that
    /// is refused.
    pub(super) fn open<M: Head, R: Serialize + DeserializeOwned>(
        disk: Box<dyn Disk>,
        path: &Path,
        manifest: &M,
        policy: SyncPolicy,
        take: impl FnMut(u64, R) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let failed = |source| Error::File { path: path.to_owned(), source };
        match check_regular(path) {
            Err(Error::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
        let (mut file, lock) = Lock::open(path, || disk.open(path))?;
        let scan = scan::<M, R>(&*disk, &file, path, Some(manifest), take)?;
        if scan.manifest.is_some() {
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
        Ok(Self { path: path.to_owned(), _lock: lock, log, torn: scan.torn })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The torn tail that was cut when it was opened.
    pub(super) const fn torn(&self) -> Option<TornTail> {
        self.torn
    }

    /// Appends an entry; when this returns, it is as safe as the policy says.
    pub(super) fn append<M: Serialize, R: Serialize>(&mut self, entry: &Entry<M, R>) -> Result<(), Error> {
        let frame = framed(entry).map_err(|source| self.error(AppendError::Failed(source)))?;
        self.log.append(&frame).map_err(|error| self.error(error))
    }

    /// Flushes what the policy has left waiting.
    pub(super) fn flush(&mut self) -> Result<(), Error> {
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
pub(super) fn begin<M: Head>(disk: &dyn Disk, file: &mut File, manifest: &M) -> io::Result<()> {
    disk.cut(file, 0)?;
    file.seek(SeekFrom::Start(0))?;
    let mut start = head(M::MAGIC).to_vec();
    start.extend(framed(&Entry::<M, ()>::Manifest(Box::new(manifest.clone())))?);
    disk.write(file, &start)
}

/// The frame of an entry.
pub(super) fn framed<M: Serialize, R: Serialize>(entry: &Entry<M, R>) -> io::Result<Vec<u8>> {
    frame::encode(&entry.to_payload())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a record has more than 64 MiB"))
}
