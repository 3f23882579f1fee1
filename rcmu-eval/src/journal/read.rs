use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, BufReader, Read},
    path::Path,
};

use serde::de::{DeserializeOwned, IgnoredAny};

use super::{
    Manifest, Record, VerdictManifest,
    disk::{Disk, Reading, System},
    frame::{Found, Frames, HEAD, VERSION, head},
    manifest::differences,
    record::Entry,
    store::Head,
};
use crate::Error;

/// The beginning of a frame at the end of a journal that was never finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// Where it begins, in bytes of the file.
    pub offset: u64,
    /// How many bytes there are of it.
    pub bytes: u64,
}

/// What a journal holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Contents {
    /// What the run is.
    pub manifest: Manifest,
    /// The answers, in the order in which they came.
    pub records: Vec<Record>,
    /// What was left out at the end, if anything.
    pub torn: Option<TornTail>,
}

/// Reads a journal without locking it; one that is being written may end in a torn tail.
///
/// # Errors
///
/// [`Error::JournalCorrupt`] naming the byte; [`Error::RecordedTwice`]; [`Error::NotAJournal`], also for a file that
/// ends before its manifest does; [`Error::JournalKind`] for one of verdicts; [`Error::JournalVersion`];
/// [`Error::File`] when it cannot be read.
pub fn read(path: impl AsRef<Path>) -> Result<Contents, Error> {
    read_on(&System, path.as_ref())
}

/// As [`read`], on this disk.
pub(super) fn read_on(disk: &dyn Disk, path: &Path) -> Result<Contents, Error> {
    check_regular(path)?;
    let file = disk.open_to_read(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
    let mut records = Vec::new();
    let scan = scan(disk, &file, path, None, each_once(path, |record| records.push(record)))?;
    let manifest = scan.manifest.ok_or_else(|| Error::NotAJournal { path: path.to_owned() })?;
    Ok(Contents { manifest, records, torn: scan.torn })
}

/// Reads what the run is, and no answer.
///
/// # Errors
///
/// As [`read`], as far as the manifest goes.
pub fn manifest(path: impl AsRef<Path>) -> Result<Manifest, Error> {
    manifest_of(path.as_ref())
}

/// Reads what a journal of one kind is of, and no record.
pub(super) fn manifest_of<M: Head>(path: &Path) -> Result<M, Error> {
    let failed = |source| Error::File { path: path.to_owned(), source };
    check_regular(path)?;
    let file = System.open_to_read(path).map_err(failed)?;
    let len = System.len(&file).map_err(failed)?;
    let mut input = BufReader::new(Reading { disk: &System, file: &file });
    let none = || Error::NotAJournal { path: path.to_owned() };
    if !check_head::<M>(&mut input, path, len)? {
        return Err(none());
    }
    let corrupt = |offset, message: &str| Error::JournalCorrupt {
        path: path.to_owned(),
        offset,
        message: message.into(),
    };
    match Frames::new(input, HEAD as u64, len).next().map_err(failed)? {
        Found::Payload { offset, payload } => match Entry::<M, IgnoredAny>::from_payload(&payload) {
            Some(Entry::Manifest(manifest)) => Ok(*manifest),
            _ => Err(corrupt(offset, "it does not begin with a manifest")),
        },
        Found::Damaged { offset, message } => Err(corrupt(offset, message)),
        Found::End | Found::Torn { .. } => Err(none()),
    }
}

/// Reads a journal record by record, each of which is then forgotten; gives the manifest.
///
/// # Errors
///
/// As [`read`]; records before damage have been given to `take` by then.
pub fn read_each(path: impl AsRef<Path>, take: impl FnMut(Record)) -> Result<Manifest, Error> {
    let path = path.as_ref();
    check_regular(path)?;
    let file = System.open_to_read(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
    let scan = scan(&System, &file, path, None, each_once(path, take))?;
    scan.manifest.ok_or_else(|| Error::NotAJournal { path: path.to_owned() })
}

/// What takes records from a scan: gives them on, but refuses a second one of the same repeat of the same item.
fn each_once(path: &Path, mut take: impl FnMut(Record)) -> impl FnMut(u64, Record) -> Result<(), Error> {
    let mut seen = HashSet::new();
    move |_, record: Record| {
        if !seen.insert(record.order()) {
            return Err(recorded_twice(path, record));
        }
        take(record);
        Ok(())
    }
}

/// Says that there is an earlier record of the same repeat of the same item.
pub(super) fn recorded_twice(path: &Path, record: Record) -> Error {
    Error::RecordedTwice { path: path.to_owned(), item: record.item, repeat: record.repeat }
}

/// Refuses pipes and devices, asked before opening: opening a pipe would wait for its writer.
pub(super) fn check_regular(path: &Path) -> Result<(), Error> {
    let failed = |source| Error::File { path: path.to_owned(), source };
    if fs::metadata(path).map_err(failed)?.is_file() {
        Ok(())
    } else {
        Err(failed(io::Error::other("is not a regular file")))
    }
}

/// What a pass over a journal found besides its records.
#[derive(Debug)]
pub(super) struct Scan<M> {
    /// None when the file ends before the manifest does.
    pub(super) manifest: Option<M>,
    /// What was left out at the end.
    pub(super) torn: Option<TornTail>,
    /// Bytes of the good frames and of what stands before them.
    pub(super) good: u64,
}

/// Reads a whole journal, record by record, each with the byte at which it begins; `file` stands at its beginning.
///
/// A manifest that is not the one that is wanted is refused before anything else is read.
pub(super) fn scan<M: Head, R: DeserializeOwned>(
    disk: &dyn Disk,
    file: &File,
    path: &Path,
    wanted: Option<&M>,
    mut take: impl FnMut(u64, R) -> Result<(), Error>,
) -> Result<Scan<M>, Error> {
    let failed = |source| Error::File { path: path.to_owned(), source };
    let len = disk.len(file).map_err(failed)?;
    let mut input = BufReader::new(Reading { disk, file });
    let torn_at = |offset: u64| Some(TornTail { offset, bytes: len - offset }).filter(|torn| torn.bytes > 0);
    if !check_head::<M>(&mut input, path, len)? {
        return Ok(Scan { manifest: None, torn: torn_at(0), good: 0 });
    }
    let corrupt = |offset, message: &str| Error::JournalCorrupt {
        path: path.to_owned(),
        offset,
        message: message.to_owned(),
    };
    let mut frames = Frames::new(input, HEAD as u64, len);
    let mut manifest = None;
    loop {
        let (end, offset) = match frames.next().map_err(failed)? {
            Found::End => (true, len),
            Found::Torn { offset } => (true, offset),
            Found::Damaged { offset, message } => return Err(corrupt(offset, message)),
            Found::Payload { offset, payload } => {
                match (&manifest, Entry::from_payload(&payload)) {
                    (None, Some(Entry::Manifest(found))) => {
                        let differences = wanted.map_or_else(Vec::new, |wanted| differences(&*found, wanted));
                        if !differences.is_empty() {
                            return Err(M::changed(path.to_owned(), differences));
                        }
                        manifest = Some(*found);
                    }
                    (Some(_), Some(Entry::Record(record))) => take(offset, record)?,
                    (None, Some(_)) => return Err(corrupt(offset, "a record stands before the manifest")),
                    (Some(_), Some(_)) => return Err(corrupt(offset, "a second manifest")),
                    (_, None) => return Err(corrupt(offset, "neither a manifest nor a record")),
                }
                (false, 0)
            }
        };
        if end {
            // Without a manifest there is nothing to go on with.
            let good = if manifest.is_some() { offset } else { 0 };
            return Ok(Scan { manifest, torn: torn_at(good), good });
        }
    }
}

/// Whether the file begins as a journal does; `Ok(false)` when it ended while that was written.
fn check_head<M: Head>(input: &mut impl Read, path: &Path, len: u64) -> Result<bool, Error> {
    let failed = |source| Error::File { path: path.to_owned(), source };
    let mut found = [0; HEAD];
    let known = len.min(HEAD as u64) as usize;
    input.read_exact(&mut found[..known]).map_err(failed)?;
    let expected = head(M::MAGIC);
    if found[..known] == expected[..known] {
        return Ok(known == HEAD);
    }
    if known == HEAD && found[..8] == expected[..8] {
        let version = u32::from_le_bytes([found[8], found[9], found[10], found[11]]);
        return Err(Error::JournalVersion { path: path.to_owned(), found: version, expected: VERSION });
    }
    let kinds = [(Manifest::MAGIC, Manifest::HOLDS), (VerdictManifest::MAGIC, VerdictManifest::HOLDS)];
    Err(match kinds.iter().find(|(magic, _)| found[..8] == *magic) {
        Some((_, holds)) => Error::JournalKind { path: path.to_owned(), found: holds, expected: M::HOLDS },
        None => Error::NotAJournal { path: path.to_owned() },
    })
}
