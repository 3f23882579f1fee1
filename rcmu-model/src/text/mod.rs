//! The decoder: embeddings and positions in, hidden states out; keys and values of past tokens in a cache.

mod attention;
mod kv_cache;
mod layer;
mod rotary;

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};

use self::layer::DecoderLayer;
pub(crate) use self::{kv_cache::KvCache, rotary::text_rotary};
use crate::{
    Error,
    config::TextConfig,
    layers::{Attender, AttentionMask, Multiplier, Observer, RmsNorm, Rotary, Step, Weight},
    params::Params,
    vision::seen,
};

/// The Qwen2 decoder without its head.
#[derive(Module, Debug)]
pub(crate) struct TextModel {
    /// `[vocab, hidden]`
    embed_tokens: Weight,
    layers: Vec<DecoderLayer>,
    norm: RmsNorm,
    #[module(skip)]
    multiplier: Multiplier,
}

impl TextModel {
    pub(crate) fn load(params: &mut Params<'_>, config: &TextConfig) -> Result<Self, Error> {
        let shape = [config.vocab_size, config.hidden_size];
        let embed_tokens = Weight::load(params, "model.embed_tokens", shape)?;
        let layers = (0..config.num_hidden_layers)
            .map(|layer| DecoderLayer::load(params, &format!("model.layers.{layer}"), config))
            .collect::<Result<_, _>>()?;
        let norm = RmsNorm::load(params, "model.norm", config.hidden_size, config.rms_norm_eps)?;
        Ok(Self { embed_tokens, layers, norm, multiplier: params.multiplier() })
    }

    /// The embedding table, `[vocab, hidden]`.
    pub(crate) const fn embed_tokens(&self) -> &Weight {
        &self.embed_tokens
    }

    /// How attention is computed on a device.
    pub(crate) fn attender(&self, device: &Device) -> Attender {
        Attender::for_device(device, self.multiplier)
    }

    /// Runs new tokens through all layers and appends their keys and values to the cache.
    ///
    /// `None` when the observer ended the pass; the cache is then of no more use.
    ///
    /// # Shapes
    ///
    /// - `inputs_embeds`: `[batch * seq, hidden]`
    /// - `rotary`: tables of these tokens
    /// - output: `[batch * seq, hidden]`, after the last norm
    pub(crate) fn forward(
        &self,
        inputs_embeds: Tensor<2>,
        rotary: &Rotary,
        mask: &AttentionMask,
        cache: &mut KvCache,
        observer: &mut dyn Observer,
    ) -> Option<Tensor<2>> {
        let attender = self.attender(&inputs_embeds.device());
        let mut hidden = inputs_embeds;
        seen(observer.observe(Step::InputsEmbeds, &hidden))?;
        for (index, layer) in self.layers.iter().enumerate() {
            hidden = layer.forward(hidden, rotary, mask, cache.layer(index), attender);
            seen(observer.observe(Step::TextLayer(index), &hidden))?;
        }
        cache.advance();
        let hidden = self.norm.forward(hidden);
        seen(observer.observe(Step::TextNorm, &hidden))?;
        Some(hidden)
    }

    /// How well some queries of a layer fit all keys of their row, `[batch, heads, queries, seq]`.
    #[cfg(feature = "train")]
    pub(crate) fn scores(
        &self,
        layer: usize,
        hidden: Tensor<2>,
        rotary: &Rotary,
        places: Tensor<1, burn::tensor::Int>,
    ) -> Tensor<4> {
        self.layers[layer].scores(hidden, rotary, places)
    }

    /// The last norm alone, `[rows, hidden]` in and out.
    #[cfg(feature = "train")]
    pub(crate) fn normed(&self, hidden: Tensor<2>) -> Tensor<2> {
        self.norm.forward(hidden)
    }
}
