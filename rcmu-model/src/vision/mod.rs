//! The vision tower: patches of pictures in, one feature row per 2×2 patches out.
//!
//! ```text
//! pixel_values [patches, patch_dim] ─ patch_embed ─► [patches, embed_dim] ─ blocks ─ merger ─► [merged_patches, hidden]
//! ```

mod block;
mod grid;
mod merger;
mod rotary;

use std::ops::ControlFlow;

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};

pub use self::grid::PatchGrid;
use self::{block::VisionBlock, merger::PatchMerger};
use crate::{
    Error,
    config::VisionConfig,
    layers::{Attender, Multiplier, Observer, Step},
    params::Params,
};

/// The vision transformer of Qwen2-VL.
#[derive(Module, Debug)]
pub(crate) struct VisionTower {
    patch_embed: PatchEmbed,
    blocks: Vec<VisionBlock>,
    merger: PatchMerger,
    head_dim: usize,
    #[module(skip)]
    multiplier: Multiplier,
}

/// Linear map of a flattened patch; the reference's convolution with kernel = stride does the same sum.
#[derive(Module, Debug)]
struct PatchEmbed {
    /// `[embed_dim, patch_dim]`
    weight: Param<Tensor<2>>,
}

impl VisionTower {
    pub(crate) fn load(params: &mut Params<'_>, config: &VisionConfig) -> Result<Self, Error> {
        let weight = params.load("visual.patch_embed.proj.weight", [config.embed_dim, config.patch_dim()])?;
        let blocks = (0..config.depth)
            .map(|layer| VisionBlock::load(params, &format!("visual.blocks.{layer}"), config))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            patch_embed: PatchEmbed { weight },
            blocks,
            merger: PatchMerger::load(params, "visual.merger", config)?,
            head_dim: config.head_dim(),
            multiplier: params.multiplier(),
        })
    }

    /// Turns patches into features.
    ///
    /// Patches look at all patches of the same picture or video frame pair, and at no others. `None` when the
    /// observer ended the pass.
    ///
    /// # Shapes
    ///
    /// - `pixel_values`: `[patches, patch_dim]`, all pictures one after another
    /// - `grids`: one per picture; their patches add up to `patches`
    /// - output: `[merged_patches, hidden]`
    pub(crate) fn forward(
        &self,
        pixel_values: Tensor<2>,
        grids: &[PatchGrid],
        observer: &mut dyn Observer,
    ) -> Option<Tensor<2>> {
        let device = pixel_values.device();
        let attender = Attender::for_device(&device, self.multiplier);
        let weight = self.patch_embed.weight.val();
        let dtype = weight.dtype();
        let rotary = rotary::vision_rotary(grids, self.head_dim, &device);
        let segments: Vec<usize> = grids
            .iter()
            .flat_map(|grid| std::iter::repeat_n(grid.patches_per_frame(), grid.frames()))
            .collect();

        let pixel_values =
            if pixel_values.dtype() == dtype { pixel_values } else { pixel_values.cast(dtype) };
        let mut hidden = self.multiplier.product_transposed(pixel_values, weight);
        seen(observer.observe(Step::VisionPatchEmbed, &hidden))?;
        for (layer, block) in self.blocks.iter().enumerate() {
            hidden = block.forward(hidden, &rotary, &segments, attender);
            seen(observer.observe(Step::VisionBlock(layer), &hidden))?;
        }
        let merged = self.merger.forward(hidden);
        seen(observer.observe(Step::VisionMerged, &merged))?;
        Some(merged)
    }
}

/// `None` when the observer wants the pass to end.
pub(crate) fn seen(flow: ControlFlow<()>) -> Option<()> {
    match flow {
        ControlFlow::Continue(()) => Some(()),
        ControlFlow::Break(()) => None,
    }
}
