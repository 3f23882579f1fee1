//! Checkpoints of a training: written aside, made durable, checked, then put in place.
//!
//! A folder holds `state.safetensors` (the trained parameters and the moments of the optimiser) and `manifest.json`
//! (step, settings, what it belongs to, lengths and digests). It appears under its name only when it is whole, so a
//! crash at any moment leaves the ones before it as they were.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    fs::{self, File},
    io::{Read, Write},
    path::{Path, PathBuf},
};

use burn::tensor::{Tensor, TensorData};
use safetensors::{Dtype, SafeTensors, serialize_to_file, tensor::TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{TrainError, TrainSettings, parameters::Parameter, trainer::Trainer};
use crate::model::to_host;
use rcmu_core::Generator;

const STATE: &str = "state.safetensors";
const MANIFEST: &str = "manifest.json";
const STAGING: &str = ".staging-";

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
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("step-")) {
                found.push(path);
            }
        }
        found.sort();
        Ok(found)
    }

    /// Writes a checkpoint and removes the oldest ones beyond `keep`.
    pub(super) fn save(&self, trainer: &Trainer) -> Result<PathBuf, TrainError> {
        fs::create_dir_all(&self.root).map_err(TrainError::file(&self.root))?;
        self.sweep()?;
        let name = format!("step-{:010}", trainer.step);
        let target = self.root.join(&name);
        let staging = self.root.join(format!("{STAGING}{name}"));
        fs::create_dir(&staging).map_err(TrainError::file(&staging))?;
        write_state(trainer, &staging.join(STATE))?;
        let manifest = Manifest {
            format: 1,
            step: trainer.step,
            settings: trainer.settings.clone(),
            data: trainer.data.clone(),
            start: trainer.model().identity(),
            files: BTreeMap::from([(STATE.to_owned(), digest(&staging.join(STATE))?)]),
        };
        let text = serde_json::to_vec_pretty(&manifest).expect("a manifest is plain data");
        write_durably(&staging.join(MANIFEST), &text)?;
        sync(&staging)?;
        if target.exists() {
            // The same step again: after a resume from an older checkpoint. Nothing is lost that is not written anew.
            fs::remove_dir_all(&target).map_err(TrainError::file(&target))?;
        }
        fs::rename(&staging, &target).map_err(TrainError::file(&target))?;
        sync(&self.root)?;
        self.prune(trainer.settings.keep)?;
        Ok(target)
    }

    /// Removes what an interrupted save has left.
    fn sweep(&self) -> Result<(), TrainError> {
        for entry in fs::read_dir(&self.root).map_err(TrainError::file(&self.root))? {
            let path = entry.map_err(TrainError::file(&self.root))?.path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(STAGING)) {
                fs::remove_dir_all(&path).map_err(TrainError::file(&path))?;
            }
        }
        Ok(())
    }

    fn prune(&self, keep: usize) -> Result<(), TrainError> {
        let all = self.all()?;
        for old in &all[..all.len().saturating_sub(keep)] {
            fs::remove_dir_all(old).map_err(TrainError::file(old))?;
        }
        Ok(())
    }
}

/// Checks that a checkpoint is whole; returns its manifest.
fn verify(dir: &Path) -> Result<Manifest, TrainError> {
    let bad = |problem: String| TrainError::Checkpoint { path: dir.to_owned(), problem };
    let path = dir.join(MANIFEST);
    let text = fs::read(&path).map_err(TrainError::file(&path))?;
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))?;
    if manifest.format != 1 {
        return Err(bad(format!("format {} is not known", manifest.format)));
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
    // More steps, other workers, other intervals do not change the path up to here.
    let path_settings = |settings: &TrainSettings| TrainSettings {
        workers: 1,
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
            parameter.value = read("value", parameter)?;
        }
    }
    trainer.optimizer.steps = manifest.step;
    trainer.step = manifest.step;
    trainer.data = manifest.data;
    Ok(())
}

fn write_state(trainer: &Trainer, path: &Path) -> Result<(), TrainError> {
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    for (parameter, moments) in trainer.parameters.iter().zip(&trainer.optimizer.moments) {
        let Some([first, second]) = moments else { continue };
        for (kind, values) in [("value", &parameter.value), ("first", first), ("second", second)] {
            let values = to_host(values.clone())?;
            if kind == "value" && values.iter().any(|value| !value.is_finite()) {
                return Err(TrainError::NotFinite { step: trainer.step, what: "a weight" });
            }
            let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            tensors.push((format!("{kind}.{}", parameter.name), parameter.dims.clone(), bytes));
        }
    }
    write_tensors(path, Dtype::F32, &tensors)
}

/// Writes a safetensors file and makes it durable.
pub(super) fn write_tensors(
    path: &Path,
    dtype: Dtype,
    tensors: &[(String, Vec<usize>, Vec<u8>)],
) -> Result<(), TrainError> {
    let broken = |error: safetensors::SafeTensorError| match error {
        safetensors::SafeTensorError::IoError(source) => TrainError::File { path: path.to_owned(), source },
        other => TrainError::Checkpoint { path: path.to_owned(), problem: other.to_string() },
    };
    let views = tensors
        .iter()
        .map(|(name, dims, bytes)| Ok((name.as_str(), TensorView::new(dtype, dims.clone(), bytes)?)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(broken)?;
    let info = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    serialize_to_file(views, Some(info), path).map_err(broken)?;
    sync(path)
}

/// Writes a file and makes it durable.
pub(super) fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(TrainError::file(path))
}

/// Makes a file or the entries of a folder durable.
fn sync(path: &Path) -> Result<(), TrainError> {
    // Folders cannot be opened for this on every system; there a rename is durable when the system says so.
    if cfg!(not(unix)) && path.is_dir() {
        return Ok(());
    }
    File::open(path).and_then(|file| file.sync_all()).map_err(TrainError::file(path))
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
    let sha256 = hash.finalize().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    Ok(FileDigest { bytes, sha256 })
}
