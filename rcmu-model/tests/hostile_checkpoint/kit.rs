//! Checkpoint directories that can be changed tensor by tensor and byte by byte.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rcmu_model::{
    Error,
    weights::{Checkpoint, CheckpointLimits},
};
use serde_json::{Value, json};

/// The tiny model in all its layouts: one file, two shards, with its own head, names as newer files have them.
pub(crate) const FIXTURES: [&str; 4] = ["tiny", "tiny_bf16", "tiny_untied", "tiny_v5_layout"];
pub(crate) const CONFIG: &str = "config.json";
pub(crate) const GENERATION: &str = "generation_config.json";
pub(crate) const SINGLE: &str = "model.safetensors";
pub(crate) const INDEX: &str = "model.safetensors.index.json";

/// Megabytes that reading hostile files may add to the peak of memory: 64, and what the tests beside it hold.
const MAX_GROWTH_MIB: u64 = 96;

fn fixture(name: &str) -> PathBuf {
    let golden = std::env::var_os("RCMU_GOLDEN").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/golden")),
        PathBuf::from,
    );
    golden.join(name)
}

/// A directory of its own for a test; gone at its end.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn empty(name: &str) -> Self {
        let unique = format!("hostile_checkpoint_{}_{name}", std::process::id());
        // The mutants are gigabytes of short-lived files: in memory where the system has a place for that.
        let memory = Path::new("/dev/shm");
        let root = if memory.is_dir() { memory } else { Path::new(env!("CARGO_TARGET_TMPDIR")) };
        let dir = root.join(unique);
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    /// A copy of what a checkpoint has for the model itself: settings and weights.
    pub(crate) fn copy_of(name: &str, test: &str) -> Self {
        let scratch = Self::empty(&format!("{test}_{name}"));
        for entry in fs::read_dir(fixture(name)).unwrap() {
            let path = entry.unwrap().path();
            let file = path.file_name().unwrap().to_str().unwrap();
            if [CONFIG, GENERATION].contains(&file) || file.starts_with("model") {
                scratch.write(file, &fs::read(&path).unwrap());
            }
        }
        scratch
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.0
    }

    pub(crate) fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut files: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        files
    }

    pub(crate) fn read(&self, file: &str) -> Vec<u8> {
        fs::read(self.0.join(file)).unwrap()
    }

    pub(crate) fn read_json(&self, file: &str) -> Value {
        serde_json::from_slice(&self.read(file)).unwrap()
    }

    pub(crate) fn write(&self, file: &str, bytes: &[u8]) {
        fs::write(self.0.join(file), bytes).unwrap();
    }

    pub(crate) fn remove(&self, file: &str) {
        fs::remove_file(self.0.join(file)).unwrap();
    }

    pub(crate) fn open(&self) -> Result<Checkpoint, Error> {
        Checkpoint::open(&self.0, &CheckpointLimits::default())
    }

    /// What [`Error::CheckpointFile`] says, with the file's name.
    pub(crate) fn refused(&self) -> (String, String) {
        match self.open() {
            Err(Error::CheckpointFile { path, problem }) => {
                (path.file_name().unwrap().to_string_lossy().into_owned(), problem)
            }
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// A tensor as a file has it.
#[derive(Clone)]
pub(crate) struct Stored {
    pub(crate) name: String,
    pub(crate) dtype: String,
    pub(crate) shape: Vec<u64>,
    pub(crate) data: Vec<u8>,
}

impl Stored {
    pub(crate) fn zeros(name: &str, dtype: &str, size: u64, shape: &[u64]) -> Self {
        let data = vec![0; (shape.iter().product::<u64>() * size) as usize];
        Self { name: name.into(), dtype: dtype.into(), shape: shape.into(), data }
    }
}

/// The weight files of a checkpoint.
#[derive(Clone)]
pub(crate) struct Weights {
    pub(crate) files: Vec<(String, Vec<Stored>)>,
}

impl Weights {
    pub(crate) fn of(scratch: &Scratch) -> Self {
        let names = scratch.files().into_iter().filter(|file| file.ends_with(".safetensors"));
        Self { files: names.map(|name| (name.clone(), split(&scratch.read(&name)))).collect() }
    }

    /// Writes all files, and the index when there are several.
    pub(crate) fn write(&self, scratch: &Scratch) {
        let mut map = serde_json::Map::new();
        for (file, tensors) in &self.files {
            scratch.write(file, &join(tensors));
            map.extend(tensors.iter().map(|tensor| (tensor.name.clone(), json!(file))));
        }
        if self.files.len() > 1 {
            scratch.write(INDEX, json!({ "weight_map": map }).to_string().as_bytes());
        }
    }

    /// File and place of every tensor.
    pub(crate) fn places(&self) -> Vec<(usize, usize)> {
        let files = self.files.iter().enumerate();
        files.flat_map(|(file, (_, tensors))| (0..tensors.len()).map(move |at| (file, at))).collect()
    }
}

/// Bytes of the header of a weight file, without its length.
pub(crate) fn header_len(bytes: &[u8]) -> usize {
    u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize
}

/// A weight file with this header.
pub(crate) fn file_with(header: &[u8], data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header, data].concat()
}

fn split(bytes: &[u8]) -> Vec<Stored> {
    let start = 8 + header_len(bytes);
    let header: serde_json::Map<String, Value> = serde_json::from_slice(&bytes[8..start]).unwrap();
    let tensors = header.iter().filter(|(name, _)| *name != "__metadata__").map(|(name, entry)| {
        let [from, to] = serde_json::from_value::<[usize; 2]>(entry["data_offsets"].clone()).unwrap();
        Stored {
            name: name.clone(),
            dtype: entry["dtype"].as_str().unwrap().into(),
            shape: serde_json::from_value(entry["shape"].clone()).unwrap(),
            data: bytes[start + from..start + to].into(),
        }
    });
    tensors.collect()
}

/// The bytes of a file; a name that is there twice is written twice.
pub(crate) fn join(tensors: &[Stored]) -> Vec<u8> {
    let (mut fields, mut data) = (vec![r#""__metadata__":{"format":"pt"}"#.to_owned()], Vec::new());
    for Stored { name, dtype, shape, data: bytes } in tensors {
        let offsets = [data.len(), data.len() + bytes.len()];
        let entry = json!({ "dtype": dtype, "shape": shape, "data_offsets": offsets });
        fields.push(format!("{}:{entry}", json!(name)));
        data.extend_from_slice(bytes);
    }
    file_with(format!("{{{}}}", fields.join(",")).as_bytes(), &data)
}

/// The most memory that this process has had, in KiB; only Linux tells.
pub(crate) fn peak_kib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse().ok())
}

/// Asserts that the peak of memory has not grown much since `before`.
pub(crate) fn assert_growth(before: Option<u64>, what: &str) {
    let (Some(before), Some(after)) = (before, peak_kib()) else {
        println!("skipped: the peak of memory is not known on this system");
        return;
    };
    let growth = (after - before) / 1024;
    println!("{what}: the peak of memory grew by {growth} MiB");
    assert!(growth <= MAX_GROWTH_MIB, "{what}: {growth} MiB");
}

/// Numbers that are the same on every machine (`SplitMix64`).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % end as u64) as usize
    }

    pub(crate) fn one_of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}
