use std::path::Path;

use super::{
    Contents,
    disk::{Disk, System},
    new_file::write_new,
    read,
    read::read_on,
};
use crate::{Error, run::Shard};

/// Copies a journal to a new file in canonical form: records in the order of the dataset, then of the repeats.
///
/// Two journals of the same run then have the same bytes. A torn tail is left out.
///
/// # Errors
///
/// As [`read`]; [`Error::File`] when `to` is there already or cannot be written; [`Error::ResultsLocked`] when another
/// process writes it.
pub fn canonical(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<(), Error> {
    let mut contents = read(from)?;
    contents.sort();
    write_new(&System, to.as_ref(), &contents.manifest, contents.records)
}

/// Joins the finished journals of all shards of a run into one new canonical journal.
///
/// Its bytes are those of the [`canonical`] journal of the same run without shards.
///
/// # Errors
///
/// [`Error::Shards`] unless each shard is there once; [`Error::ManifestChanged`] when they differ in more than their
/// shard; [`Error::JournalUnfinished`] when one lacks records; else as [`canonical`].
pub fn merge<P: AsRef<Path>>(journals: &[P], to: impl AsRef<Path>) -> Result<(), Error> {
    let whole = join(&System, journals)?;
    write_new(&System, to.as_ref(), &whole.manifest, whole.records)
}

/// What the shards have together, in order.
pub(super) fn join<P: AsRef<Path>>(disk: &dyn Disk, journals: &[P]) -> Result<Contents, Error> {
    let shards = |message: String| Error::Shards { message };
    let mut whole: Option<Contents> = None;
    let mut seen = Vec::new();
    for path in journals.iter().map(AsRef::as_ref) {
        let mut contents = read_on(disk, path)?;
        let shard = contents.manifest.shard;
        let (expected, found) = (contents.manifest.records(), contents.records.len() as u64);
        if found < expected {
            let path = path.to_owned();
            return Err(Error::JournalUnfinished { path, missing: expected - found, expected });
        }
        if let Some(record) = contents.records.iter().find(|record| !shard.contains(record.place)) {
            return Err(shards(format!(
                "{} has place {}, which is not its own",
                path.display(),
                record.place
            )));
        }
        if seen.contains(&shard) {
            return Err(shards(format!("shard {shard} is there twice")));
        }
        seen.push(shard);
        contents.manifest.shard = Shard::WHOLE;
        match &mut whole {
            None => whole = Some(contents),
            Some(whole) => {
                let differences = contents.manifest.differences(&whole.manifest);
                if !differences.is_empty() {
                    return Err(Error::ManifestChanged { path: path.to_owned(), differences });
                }
                whole.records.append(&mut contents.records);
            }
        }
    }
    let mut whole = whole.ok_or_else(|| shards("there are none".into()))?;
    let of = seen[0].of();
    if let Some(other) = seen.iter().find(|shard| shard.of() != of) {
        return Err(shards(format!("shard {other} is none of {of}")));
    }
    if seen.len() < of as usize {
        let missing = (1..=of).find(|index| seen.iter().all(|shard| shard.index() != *index));
        return Err(shards(format!("shard {}/{of} is missing", missing.unwrap_or(of))));
    }
    whole.sort();
    Ok(whole)
}

impl Contents {
    /// Puts the records into the order of the dataset, then of the repeats.
    pub fn sort(&mut self) {
        self.records.sort_by_key(super::Record::order);
    }

    /// How many records the finished journal has beyond these.
    pub fn missing(&self) -> u64 {
        self.manifest.records().saturating_sub(self.records.len() as u64)
    }
}
