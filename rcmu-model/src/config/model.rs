use std::path::Path;

use serde_json::Value;

use super::fields::{Fields, Problems, shown};
use crate::{Error, json};

/// The settings of a Qwen2-VL checkpoint, checked.
///
/// # Source
///
/// `config.json` in both published forms: flat as on the hub, and nested (`text_config`, `rope_parameters`) as
/// transformers writes it since 4.52. The class defaults of transformers describe the 72B model and are never used.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ModelConfig {
    /// The decoder.
    pub text: TextConfig,
    /// The vision tower.
    pub vision: VisionConfig,
    /// The head is the embedding table.
    pub tie_word_embeddings: bool,
    /// Stands for one merged patch of an image.
    pub image_token_id: u32,
    /// Stands for one merged patch of a video.
    pub video_token_id: u32,
    /// End a turn, where `generation_config.json` does not say what does; `eos_token_id` in the file, none if it is missing.
    pub eos_token_ids: Vec<u32>,
    /// Ends a text; also the padding.
    pub bos_token_id: Option<u32>,
}

/// The decoder's settings, names as published.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TextConfig {
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width inside the feed-forward network.
    pub intermediate_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key and value heads; divides the query heads.
    pub num_key_value_heads: usize,
    /// Rows of the embedding table.
    pub vocab_size: usize,
    /// Tokens that the model can hold at once.
    pub max_position_embeddings: usize,
    /// Added to the mean square in every norm.
    pub rms_norm_eps: f64,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// Frequencies that turn by time, height and width; they add up to half the head width.
    pub mrope_section: [usize; 3],
}

impl TextConfig {
    /// Width of one head.
    pub const fn head_dim(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }
}

/// The vision tower's settings, names as published.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct VisionConfig {
    /// Number of blocks.
    pub depth: usize,
    /// Width of the residual stream.
    pub embed_dim: usize,
    /// Heads of each block.
    pub num_heads: usize,
    /// Width inside the feed-forward network, in multiples of `embed_dim`.
    pub mlp_ratio: usize,
    /// Colour channels; `in_chans` in the files of the hub.
    pub in_channels: usize,
    /// Width of the merger's output, which is that of the decoder.
    pub hidden_size: usize,
    /// Pixels per side of a patch.
    pub patch_size: usize,
    /// Patches per side of a merged patch.
    pub spatial_merge_size: usize,
    /// Frames per patch.
    pub temporal_patch_size: usize,
}

impl VisionConfig {
    /// Width of one head.
    pub const fn head_dim(&self) -> usize {
        self.embed_dim / self.num_heads
    }

    /// Values of one flattened patch.
    pub const fn patch_dim(&self) -> usize {
        self.in_channels * self.temporal_patch_size * self.patch_size * self.patch_size
    }

    /// Width inside the feed-forward network.
    pub const fn intermediate_size(&self) -> usize {
        self.embed_dim * self.mlp_ratio
    }
}

impl ModelConfig {
    /// Reads `config.json` of a checkpoint directory.
    ///
    /// # Errors
    ///
    /// [`Error::ReadFile`], [`Error::CheckpointFile`], [`Error::ConfigSyntax`], or [`Error::Config`] with everything that
    /// is wrong.
    pub fn from_dir(dir: &Path) -> Result<Self, Error> {
        Self::from_json(&json::read_capped(&dir.join("config.json"), super::MAX_BYTES)?)
    }

    /// Reads the bytes of a `config.json`.
    ///
    /// # Errors
    ///
    /// [`Error::ConfigSyntax`], or [`Error::Config`] with everything that is wrong.
    pub fn from_json(bytes: &[u8]) -> Result<Self, Error> {
        let file = "config.json";
        let root = json::parse(bytes).map_err(|source| Error::ConfigSyntax { file, source })?;
        let mut problems = Problems::new();
        let config = Self::read(&root, &mut problems);
        if problems.is_empty() { Ok(config) } else { Err(Error::Config { file, problems }) }
    }

    fn read(root: &Value, problems: &mut Problems) -> Self {
        let nested = root.get("text_config").filter(|nested| !nested.is_null());
        if nested.is_some_and(|nested| !nested.is_object()) {
            problems.push("text_config is not an object".into());
        }
        let top = Fields::new("", [Some(root)]);
        match top.value("model_type").and_then(Value::as_str) {
            Some("qwen2_vl") => {}
            Some(other) => {
                let other: String = other.chars().take(60).flat_map(char::escape_debug).collect();
                problems.push(format!("model_type is {other}, expected qwen2_vl"));
            }
            None => problems.push("model_type is missing, expected qwen2_vl".into()),
        }
        let either = Fields::new("", [nested, Some(root)]);
        let text = read_text(root, &either, problems);
        let vision = read_vision(root, &text, problems);
        let last = text.vocab_size.saturating_sub(1) as u64;
        let outer = Fields::new("", [Some(root), nested]);
        let mut token = |name: &str| outer.count(name, 0..=last, None, problems) as u32;
        let (image_token_id, video_token_id) = (token("image_token_id"), token("video_token_id"));
        let bos_token_id = outer.value("bos_token_id").map(|_| token("bos_token_id"));
        let eos_token_ids = outer.tokens("eos_token_id", text.vocab_size, problems).unwrap_or_default();
        let tie_word_embeddings = outer.flag("tie_word_embeddings", false, problems);
        if image_token_id == video_token_id {
            problems.push(format!("image_token_id and video_token_id are both {image_token_id}"));
        }
        Self {
            text,
            vision,
            tie_word_embeddings,
            image_token_id,
            video_token_id,
            eos_token_ids,
            bos_token_id,
        }
    }
}

/// Most layers, heads and so on that are read: several times the 72B model's.
const MAX_LAYERS: u64 = 1024;
const MAX_WIDTH: u64 = 1 << 18;
const MAX_ROWS: u64 = 1 << 24;

fn read_text(root: &Value, fields: &Fields<'_>, problems: &mut Problems) -> TextConfig {
    let hidden_size = fields.count("hidden_size", 1..=MAX_WIDTH, None, problems);
    let heads = fields.count("num_attention_heads", 1..=MAX_WIDTH, None, problems);
    let kv_heads = fields.count("num_key_value_heads", 1..=MAX_WIDTH, Some(heads as u64), problems);
    if !hidden_size.is_multiple_of(heads) {
        problems.push(format!("num_attention_heads {heads} does not divide hidden_size {hidden_size}"));
    } else if !(hidden_size / heads).is_multiple_of(2) {
        problems.push(format!(
            "hidden_size / num_attention_heads is {}, expected an even width",
            hidden_size / heads
        ));
    }
    if !heads.is_multiple_of(kv_heads) {
        problems.push(format!("num_key_value_heads {kv_heads} does not divide num_attention_heads {heads}"));
    }
    if let Some(width) =
        fields.value("head_dim").filter(|width| width.as_u64() != Some((hidden_size / heads) as u64))
    {
        problems.push(format!("head_dim is {}, expected {}", shown(width), hidden_size / heads));
    }
    fields.one_of("hidden_act", &["silu"], problems);
    if fields.flag("use_sliding_window", false, problems) {
        problems.push("use_sliding_window is true, which is not supported".into());
    }
    let nested = root.get("text_config");
    let inside = |name: &str| nested.and_then(|text| text.get(name)).or_else(|| root.get(name));
    let rope = Fields::new("rope_scaling", [inside("rope_parameters"), inside("rope_scaling")]);
    for name in ["type", "rope_type"] {
        rope.one_of(name, &["mrope", "default"], problems);
    }
    let theta = Fields::new("", [inside("rope_parameters"), nested, Some(root)]);
    TextConfig {
        hidden_size,
        intermediate_size: fields.count("intermediate_size", 1..=MAX_WIDTH, None, problems),
        num_hidden_layers: fields.count("num_hidden_layers", 1..=MAX_LAYERS, None, problems),
        num_attention_heads: heads,
        num_key_value_heads: kv_heads,
        vocab_size: fields.count("vocab_size", 1..=MAX_ROWS, None, problems),
        max_position_embeddings: fields.count("max_position_embeddings", 1..=MAX_ROWS, None, problems),
        rms_norm_eps: fields.number("rms_norm_eps", 1e-12..=1.0, problems),
        rope_theta: theta.number("rope_theta", 1.0..=1e12, problems),
        mrope_section: read_sections(&rope, hidden_size / heads / 2, problems),
    }
}

fn read_sections(rope: &Fields<'_>, half: usize, problems: &mut Problems) -> [usize; 3] {
    let Some(value) = rope.value("mrope_section") else {
        problems.push("rope_scaling.mrope_section is missing, expected three counts".into());
        return [0; 3];
    };
    let sections: Option<Vec<usize>> = value.as_array().and_then(|list| {
        list.iter().map(|v| v.as_u64().filter(|&v| v <= MAX_WIDTH).map(|v| v as usize)).collect()
    });
    match sections.as_deref() {
        Some(&[t, h, w]) if t + h + w == half => [t, h, w],
        _ => {
            let expected = format!("three counts that add up to {half}");
            problems.push(format!("rope_scaling.mrope_section is {}, expected {expected}", shown(value)));
            [0; 3]
        }
    }
}

fn read_vision(root: &Value, text: &TextConfig, problems: &mut Problems) -> VisionConfig {
    let object = root.get("vision_config");
    if !object.is_some_and(Value::is_object) {
        problems.push("vision_config is missing, expected an object".into());
    }
    let fields = Fields::new("vision_config", [object]);
    if object.is_some() {
        fields.one_of("model_type", &["qwen2_vl", "qwen2_vl_vision"], problems);
        fields.one_of("hidden_act", &["quick_gelu"], problems);
    }
    // transformers reads `in_channels`, the hub's files say `in_chans`.
    let channels = if fields.value("in_channels").is_some() { "in_channels" } else { "in_chans" };
    let vision = VisionConfig {
        depth: fields.count("depth", 1..=MAX_LAYERS, None, problems),
        embed_dim: fields.count("embed_dim", 1..=MAX_WIDTH, None, problems),
        num_heads: fields.count("num_heads", 1..=MAX_WIDTH, None, problems),
        mlp_ratio: fields.count("mlp_ratio", 1..=64, Some(4), problems),
        in_channels: fields.count(channels, 3..=3, Some(3), problems),
        hidden_size: fields.count("hidden_size", 1..=MAX_WIDTH, None, problems),
        patch_size: fields.count("patch_size", 1..=256, Some(14), problems),
        spatial_merge_size: fields.count("spatial_merge_size", 1..=16, Some(2), problems),
        temporal_patch_size: fields.count("temporal_patch_size", 1..=16, Some(2), problems),
    };
    if !vision.embed_dim.is_multiple_of(vision.num_heads) {
        let VisionConfig { num_heads, embed_dim, .. } = vision;
        problems.push(format!("vision_config.num_heads {num_heads} does not divide embed_dim {embed_dim}"));
    } else if !vision.head_dim().is_multiple_of(4) {
        let width = vision.head_dim();
        problems.push(format!("vision_config: heads of width {width}, expected a multiple of 4"));
    }
    if vision.hidden_size != text.hidden_size {
        let (vision, text) = (vision.hidden_size, text.hidden_size);
        problems.push(format!("vision_config.hidden_size is {vision}, the decoder's is {text}"));
    }
    vision
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The 2B model's file as published.
    fn published() -> Value {
        serde_json::json!({
            "model_type": "qwen2_vl", "hidden_size": 1536, "intermediate_size": 8960,
            "num_hidden_layers": 28, "num_attention_heads": 12, "num_key_value_heads": 2,
            "vocab_size": 151_936, "max_position_embeddings": 32768, "rms_norm_eps": 1e-6,
            "rope_theta": 1_000_000.0, "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]},
            "hidden_act": "silu", "use_sliding_window": false, "tie_word_embeddings": true,
            "image_token_id": 151_655, "video_token_id": 151_656, "bos_token_id": 151_643,
            "eos_token_id": 151_645,
            "vision_config": {
                "depth": 32, "embed_dim": 1280, "num_heads": 16, "mlp_ratio": 4, "in_chans": 3,
                "hidden_size": 1536, "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2
            }
        })
    }

    fn read(value: &Value) -> Result<ModelConfig, Error> {
        ModelConfig::from_json(value.to_string().as_bytes())
    }

    #[test]
    fn the_published_and_the_nested_form_say_the_same() -> Result<(), Error> {
        let flat = published();
        let mut text = flat.clone();
        text["rope_parameters"] = serde_json::json!({
            "rope_theta": 1_000_000.0, "rope_type": "default", "type": "mrope", "mrope_section": [16, 24, 24]
        });
        for moved in ["vision_config", "rope_scaling", "rope_theta", "model_type", "tie_word_embeddings"] {
            text.as_object_mut().expect("an object").remove(moved);
        }
        let nested = serde_json::json!({
            "model_type": "qwen2_vl", "text_config": text, "vision_config": flat["vision_config"],
            "image_token_id": 151_655, "video_token_id": 151_656, "tie_word_embeddings": true
        });

        assert_eq!(read(&flat)?, read(&nested)?);
        assert_eq!((read(&flat)?.text.head_dim(), read(&flat)?.vision.patch_dim()), (128, 1176));
        Ok(())
    }

    #[test]
    fn every_field_refuses_what_it_cannot_be() {
        let hostile = [
            serde_json::json!(0),
            serde_json::json!(-1),
            serde_json::json!(u64::MAX),
            serde_json::json!("nan"),
            serde_json::json!(1e300),
            serde_json::json!([]),
        ];
        let top = [
            "hidden_size",
            "intermediate_size",
            "num_hidden_layers",
            "num_attention_heads",
            "num_key_value_heads",
            "vocab_size",
            "max_position_embeddings",
            "rms_norm_eps",
            "rope_theta",
        ];
        let vision = [
            "depth",
            "embed_dim",
            "num_heads",
            "mlp_ratio",
            "in_chans",
            "hidden_size",
            "patch_size",
            "spatial_merge_size",
            "temporal_patch_size",
        ];
        for value in &hostile {
            for name in top {
                let mut config = published();
                config[name] = value.clone();
                assert!(matches!(read(&config), Err(Error::Config { .. })), "{name} = {value}");
            }
            for name in vision {
                let mut config = published();
                config["vision_config"][name] = value.clone();
                assert!(matches!(read(&config), Err(Error::Config { .. })), "vision_config.{name} = {value}");
            }
        }
    }

    #[test]
    fn values_that_contradict_each_other_are_all_listed() {
        let mut config = published();
        config["num_attention_heads"] = 7.into();
        config["vision_config"]["hidden_size"] = 1024.into();
        config["model_type"] = "qwen2_5_vl".into();

        let Err(Error::Config { problems, .. }) = read(&config) else { panic!("expected problems") };

        assert!(problems.len() >= 3, "{problems:?}");
    }
}
