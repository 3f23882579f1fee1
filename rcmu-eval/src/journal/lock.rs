use std::{
    fs::{self, File, Metadata, TryLockError},
    io,
    path::{Path, PathBuf},
    process, thread,
    time::Duration,
};

use crate::Error;

/// How often a lock is tried, and a number that is not there yet looked for.
const TRIES: u32 = 100; // half a second: a busy machine may need much of it to start a process
/// How long is waited between two looks.
const WAIT: Duration = Duration::from_millis(5);

/// The lock of a journal: the file itself is locked, and a file beside it tells who does it.
#[derive(Debug)]
pub(super) struct Lock {
    beside: PathBuf,
}

impl Lock {
    /// Opens the journal at `path` by `open`, and locks it until the file is closed.
    ///
    /// Where another process put a new file in its place while this one waited for the lock, the new one is opened.
    ///
    /// # Errors
    ///
    /// Those of `open`; else as [`Lock::take`].
    pub(super) fn open(path: &Path, open: impl Fn() -> io::Result<File>) -> Result<(File, Self), Error> {
        for _ in 0..TRIES {
            let file = open().map_err(|source| Error::File { path: path.to_owned(), source })?;
            wait(&file, path)?;
            // A journal may be opened by a link to it.
            if is_at(&file, fs::metadata(path)) {
                return Ok((file, Self::tell(path)));
            }
        }
        Err(Error::ResultsLocked { path: path.to_owned(), pid: None })
    }

    /// Locks `file`, the opened journal at `path`, until the file is closed.
    ///
    /// # Errors
    ///
    /// [`Error::ResultsLocked`] when another process holds the lock, [`Error::File`] when the system cannot lock.
    pub(super) fn take(file: &File, path: &Path) -> Result<Self, Error> {
        wait(file, path)?;
        Ok(Self::tell(path))
    }

    /// Tells beside the locked file who locks it.
    fn tell(path: &Path) -> Self {
        let beside = beside(path);
        // The number is for people; a run does not fail for want of it.
        let _ = fs::write(&beside, format!("{}\n", process::id()));
        Self { beside }
    }
}

/// Waits for the lock of a file.
fn wait(file: &File, path: &Path) -> Result<(), Error> {
    // A process that this one is just starting holds all open files for a moment.
    let mut tries = 0;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if tries < TRIES => {
                tries += 1;
                thread::sleep(WAIT);
            }
            Err(TryLockError::WouldBlock) => {
                return Err(Error::ResultsLocked { path: path.to_owned(), pid: holder(&beside(path)) });
            }
            Err(TryLockError::Error(source)) => return Err(Error::File { path: path.to_owned(), source }),
        }
    }
}

/// Whether an open file is the one that was found; taken for granted where a system does not tell files apart.
pub(super) fn is_at(file: &File, found: io::Result<Metadata>) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let identity = |found: Metadata| (found.dev(), found.ino());
        matches!((file.metadata().map(identity), found.map(identity)), (Ok(own), Ok(found)) if own == found)
    }
    #[cfg(not(unix))]
    {
        let _ = (file, found);
        true
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Still locked: the file is closed after this.
        let _ = fs::remove_file(&self.beside);
    }
}

/// `run.journal` → `run.journal.pid`.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pid");
    name.into()
}

/// The number that the holder left; it may be about to write it.
fn holder(beside: &Path) -> Option<u32> {
    for _ in 0..TRIES {
        let number = fs::read_to_string(beside).ok().and_then(|text| text.trim_end().parse().ok());
        if number.is_some() {
            return number;
        }
        thread::sleep(WAIT);
    }
    None
}
