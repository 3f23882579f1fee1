use std::{fs, path::Path};

use half::bf16;
use safetensors::Dtype;

use super::{
    TrainError,
    checkpoint::{write_durably, write_tensors},
    lora,
    parameters::Parameter,
    trainer::{Trainer, is_helper},
};
use crate::{LoadOptions, config::VisionConfig, model::to_host, params::ComputeDtype};

/// Files that describe a model beside its weights.
const COMPANIONS: [&str; 9] = [
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "chat_template.json",
    "special_tokens_map.json",
];

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

    /// Takes the vision tower, with its merger, of another checkpoint directory, so that seeing and reading can be learnt beside
    /// each other. To be called before the first step.
    ///
    /// # Errors
    ///
    /// As [`Trainer::new`]; [`TrainError::Checkpoint`] when the towers have different shapes.
    pub fn take_vision(&mut self, dir: &Path) -> Result<(), TrainError> {
        self.take(dir, "vision tower", |name| name.starts_with("visual."))
    }

    /// Takes the layers of the decoder, with the last norm, of another checkpoint directory and keeps tower and table, so that
    /// reading can be learnt anew by a model that sees. To be called before the first step.
    ///
    /// # Errors
    ///
    /// As [`Trainer::new`]; [`TrainError::Checkpoint`] when the decoders have different shapes.
    pub fn take_decoder(&mut self, dir: &Path) -> Result<(), TrainError> {
        let is_decoder = |name: &str| name.starts_with("model.layers.") || name.starts_with("model.norm.");
        self.take(dir, "decoder", is_decoder)
    }

    fn take(&mut self, dir: &Path, part: &str, is_part: impl Fn(&str) -> bool) -> Result<(), TrainError> {
        let other = Self::new(dir, self.device(), self.settings.clone(), &LoadOptions::default())?;
        let shapes = |parameters: &[Parameter]| -> Vec<_> {
            let own = parameters.iter().filter(|parameter| is_part(&parameter.name));
            own.map(|parameter| (parameter.name.clone(), parameter.dims.clone())).collect()
        };
        let (own, theirs) = (shapes(&self.parameters), shapes(&other.parameters));
        if own != theirs {
            let first = own.iter().find(|tensor| !theirs.contains(tensor));
            let problem = match first {
                Some((name, dims)) => format!("it has no {name} of the shape {dims:?}"),
                None => format!("its {part} has {} tensors, not {}", theirs.len(), own.len()),
            };
            return Err(TrainError::Checkpoint { path: dir.to_owned(), problem });
        }
        let values = other.parameters.into_iter().filter(|theirs| is_part(&theirs.name));
        for (own, theirs) in self.parameters.iter_mut().filter(|own| is_part(&own.name)).zip(values) {
            own.value = theirs.value;
        }
        Ok(())
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

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::training::{Starter, TrainSettings};

    /// The vision tower and all other weights of a trainer.
    fn weights(trainer: &Trainer) -> [Vec<Vec<f32>>; 2] {
        let of = |vision: bool| {
            let own = trainer.parameters.iter().filter(|own| own.name.starts_with("visual.") == vision);
            own.map(|own| to_host(own.value.clone()).expect("on the host")).collect()
        };
        [of(true), of(false)]
    }

    #[test]
    fn a_tower_is_taken_whole_or_not_at_all() {
        let root = std::env::temp_dir().join(format!("rcmu-take-vision-{}", std::process::id()));
        let started = |name: &str, starter: Starter| {
            let dir = root.join(name);
            starter.write(&dir, ["a red robot"].into_iter()).expect("written");
            let settings = TrainSettings::default();
            let trainer = Trainer::new(&dir, &Device::flex(), settings, &LoadOptions::default());
            (dir, trainer.expect("it loads"))
        };
        let (_, mut own) = started("own", Starter::default());
        let (dir, other) = started("other", Starter { seed: 1, ..Starter::default() });
        let (deeper, _) = started("deeper", Starter { vision_depth: 3, ..Starter::default() });
        let (wider, _) = started("wider", Starter { vision_width: 48, ..Starter::default() });
        let [before_vision, before_rest] = weights(&own);

        own.take_vision(&dir).expect("the towers are alike");
        let [vision, rest] = weights(&own);
        let refused = own.take_vision(&wider);
        let _ = own.take_vision(&deeper);
        assert_eq!(vision, weights(&other)[0]);
        assert_ne!(vision, before_vision);
        assert_eq!(rest, before_rest);
        assert!(matches!(refused, Err(TrainError::Checkpoint { .. })), "{refused:?}");
        assert_eq!(weights(&own)[0], vision, "a tower that does not fit changes nothing");
        let table = |trainer: &Trainer| {
            let table = trainer.parameters.iter().find(|own| own.name.contains("embed_tokens"));
            to_host(table.expect("there is one").value.clone()).expect("on the host")
        };
        let kept = table(&own);
        own.take_decoder(&dir).expect("the decoders are alike");
        assert_eq!(weights(&own)[0], vision, "the tower stays");
        assert_eq!(table(&own), kept, "the table stays");
        assert_ne!(weights(&own)[1], before_rest);
        let _ = fs::remove_dir_all(&root);
    }
}
