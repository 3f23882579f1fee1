//! Reads a file whole, within a limit.

use std::{
    fs::{self, File},
    io::{ErrorKind, Read},
    path::Path,
};

use crate::Error;

/// The most bytes of a tokenizer file; the published one has 7 MB.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// The bytes of a regular file.
pub(super) fn file(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::ReadFile { path: path.to_owned(), source };
    // Asked before opening: opening a pipe would wait for its writer.
    let found = fs::metadata(path).map_err(failed)?;
    if !found.is_file() {
        return Err(Error::TokenizerFile { path: path.to_owned(), problem: "is not a regular file" });
    }
    check_len(path, found.len())?;
    let mut bytes = Vec::new();
    // One byte more than allowed shows a file that grows.
    File::open(path)
        .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    check_len(path, bytes.len() as u64)?;
    Ok(bytes)
}

/// The bytes of a regular file, if there is one.
pub(super) fn optional_file(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match file(path) {
        Err(Error::ReadFile { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

/// Refuses a file that is too large.
pub(super) fn check_len(path: &Path, bytes: u64) -> Result<(), Error> {
    if bytes > MAX_FILE_BYTES {
        return Err(Error::TokenizerFile { path: path.to_owned(), problem: "is larger than 64 MiB" });
    }
    Ok(())
}
