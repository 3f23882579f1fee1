use std::{fmt, ops::ControlFlow};

use burn::tensor::Tensor;

/// A named place in the forward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Output of the patch embedding, `[patches, embed_dim]`.
    VisionPatchEmbed,
    /// Output of one vision block, `[patches, embed_dim]`.
    VisionBlock(usize),
    /// Output of the merger, `[merged_patches, hidden]`.
    VisionMerged,
    /// Token embeddings with picture features put in, `[batch * seq, hidden]`.
    InputsEmbeds,
    /// Output of one decoder layer, `[batch * seq, hidden]`.
    TextLayer(usize),
    /// Output of the last norm, `[batch * seq, hidden]`.
    TextNorm,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::VisionPatchEmbed => f.write_str("vision.patch_embed"),
            Self::VisionBlock(layer) => write!(f, "vision.block.{layer}"),
            Self::VisionMerged => f.write_str("vision.merged"),
            Self::InputsEmbeds => f.write_str("text.inputs_embeds"),
            Self::TextLayer(layer) => write!(f, "text.layer.{layer}"),
            Self::TextNorm => f.write_str("text.norm"),
        }
    }
}

/// Looks on while a forward pass runs, and may end it between two layers.
pub(crate) trait Observer {
    /// Sees the output of a step, one row per patch or token; `Break` ends the pass.
    fn observe(&mut self, step: Step, output: &Tensor<2>) -> ControlFlow<()>;
}

/// Lets the pass run to its end.
impl Observer for () {
    fn observe(&mut self, _: Step, _: &Tensor<2>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}
