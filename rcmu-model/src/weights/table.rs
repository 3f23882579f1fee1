use crate::config::ModelConfig;

/// A tensor that a checkpoint must have.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExpectedTensor {
    /// Its name in the layout of the hub.
    pub name: String,
    /// Its shape; the patch embedding is flat here and may be stored as a convolution's kernel.
    pub shape: Vec<usize>,
}

/// All tensors of a model, in the order in which they are loaded.
///
/// # Source
///
/// The key table of the published 2B checkpoint: 729 tensors, 2,208,985,600 parameters; models with an own head have
/// one more.
pub fn expected_tensors(config: &ModelConfig) -> Vec<ExpectedTensor> {
    let mut table = Table(Vec::new());
    vision(config, &mut table);
    text(config, &mut table);
    if !config.tie_word_embeddings {
        table.add("lm_head.weight", &[config.text.vocab_size, config.text.hidden_size]);
    }
    table.0
}

struct Table(Vec<ExpectedTensor>);

impl Table {
    fn add(&mut self, name: &str, shape: &[usize]) {
        self.0.push(ExpectedTensor { name: name.to_owned(), shape: shape.to_vec() });
    }

    fn linear(&mut self, name: &str, inputs: usize, outputs: usize) {
        self.add(&format!("{name}.weight"), &[outputs, inputs]);
        self.add(&format!("{name}.bias"), &[outputs]);
    }

    fn layer_norm(&mut self, name: &str, width: usize) {
        self.add(&format!("{name}.weight"), &[width]);
        self.add(&format!("{name}.bias"), &[width]);
    }
}

fn vision(config: &ModelConfig, table: &mut Table) {
    let vision = &config.vision;
    let (width, inner) = (vision.embed_dim, vision.intermediate_size());
    table.add("visual.patch_embed.proj.weight", &[width, vision.patch_dim()]);
    for block in 0..vision.depth {
        let name = |part: &str| format!("visual.blocks.{block}.{part}");
        table.layer_norm(&name("norm1"), width);
        table.linear(&name("attn.qkv"), width, 3 * width);
        table.linear(&name("attn.proj"), width, width);
        table.layer_norm(&name("norm2"), width);
        table.linear(&name("mlp.fc1"), width, inner);
        table.linear(&name("mlp.fc2"), inner, width);
    }
    let merged = width * vision.spatial_merge_size * vision.spatial_merge_size;
    table.layer_norm("visual.merger.ln_q", width);
    table.linear("visual.merger.mlp.0", merged, merged);
    table.linear("visual.merger.mlp.2", merged, vision.hidden_size);
}

fn text(config: &ModelConfig, table: &mut Table) {
    let text = &config.text;
    let (width, inner) = (text.hidden_size, text.intermediate_size);
    let kv_width = text.num_key_value_heads * text.head_dim();
    table.add("model.embed_tokens.weight", &[text.vocab_size, width]);
    for layer in 0..text.num_hidden_layers {
        let name = |part: &str| format!("model.layers.{layer}.{part}");
        table.add(&name("input_layernorm.weight"), &[width]);
        table.linear(&name("self_attn.q_proj"), width, width);
        table.linear(&name("self_attn.k_proj"), width, kv_width);
        table.linear(&name("self_attn.v_proj"), width, kv_width);
        table.add(&name("self_attn.o_proj.weight"), &[width, width]);
        table.add(&name("post_attention_layernorm.weight"), &[width]);
        table.add(&name("mlp.gate_proj.weight"), &[inner, width]);
        table.add(&name("mlp.up_proj.weight"), &[inner, width]);
        table.add(&name("mlp.down_proj.weight"), &[width, inner]);
    }
    table.add("model.norm.weight", &[width]);
}

/// The name of a tensor in the layout of the hub.
///
/// transformers since 4.52 writes `model.visual.*` and `model.language_model.*`; bare models write `visual.*` and
/// `language_model.*`. Prefixes are all that differs.
pub(crate) fn hub_name(name: &str) -> String {
    for (prefix, hub) in
        [("model.visual.", "visual."), ("model.language_model.", "model."), ("language_model.", "model.")]
    {
        if let Some(rest) = name.strip_prefix(prefix) {
            return format!("{hub}{rest}");
        }
    }
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_of_all_layouts_lead_to_the_hub_s() {
        for (name, hub) in [
            ("visual.merger.ln_q.bias", "visual.merger.ln_q.bias"),
            ("model.visual.merger.ln_q.bias", "visual.merger.ln_q.bias"),
            ("model.language_model.norm.weight", "model.norm.weight"),
            ("language_model.norm.weight", "model.norm.weight"),
            ("model.norm.weight", "model.norm.weight"),
            ("lm_head.weight", "lm_head.weight"),
        ] {
            assert_eq!(hub_name(name), hub);
        }
    }

    #[test]
    fn the_2b_model_has_the_published_number_of_tensors_and_parameters() -> Result<(), crate::Error> {
        let file = br#"{"model_type": "qwen2_vl", "hidden_size": 1536, "intermediate_size": 8960,
            "num_hidden_layers": 28, "num_attention_heads": 12, "num_key_value_heads": 2, "vocab_size": 151936,
            "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "rope_theta": 1000000.0,
            "rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]}, "tie_word_embeddings": true,
            "image_token_id": 151655, "video_token_id": 151656, "bos_token_id": 151643, "eos_token_id": 151645,
            "vision_config": {"depth": 32, "embed_dim": 1280, "num_heads": 16, "mlp_ratio": 4, "hidden_size": 1536}}"#;

        let tensors = expected_tensors(&ModelConfig::from_json(file)?);

        let parameters: usize = tensors.iter().map(|t| t.shape.iter().product::<usize>()).sum();
        assert_eq!((tensors.len(), parameters), (729, 2_208_985_600));
        Ok(())
    }
}
