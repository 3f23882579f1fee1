use std::{
    collections::HashSet,
    hash::Hash,
    io::Read,
    iter,
    ops::Range,
    path::{Path, PathBuf},
};

use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, IgnoredAny},
};

use super::{
    Judged, Manifest, Record, VerdictManifest,
    disk::{Disk, Reading, System},
    frame::{FRAME_HEAD, HEAD, decode_head, head},
    new_file::write_new,
    read,
    read::check_regular,
    record::Entry,
    store::Head,
    verdicts::VerdictRecord,
};
use crate::{
    Error, Reply,
    judge::{Seen, Verdict},
};

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
    /// Records that were left out because one of the same item and repeat, or question, came before.
    pub repeated: u64,
    /// What was left out besides, a torn tail too; its items or questions are asked again when the copy is resumed.
    pub lost: Vec<Lost>,
}

/// Copies the good records of a damaged journal to a new file, be they answers or verdicts.
///
/// The damaged file stays as it is. After damage, the next good frame is looked for at every byte; a frame counts
/// when both of its checksums are right and it holds a record.
///
/// # Errors
///
/// [`Error::NotAJournal`] when no good manifest is found; [`Error::File`] when a file cannot be read or written, the
/// damaged one is over 4 GiB, or the new one is there already; [`Error::ResultsLocked`] when another process writes it.
pub fn repair(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<RepairReport, Error> {
    repair_on(&System, from.as_ref(), to.as_ref())
}

/// As [`repair`], on this disk.
pub(super) fn repair_on(disk: &dyn Disk, from: &Path, to: &Path) -> Result<RepairReport, Error> {
    let bytes = load(disk, from)?;
    let manifest = good_frames::<AnyManifest, IgnoredAny>(&bytes).find_map(|(_, entry)| match entry {
        Entry::Manifest(manifest) => Some(*manifest),
        Entry::Record(_) => None,
    });
    match manifest.ok_or_else(|| Error::NotAJournal { path: from.to_owned() })? {
        AnyManifest::Answers(manifest) => copy(disk, &bytes, to, &*manifest, Record::order),
        AnyManifest::Verdicts(manifest) => match manifest.judged {
            Judged::Texts => copy(disk, &bytes, to, &manifest, VerdictRecord::<Verdict>::key),
            Judged::Pictures => copy(disk, &bytes, to, &manifest, VerdictRecord::<Seen>::key),
        },
    }
}

/// The manifest of a journal of either kind. It tells the kind, since the head may be damaged.
#[derive(Deserialize)]
#[serde(untagged)]
enum AnyManifest {
    Answers(Box<Manifest>),
    Verdicts(VerdictManifest),
}

/// Copies the manifest and the good records, of those with the same key the first one.
fn copy<M: Head, R: Serialize + DeserializeOwned, K: Eq + Hash>(
    disk: &dyn Disk,
    bytes: &[u8],
    to: &Path,
    manifest: &M,
    key: impl Fn(&R) -> K,
) -> Result<RepairReport, Error> {
    let mut report = RepairReport::default();
    let (mut records, mut seen, mut is_begun) = (Vec::new(), HashSet::new(), false);
    let mut good_until = if bytes.starts_with(&head(M::MAGIC)) { HEAD } else { 0 };
    for (frame, entry) in good_frames::<M, R>(bytes) {
        report.lose(good_until, frame.start);
        good_until = frame.end;
        match entry {
            Entry::Manifest(_) if !is_begun => is_begun = true,
            Entry::Record(record) if seen.insert(key(&record)) => records.push(record),
            _ => report.repeated += 1,
        }
    }
    report.lose(good_until, bytes.len());
    report.kept = records.len() as u64;
    write_new(disk, to, manifest, records)?;
    Ok(report)
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
    write_new(&System, to.as_ref(), &contents.manifest, contents.records)?;
    Ok(failures as u64)
}

impl RepairReport {
    fn lose(&mut self, from: usize, to: usize) {
        if to > from {
            self.lost.push(Lost { offset: from as u64, bytes: (to - from) as u64 });
        }
    }
}

/// The good frames among bytes: where each is, and what it holds.
fn good_frames<M: DeserializeOwned, R: DeserializeOwned>(
    bytes: &[u8],
) -> impl Iterator<Item = (Range<usize>, Entry<M, R>)> {
    let mut at = 0;
    iter::from_fn(move || {
        while at < bytes.len() {
            let start = at;
            if let Some((entry, len)) = first_entry(&bytes[start..]) {
                at += len;
                return Some((start..at, entry));
            }
            at += 1;
        }
        None
    })
}

/// The entry that the bytes begin with, and the length of its frame.
fn first_entry<M: DeserializeOwned, R: DeserializeOwned>(bytes: &[u8]) -> Option<(Entry<M, R>, usize)> {
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
