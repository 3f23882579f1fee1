//! What is asked: items with their pictures, from files or from the figurine world.
//!
//! ```text
//! rcmu_data::formats ─┬──────────────────► DatasetFile: read item by item (name, hash)
//! rcp_bench           ├─► Vec<Sample> ─► Dataset (name, folder, hash)
//! figurine_bench ─────┘
//! ```

mod bench_files;
mod figurine_bench;
mod file;
mod insufficient;
pub(crate) mod lines;
mod open;
mod rcp_bench;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use rcmu_data::{Sample, formats};
use sha2::{Digest, Sha256};

use crate::{Error, journal::DatasetIdentity, scorers::Rotation};

pub use bench_files::{BenchDigests, BenchFault, BenchFiles};
pub use figurine_bench::{figurine_bench, figurine_scenes};
pub use file::DatasetFile;
pub use insufficient::{insufficient_option, is_insufficient};
pub use open::{Format, Opened};
pub use rcp_bench::{Group, RcpBench, RcpItem, RcpQuestion};

/// Items in order, with what tells them from those of another dataset.
///
/// # Invariant
///
/// Every item passes [`Sample::check`], and no two have the same id.
#[derive(Clone, Debug)]
pub struct Dataset {
    name: String,
    items: Vec<Arc<Sample>>,
    folder: PathBuf,
    hash: String,
}

impl Dataset {
    /// Makes a dataset of these items; the files of their pictures are in `folder`.
    ///
    /// # Errors
    ///
    /// [`Error::Item`] naming the first item that is at fault or whose id was used before.
    pub fn new(
        name: impl Into<String>,
        folder: impl Into<PathBuf>,
        items: impl IntoIterator<Item: Into<Arc<Sample>>>,
    ) -> Result<Self, Error> {
        let items: Vec<Arc<Sample>> = items.into_iter().map(Into::into).collect();
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut hash = Sha256::new();
        for (place, item) in items.iter().enumerate() {
            check_and_hash(item, &mut hash)?;
            if let Some(first) = places.insert(&item.id, place) {
                let message = format!("of item {} is that of item {} too", place + 1, first + 1);
                return Err(fault(item, rcmu_data::Error::Field { field: "id".into(), message }));
            }
        }
        let hash = crate::hex::hex(&hash.finalize());
        Ok(Self { name: name.into(), items, folder: folder.into(), hash })
    }

    /// Takes all samples of a reader, such as those of [`rcmu_data::formats`].
    ///
    /// # Errors
    ///
    /// [`Error::Data`] naming the file, the line and the field; else as [`Dataset::new`].
    pub fn collect(
        name: impl Into<String>,
        folder: impl Into<PathBuf>,
        samples: impl IntoIterator<Item = Result<Sample, rcmu_data::Error>>,
    ) -> Result<Self, Error> {
        Self::new(name, folder, samples.into_iter().collect::<Result<Vec<_>, _>>()?)
    }

    /// Reads the samples of a JSONL file of this project; its pictures are found beside it, and it is named after it.
    ///
    /// # Errors
    ///
    /// As [`Dataset::collect`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let (name, folder) = place(path.as_ref());
        Self::collect(name, folder, formats::jsonl::open(path)?)
    }

    /// Reads a file in the form of [`RcpBench`]; its pictures are found beside it, and it is named after it.
    ///
    /// # Errors
    ///
    /// As [`Dataset::collect`].
    pub fn open_rcp_bench(path: impl AsRef<Path>) -> Result<Self, Error> {
        let (name, folder) = place(path.as_ref());
        let bench = RcpBench::open(path)?;
        Self::new(name, folder, bench.to_samples())
    }

    /// The dataset with each question of several options asked once for every rotation of them; other items stay as they are.
    ///
    /// A report on it has the rows `rotation_accuracy` and `rotation_all`.
    ///
    /// # Errors
    ///
    /// As [`Dataset::new`].
    pub fn rotated(&self) -> Result<Self, Error> {
        let items = self.items.iter().flat_map(|item| {
            let rotated: Vec<_> = rotations(item).into_iter().map(Arc::new).collect();
            if rotated.is_empty() { vec![Arc::clone(item)] } else { rotated }
        });
        Self::new(format!("{}-rotated", self.name), self.folder.clone(), items)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its items in order.
    pub fn items(&self) -> &[Arc<Sample>] {
        &self.items
    }

    /// Where the files of its pictures are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// SHA-256 of its items in their order, in hexadecimal digits. Picture files count by name; their bytes are part of
    /// each record's key.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// What tells it from another one.
    pub fn identity(&self) -> DatasetIdentity {
        DatasetIdentity { name: self.name.clone(), hash: self.hash.clone(), items: self.items.len() as u64 }
    }
}

/// The item once for each rotation of its options; none where there is nothing to rotate.
fn rotations(item: &Sample) -> Vec<Sample> {
    let count = item.options.len();
    (0..count).filter_map(|by| Rotation::new(by, count)?.apply_to(item)).collect()
}

/// Checks an item, and adds it to the hash of its dataset.
fn check_and_hash(item: &Sample, hash: &mut Sha256) -> Result<(), Error> {
    item.check().map_err(|error| fault(item, error))?;
    let text = serde_json::to_vec(item).expect("a sample has text keys only");
    hash.update((text.len() as u64).to_le_bytes());
    hash.update(text);
    Ok(())
}

fn fault(item: &Sample, error: rcmu_data::Error) -> Error {
    Error::Item { item: item.id.clone(), source: Box::new(error.into()) }
}

/// Says that answers are about another dataset than was given.
pub(crate) fn other_dataset(recorded: &DatasetIdentity, wanted: &DatasetIdentity) -> Error {
    let words = |identity: &DatasetIdentity| format!("{} ({})", identity.name, identity.hash);
    Error::OtherDataset { recorded: words(recorded), wanted: words(wanted) }
}

/// A short key of an id, so that the ids of millions of items fit into memory.
pub(crate) fn short_key(id: &str) -> [u8; 16] {
    let digest = Sha256::digest(id.as_bytes());
    *digest.first_chunk().expect("a digest has 32 bytes")
}

/// The name and the folder of a dataset's file.
fn place(path: &Path) -> (String, PathBuf) {
    let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    (name, path.parent().map_or_else(PathBuf::new, Path::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items() -> Vec<Sample> {
        rcmu_data::figurines::rcp_items(1, rcmu_data::figurines::Split::Test).unwrap().samples
    }

    #[test]
    fn the_hash_knows_every_field_and_the_order() {
        let hash = |items| Dataset::new("a", "", items).unwrap().hash;
        let plain = hash(items());

        let mut changed = items();
        changed[3].answer = if changed[3].answer == "A" { "B" } else { "A" }.into();
        assert_ne!(hash(changed), plain);
        let mut swapped = items();
        swapped.swap(0, 1);
        assert_ne!(hash(swapped), plain);
        assert_eq!(hash(items()), plain);
        assert_eq!(plain.len(), 64);
    }

    #[test]
    fn an_id_used_before_is_refused() {
        let mut items = items();
        items[4].id = items[1].id.clone();

        let error = Dataset::new("a", "", items).expect_err("two items have one id");

        assert!(
            matches!(error, Error::Item { source, .. } if source.to_string() == "`id` of item 5 is that of item 2 too")
        );
    }

    #[test]
    fn a_file_of_samples_is_found_with_its_folder() {
        let folder = std::env::temp_dir().join(format!("rcmu-dataset-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("people.jsonl");
        let mut writer = formats::jsonl::create(&path).unwrap();
        for item in &items() {
            writer.write(item).unwrap();
        }
        writer.finish().unwrap();

        let dataset = Dataset::open(&path).unwrap();

        assert_eq!((dataset.name(), dataset.folder()), ("people", folder.as_path()));
        assert!(dataset.items().iter().map(|item| &**item).eq(&items()));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
