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
        fs::create_dir_all(dir).map_err(TrainError::file(dir))?;
        for name in COMPANIONS {
            let from = self.start().join(name);
            if from.is_file() {
                let bytes = fs::read(&from).map_err(TrainError::file(&from))?;
                write_durably(&dir.join(name), &bytes)?;
            }
        }
        let mut tensors = Vec::with_capacity(self.parameters.len());
        for parameter in lora::merged(&self.parameters, self.settings.lora.as_ref()) {
            if is_helper(&parameter.name) {
                continue;
            }
            let values = to_host(parameter.value)?;
            if values.iter().any(|value| !value.is_finite()) {
                return Err(TrainError::NotFinite { step: self.step, what: "a weight" });
            }
            let bytes: Vec<u8> = match dtype {
                ComputeDtype::F32 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
                ComputeDtype::Bf16 => {
                    values.iter().flat_map(|&value| bf16::from_f32(value).to_le_bytes()).collect()
                }
            };
            let vision = &self.model().config().vision;
            let dims = published_shape(&parameter.name, parameter.dims, vision);
            tensors.push((parameter.name, dims, bytes));
        }
        let format = match dtype {
            ComputeDtype::F32 => Dtype::F32,
            ComputeDtype::Bf16 => Dtype::BF16,
        };
        write_tensors(&dir.join("model.safetensors"), format, &tensors)
    }
}

/// The patch embedding is published as the kernel of a convolution.
pub(super) fn published_shape(name: &str, dims: Vec<usize>, vision: &VisionConfig) -> Vec<usize> {
    if name != "visual.patch_embed.proj.weight" {
        return dims;
    }
    let (channels, frames, side) = (vision.in_channels, vision.temporal_patch_size, vision.patch_size);
    vec![dims[0], channels, frames, side, side]
}
