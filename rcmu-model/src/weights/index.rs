use std::{
    collections::BTreeMap,
    fs::{File, Metadata},
    path::{Path, PathBuf},
    time::SystemTime,
};

use serde_json::Value;

use super::{
    HeaderLimits, WeightHeader,
    header::{TensorEntry, shown},
    packed,
    table::hub_name,
};
use crate::{
    Error, json,
    kernels::{WeightFormat, WeightFormats},
};

/// A tensor and the file it is in.
#[derive(Clone, Debug)]
pub(super) struct Located {
    pub(super) file: PathBuf,
    pub(super) entry: TensorEntry,
    /// The format and the shape, `[out, in]`, of a packed matrix.
    pub(super) packed: Option<(WeightFormat, [usize; 2])>,
    stamp: Stamp,
}

impl Located {
    /// Opens the file, unless it is another than the one whose header was checked.
    pub(super) fn open(&self) -> Result<File, Error> {
        let failed = |source| Error::ReadFile { path: self.file.clone(), source };
        let file = File::open(&self.file).map_err(failed)?;
        if Stamp::of(&file.metadata().map_err(failed)?) != self.stamp {
            let problem = "changed after its header was checked".into();
            return Err(Error::CheckpointFile { path: self.file.clone(), problem });
        }
        Ok(file)
    }
}

/// Tells a file from the one that takes its place: length and time of the last change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    len: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self { len: metadata.len(), modified: metadata.modified().ok() }
    }
}

/// Most bytes of an index; that of the 72B model has about 100 thousand.
const MAX_INDEX_BYTES: u64 = 8 << 20;

/// Most files that one checkpoint may be split into.
const MAX_SHARDS: usize = 1024;

/// The tensors of a checkpoint directory, by their names in the hub's layout.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) tensors: BTreeMap<String, Located>,
    /// The formats that the file says its matrices are in.
    pub(super) formats: Option<WeightFormats>,
}

/// Finds all tensors of a checkpoint directory.
///
/// Reads headers only. Where a directory has a single file and an index, the single file counts, as in transformers.
pub(super) fn locate(dir: &Path, limits: &HeaderLimits) -> Result<Index, Error> {
    let index = dir.join("model.safetensors.index.json");
    let single = dir.join("model.safetensors");
    if !json::is_there(&single) {
        return if json::is_there(&index) {
            Ok(Index { tensors: sharded(dir, &index, limits)?, formats: None })
        } else {
            Err(Error::CheckpointFile { path: dir.to_owned(), problem: missing(dir) })
        };
    }
    let mut tensors = BTreeMap::new();
    let (header, stamp) = header(&single, limits)?;
    add(&mut tensors, &single, &header, stamp)?;
    Ok(Index { tensors, formats: packed::formats(&header) })
}

/// Says what the directory has instead of safetensors files.
fn missing(dir: &Path) -> String {
    let none = "has no model.safetensors and no model.safetensors.index.json";
    match pickled(dir) {
        Some(name) => {
            let name = shown(&name);
            format!("{none}; {name} can run code when it is read and is refused, convert it to safetensors")
        }
        None => none.into(),
    }
}

/// A file of the directory that can run code when it is read.
pub(super) fn pickled(dir: &Path) -> Option<String> {
    std::fs::read_dir(dir).into_iter().flatten().flatten().find_map(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let extension = Path::new(&name).extension()?.to_str()?.to_ascii_lowercase();
        ["bin", "pt", "pth", "ckpt", "pkl"].contains(&extension.as_str()).then_some(name)
    })
}

fn sharded(dir: &Path, index: &Path, limits: &HeaderLimits) -> Result<BTreeMap<String, Located>, Error> {
    let refused = |problem: String| Error::CheckpointFile { path: index.to_owned(), problem };
    let bytes = json::read_capped(index, MAX_INDEX_BYTES)?;
    let root = json::parse_within(&bytes, limits.max_cost());
    let root = root.map_err(|error| refused(format!("cannot be read: {error}")))?;
    let map = root.get("weight_map").and_then(Value::as_object);
    let map = map.ok_or_else(|| refused("has no object weight_map".into()))?;
    if map.len() > limits.max_tensors {
        return Err(refused(format!("names {} tensors, the limit is {}", map.len(), limits.max_tensors)));
    }
    let mut shards: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, shard) in map {
        let shard = shard.as_str().filter(|shard| is_plain(shard)).ok_or_else(|| {
            refused(format!("places tensor {} in something that is no plain file name", shown(name)))
        })?;
        shards.entry(shard).or_default().push(name);
    }
    if shards.len() > MAX_SHARDS {
        return Err(refused(format!("names {} files, the limit is {MAX_SHARDS}", shards.len())));
    }
    let mut tensors = BTreeMap::new();
    for (shard, mut names) in shards {
        let path = dir.join(shard);
        let (header, stamp) = header(&path, limits)?;
        let mut found: Vec<&str> = header.entries().iter().map(|entry| entry.name.as_str()).collect();
        names.sort_unstable();
        found.sort_unstable();
        if names != found {
            // Both are in order and without repetition.
            let odd = names.iter().find(|name| found.binary_search(name).is_err());
            let odd = odd.or_else(|| found.iter().find(|name| names.binary_search(name).is_err()));
            let odd = odd.copied().unwrap_or_default();
            return Err(refused(format!("and {shard} disagree about tensor {}", shown(odd))));
        }
        add(&mut tensors, &path, &header, stamp)?;
    }
    Ok(tensors)
}

/// A file name that stays in its directory on every system.
fn is_plain(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    !name.is_empty() && name.len() <= 255 && !name.starts_with('.') && name.chars().all(good)
}

fn header(path: &Path, limits: &HeaderLimits) -> Result<(WeightHeader, Stamp), Error> {
    let failed = |source| Error::ReadFile { path: path.to_owned(), source };
    let refused = |problem: String| Error::CheckpointFile { path: path.to_owned(), problem };
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(refused("is not a regular file".into()));
    }
    let mut file = File::open(path).map_err(failed)?;
    // Of the file that was opened, not of the name.
    let metadata = file.metadata().map_err(failed)?;
    let header = WeightHeader::read(&mut file, metadata.len(), limits).map_err(refused)?;
    Ok((header, Stamp::of(&metadata)))
}

fn add(
    tensors: &mut BTreeMap<String, Located>,
    file: &Path,
    header: &WeightHeader,
    stamp: Stamp,
) -> Result<(), Error> {
    for entry in header.entries() {
        let name = hub_name(&entry.name);
        let located = Located { file: file.to_owned(), entry: entry.clone(), packed: None, stamp };
        if tensors.insert(name, located).is_some() {
            let problem = format!("has tensor {}, which is there already", shown(&entry.name));
            return Err(Error::CheckpointFile { path: file.to_owned(), problem });
        }
    }
    Ok(())
}
