use std::{
    fs::File,
    io::{self, BufReader, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use super::{
    Manifest, Record,
    disk::{Disk, System},
    frame::{FRAME_HEAD, Found, Frames},
    read::{check_regular, recorded_twice, scan},
    record::Entry,
};
use crate::Error;

/// A journal whose records stay in the file: where each of them begins, in 24 bytes, and nothing else of it.
#[derive(Debug)]
pub(crate) struct Index {
    path: PathBuf,
    manifest: Manifest,
    /// Place and repeat of each record, and the byte at which it begins, in this order.
    records: Vec<(u64, u32, u64)>,
    file: BufReader<File>,
    /// The byte at which the file stands, if that is known.
    at: Option<u64>,
}

impl Index {
    /// Reads a journal once and checks all of it.
    ///
    /// # Errors
    ///
    /// As [`read`](super::read()).
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::File { path: path.to_owned(), source };
        check_regular(path)?;
        let file = System.open_to_read(path).map_err(failed)?;
        let mut records = Vec::new();
        let scan = scan(&System, &file, path, None, |offset, record: Record| {
            let (place, repeat) = record.order();
            records.push((place, repeat, offset));
            Ok(())
        })?;
        let manifest = scan.manifest.ok_or_else(|| Error::NotAJournal { path: path.to_owned() })?;
        records.sort_unstable();
        records.shrink_to_fit();
        let twice = records.windows(2).filter(|two| (two[0].0, two[0].1) == (two[1].0, two[1].1));
        let twice = twice.map(|two| two[1].2).min();
        let mut index =
            Self { path: path.to_owned(), manifest, records, file: BufReader::new(file), at: None };
        match twice {
            None => Ok(index),
            Some(offset) => Err(recorded_twice(path, index.record(offset)?)),
        }
    }

    /// What the run is.
    pub(crate) const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Place and repeat of all records, in order.
    pub(crate) fn places(&self) -> impl Iterator<Item = (u64, u32)> {
        self.records.iter().map(|&(place, repeat, _)| (place, repeat))
    }

    /// The record of this repeat of the item at this place, if there is one.
    ///
    /// # Errors
    ///
    /// [`Error::JournalCorrupt`] when it is not what it was when the journal was opened; [`Error::File`].
    pub(crate) fn find(&mut self, place: u64, repeat: u32) -> Result<Option<Record>, Error> {
        let found = self.records.binary_search_by_key(&(place, repeat), |own| (own.0, own.1));
        found.ok().map(|at| self.record(self.records[at].2)).transpose()
    }

    /// The record that begins at this byte.
    fn record(&mut self, offset: u64) -> Result<Record, Error> {
        let found = self.frame(offset).map_err(|source| Error::File { path: self.path.clone(), source })?;
        if let Found::Payload { payload, .. } = found {
            self.at = Some(offset + (FRAME_HEAD + payload.len()) as u64);
            if let Some(Entry::Record(record)) = Entry::<Manifest, _>::from_payload(&payload) {
                return Ok(record);
            }
        }
        let message = "the record is another one than when the journal was opened".into();
        Err(Error::JournalCorrupt { path: self.path.clone(), offset, message })
    }

    fn frame(&mut self, offset: u64) -> io::Result<Found> {
        // What was read ahead is not read again.
        match self.at.take().and_then(|at| offset.checked_signed_diff(at)) {
            Some(step) => self.file.seek_relative(step)?,
            None => _ = self.file.seek(SeekFrom::Start(offset))?,
        }
        Frames::new(&mut self.file, offset, u64::MAX).next()
    }
}
