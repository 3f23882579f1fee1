use std::{
    collections::HashSet,
    io::Read,
    path::{Path, PathBuf},
};

use super::{
    Contents, Manifest, Record,
    disk::{Disk, Reading, System},
    frame::{FRAME_HEAD, HEAD, decode_head, head},
    new_file::write_new,
    read,
    read::check_regular,
    record::Entry,
    store::Head,
};
use crate::{Error, Reply};

/// Largest journal that is repaired, in bytes: it is held in memory as a whole.
const MAX_BYTES: u64 = 4 << 30;

/// Bytes of a journal in which no good record was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Where they begin.
    pub offset: u64,
    /// How many there are.
    pub bytes: u64,
}

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepairReport {
    /// Records that were copied.
    pub kept: u64,
    /// Records that were left out because one of the same item and repeat came before.
    pub repeated: u64,
    /// What was left out besides, a torn tail too; its items are asked again when the copy is resumed.
    pub lost: Vec<Lost>,
}

/// Copies the good records of a damaged journal to a new file.
///
/// The damaged file stays as it is. After damage, the next good frame is looked for at every byte; a frame counts
/// when both of its checksums are right and it holds a record.
///
/// # Errors
///
/// [`Error::NotAJournal`] when no good manifest is found; [`Error::File`] when a file cannot be read or written, the
/// damaged one is over 4 GiB, or the new one is there already; [`Error::ResultsLocked`] when another process writes it.
pub fn repair(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<RepairReport, Error> {
    let (contents, report) = salvage(&System, from.as_ref())?;
    write_new(&System, to.as_ref(), contents)?;
    Ok(report)
}

/// The good records of a damaged journal, and what else is there.
pub(super) fn salvage(disk: &dyn Disk, from: &Path) -> Result<(Contents, RepairReport), Error> {
    let bytes = load(disk, from)?;
    let mut report = RepairReport::default();
    let mut manifest: Option<Manifest> = None;
    let mut records: Vec<Record> = Vec::new();
    let mut seen = HashSet::new();
    let mut at = if bytes.starts_with(&head(Manifest::MAGIC)) { HEAD } else { 0 };
    let mut good_until = at;
    while at < bytes.len() {
        let Some((entry, len)) = entry(&bytes[at..]) else {
            at += 1;
            continue;
        };
        report.lose(good_until, at);
        match entry {
            Entry::Manifest(found) if manifest.is_none() => manifest = Some(*found),
            Entry::Record(record) if seen.insert(record.order()) => records.push(record),
            _ => report.repeated += 1,
        }
        at += len;
        good_until = at;
    }
    report.lose(good_until, bytes.len());
    report.kept = records.len() as u64;
    let manifest = manifest.ok_or_else(|| Error::NotAJournal { path: from.to_owned() })?;
    Ok((Contents { manifest, records, torn: None }, report))
}

/// Copies a journal to a new file without the items that got no text, so that they are asked again when the copy is
/// resumed; tells how many there were.
///
/// # Errors
///
/// As [`read()`]; [`Error::File`] when `to` is there already or cannot be written; [`Error::ResultsLocked`] when another
/// process writes it.
pub fn without_failures(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<u64, Error> {
    let mut contents = read(from)?;
    let before = contents.records.len();
    contents.records.retain(|record| matches!(record.reply, Reply::Text { .. }));
    let failures = before - contents.records.len();
    write_new(&System, to.as_ref(), contents)?;
    Ok(failures as u64)
}

impl RepairReport {
    fn lose(&mut self, from: usize, to: usize) {
        if to > from {
            self.lost.push(Lost { offset: from as u64, bytes: (to - from) as u64 });
        }
    }
}

/// The entry that the bytes begin with, and the length of its frame.
fn entry(bytes: &[u8]) -> Option<(Entry<Manifest, Record>, usize)> {
    let (length, checksum) = decode_head(bytes.first_chunk::<FRAME_HEAD>()?)?;
    let payload = bytes.get(FRAME_HEAD..FRAME_HEAD + length)?;
    if crc32fast::hash(payload) != checksum {
        return None;
    }
    Some((Entry::from_payload(payload)?, FRAME_HEAD + length))
}

/// All bytes of a file; one that ends before its length is an error, since what is missing would look lost.
fn load(disk: &dyn Disk, path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::File { path: PathBuf::from(path), source };
    check_regular(path)?;
    let file = disk.open_to_read(path).map_err(failed)?;
    let len = disk.len(&file).map_err(failed)?;
    if len > MAX_BYTES {
        return Err(failed(std::io::Error::other("has more than 4 GiB")));
    }
    let mut bytes = vec![0; len as usize];
    Reading { disk, file: &file }.read_exact(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
