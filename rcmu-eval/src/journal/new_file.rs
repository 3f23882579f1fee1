use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    disk::Disk,
    lock::{Lock, is_at},
    record::Entry,
    store::{Head, begin, framed},
};
use crate::Error;

/// How often a file that another process finished meanwhile is opened again.
const TRIES: u32 = 100;

/// Writes a whole journal under a new name, all at once: it is there in full or not at all.
///
/// It is written to a file beside, `run.journal.part`, which is locked: of several processes that write the same copy one
/// does, and the others are refused.
///
/// # Errors
///
/// [`Error::ResultsLocked`] when another process writes the same copy; [`Error::File`] when there is such a file already,
/// or it cannot be written.
pub(super) fn write_new<M: Head, R: Serialize>(
    disk: &dyn Disk,
    path: &Path,
    manifest: &M,
    records: Vec<R>,
) -> Result<(), Error> {
    let failed = |source| Error::File { path: path.to_owned(), source };
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    let part = PathBuf::from(name);
    check_absent(path)?;
    let (mut file, _lock) = lock_part(disk, &part, path)?;
    let write = || -> io::Result<()> {
        begin(disk, &mut file, manifest)?;
        for record in records {
            disk.write(&mut file, &framed(&Entry::<M, _>::Record(record))?)?;
        }
        disk.sync(&file)?;
        disk.rename(&part, path)?;
        disk.sync_name(path).inspect_err(|_| drop(fs::remove_file(path)))
    };
    write().map_err(|source| {
        let _ = fs::remove_file(&part);
        failed(source)
    })
}

fn check_absent(path: &Path) -> Result<(), Error> {
    match fs::symlink_metadata(path) {
        Err(_) => Ok(()),
        Ok(_) => Err(Error::File { path: path.to_owned(), source: io::ErrorKind::AlreadyExists.into() }),
    }
}

/// Opens and locks the file beside; what a killed process left in it is written over.
fn lock_part(disk: &dyn Disk, part: &Path, path: &Path) -> Result<(File, Lock), Error> {
    let failed = |source| Error::File { path: path.to_owned(), source };
    for _ in 0..TRIES {
        let file = disk.open(part).map_err(failed)?;
        let lock = Lock::take(&file, part).map_err(|error| match error {
            Error::ResultsLocked { pid, .. } => Error::ResultsLocked { path: path.to_owned(), pid },
            Error::File { source, .. } => failed(source),
            other => other,
        })?;
        // While this one waited for the lock, the other process may have finished: its copy, which must not be touched, is
        // then what was opened.
        if is_at(&file, fs::symlink_metadata(part)) {
            check_absent(path).inspect_err(|_| drop(fs::remove_file(part)))?;
            return Ok((file, lock));
        }
        check_absent(path)?;
    }
    Err(Error::ResultsLocked { path: path.to_owned(), pid: None })
}
