use burn::{
    module::Module,
    tensor::{DType, Tensor},
};

use crate::{
    Error,
    config::VisionConfig,
    fused::{self, Heads},
    layers::{Attender, AttentionMask, Bias, LayerNorm, Linear, QuickGeluMlp, Rotary},
    params::Params,
};

/// One block: attention within each picture, then the feed-forward network, each after a layer norm.
#[derive(Module, Debug)]
pub(super) struct VisionBlock {
    norm1: LayerNorm,
    attn: VisionAttention,
    norm2: LayerNorm,
    mlp: QuickGeluMlp,
}

impl VisionBlock {
    pub(super) fn load(params: &mut Params<'_>, name: &str, config: &VisionConfig) -> Result<Self, Error> {
        let (width, inner) = (config.embed_dim, config.intermediate_size());
        Ok(Self {
            norm1: LayerNorm::load(params, &format!("{name}.norm1"), width)?,
            attn: VisionAttention::load(params, &format!("{name}.attn"), config)?,
            norm2: LayerNorm::load(params, &format!("{name}.norm2"), width)?,
            mlp: QuickGeluMlp::load(params, &format!("{name}.mlp"), width, inner)?,
        })
    }

    /// Mixes patches that lie in the same segment.
    ///
    /// # Shapes
    ///
    /// - `hidden`: `[patches, embed_dim]`
    /// - `segments`: patches per picture or time slice, in order
    /// - output: `[patches, embed_dim]`
    pub(super) fn forward(
        &self,
        hidden: Tensor<2>,
        rotary: &Rotary,
        segments: &[usize],
        attender: Attender,
    ) -> Tensor<2> {
        let mixed = self.attn.forward(self.norm1.forward(hidden.clone()), rotary, segments, attender);
        let hidden = hidden + mixed;
        hidden.clone() + self.mlp.forward(self.norm2.forward(hidden))
    }
}

/// Multi-head attention with one projection for queries, keys and values.
#[derive(Module, Debug)]
struct VisionAttention {
    qkv: Linear,
    proj: Linear,
    num_heads: usize,
}

impl VisionAttention {
    fn load(params: &mut Params<'_>, name: &str, config: &VisionConfig) -> Result<Self, Error> {
        let width = config.embed_dim;
        Ok(Self {
            qkv: Linear::load(params, &format!("{name}.qkv"), [width, 3 * width], Bias::Yes)?,
            proj: Linear::load(params, &format!("{name}.proj"), [width, width], Bias::Yes)?,
            num_heads: config.num_heads,
        })
    }

    fn forward(&self, x: Tensor<2>, rotary: &Rotary, segments: &[usize], attender: Attender) -> Tensor<2> {
        let [patches, width] = x.dims();
        let head_dim = width / self.num_heads;
        let dtype = x.dtype();
        let qkv = self.qkv.forward(x);
        if fused::works_on(&qkv)
            && let [len, rest @ ..] = segments
            && rest.iter().all(|other| other == len)
        {
            let column = |i: usize| qkv.clone().slice([0..patches, i * width..(i + 1) * width]);
            let (batch, seq, heads) = (segments.len(), *len, self.num_heads);
            let shape = Heads { batch, seq, heads, kv_heads: heads, head_dim, causal: false };
            let [query, key, value] = [0, 1, 2].map(column);
            #[cfg(feature = "flex")]
            if self.qkv.rounds_attention()
                && let [Some(query), Some(key)] = [&query, &key].map(|x| fused::turn(x, rotary.tables()))
            {
                return self.proj.forward(crate::kernels::attend_rounded([query, key, value], shape));
            }
            if let Some(mixed) = fused::attend([&query, &key, &value], rotary.tables(), shape) {
                return self.proj.forward(mixed);
            }
        }
        let qkv = qkv.reshape([1, patches, 3 * self.num_heads, head_dim]);
        // [1, patches, heads, head_dim]
        let part = |i: usize| {
            let heads = i * self.num_heads..(i + 1) * self.num_heads;
            qkv.clone().slice([0..1, 0..patches, heads, 0..head_dim])
        };
        let turn = |x: Tensor<4>| {
            if dtype == DType::F32 { rotary.apply(x) } else { rotary.apply(x.cast(DType::F32)).cast(dtype) }
        };
        let [query, key, value] = [turn(part(0)), turn(part(1)), part(2)].map(|x| x.swap_dims(1, 2));

        let mixed = match segments {
            // Segments of one length go through attention together, in the place of the heads.
            [len, rest @ ..] if rest.iter().all(|other| other == len) => {
                let shape = [self.num_heads, segments.len(), *len, head_dim];
                let split = |x: Tensor<4>| x.reshape(shape);
                let mixed = attender.forward(split(query), split(key), split(value), &AttentionMask::Full);
                mixed.reshape([1, self.num_heads, patches, head_dim])
            }
            _ => self.by_segment([query, key, value], segments, attender),
        };
        self.proj.forward(mixed.swap_dims(1, 2).reshape([patches, width]))
    }

    /// Attention of segments of different lengths, one after another.
    fn by_segment(
        &self,
        [query, key, value]: [Tensor<4>; 3],
        segments: &[usize],
        attender: Attender,
    ) -> Tensor<4> {
        let [_, _, _, head_dim] = query.dims();
        let mut start = 0;
        let mut mixed = Vec::with_capacity(segments.len());
        for &len in segments {
            let cut =
                |x: &Tensor<4>| x.clone().slice([0..1, 0..self.num_heads, start..start + len, 0..head_dim]);
            mixed.push(attender.forward(cut(&query), cut(&key), cut(&value), &AttentionMask::Full));
            start += len;
        }
        Tensor::cat(mixed, 2)
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use std::path::PathBuf;

    use burn::tensor::{Device, TensorData};

    use super::{super::rotary::vision_rotary, *};
    use crate::{
        ComputeDtype, PatchGrid, WeightFormat,
        layers::Multiplier,
        weights::{Checkpoint, CheckpointLimits},
    };

    #[test]
    fn attention_of_rounded_numbers_is_near_that_of_floats() {
        let dir = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/golden/tiny"));
        let checkpoint = Checkpoint::open(&dir, &CheckpointLimits::default()).expect("the tiny model opens");
        let (config, device) = (checkpoint.config().vision.clone(), Device::flex());
        let [floats, rounded] = [false, true].map(|halves| {
            let (formats, progress) = (Some(WeightFormat::Bf16.into()), &mut |_| ());
            let params = Params::new(&checkpoint, &device, ComputeDtype::F32, formats, true, None, progress);
            VisionAttention::load(&mut params.with_halves(halves), "visual.blocks.0.attn", &config)
                .expect("it loads")
        });
        let grids = [PatchGrid::new([2, 4, 6], 2).expect("a grid")];
        let (patches, width) = (grids[0].patches(), config.embed_dim);
        // Large enough that patches differ in what they look at.
        let values =
            (0..patches * width).map(|at| ((at * 37 % 101) as f32 - 50.0) / 25.0).collect::<Vec<_>>();
        let x = Tensor::<2>::from_data(TensorData::new(values, [patches, width]), &device);
        let rotary = vision_rotary(&grids, config.head_dim(), &device);
        let turned =
            vision_rotary(&[PatchGrid::new([2, 2, 12], 2).expect("a grid")], config.head_dim(), &device);
        let apart = |a: &Tensor<2>, b: &Tensor<2>| (a.clone() - b.clone()).abs().max().into_scalar::<f32>();

        let attender = Attender::for_device(&device, Multiplier::Whole);

        for segments in [vec![24, 24], vec![48], vec![20, 28]] {
            let expected = floats.forward(x.clone(), &rotary, &segments, attender);
            let found = rounded.forward(x.clone(), &rotary, &segments, attender);

            let size = expected.clone().abs().max().into_scalar::<f32>();
            let moved = apart(&found, &expected);
            assert!(moved < size / 50.0, "{segments:?}: {moved} of {size}");
            assert_eq!(moved > 0.0, rounded.qkv.rounds_attention());
            // Other segments and other positions are seen.
            for (segments, rotary) in [(vec![12; 4], &rotary), (segments, &turned)] {
                let other = floats.forward(x.clone(), rotary, &segments, attender);
                assert!(apart(&other, &expected) > size / 25.0, "{segments:?}");
            }
        }
        assert!(!floats.qkv.rounds_attention());
    }
}
