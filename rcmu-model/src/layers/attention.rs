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

    /// Mixes the values that each query looks at.
    ///
    /// # Shapes
    ///
    /// - `query`: `[batch, heads, queries, head_dim]`
    /// - `key`, `value`: `[batch, kv_heads, keys, head_dim]`, `heads` a multiple of `kv_heads`
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
    let [_, kv_heads, keys, _] = key.dims();
    let group = heads / kv_heads;
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
        let block = block.reshape([batch, kv_heads, group * n, head_dim]) * (head_dim as f64).sqrt().recip();
        let scores = multiplier.product_transposed(block, key.clone());
        let scores = match block_mask(mask, [batch, queries, keys], start..end, &scores) {
            Some(hidden) => scores
                .reshape([batch, heads, n, keys])
                .mask_fill(hidden.expand([batch, heads, n, keys]), f32::NEG_INFINITY)
                .reshape([batch, kv_heads, group * n, keys]),
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
mod tests {
    use super::*;

    /// Numbers from 0 to 1, the same in every run: fractions of the multiples of the golden ratio.
    fn numbers(seed: usize, shape: [usize; 4]) -> Vec<f32> {
        (0..shape.iter().product()).map(|at| ((seed + at) as f64 * 0.618_033_988_75).fract() as f32).collect()
    }

    /// Plain attention of one query head, written out with f64 numbers.
    fn by_hand(q: &[f32], k: &[f32], v: &[f32], dim: usize, visible: usize) -> Vec<f32> {
        let scale = 1.0 / (dim as f64).sqrt();
        let dot =
            |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
        let exps: Vec<f64> = k.chunks(dim).take(visible).map(|row| (dot(q, row) * scale).exp()).collect();
        let sum: f64 = exps.iter().sum();
        (0..dim)
            .map(|d| {
                let mixed: f64 = exps.iter().zip(v.chunks(dim)).map(|(e, row)| e * f64::from(row[d])).sum();
                (mixed / sum) as f32
            })
            .collect()
    }

    /// What f32 may be off by in any order of its sums, for numbers from 0 to 1 (Higham, Accuracy and Stability of
    /// Numerical Algorithms, section 3.1: a sum of n products is off by at most n·u of the sum of their magnitudes).
    ///
    /// A score of at most √dim is off by (dim + 2)·√dim·u, its exponential by as large a share and four units, and so
    /// is a weighted sum of n values and the sum of n weights that divides it, each by n more.
    fn rounding(dim: usize, keys: usize) -> f64 {
        let score = (dim + 2) as f64 * (dim as f64).sqrt();
        2.0 * (score + 4.0 + keys as f64) * f64::from(f32::EPSILON) / 2.0
    }

    /// Compares both ways with the formula for two sequences, under the causal mask.
    fn both_ways_equal_the_formula([heads, kv_heads, queries, keys, dim]: [usize; 5]) {
        let device = Device::flex();
        let shapes = [[2, heads, queries, dim], [2, kv_heads, keys, dim], [2, kv_heads, keys, dim]];
        let [qs, ks, vs] = [0, 1, 2].map(|i| numbers(1000 * i, shapes[i]));
        let [q, k, v] = [(&qs, 0), (&ks, 1), (&vs, 2)]
            .map(|(numbers, i)| Tensor::<4>::from_data(TensorData::new(numbers.clone(), shapes[i]), &device));
        let bound = rounding(dim, keys);

        for attender in
            [Attender::Fused, Attender::Explicit(Multiplier::Whole), Attender::Explicit(Multiplier::InParts)]
        {
            let out = attender
                .forward(q.clone(), k.clone(), v.clone(), &AttentionMask::Causal)
                .into_data()
                .try_to_vec::<f32>()
                .expect("f32");
            // The heads of the second sequence after those of the first, and so with those of keys and values.
            for head in 0..2 * heads {
                let kv = head / (heads / kv_heads) * keys * dim;
                for query in 0..queries {
                    let at = (head * queries + query) * dim;
                    let visible = keys - queries + query + 1;
                    let expected =
                        by_hand(&qs[at..at + dim], &ks[kv..kv + keys * dim], &vs[kv..], dim, visible);
                    for (a, b) in out[at..at + dim].iter().zip(&expected) {
                        let off = f64::from((a - b).abs());
                        assert!(off <= bound, "{attender:?}, head {head}, query {query}: {a} and {b}");
                    }
                }
            }
        }
    }

    #[test]
    fn grouped_heads_and_earlier_keys_are_those_of_the_formula() {
        // Few queries are taken one by one, more in products.
        for queries in [1, 3, 9, 20] {
            both_ways_equal_the_formula([4, 2, queries, queries + 2, 8]);
            both_ways_equal_the_formula([6, 1, queries, queries + 300, 40]);
            both_ways_equal_the_formula([14, 2, queries, queries + 5, 16]);
        }
        // A cache is taken in parts of 256 keys: of the last one some queries see all, some a few, and some nothing.
        for [queries, keys] in [[1, 256], [1, 257], [3, 258], [8, 260], [2, 1025]] {
            both_ways_equal_the_formula([4, 2, queries, keys, 8]);
        }
    }

    #[test]
    fn a_cache_is_read_where_it_lies() {
        let device = Device::flex();
        let tensor = |shape| Tensor::<4>::from_data(TensorData::new(numbers(5, shape), shape), &device);
        let (query, rooms) = (tensor([2, 12, 2, 8]), [tensor([2, 2, 50, 8]), tensor([2, 2, 50, 8]) * -3.0]);
        let parts = || rooms.clone().map(|room| room.slice([0..2, 0..2, 0..21, 0..8]));
        let copied = |part: Tensor<4>| Tensor::<4>::from_data(part.into_data(), &device);

        let [keys, values] = parts();
        let found = Attender::Fused.forward(query.clone(), keys, values, &AttentionMask::Causal);
        let [keys, values] = parts().map(copied);
        let expected = Attender::Fused.forward(query, keys, values, &AttentionMask::Causal);

        assert_eq!(found.into_data(), expected.into_data());
    }

    #[test]
    fn nothing_looks_at_pads() {
        let device = Device::flex();
        let tensor =
            |seed, shape| Tensor::<4>::from_data(TensorData::new(numbers(seed, shape), shape), &device);
        // None, few, those of a whole part of the cache, all but the first and the last keys.
        for (queries, start, counts) in
            [(1, 3, [0, 7]), (3, 250, [270, 1]), (1, 1, [590, 300]), (9, 5, [20, 0])]
        {
            let keys = 600;
            let shapes = [[2, 4, queries, 8], [2, 2, keys, 8], [2, 2, keys, 8]];
            let [q, k, v] = [0, 1, 2].map(|at| tensor(1000 * at, shapes[at]));
            let mask = AttentionMask::Padded(Pads { start, counts: counts.into() });

            for attender in [
                Attender::Fused,
                Attender::Explicit(Multiplier::Whole),
                Attender::Explicit(Multiplier::InParts),
            ] {
                let found = attender.forward(q.clone(), k.clone(), v.clone(), &mask);
                for (row, pads) in counts.into_iter().enumerate() {
                    // The same without the pads.
                    let one = |x: &Tensor<4>| x.clone().narrow(0, row, 1);
                    let kept = |x: &Tensor<4>| {
                        let end = start + pads;
                        Tensor::cat(vec![one(x).narrow(2, 0, start), one(x).narrow(2, end, keys - end)], 2)
                    };
                    let expected = Attender::Explicit(Multiplier::Whole).forward(
                        one(&q),
                        kept(&k),
                        kept(&v),
                        &AttentionMask::Causal,
                    );
                    let apart = (one(&found) - expected).abs().max().into_scalar::<f32>();
                    assert!(
                        f64::from(apart) <= 2.0 * rounding(8, keys),
                        "{attender:?} {queries} {pads}: {apart}"
                    );
                }
            }
        }
    }

    #[test]
    fn numbers_that_are_not_finite_do_not_get_lost() {
        let device = Device::flex();
        for (queries, broken) in [(1, f32::NAN), (1, f32::INFINITY), (3, f32::NAN)] {
            let shapes = [[1, 2, queries, 8], [1, 1, 300, 8], [1, 1, 300, 8]];
            let attend = |inputs: &[Vec<f32>; 3]| {
                let [q, k, v] = [0, 1, 2].map(|at| {
                    let data = TensorData::new(inputs[at].clone(), shapes[at]);
                    Tensor::<4>::from_data(data, &device)
                });
                let out = Attender::Fused.forward(q, k, v, &AttentionMask::Causal);
                out.into_data().try_to_vec::<f32>().expect("f32")
            };
            let whole = shapes.map(|shape| numbers(5, shape));

            // A number of the last query of the second head spoils that query alone.
            let (mut inputs, last) = (whole.clone(), (2 * queries - 1) * 8);
            inputs[0][last] = broken;
            let out = attend(&inputs);
            assert!(out[last..].iter().all(|value| !value.is_finite()), "{queries} {broken}: {out:?}");
            assert!(out[..last].iter().all(|value| value.is_finite()), "{queries} {broken}: {out:?}");

            // A number of a key spoils all that look at it.
            let mut inputs = whole;
            inputs[1][10 * 8] = broken;
            let out = attend(&inputs);
            assert!(out.iter().all(|value| !value.is_finite()), "{queries} {broken}: {out:?}");
        }
    }

    #[test]
    fn one_token_is_decoded_however_its_mask_is_called() {
        let query = |count| Tensor::<4>::zeros([1, 2, count, 4], &Device::flex());

        assert!(is_decoding(&query(1), &AttentionMask::Causal));
        assert!(is_decoding(&query(1), &AttentionMask::Full));
        assert!(is_decoding(&query(3), &AttentionMask::Causal));
        assert!(!is_decoding(&query(3), &AttentionMask::Full));
    }

    #[test]
    fn more_queries_than_a_block_holds_give_the_formula() {
        let queries = MAX_BLOCK_ROWS + 7;
        both_ways_equal_the_formula([2, 1, queries, queries, 4]);
    }
}
