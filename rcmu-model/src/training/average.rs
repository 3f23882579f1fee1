use std::{fs, io, path::Path};

use super::{
    TrainError,
    export::{Values, copy_companions, published_shape, write_model},
};
use crate::{
    params::ComputeDtype,
    weights::{COMPANIONS, Checkpoint, CheckpointLimits, expected_tensors},
};

/// The model's settings, which are compared as such, and those of generation.
const SETTINGS: [&str; 2] = ["config.json", "generation_config.json"];

/// Writes the mean of several models, weight by weight, into a checkpoint directory in the Hugging Face layout.
///
/// Models that were trained from the same one but on other data make mistakes of their own; their mean makes fewer of them
/// and costs what one model costs (Wortsman et al., "Model soups", ICML 2022).
///
/// # Errors
///
/// [`TrainError::Setting`] for no model; [`TrainError::Checkpoint`] for one whose settings or tokenizer are not those of the
/// first; [`TrainError::Model`] for one that cannot be read; [`TrainError::File`] when a file beside the weights cannot be
/// read, or when the directory cannot be written or has weights already.
pub fn average(models: &[&Path], dir: &Path, dtype: ComputeDtype) -> Result<(), TrainError> {
    let Some((&first, others)) = models.split_first() else {
        return Err(TrainError::Setting {
            setting: "models",
            found: "none".into(),
            expected: "at least one model",
        });
    };
    let open = |model: &Path| Checkpoint::open(model, &CheckpointLimits::default());
    let checkpoints = models.iter().map(|model| open(model)).collect::<Result<Vec<_>, _>>()?;
    for (&other, checkpoint) in others.iter().zip(&checkpoints[1..]) {
        let differs = |what: &str| {
            let problem = format!("its {what} differs from that of {}", first.display());
            TrainError::Checkpoint { path: other.to_owned(), problem }
        };
        if checkpoint.config() != checkpoints[0].config() {
            return Err(differs("config.json"));
        }
        // Of what stands beside the settings, only how answers are chosen may differ.
        for name in COMPANIONS.into_iter().filter(|name| !SETTINGS.contains(name)) {
            if bytes(&other.join(name))? != bytes(&first.join(name))? {
                return Err(differs(name));
            }
        }
    }
    for name in ["model.safetensors", "model.safetensors.index.json"] {
        let taken = dir.join(name);
        if taken.exists() {
            return Err(TrainError::file(taken)(io::ErrorKind::AlreadyExists.into()));
        }
    }
    copy_companions(first, dir, checkpoints[0].config())?;
    let expected = expected_tensors(checkpoints[0].config());
    let means = expected.into_iter().map(|tensor| {
        let shape = published_shape(&tensor.name, tensor.shape.clone(), &checkpoints[0].config().vision);
        let (name, checkpoints) = (tensor.name.clone(), &checkpoints);
        let mean = move || {
            let mut sums = vec![0.0_f64; tensor.shape.iter().product()];
            for checkpoint in checkpoints {
                let values = checkpoint.read_f32(&tensor.name)?;
                sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += f64::from(value));
            }
            Ok(sums.into_iter().map(|sum| (sum / models.len() as f64) as f32).collect())
        };
        let mean: Values<'_> = Box::new(mean);
        (name, shape, mean)
    });
    write_model(dir, dtype, means)
}

/// The bytes of a file; none where there is no such file.
fn bytes(path: &Path) -> Result<Option<Vec<u8>>, TrainError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(TrainError::file(path)(error)),
    }
}
