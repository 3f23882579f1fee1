use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use rcmu_data::{
    Sample,
    formats::{Repairs, jsonl, llava, qwen, sharegpt},
};
use sha2::{Digest, Sha256};

use super::{Format, check_and_hash, place, rcp_bench, rotations};
use crate::{Error, dataset::other_dataset, journal::DatasetIdentity};

/// A dataset that stays in its file, and is read item by item as often as it is wanted.
///
/// It has the name, the hash and the items of the [`Dataset`](super::Dataset) that [`Opened::read`](super::Opened::read)
/// makes of the file. Reading holds one record at a time, and about 50 bytes for the id of each item before it.
///
/// # Examples
///
/// ```
/// use rcmu_data::formats::jsonl;
/// use rcmu_eval::dataset::{self, Dataset, DatasetFile};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let path = std::env::temp_dir().join(format!("rcmu-dataset-file-doc-{}.jsonl", std::process::id()));
/// let mut writer = jsonl::create(&path)?;
/// for item in dataset::figurine_bench(1, 1)?.items() {
///     writer.write(item)?;
/// }
/// writer.finish()?;
///
/// let file = DatasetFile::open(&path, None)?;
///
/// let mut ids = Vec::new();
/// file.read_each(|item| Ok(ids.push(item.id)))?;
/// assert_eq!(ids.len() as u64, file.identity().items);
/// assert_eq!(file.identity(), Dataset::open(&path)?.identity());
/// # std::fs::remove_file(path)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct DatasetFile {
    path: PathBuf,
    format: Format,
    is_rotated: bool,
    identity: DatasetIdentity,
    repairs: Repairs,
}

impl DatasetFile {
    /// Reads a file once, in this format or in the one that [`Format::recognise`] tells, and checks every item.
    ///
    /// # Errors
    ///
    /// As [`Opened::read`](super::Opened::read).
    pub fn open(path: impl AsRef<Path>, format: Option<Format>) -> Result<Self, Error> {
        let path = path.as_ref();
        let format = format.map_or_else(|| Format::recognise(path), Ok)?;
        let identity = DatasetIdentity { name: place(path).0, hash: String::new(), items: 0 };
        let file =
            Self { path: path.to_owned(), format, is_rotated: false, identity, repairs: Repairs::default() };
        file.known()
    }

    /// The dataset as [`Dataset::rotated`](super::Dataset::rotated) makes it of the items; the file is read once more.
    ///
    /// # Errors
    ///
    /// As [`Dataset::rotated`](super::Dataset::rotated), and [`DatasetFile::open`].
    pub fn rotated(mut self) -> Result<Self, Error> {
        if !self.is_rotated {
            self.identity.name = format!("{}-rotated", self.identity.name);
            self.is_rotated = true;
        }
        self.known()
    }

    /// The form in which the items stand.
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Where the files of its pictures are: beside it.
    pub fn folder(&self) -> PathBuf {
        place(&self.path).1
    }

    /// What the reader mended; always empty for [`Format::Rcp`], which mends nothing.
    pub const fn repairs(&self) -> &Repairs {
        &self.repairs
    }

    /// What tells it from another one.
    pub fn identity(&self) -> DatasetIdentity {
        self.identity.clone()
    }

    /// Gives all items, in order, until `take` fails.
    ///
    /// # Errors
    ///
    /// That of `take`; [`Error::OtherDataset`] at the end when the items are not those that there were when the file was
    /// opened; else as [`DatasetFile::open`].
    pub fn read_each(&self, take: impl FnMut(Sample) -> Result<(), Error>) -> Result<(), Error> {
        let (found, _) = self.scan(take)?;
        if found == self.identity { Ok(()) } else { Err(other_dataset(&self.identity, &found)) }
    }

    /// The same with its identity and repairs found out.
    fn known(mut self) -> Result<Self, Error> {
        let mut ids = HashSet::new();
        let is_rotated = self.is_rotated;
        let (identity, repairs) = self.scan(|item| {
            // Readers refuse or change an id that was used before; rotations have new ones.
            if is_rotated && !ids.insert(super::short_key(&item.id)) {
                let message = format!("`{}` is that of an earlier item too", item.id);
                let source = rcmu_data::Error::Field { field: "id".into(), message };
                return Err(Error::Item { item: item.id, source: Box::new(source.into()) });
            }
            Ok(())
        })?;
        (self.identity, self.repairs) = (identity, repairs);
        Ok(self)
    }

    fn scan(
        &self,
        mut take: impl FnMut(Sample) -> Result<(), Error>,
    ) -> Result<(DatasetIdentity, Repairs), Error> {
        let (mut hash, mut items) = (Sha256::new(), 0);
        let mut one = |item: Sample| {
            check_and_hash(&item, &mut hash)?;
            items += 1;
            take(item)
        };
        let mut each = |item: Sample| {
            let rotated = if self.is_rotated { rotations(&item) } else { Vec::new() };
            if rotated.is_empty() { one(item) } else { rotated.into_iter().try_for_each(&mut one) }
        };
        let mut reader = match self.format {
            Format::Rcp => {
                let mut result = Ok(());
                rcp_bench::read_each(&self.path, |item| {
                    if result.is_ok() {
                        result = rcp_bench::samples_of(&item).try_for_each(&mut each);
                    }
                })?;
                result?;
                let hash = crate::hex::hex(&hash.finalize());
                let identity = DatasetIdentity { hash, items, ..self.identity.clone() };
                return Ok((identity, Repairs::default()));
            }
            Format::Jsonl => jsonl::open(&self.path),
            Format::Llava => llava::open(&self.path),
            Format::ShareGpt => sharegpt::open(&self.path),
            Format::Qwen => qwen::open(&self.path),
        }?;
        for item in reader.by_ref() {
            each(item?)?;
        }
        let hash = crate::hex::hex(&hash.finalize());
        let identity = DatasetIdentity { hash, items, ..self.identity.clone() };
        Ok((identity, reader.repairs().clone()))
    }
}
