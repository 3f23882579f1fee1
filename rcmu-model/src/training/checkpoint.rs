//! Checkpoints of a training: written aside, made durable, checked, then put in place.
//!
//! A folder holds `state.safetensors` (the trained parameters and the moments of the optimiser), `manifest.json` (step,
//! settings, what it belongs to, lengths and digests) and `manifest.sha256` (the digest of that). It appears under its name
//! only when it is whole, so a crash at any moment leaves the ones before it as they were.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, File},
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

use burn::tensor::{Tensor, TensorData};
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    TrainError, TrainSettings,
    files::{floats, sync, write_durably, write_tensors},
    lora::is_factor,
    parameters::Parameter,
    trainer::Trainer,
};
use crate::model::to_host;
use rcmu_core::Generator;

const STATE: &str = "state.safetensors";
const MANIFEST: &str = "manifest.json";
const MANIFEST_DIGEST: &str = "manifest.sha256";
/// The layout of a folder; the first had no digest of the manifest.
const FORMAT: u32 = 2;
const STAGING: &str = ".staging-";
/// Where a checkpoint is until the one in its place has its name.
const REPLACED: &str = ".replaced-";

/// What a checkpoint says of itself.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    step: u64,
    settings: TrainSettings,
    data: String,
    start: String,
    files: BTreeMap<String, FileDigest>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct FileDigest {
    bytes: u64,
    sha256: String,
}

/// The checkpoints in one folder.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    root: PathBuf,
}

impl Checkpoints {
    /// The checkpoints in this folder; it need not exist yet.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The newest checkpoint that is whole, if there is one. Those that are not whole are passed over.
    ///
    /// # Errors
    ///
    /// [`TrainError::File`] when the folder cannot be read.
    pub fn newest(&self) -> Result<Option<PathBuf>, TrainError> {
        self.put_back()?;
        for dir in self.all()?.into_iter().rev() {
            match verify(&dir) {
                Ok(_) => return Ok(Some(dir)),
                Err(error) => tracing::warn!(%error, "passing over a checkpoint"),
            }
        }
        Ok(None)
    }

    /// All checkpoints, oldest first, whole or not.
    ///
    /// # Errors
    ///
    /// [`TrainError::File`] when the folder cannot be read.
    pub fn all(&self) -> Result<Vec<PathBuf>, TrainError> {
        if !self.root.exists() {
            return Ok(Vec::new());
        }
        let fail = || TrainError::file(&self.root);
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(fail())? {
            let path = entry.map_err(fail())?.path();
            if step_of(&path).is_some() && path.is_dir() {
                found.push(path);
            }
        }
        found.sort();
        Ok(found)
    }

    /// Writes a checkpoint and removes the oldest ones beyond `keep`.
    pub(super) fn save(&self, trainer: &Trainer) -> Result<PathBuf, TrainError> {
        fs::create_dir_all(&self.root).map_err(TrainError::file(&self.root))?;
        self.put_back()?;
        self.sweep()?;
        let name = format!("step-{:010}", trainer.step);
        let target = self.root.join(&name);
        let staging = self.root.join(format!("{STAGING}{name}"));
        fs::create_dir(&staging).map_err(TrainError::file(&staging))?;
        write_state(trainer, &staging.join(STATE))?;
        let manifest = Manifest {
            format: FORMAT,
            step: trainer.step,
            settings: trainer.settings.clone(),
            data: trainer.data.clone(),
            start: trainer.model().identity(),
            files: BTreeMap::from([(STATE.to_owned(), digest(&staging.join(STATE))?)]),
        };
        let text = serde_json::to_vec_pretty(&manifest).expect("a manifest is plain data");
        write_durably(&staging.join(MANIFEST), &text)?;
        write_durably(&staging.join(MANIFEST_DIGEST), sha256(&text).as_bytes())?;
        sync(&staging)?;
        let replaced = self.root.join(format!("{REPLACED}{name}"));
        if target.exists() {
            // The same step again, after a resume from an older checkpoint.
            fs::rename(&target, &replaced).map_err(TrainError::file(&target))?;
        }
        fs::rename(&staging, &target).map_err(TrainError::file(&target))?;
        sync(&self.root)?;
        if replaced.exists() {
            fs::remove_dir_all(&replaced).map_err(TrainError::file(&replaced))?;
        }
        self.prune(&target, trainer.settings.keep)?;
        Ok(target)
    }

    /// Gives a checkpoint its name back where the one in its place never got it.
    fn put_back(&self) -> Result<(), TrainError> {
        for replaced in self.beginning_with(REPLACED)? {
            let name =
                replaced.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let target = self.root.join(name.trim_start_matches(REPLACED));
            let done =
                if target.exists() { fs::remove_dir_all(&replaced) } else { fs::rename(&replaced, &target) };
            done.map_err(TrainError::file(&replaced))?;
        }
        Ok(())
    }

    /// Removes what an interrupted save has left.
    fn sweep(&self) -> Result<(), TrainError> {
        for path in self.beginning_with(STAGING)? {
            fs::remove_dir_all(&path).map_err(TrainError::file(&path))?;
        }
        Ok(())
    }

    /// What has such a name in the folder, if there is one.
    fn beginning_with(&self, prefix: &str) -> Result<Vec<PathBuf>, TrainError> {
        if !self.root.exists() {
            return Ok(Vec::new());
        }
        let fail = || TrainError::file(&self.root);
        let entries =
            fs::read_dir(&self.root).map_err(fail())?.collect::<Result<Vec<_>, _>>().map_err(fail())?;
        let found =
            entries.into_iter().filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
        Ok(found.map(|entry| entry.path()).collect())
    }

    /// Removes all but the newest up to the one that was just saved. Later ones are of a path that was left; whole ones of
    /// these stay, since they may be another training's.
    fn prune(&self, saved: &Path, keep: usize) -> Result<(), TrainError> {
        let (older, later): (Vec<_>, Vec<_>) =
            self.all()?.into_iter().partition(|dir| dir.as_path() <= saved);
        let surplus = older.len().saturating_sub(keep);
        // One that cannot be read now may be whole.
        let broken = later.iter().filter(|dir| matches!(verify(dir), Err(TrainError::Checkpoint { .. })));
        for old in older[..surplus].iter().chain(broken) {
            fs::remove_dir_all(old).map_err(TrainError::file(old))?;
        }
        Ok(())
    }
}

/// The step that a checkpoint's name says.
fn step_of(dir: &Path) -> Option<u64> {
    dir.file_name()?.to_str()?.strip_prefix("step-")?.parse().ok()
}

/// Checks that a checkpoint is whole; returns its manifest.
fn verify(dir: &Path) -> Result<Manifest, TrainError> {
    let bad = |problem: String| TrainError::Checkpoint { path: dir.to_owned(), problem };
    let path = dir.join(MANIFEST);
    let text = fs::read(&path).map_err(TrainError::file(&path))?;
    let manifest_digest = dir.join(MANIFEST_DIGEST);
    let expected = match fs::read(&manifest_digest) {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        read => Some(read.map_err(TrainError::file(&manifest_digest))?),
    };
    if expected.as_ref().is_some_and(|expected| sha256(&text).as_bytes() != expected) {
        return Err(bad(format!("{MANIFEST} is not what was written")));
    }
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))?;
    if !matches!((manifest.format, &expected), (1, _) | (FORMAT, Some(_))) {
        return Err(bad(format!("format {} is not known, or lacks {MANIFEST_DIGEST}", manifest.format)));
    }
    if step_of(dir) != Some(manifest.step) || !manifest.files.contains_key(STATE) {
        return Err(bad(format!("it is of step {} with {} files", manifest.step, manifest.files.len())));
    }
    for (name, expected) in &manifest.files {
        if digest(&dir.join(name))? != *expected {
            return Err(bad(format!("{name} is not what was written")));
        }
    }
    Ok(manifest)
}

/// Puts a checkpoint's state into a trainer.
pub(super) fn restore(trainer: &mut Trainer, dir: &Path) -> Result<(), TrainError> {
    let bad = |problem: String| TrainError::Checkpoint { path: dir.to_owned(), problem };
    let manifest = verify(dir)?;
    if manifest.start != trainer.model().identity() {
        return Err(bad(format!(
            "it began with {}, not with {}",
            manifest.start,
            trainer.model().identity()
        )));
    }
    // Other workers, other intervals and another limit of tokens do not change the path up to here.
    let path_settings = |settings: &TrainSettings| TrainSettings {
        workers: 1,
        max_tokens: 1,
        checkpoint_steps: 1,
        keep: 2,
        validation_steps: 0,
        ..settings.clone()
    };
    if path_settings(&manifest.settings) != path_settings(&trainer.settings) {
        let json = |settings| serde_json::to_string(settings).unwrap_or_default();
        return Err(bad(format!(
            "its settings are {}, not {}",
            json(&manifest.settings),
            json(&trainer.settings)
        )));
    }
    let path = dir.join(STATE);
    let bytes = fs::read(&path).map_err(TrainError::file(&path))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| bad(error.to_string()))?;
    let read = |kind: &str, parameter: &Parameter| -> Result<Tensor<1>, TrainError> {
        let name = format!("{kind}.{}", parameter.name);
        let view = file.tensor(&name).map_err(|error| bad(error.to_string()))?;
        if view.dtype() != Dtype::F32 || view.shape() != parameter.dims {
            return Err(bad(format!("{name} has another shape or format")));
        }
        let values: Vec<f32> =
            view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        let size = values.len();
        Ok(Tensor::from_data(TensorData::new(values, [size]), &parameter.value.device()))
    };
    for (parameter, moments) in trainer.parameters.iter_mut().zip(&mut trainer.optimizer.moments) {
        if let Some(moments) = moments {
            *moments = [read("first", parameter)?, read("second", parameter)?];
        }
        // Factors that stay as they are may have been loaded.
        if moments.is_some() || manifest.format > 1 && is_factor(&parameter.name) {
            parameter.value = read("value", parameter)?;
        }
    }
    trainer.forget_seen();
    trainer.optimizer.steps = manifest.step;
    trainer.step = manifest.step;
    trainer.data = manifest.data;
    Ok(())
}

fn write_state(trainer: &Trainer, path: &Path) -> Result<(), TrainError> {
    let mut tensors = Vec::new();
    for (parameter, moments) in trainer.parameters.iter().zip(&trainer.optimizer.moments) {
        let mut kinds = Vec::new();
        if moments.is_some() || is_factor(&parameter.name) {
            kinds.push(("value", &parameter.value));
        }
        if let Some([first, second]) = moments {
            kinds.extend([("first", first), ("second", second)]);
        }
        for (kind, values) in kinds {
            let values = move || {
                let values = to_host(values.clone())?;
                if kind == "value" && values.iter().any(|value| !value.is_finite()) {
                    return Err(TrainError::NotFinite { step: trainer.step, what: "a weight" });
                }
                Ok(values)
            };
            tensors.push(floats(format!("{kind}.{}", parameter.name), parameter.dims.clone(), values));
        }
    }
    write_tensors(path, tensors)
}

fn digest(path: &Path) -> Result<FileDigest, TrainError> {
    let mut file = File::open(path).map_err(TrainError::file(path))?;
    let (mut hash, mut bytes, mut block) = (Sha256::new(), 0, vec![0; 1 << 16]);
    loop {
        let read = file.read(&mut block).map_err(TrainError::file(path))?;
        if read == 0 {
            break;
        }
        hash.update(&block[..read]);
        bytes += read as u64;
    }
    Ok(FileDigest { bytes, sha256: hexadecimal(&hash.finalize()) })
}

fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
