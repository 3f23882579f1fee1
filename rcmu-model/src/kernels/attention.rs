//! Attention of a few new tokens over the keys and values of all before them, which are read where they lie.
//!
//! A token of decoding looks at a cache of which burn's own operation would make a copy first, and repeat it for each of
//! the heads that share keys. Here every key and every value is read once for all of them.

use burn::{
    backend::{
        Dispatch, Flex, backend_extension,
        flex::{FlexTensor, Layout},
        tensor::FloatTensor,
    },
    tensor::{Bytes, DType, Tensor},
};
use rayon::prelude::*;

use super::{Row, dot};
use crate::fused::vectors::{self, exp, largest};

/// Keys that are taken together; the parts of a long cache are shared out among threads.
const PART: usize = 256;
/// The most queries that are taken one by one; more share their keys better in products of matrices.
pub(crate) const FEW_QUERIES: usize = 8;

/// The operation as burn's CPU backend knows it.
#[backend_extension(Flex)]
pub(crate) trait CachedAttention: burn::backend::Backend {
    /// See [`attend_cached`].
    fn attend_cached(
        query: FloatTensor<Self>,
        keys: FloatTensor<Self>,
        values: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

/// Mixes the values that each query looks at: the last at all keys, the one before at all but the last, and so on.
///
/// For f32 tensors of the `flex` device, without autodiff.
///
/// # Shapes
///
/// - `query`: `[batch, heads, queries, head_dim]`
/// - `keys`, `values`: `[batch, kv_heads, keys, head_dim]`, `heads` a multiple of `kv_heads`
/// - output: `[batch, heads, queries, head_dim]`
pub(crate) fn attend_cached(query: Tensor<4>, keys: Tensor<4>, values: Tensor<4>) -> Tensor<4> {
    let [query, keys, values] = [query, keys, values].map(Tensor::into_dispatch);
    Tensor::from_dispatch(Dispatch::attend_cached(query, keys, values))
}

impl CachedAttention for Flex {
    fn attend_cached(query: FlexTensor, keys: FlexTensor, values: FlexTensor) -> FlexTensor {
        let query = query.to_contiguous();
        let shape = dims(&query);
        let out = attend(&View::new(&query), &View::new(&keys), &View::new(&values));
        FlexTensor::new(Bytes::from_elems(out), Layout::contiguous(shape.into()), DType::F32)
    }
}

/// A tensor of four dimensions where it lies; the numbers of a row stand one after another.
struct View<'a> {
    values: &'a [f32],
    dims: [usize; 4],
    strides: [usize; 3],
}

impl<'a> View<'a> {
    fn new(tensor: &'a FlexTensor) -> Self {
        let layout = tensor.layout();
        let strides =
            std::array::from_fn(|at| usize::try_from(layout.strides()[at]).expect("a forward slice"));
        assert_eq!(layout.strides()[3], 1, "the numbers of a row stand one after another");
        Self { values: &tensor.storage::<f32>()[layout.start_offset()..], dims: dims(tensor), strides }
    }

    #[inline(always)]
    fn row(&self, at: [usize; 3]) -> &'a [f32] {
        let start: usize = at.iter().zip(self.strides).map(|(at, stride)| at * stride).sum();
        &self.values[start..start + self.dims[3]]
    }
}

fn dims(tensor: &FlexTensor) -> [usize; 4] {
    std::array::from_fn(|at| tensor.layout().shape()[at])
}

/// `[batch, heads, queries, head_dim]`, row by row.
fn attend(query: &View<'_>, keys: &View<'_>, values: &View<'_>) -> Vec<f32> {
    let [batch, heads, queries, width] = query.dims;
    let [_, kv_heads, len, _] = keys.dims;
    let (group, parts) = (heads / kv_heads, len.div_ceil(PART).max(1));
    let places = (0..batch * kv_heads * parts).into_par_iter();
    let parts_of_all: Vec<Mixed> = places
        .map(|at| {
            let [sequence, head] = [at / parts / kv_heads, at / parts % kv_heads];
            let row = |row: usize| query.row([sequence, head * group + row / queries, row % queries]);
            let first = at % parts * PART;
            let mut out = Mixed::new(group * queries, width);
            dot::with_vectors(Part {
                queries: &(0..group * queries).map(row).collect::<Vec<_>>(),
                last: queries - 1,
                keys: (first..len.min(first + PART)).map(|key| keys.row([sequence, head, key])).collect(),
                values: (first..len.min(first + PART)).map(|key| values.row([sequence, head, key])).collect(),
                left: len.saturating_sub(first + PART),
                out: &mut out,
            });
            out
        })
        .collect();
    parts_of_all.chunks(parts).flat_map(|parts| Mixed::joined(parts, width)).collect()
}

/// What some keys and values give to the queries that share them.
struct Mixed {
    /// Of each query, the largest score and the sum of the weights beside it.
    scores: Vec<[f32; 2]>,
    /// Of each query, the values times their weights.
    values: Vec<f32>,
}

impl Mixed {
    /// Nothing.
    fn new(queries: usize, width: usize) -> Self {
        Self { scores: vec![[f32::NEG_INFINITY, 0.0]; queries], values: vec![0.0; queries * width] }
    }

    /// The mixed values of each query, of all parts.
    fn joined(parts: &[Self], width: usize) -> Vec<f32> {
        let mut out = vec![0.0; parts[0].values.len()];
        for (query, out) in out.chunks_exact_mut(width.max(1)).enumerate() {
            let largest = parts.iter().fold(f32::NEG_INFINITY, |best, part| best.max(part.scores[query][0]));
            let share = |part: &Self| exp(part.scores[query][0] - largest);
            let inverse = parts.iter().map(|part| share(part) * part.scores[query][1]).sum::<f32>().recip();
            for part in parts {
                let share = share(part) * inverse;
                let values = &part.values[query * width..(query + 1) * width];
                out.iter_mut().zip(values).for_each(|(out, value)| *out += share * value);
            }
        }
        out
    }
}

/// Some keys and values, and the queries of the heads that share them.
struct Part<'a> {
    /// Queries of one head after those of another.
    queries: &'a [&'a [f32]],
    /// The last query of a head.
    last: usize,
    keys: Vec<&'a [f32]>,
    values: Vec<&'a [f32]>,
    /// Keys after these.
    left: usize,
    out: &'a mut Mixed,
}

impl dot::Work for Part<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { queries, last, keys, values, left, out } = self;
        let Some(width) = values.first().map(|value| value.len()) else { return };
        let (len, scale) = (keys.len(), (width as f32).sqrt().recip());
        let mut weights = vec![0.0_f32; queries.len() * len];
        for (at, key) in keys.iter().enumerate() {
            for (query, weights) in queries.iter().zip(weights.chunks_exact_mut(len)) {
                weights[at] = dot::dot(Row::F32(key), query) * scale;
            }
        }
        let places = out.scores.iter_mut().zip(weights.chunks_exact_mut(len)).enumerate();
        for (query, ([most, sum], weights)) in places {
            // The last query sees all keys, the one before it all but the last.
            let hidden = (last - query % (last + 1)).saturating_sub(left);
            let (seen, hidden) = weights.split_at_mut(len.saturating_sub(hidden));
            *most = largest(seen);
            for weight in seen.iter_mut() {
                *weight = exp(*weight - *most);
            }
            *sum = vectors::sum(seen, seen, |weight, _| weight);
            hidden.fill(0.0);
        }
        let (fours, rest) = values.as_chunks::<4>();
        for (out, weights) in out.values.chunks_exact_mut(width).zip(weights.chunks_exact(len)) {
            let (weights, weights_of_rest) = weights.as_chunks::<4>();
            for ([a, b, c, d], weights) in fours.iter().zip(weights) {
                let values = a[..width].iter().zip(&b[..width]).zip(c[..width].iter().zip(&d[..width]));
                for (out, ((a, b), (c, d))) in out.iter_mut().zip(values) {
                    *out = *out + weights[0] * a + weights[1] * b + weights[2] * c + weights[3] * d;
                }
            }
            for (value, weight) in rest.iter().zip(weights_of_rest) {
                out.iter_mut().zip(*value).for_each(|(out, value)| *out += weight * value);
            }
        }
    }
}
