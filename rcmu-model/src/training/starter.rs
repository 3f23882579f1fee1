use std::{fs, path::Path};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};
use rcmu_core::SpecialToken;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    TrainError,
    export::published_shape,
    files::{floats, write_durably, write_tensors},
};
use crate::{
    config::ModelConfig,
    tokenizer::{Tokenizer, learn::learn},
    weights::expected_tensors,
};

/// A small Qwen2-VL to train from nothing. A JSON file may name any of the fields; the others keep their defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Starter {
    /// Width of the decoder.
    pub hidden_size: usize,
    /// Width inside the decoder's feed-forward networks.
    pub intermediate_size: usize,
    /// Decoder layers.
    pub num_hidden_layers: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key and value heads.
    pub num_key_value_heads: usize,
    /// Base of the rotary frequencies. The published 1e6 is for pictures of hundreds of tokens; on a grid of 5×5 its low
    /// frequencies, which turn by height and width, do not turn at all.
    pub rope_theta: f64,
    /// Frequencies that turn by time, height and width; together half the width of a head.
    pub mrope_section: [usize; 3],
    /// Blocks of the vision tower.
    pub vision_depth: usize,
    /// Width of the vision tower.
    pub vision_width: usize,
    /// Heads of the vision tower.
    pub vision_heads: usize,
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Pixels of a picture as the model sees it; every picture is resized to about this.
    pub pixels: usize,
    /// Tokens of the tokenizer, without control tokens; fewer if the texts have not enough.
    pub vocab_size: usize,
    /// Standard deviation of embeddings.
    pub embedding_deviation: f64,
    /// Standard deviation of the weights of a linear layer, times the square root of its inputs.
    pub linear_gain: f64,
    /// Start of the random sequence.
    pub seed: u64,
}

impl Default for Starter {
    fn default() -> Self {
        Self {
            hidden_size: 128,
            intermediate_size: 384,
            num_hidden_layers: 5,
            num_attention_heads: 4,
            num_key_value_heads: 2,
            rope_theta: 100.0,
            mrope_section: [4, 6, 6],
            vision_depth: 2,
            vision_width: 96,
            vision_heads: 3,
            patch_size: 14,
            pixels: 140 * 140,
            vocab_size: 800,
            embedding_deviation: 0.02,
            linear_gain: 0.6,
            seed: 0,
        }
    }
}

impl Starter {
    /// Writes a checkpoint directory: settings, a tokenizer learnt from the texts, random weights.
    ///
    /// # Errors
    ///
    /// [`TrainError::File`] when the directory cannot be written, [`TrainError::Model`] when the settings do not make
    /// a model.
    #[expect(clippy::missing_panics_doc, reason = "plain data can always be written")]
    pub fn write<S: AsRef<str> + Send>(
        &self,
        dir: &Path,
        texts: impl Iterator<Item = S> + Send,
    ) -> Result<(), TrainError> {
        let tokenizer_file = learn(texts, self.vocab_size)?;
        let tokenizer = Tokenizer::from_json(&tokenizer_file, usize::MAX)?;
        let config = self.config(&tokenizer);
        let checked = ModelConfig::from_json(config.to_string().as_bytes())?;
        fs::create_dir_all(dir).map_err(TrainError::file(dir))?;
        let id = |token| tokenizer.id(token);
        let generation = json!({
            "bos_token_id": id(SpecialToken::EndOfText),
            "pad_token_id": id(SpecialToken::EndOfText),
            "eos_token_id": [id(SpecialToken::ImEnd), id(SpecialToken::EndOfText)],
            "do_sample": false,
        });
        let preprocessor = json!({
            "min_pixels": self.pixels, "max_pixels": self.pixels, "patch_size": self.patch_size,
            "temporal_patch_size": 2, "merge_size": 2,
            "image_mean": [0.481_454_66, 0.457_827_5, 0.408_210_73],
            "image_std": [0.268_629_54, 0.261_302_58, 0.275_777_11],
            "image_processor_type": "Qwen2VLImageProcessor", "processor_class": "Qwen2VLProcessor",
        });
        for (name, value) in [
            ("config.json", &config),
            ("generation_config.json", &generation),
            ("preprocessor_config.json", &preprocessor),
        ] {
            let text = serde_json::to_vec_pretty(value).expect("settings are plain data");
            write_durably(&dir.join(name), &text)?;
        }
        write_durably(&dir.join("tokenizer.json"), &tokenizer_file)?;
        self.write_weights(&checked, &dir.join("model.safetensors"))
    }

    fn config(&self, tokenizer: &Tokenizer) -> Value {
        let id = |token| tokenizer.id(token);
        json!({
            "architectures": ["Qwen2VLForConditionalGeneration"],
            "model_type": "qwen2_vl",
            "attention_dropout": 0.0,
            "bos_token_id": id(SpecialToken::EndOfText),
            "eos_token_id": id(SpecialToken::ImEnd),
            "vision_start_token_id": id(SpecialToken::VisionStart),
            "vision_end_token_id": id(SpecialToken::VisionEnd),
            "vision_token_id": id(SpecialToken::VisionPad),
            "image_token_id": id(SpecialToken::ImagePad),
            "video_token_id": id(SpecialToken::VideoPad),
            "hidden_act": "silu",
            "hidden_size": self.hidden_size,
            "initializer_range": 0.02,
            "intermediate_size": self.intermediate_size,
            "max_position_embeddings": 8192,
            "max_window_layers": self.num_hidden_layers,
            "num_attention_heads": self.num_attention_heads,
            "num_hidden_layers": self.num_hidden_layers,
            "num_key_value_heads": self.num_key_value_heads,
            "rms_norm_eps": 1e-6,
            "rope_theta": self.rope_theta,
            "sliding_window": 8192,
            "tie_word_embeddings": true,
            "torch_dtype": "bfloat16",
            "use_cache": true,
            "use_sliding_window": false,
            "vocab_size": tokenizer.len(),
            "vision_config": {
                "depth": self.vision_depth, "embed_dim": self.vision_width, "mlp_ratio": 4,
                "num_heads": self.vision_heads, "in_chans": 3, "hidden_size": self.hidden_size,
                "patch_size": self.patch_size, "spatial_merge_size": 2,
                "spatial_patch_size": self.patch_size, "temporal_patch_size": 2,
            },
            "rope_scaling": { "type": "mrope", "mrope_section": self.mrope_section },
        })
    }

    /// What leads back to the residual stream begins smaller, so that the stream keeps its scale through all blocks.
    fn residual_gain(&self, name: &str) -> f64 {
        let blocks = if name.starts_with("visual.") { self.vision_depth } else { self.num_hidden_layers };
        let back = ["o_proj.weight", "down_proj.weight", "attn.proj.weight", "mlp.fc2.weight"];
        let leads_back = back.iter().any(|end| name.ends_with(end));
        if leads_back { 1.0 / (2.0 * blocks as f64).sqrt() } else { 1.0 }
    }

    fn write_weights(&self, config: &ModelConfig, path: &Path) -> Result<(), TrainError> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let tensors: Vec<_> = expected_tensors(config)
            .into_iter()
            .map(|tensor| {
                let size = tensor.shape.iter().product::<usize>();
                let values: Vec<f32> = match tensor.shape.as_slice() {
                    [_, inputs] => {
                        let deviation = if tensor.name.contains("embed_tokens") {
                            self.embedding_deviation
                        } else {
                            self.linear_gain * self.residual_gain(&tensor.name) / (*inputs as f64).sqrt()
                        };
                        (0..size).map(|_| (normal(&mut rng) * deviation) as f32).collect()
                    }
                    // Norms begin with weights of one; all biases with zero.
                    _ if tensor.name.ends_with("bias") => vec![0.0; size],
                    _ => vec![1.0; size],
                };
                let shape = published_shape(&tensor.name, tensor.shape, &config.vision);
                // Drawn in this order, whatever the order in the file.
                floats(tensor.name, shape, move || Ok(values.clone()))
            })
            .collect();
        write_tensors(path, tensors)
    }
}

/// About normal, with deviation 1: the sum of twelve uniform numbers less six. Additions are the same on every
/// platform, logarithms are not.
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    (0..12).map(|_| f64::from(rng.next_u32()) / 4_294_967_296.0).sum::<f64>() - 6.0
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::{LoadOptions, Model};

    #[test]
    fn a_starter_loads() {
        let dir = std::env::temp_dir().join(format!("rcmu-starter-{}", std::process::id()));

        let written = Starter::default().write(&dir, ["a red robot", "a blue cat"].into_iter());
        let model = Model::load(&dir, &Device::flex(), &LoadOptions::default(), &mut |_| ());
        let _ = fs::remove_dir_all(&dir);

        written.expect("the settings make a model");
        assert!(model.expect("what was written loads").parameter_count() > 500_000);
    }

    #[test]
    fn the_patch_embedding_is_written_as_it_is_published() {
        let dir = std::env::temp_dir().join(format!("rcmu-starter-shape-{}", std::process::id()));

        let written = Starter::default().write(&dir, ["a red robot"].into_iter());
        let bytes = fs::read(dir.join("model.safetensors")).expect("it is there");
        let _ = fs::remove_dir_all(&dir);

        written.expect("the settings make a model");
        let file = safetensors::SafeTensors::deserialize(&bytes).expect("it is whole");
        let kernel = file.tensor("visual.patch_embed.proj.weight").expect("every model has one");
        let Starter { vision_width, patch_size, .. } = Starter::default();
        assert_eq!(kernel.shape(), [vision_width, 3, 2, patch_size, patch_size]);
    }
}
