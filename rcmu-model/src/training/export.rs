use std::{fs, path::Path};

use half::bf16;
use safetensors::Dtype;

use super::{
    TrainError,
    files::{floats, write_durably, write_tensors},
    lora,
    trainer::{Trainer, is_helper},
};
use crate::{
    config::{ModelConfig, VisionConfig},
    model::to_host,
    params::ComputeDtype,
    weights::{Unwritten, companions},
};

impl Trainer {
    /// Writes the model as it is now into a checkpoint directory in the Hugging Face layout; adapters are merged.
    ///
    /// # Errors
    ///
    /// [`TrainError::File`] when the directory cannot be written, [`TrainError::Model`] when a file beside the start cannot be
    /// read, [`TrainError::NotFinite`] when a weight is not a number.
    pub fn export(&self, dir: &Path, dtype: ComputeDtype) -> Result<(), TrainError> {
        copy_companions(self.start(), dir, self.model().config())?;
        let vision = &self.model().config().vision;
        let weights = lora::weights(&self.parameters, self.settings.lora.as_ref());
        let tensors = weights.into_iter().filter(|weight| !is_helper(weight.name())).map(|weight| {
            let name = weight.name().to_owned();
            let shape = published_shape(&name, weight.dims().to_vec(), vision);
            let values = move || {
                let values = to_host(weight.merged())?;
                if values.iter().any(|value| !value.is_finite()) {
                    return Err(TrainError::NotFinite { step: self.step, what: "a weight" });
                }
                Ok(values)
            };
            let values: Values<'_> = Box::new(values);
            (name, shape, values)
        });
        write_model(dir, dtype, tensors)
    }
}

/// Copies the files that describe a model beside its weights.
pub(super) fn copy_companions(from: &Path, to: &Path, config: &ModelConfig) -> Result<(), TrainError> {
    fs::create_dir_all(to).map_err(TrainError::file(to))?;
    for (name, bytes) in companions(from, config)? {
        write_durably(&to.join(name), &bytes)?;
    }
    Ok(())
}

/// Makes the values of a tensor when its turn comes.
pub(super) type Values<'a> = Box<dyn Fn() -> Result<Vec<f32>, TrainError> + 'a>;

/// Writes named tensors, with their shapes, as the weights of a model.
pub(super) fn write_model<'a>(
    dir: &Path,
    dtype: ComputeDtype,
    tensors: impl Iterator<Item = (String, Vec<usize>, Values<'a>)>,
) -> Result<(), TrainError> {
    let tensors = tensors.map(|(name, shape, values)| match dtype {
        ComputeDtype::F32 => floats(name, shape, values),
        ComputeDtype::Bf16 => {
            let halves =
                move || Ok(values()?.iter().flat_map(|&value| bf16::from_f32(value).to_le_bytes()).collect());
            Unwritten { name, dtype: Dtype::BF16, shape, bytes: Box::new(halves) }
        }
    });
    write_tensors(&dir.join("model.safetensors"), tensors.collect())
}

/// The patch embedding is published as the kernel of a convolution.
pub(super) fn published_shape(name: &str, dims: Vec<usize>, vision: &VisionConfig) -> Vec<usize> {
    if name != "visual.patch_embed.proj.weight" {
        return dims;
    }
    let (channels, frames, side) = (vision.in_channels, vision.temporal_patch_size, vision.patch_size);
    vec![dims[0], channels, frames, side, side]
}
