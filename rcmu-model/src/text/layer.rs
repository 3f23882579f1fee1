use burn::{module::Module, tensor::Tensor};

use super::{attention::TextAttention, kv_cache::LayerCache};
use crate::{
    Error,
    config::TextConfig,
    layers::{Attender, AttentionMask, RmsNorm, Rotary, SwiGluMlp},
    params::Params,
};

/// One decoder layer: attention, then the feed-forward network, each after a norm.
#[derive(Module, Debug)]
pub(super) struct DecoderLayer {
    input_layernorm: RmsNorm,
    self_attn: TextAttention,
    post_attention_layernorm: RmsNorm,
    mlp: SwiGluMlp,
}

impl DecoderLayer {
    pub(super) fn load(params: &mut Params<'_>, name: &str, config: &TextConfig) -> Result<Self, Error> {
        let (width, eps) = (config.hidden_size, config.rms_norm_eps);
        Ok(Self {
            input_layernorm: RmsNorm::load(params, &format!("{name}.input_layernorm"), width, eps)?,
            self_attn: TextAttention::load(params, &format!("{name}.self_attn"), config)?,
            post_attention_layernorm: RmsNorm::load(
                params,
                &format!("{name}.post_attention_layernorm"),
                width,
                eps,
            )?,
            mlp: SwiGluMlp::load(params, &format!("{name}.mlp"), width, config.intermediate_size)?,
        })
    }

    /// How well some queries fit all keys of their row; see [`TextAttention::scores`].
    #[cfg(feature = "train")]
    pub(super) fn scores(
        &self,
        hidden: Tensor<2>,
        rotary: &Rotary,
        places: Tensor<1, burn::tensor::Int>,
    ) -> Tensor<4> {
        self.self_attn.scores(self.input_layernorm.forward(hidden), rotary, places)
    }

    /// Runs new tokens through the layer.
    ///
    /// # Shapes
    ///
    /// - `hidden`: `[batch * seq, hidden]`
    /// - output: `[batch * seq, hidden]`
    pub(super) fn forward(
        &self,
        hidden: Tensor<2>,
        rotary: &Rotary,
        mask: &AttentionMask,
        cache: &mut LayerCache,
        attender: Attender,
    ) -> Tensor<2> {
        let normed = self.input_layernorm.forward(hidden.clone());
        let hidden = hidden + self.self_attn.forward(normed, rotary, mask, cache, attender);
        hidden.clone() + self.mlp.forward(self.post_attention_layernorm.forward(hidden))
    }
}
