use burn::{module::Module, tensor::Tensor};

use crate::{
    Error,
    config::VisionConfig,
    layers::{GeluMlp, LayerNorm},
    params::Params,
};

/// Joins each block of 2×2 patches into one row of the decoder's width.
#[derive(Module, Debug)]
pub(super) struct PatchMerger {
    ln_q: LayerNorm,
    mlp: GeluMlp,
    merged_width: usize,
}

impl PatchMerger {
    pub(super) fn load(params: &mut Params<'_>, name: &str, config: &VisionConfig) -> Result<Self, Error> {
        let merged_width = config.embed_dim * config.spatial_merge_size * config.spatial_merge_size;
        let widths = [merged_width, merged_width, config.hidden_size];
        Ok(Self {
            ln_q: LayerNorm::load(params, &format!("{name}.ln_q"), config.embed_dim)?,
            mlp: GeluMlp::load(params, &format!("{name}.mlp"), widths)?,
            merged_width,
        })
    }

    /// Merges patches that follow each other.
    ///
    /// # Shapes
    ///
    /// - `hidden`: `[patches, embed_dim]`
    /// - output: `[merged_patches, hidden_size]`
    pub(super) fn forward(&self, hidden: Tensor<2>) -> Tensor<2> {
        let [patches, width] = hidden.dims();
        let normed = self.ln_q.forward(hidden);
        self.mlp.forward(normed.reshape([patches * width / self.merged_width, self.merged_width]))
    }
}
