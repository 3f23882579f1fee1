use std::{
    ffi::OsStr,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use super::{
    disk::{Disk, System},
    lock::Lock,
    read::check_regular,
};
use crate::Error;

/// Puts a changed copy of a journal in its place; the journal as it was stays beside it, as `NAME.kept`.
///
/// `change` makes the copy: it gets the path of the journal and that of the new file, as [`repair`](super::repair()),
/// [`without_failures`](super::without_failures) and [`canonical`](super::canonical) do. Gives what it gave, and where the
/// old journal is. The journal is locked meanwhile, and there is a whole one under its name at every moment.
///
/// # Errors
///
/// Those of `change`; [`Error::ResultsLocked`] when another process writes the journal; [`Error::File`] when there is a
/// `NAME.kept` or `NAME.new` already, or a file cannot be written. The journal is as it was then.
pub fn in_place<T>(
    path: impl AsRef<Path>,
    change: impl FnOnce(&Path, &Path) -> Result<T, Error>,
) -> Result<(T, PathBuf), Error> {
    let failed = |path: &Path, source| Error::File { path: path.to_owned(), source };
    // A link would be replaced by the copy instead of what it leads to.
    let path = fs::canonicalize(path.as_ref()).map_err(|source| failed(path.as_ref(), source))?;
    check_regular(&path)?;
    let (kept, new) = (beside(&path, ".kept"), beside(&path, ".new"));
    // The lock goes before the file, which is locked until it is closed.
    let (_file, _lock) = Lock::open(&path, || File::options().read(true).write(true).open(&path))?;
    if fs::symlink_metadata(&kept).is_ok() {
        return Err(failed(&kept, io::ErrorKind::AlreadyExists.into()));
    }
    let result = change(&path, &new)?;
    let replace = || {
        // A second name takes no time and no room; a disk that has none gets a copy.
        fs::hard_link(&path, &kept).or_else(|_| fs::copy(&path, &kept).map(|_| ()))?;
        System.rename(&new, &path)?;
        System.sync_name(&path)
    };
    replace().map_err(|source| {
        let _ = fs::remove_file(&new);
        failed(&path, source)
    })?;
    Ok((result, kept))
}

/// `run.journal` → `run.journal.kept`.
fn beside(path: &Path, end: impl AsRef<OsStr>) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}
