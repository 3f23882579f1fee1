use burn::{
    module::Module,
    tensor::{DType, Device, Tensor, TensorData},
};

use crate::{
    Error,
    config::ModelConfig,
    layers::{Attender, AttentionMask, Bias, Linear, Observer},
    params::Params,
    position::Positions,
    text::{KvCache, TextModel, text_rotary},
    vision::{PatchGrid, VisionTower},
};

/// The weights of Qwen2-VL and the passes through them; no state.
#[derive(Module, Debug)]
pub(crate) struct Qwen2Vl {
    visual: VisionTower,
    model: TextModel,
    lm_head: Linear,
}

#[cfg(feature = "train")]
impl Qwen2Vl {
    /// Makes a tied head share the embedding table again, after the table was replaced.
    pub(crate) fn retie(&mut self, config: &ModelConfig) {
        if config.tie_word_embeddings {
            self.lm_head = Linear::tied(self.model.embed_tokens());
        }
    }
}

/// New tokens of a batch on their way into the decoder.
pub(crate) struct TokenBatch<'a> {
    /// `[batch * seq, hidden]`
    pub(crate) embeds: Tensor<2>,
    /// For each row `[3][seq]`: positions in time, height, width.
    pub(crate) positions: Vec<[&'a [u32]; 3]>,
    /// What the tokens may look at.
    pub(crate) mask: AttentionMask,
}

impl Qwen2Vl {
    pub(crate) fn load(params: &mut Params<'_>, config: &ModelConfig) -> Result<Self, Error> {
        let visual = VisionTower::load(params, &config.vision)?;
        let model = TextModel::load(params, &config.text)?;
        let lm_head = if config.tie_word_embeddings {
            Linear::tied(model.embed_tokens())
        } else {
            let widths = [config.text.hidden_size, config.text.vocab_size];
            Linear::load(params, "lm_head", widths, Bias::No)?
        };
        Ok(Self { visual, model, lm_head })
    }

    /// The dtype of the activations.
    pub(crate) fn dtype(&self) -> DType {
        self.model.embed_tokens().compute_dtype()
    }

    /// How attention is computed on a device, in the vision tower and in the decoder.
    pub(crate) fn attender(&self, device: &Device) -> Attender {
        self.model.attender(device)
    }

    /// Features of pictures; `None` when the observer ended the pass.
    ///
    /// # Shapes
    ///
    /// - `pixel_values`: `patches * patch_dim` values, row by row
    /// - output: `[merged_patches, hidden]`
    pub(crate) fn see(
        &self,
        pixel_values: Vec<f32>,
        grids: &[PatchGrid],
        device: &Device,
        observer: &mut dyn Observer,
    ) -> Option<Tensor<2>> {
        let patches: usize = grids.iter().map(|grid| grid.patches()).sum();
        let width = pixel_values.len() / patches.max(1);
        let data = TensorData::new(pixel_values, [patches, width]);
        let pixel_values = Tensor::from_data(data, (device, DType::F32));
        self.visual.forward(pixel_values, grids, observer)
    }

    /// Embeddings of tokens, with the features of pictures put over their pads.
    ///
    /// # Shapes
    ///
    /// - `ids`: `tokens` ids below the vocabulary's size
    /// - `features`: pairs of the first token and `[merged_patches, hidden]`
    /// - output: `[tokens, hidden]`
    pub(crate) fn embed(&self, ids: &[u32], features: Vec<(usize, Tensor<2>)>, device: &Device) -> Tensor<2> {
        let mut embeds = self.model.embed_tokens().rows(ids, device);
        for (start, rows) in features {
            let [count, hidden] = rows.dims();
            let rows = rows.cast(embeds.dtype());
            embeds = embeds.slice_assign([start..start + count, 0..hidden], rows);
        }
        embeds
    }

    /// Runs new tokens through the decoder; `None` when the observer ended the pass.
    ///
    /// # Shapes
    ///
    /// - output: `[batch * seq, hidden]`, after the last norm
    pub(crate) fn decode(
        &self,
        tokens: TokenBatch<'_>,
        config: &ModelConfig,
        cache: &mut KvCache,
        observer: &mut dyn Observer,
    ) -> Option<Tensor<2>> {
        let device = tokens.embeds.device();
        let rotary = text_rotary(&tokens.positions, &config.text, &device, tokens.embeds.dtype());
        self.model.forward(tokens.embeds, &rotary, &tokens.mask, cache, observer)
    }

    /// Logits of the given hidden states.
    ///
    /// # Shapes
    ///
    /// - `hidden`: `[rows, hidden]`
    /// - output: `[rows, vocab]`
    pub(crate) fn logits(&self, hidden: Tensor<2>) -> Tensor<2> {
        self.lm_head.forward(hidden)
    }

    /// Logits of hidden states from within the decoder, as if they were those of its last layer.
    ///
    /// # Shapes
    ///
    /// - `hidden`: `[rows, hidden]`
    /// - output: `[rows, vocab]`
    #[cfg(feature = "train")]
    pub(crate) fn logits_within(&self, hidden: Tensor<2>) -> Tensor<2> {
        self.logits(self.normed(hidden))
    }

    /// How well some queries of a layer fit all keys of their row, `[batch, heads, queries, seq]`.
    ///
    /// # Shapes
    ///
    /// - `hidden`: `[batch * seq, hidden]`, what the layer reads
    /// - `places`: `[batch * queries]` of those rows, equally many for each row of the batch
    #[cfg(feature = "train")]
    pub(crate) fn scores(
        &self,
        layer: usize,
        hidden: Tensor<2>,
        rotary: &crate::layers::Rotary,
        places: Tensor<1, burn::tensor::Int>,
    ) -> Tensor<4> {
        self.model.scores(layer, hidden, rotary, places)
    }

    /// The last norm of the decoder alone, `[rows, hidden]` in and out.
    #[cfg(feature = "train")]
    pub(crate) fn normed(&self, hidden: Tensor<2>) -> Tensor<2> {
        self.model.normed(hidden)
    }
}

/// The positions of `tokens` as slices, one per axis.
pub(crate) fn axes(positions: &Positions, tokens: std::ops::Range<usize>) -> [&[u32]; 3] {
    let [t, h, w] = &positions.position_ids;
    [&t[tokens.clone()], &h[tokens.clone()], &w[tokens]]
}
