use std::{fs, path::Path};

use half::bf16;
use safetensors::Dtype;

use super::{
    TrainError,
    checkpoint::{write_durably, write_tensors},
    lora,
    trainer::{Trainer, is_helper},
};
use crate::{config::VisionConfig, model::to_host, params::ComputeDtype, weights::COMPANIONS};

impl Trainer {
    /// Writes the model as it is now into a checkpoint directory in the Hugging Face layout; adapters are merged.
    ///
    /// # Errors
    ///
    /// [`TrainError::File`] when the directory cannot be written, [`TrainError::NotFinite`] when a weight is not a
    /// number.
    pub fn export(&self, dir: &Path, dtype: ComputeDtype) -> Result<(), TrainError> {
        copy_companions(self.start(), dir)?;
        let vision = &self.model().config().vision;
        let merged = lora::merged(&self.parameters, self.settings.lora.as_ref());
        let tensors = merged.into_iter().filter(|parameter| !is_helper(&parameter.name)).map(|parameter| {
            let values = to_host(parameter.value)?;
            if values.iter().any(|value| !value.is_finite()) {
                return Err(TrainError::NotFinite { step: self.step, what: "a weight" });
            }
            let dims = published_shape(&parameter.name, parameter.dims, vision);
            Ok((parameter.name, dims, values))
        });
        write_model(dir, dtype, tensors)
    }
}

/// Copies the files that describe a model beside its weights.
pub(super) fn copy_companions(from: &Path, to: &Path) -> Result<(), TrainError> {
    fs::create_dir_all(to).map_err(TrainError::file(to))?;
    for name in COMPANIONS {
        let from = from.join(name);
        if from.is_file() {
            let bytes = fs::read(&from).map_err(TrainError::file(&from))?;
            write_durably(&to.join(name), &bytes)?;
        }
    }
    Ok(())
}

/// Writes named tensors, with their shapes, as the weights of a model.
pub(super) fn write_model(
    dir: &Path,
    dtype: ComputeDtype,
    tensors: impl Iterator<Item = Result<(String, Vec<usize>, Vec<f32>), TrainError>>,
) -> Result<(), TrainError> {
    let format = match dtype {
        ComputeDtype::F32 => Dtype::F32,
        ComputeDtype::Bf16 => Dtype::BF16,
    };
    let tensors = tensors.map(|tensor| {
        let (name, shape, values) = tensor?;
        let bytes: Vec<u8> = match dtype {
            ComputeDtype::F32 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            ComputeDtype::Bf16 => {
                values.iter().flat_map(|&value| bf16::from_f32(value).to_le_bytes()).collect()
            }
        };
        Ok((name, shape, bytes))
    });
    write_tensors(&dir.join("model.safetensors"), format, &tensors.collect::<Result<Vec<_>, TrainError>>()?)
}

/// The patch embedding is published as the kernel of a convolution.
pub(super) fn published_shape(name: &str, dims: Vec<usize>, vision: &VisionConfig) -> Vec<usize> {
    if name != "visual.patch_embed.proj.weight" {
        return dims;
    }
    let (channels, frames, side) = (vision.in_channels, vision.temporal_patch_size, vision.patch_size);
    vec![dims[0], channels, frames, side, side]
}
