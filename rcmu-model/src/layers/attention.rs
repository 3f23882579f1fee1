use std::{ops::Range, sync::Arc};

use burn::tensor::{
    Bool, DType, Device, Tensor, TensorData, activation::softmax, module::attention,
    ops::AttentionModuleOptions,
};

use super::Multiplier;
use crate::device;

/// What a query may look at.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "one mask lives per forward pass")]
pub(crate) enum AttentionMask {
    /// Everything.
    Full,
    /// The last query looks at all keys, the one before at all but the last, and so on.
    Causal,
    /// As [`AttentionMask::Causal`], but nothing looks at pads.
    Padded(Pads),
    /// As marked: `[batch, 1, queries, keys]`, true where the query must not look.
    Marked(Tensor<4, Bool>),
}

/// Keys that nothing looks at, in each sequence of a batch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pads {
    /// The first of them.
    pub(crate) start: usize,
    /// How many there are in each sequence; empty where there are none at all.
    pub(crate) counts: Arc<[usize]>,
}

impl Pads {
    /// Those of one sequence.
    pub(crate) fn of(&self, sequence: usize) -> Range<usize> {
        self.start..self.start + self.counts.get(sequence).copied().unwrap_or(0)
    }

    /// Whether no sequence has any.
    pub(crate) fn are_none(&self) -> bool {
        self.counts.iter().all(|&count| count == 0)
    }

    /// Marks later keys and pads, `[batch, 1, queries, keys]`; every query looks at itself, so that rows of pads stay finite.
    pub(crate) fn marks(&self, [batch, queries, keys]: [usize; 3], device: &Device) -> Tensor<4, Bool> {
        let mut hidden = Vec::with_capacity(batch * queries * keys);
        for pads in (0..batch).map(|sequence| self.of(sequence)) {
            for query in keys - queries..keys {
                hidden.extend((0..keys).map(|key| key > query || (pads.contains(&key) && key != query)));
            }
        }
        Tensor::from_data(TensorData::new(hidden, [batch, 1, queries, keys]), device)
    }
}

/// Scaled dot-product attention with grouped key and value heads.
///
/// Chosen once per device. The backend's fused operation is used where its results were compared with the reference;
/// everywhere else the scores are computed here, in blocks of queries, so that memory stays linear in the number of
/// keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attender {
    /// The backend's own operation, which knows grouped heads.
    Fused,
    /// Products and softmax, block by block.
    Explicit(Multiplier),
}

/// Queries whose scores are held at once. 512 x 65,536 keys x 16 heads would be 2 GiB in f32, so long sequences use
/// fewer; see [`block_rows`].
const MAX_BLOCK_ROWS: usize = 512;

/// Scores that one block may hold: 64 Mi values, 256 MiB in f32.
const MAX_BLOCK_SCORES: usize = 64 << 20;

impl Attender {
    /// The way that is right on this device.
    ///
    /// burn's fused attention is exact with grouped heads on the plain `flex` device. Under autodiff, and in the
    /// fallback of the GPU backends, grouped heads multiply wrong batches without an error (burn 0.22.1).
    pub(crate) fn for_device(device: &Device, multiplier: Multiplier) -> Self {
        if Self::is_fused(device) { Self::Fused } else { Self::Explicit(multiplier) }
    }

    /// Whether that is the backend's own operation.
    pub(crate) fn is_fused(device: &Device) -> bool {
        device::is_flex(device) && !device.is_autodiff()
    }

    /// The most bytes that scores take at once, beside numbers of `size` bytes: those of one block as they come, in f32 for
    /// the softmax, and as they are multiplied. The backend's own operation holds a few rows only.
    pub(crate) fn score_bytes(self, [heads, queries, keys]: [usize; 3], size: usize) -> u64 {
        let each = match self {
            Self::Fused => return 0,
            Self::Explicit(Multiplier::Whole) => 4 + 2 * size,
            // The softmax is split into parts, with a third copy on the way.
            Self::Explicit(Multiplier::InParts) => 6 * size,
        };
        (heads * queries.min(block_rows(heads, keys)) * keys * each) as u64
    }

    /// Mixes the values that each query looks at.
    ///
    /// # Shapes
    ///
    /// - `query`: `[batch, heads, queries, head_dim]`
    /// - `key`, `value`: `[batch, kv_heads, keys, head_dim]`, `heads` a multiple of `kv_heads`; for [`Attender::Explicit`] also
    ///   `[batch * kv_heads, 1, keys, head_dim]`
    /// - output: `[batch, heads, queries, head_dim]`
    pub(crate) fn forward(
        self,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
        mask: &AttentionMask,
    ) -> Tensor<4> {
        match self {
            #[cfg(feature = "flex")]
            Self::Fused if is_decoding(&query, mask) => {
                let pads =
                    if let AttentionMask::Padded(pads) = mask { pads.clone() } else { Pads::default() };
                crate::kernels::attend_cached(query, key, value, pads)
            }
            Self::Fused => fused(query, key, value, mask),
            Self::Explicit(multiplier) => explicit([&query, &key, &value], mask, multiplier),
        }
    }
}

/// Whether a few tokens look at all before them.
#[cfg(feature = "flex")]
fn is_decoding(query: &Tensor<4>, mask: &AttentionMask) -> bool {
    let queries = query.dims()[2];
    let seen = match mask {
        AttentionMask::Causal | AttentionMask::Padded(_) => {
            (1..=crate::kernels::FEW_QUERIES).contains(&queries)
        }
        // One query looks at all keys either way.
        AttentionMask::Full => queries == 1,
        AttentionMask::Marked(_) => false,
    };
    seen && query.dtype() == DType::F32
}

fn fused(query: Tensor<4>, key: Tensor<4>, value: Tensor<4>, mask: &AttentionMask) -> Tensor<4> {
    let ([batch, _, queries, _], [_, _, keys, _]) = (query.dims(), key.dims());
    let (marked, is_causal) = match mask {
        AttentionMask::Full => (None, false),
        AttentionMask::Causal => (None, true),
        AttentionMask::Padded(pads) => (Some(pads.marks([batch, queries, keys], &query.device())), false),
        AttentionMask::Marked(marked) => (Some(marked.clone()), false),
    };
    let options = AttentionModuleOptions { is_causal, ..AttentionModuleOptions::default() };
    attention(query, key, value, marked, None, options)
}

fn explicit([query, key, value]: [&Tensor<4>; 3], mask: &AttentionMask, multiplier: Multiplier) -> Tensor<4> {
    let [batch, heads, queries, head_dim] = query.dims();
    let [sequences, kv_heads, keys, _] = key.dims();
    let group = batch * heads / (sequences * kv_heads);
    let rows = block_rows(batch * heads, keys);
    let mut blocks = Vec::with_capacity(queries.div_ceil(rows));
    for start in (0..queries).step_by(rows) {
        let end = queries.min(start + rows);
        let n = end - start;
        // The heads of one group stand next to each other, so they fold into the rows of one product.
        let block = if n == queries {
            query.clone()
        } else {
            query.clone().slice([0..batch, 0..heads, start..end, 0..head_dim])
        };
        // The queries are scaled, not the scores: there are fewer of them.
        let block =
            block.reshape([sequences, kv_heads, group * n, head_dim]) * (head_dim as f64).sqrt().recip();
        let scores = multiplier.product_transposed(block, key.clone());
        let scores = match block_mask(mask, [batch, queries, keys], start..end, &scores) {
            Some(hidden) => scores
                .reshape([batch, heads, n, keys])
                .mask_fill(hidden.expand([batch, heads, n, keys]), f32::NEG_INFINITY)
                .reshape([sequences, kv_heads, group * n, keys]),
            None => scores,
        };
        let weights = softmax_f32(scores);
        blocks.push(multiplier.product(weights, value.clone()).reshape([batch, heads, n, head_dim]));
    }
    if blocks.len() == 1 { blocks.remove(0) } else { Tensor::cat(blocks, 2) }
}

/// Queries per block so that a block's scores stay within [`MAX_BLOCK_SCORES`].
fn block_rows(batch_heads: usize, keys: usize) -> usize {
    (MAX_BLOCK_SCORES / (batch_heads * keys).max(1)).clamp(1, MAX_BLOCK_ROWS)
}

/// The rows `range` of the mask, `[batch or 1, 1, rows, keys]`.
fn block_mask(
    mask: &AttentionMask,
    [batch, queries, keys]: [usize; 3],
    range: Range<usize>,
    scores: &Tensor<4>,
) -> Option<Tensor<4, Bool>> {
    match mask {
        AttentionMask::Full => None,
        // The last token looks at all.
        AttentionMask::Causal if queries == 1 => None,
        AttentionMask::Causal => {
            // Query i stands at key position `keys - queries + i`. Made on the device: nothing is copied to it.
            let first = (keys - queries + range.start) as i64;
            let hidden = Tensor::<2, Bool>::tril_mask([range.len(), keys], first, &scores.device());
            Some(hidden.reshape([1, 1, range.len(), keys]))
        }
        AttentionMask::Padded(pads) => {
            let marked = pads.marks([batch, queries, keys], &scores.device());
            Some(marked.slice([0..batch, 0..1, range, 0..keys]))
        }
        AttentionMask::Marked(marked) => Some(marked.clone().slice([0..batch, 0..1, range, 0..keys])),
    }
}

/// Softmax over the last dimension, computed in f32 and given back in the input's dtype.
fn softmax_f32(scores: Tensor<4>) -> Tensor<4> {
    let dtype = scores.dtype();
    if dtype == DType::F32 { softmax(scores, 3) } else { softmax(scores.cast(DType::F32), 3).cast(dtype) }
}

#[cfg(all(test, feature = "flex"))]
mod tests;
