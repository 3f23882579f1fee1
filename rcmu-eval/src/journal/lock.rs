use std::{
    fs::{self, File, TryLockError},
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
    /// Locks `file`, the opened journal at `path`, until the file is closed.
    ///
    /// # Errors
    ///
    /// [`Error::ResultsLocked`] when another process holds the lock, [`Error::File`] when the system cannot lock.
    pub(super) fn take(file: &File, path: &Path) -> Result<Self, Error> {
        let beside = beside(path);
        // A process that this one is just starting holds all open files for a moment.
        let mut tries = 0;
        let result = loop {
            match file.try_lock() {
                Err(TryLockError::WouldBlock) if tries < TRIES => {
                    tries += 1;
                    thread::sleep(WAIT);
                }
                result => break result,
            }
        };
        match result {
            Ok(()) => {
                // The number is for people; a run does not fail for want of it.
                let _ = fs::write(&beside, format!("{}\n", process::id()));
                Ok(Self { beside })
            }
            Err(TryLockError::WouldBlock) => {
                Err(Error::ResultsLocked { path: path.to_owned(), pid: holder(&beside) })
            }
            Err(TryLockError::Error(source)) => Err(Error::File { path: path.to_owned(), source }),
        }
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
