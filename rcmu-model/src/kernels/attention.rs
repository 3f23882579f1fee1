//! Attention of a few new tokens over the keys and values of all before them, which are read where they lie.
//!
//! A token of decoding looks at a cache of which burn's own operation would make a copy first, and repeat it for each of
//! the heads that share keys. Here every key and every value is read once for all of them.

#![allow(
    clippy::needless_range_loop,
    reason = "loops of a fixed count over several arrays become vector instructions"
)]

use std::ops::Range;

use burn::{
    backend::{
        Dispatch, Flex, backend_extension,
        flex::{FlexTensor, Layout},
        tensor::FloatTensor,
    },
    tensor::{Bytes, DType, Tensor},
};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::units::arch;
use crate::{
    fused::vectors::{self, exp, largest},
    layers::Pads,
};

/// Keys that are taken together; the parts of a long cache are shared out among threads.
const PART: usize = 256;
/// Queries that are taken together: as many heads share keys in the model of 2B; two vectors of sums of each, and what is
/// multiplied, fill the registers of AVX2.
const TOGETHER: usize = 6;
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
        pads: Pads,
    ) -> FloatTensor<Self>;
}

/// Mixes the values that each query looks at: the last at all keys, the one before at all but the last, and so on, none of
/// them at pads.
///
/// For f32 tensors of the `flex` device, without autodiff.
///
/// # Shapes
///
/// - `query`: `[batch, heads, queries, head_dim]`
/// - `keys`, `values`: `[batch, kv_heads, keys, head_dim]`, `heads` a multiple of `kv_heads`
/// - output: `[batch, heads, queries, head_dim]`
pub(crate) fn attend_cached(query: Tensor<4>, keys: Tensor<4>, values: Tensor<4>, pads: Pads) -> Tensor<4> {
    let [query, keys, values] = [query, keys, values].map(Tensor::into_dispatch);
    Tensor::from_dispatch(Dispatch::attend_cached(query, keys, values, pads))
}

impl CachedAttention for Flex {
    fn attend_cached(query: FlexTensor, keys: FlexTensor, values: FlexTensor, pads: Pads) -> FlexTensor {
        let query = query.to_contiguous();
        let shape = dims(&query);
        let out = attend(&View::new(&query), &View::new(&keys), &View::new(&values), &pads);
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

    /// Rows from one on, of one head of one sequence.
    fn rows(&self, [sequence, head]: [usize; 2], first: usize) -> Rows<'a> {
        let [of_sequence, of_head, stride] = self.strides;
        let start = sequence * of_sequence + head * of_head + first * stride;
        Rows { values: &self.values[start..], stride, width: self.dims[3] }
    }
}

/// Rows in order.
#[derive(Clone, Copy)]
struct Rows<'a> {
    values: &'a [f32],
    /// Numbers from the begin of one row to that of the next.
    stride: usize,
    width: usize,
}

impl<'a> Rows<'a> {
    #[inline(always)]
    fn row(self, at: usize) -> &'a [f32] {
        &self.values[at * self.stride..][..self.width]
    }
}

fn dims(tensor: &FlexTensor) -> [usize; 4] {
    std::array::from_fn(|at| tensor.layout().shape()[at])
}

/// `[batch, heads, queries, head_dim]`, row by row.
fn attend(query: &View<'_>, keys: &View<'_>, values: &View<'_>, pads: &Pads) -> Vec<f32> {
    let [batch, heads, queries, width] = query.dims;
    let [_, kv_heads, len, _] = keys.dims;
    let (group, parts) = (heads / kv_heads, len.div_ceil(PART).max(1));
    let places = (0..batch * kv_heads * parts).into_par_iter();
    let parts_of_all: Vec<Mixed> = places
        .map(|at| {
            let [sequence, head] = [at / parts / kv_heads, at / parts % kv_heads];
            let row = |row: usize| query.rows([sequence, head * group + row / queries], row % queries).row(0);
            let first = at % parts * PART;
            let hidden = pads.of(sequence);
            let mut out = Mixed::new(group * queries, width);
            arch().dispatch(Part {
                queries: &(0..group * queries).map(row).collect::<Vec<_>>(),
                last: queries - 1,
                keys: keys.rows([sequence, head], first),
                values: values.rows([sequence, head], first),
                len: PART.min(len - first),
                left: len.saturating_sub(first + PART),
                hidden: hidden.start.saturating_sub(first)..hidden.end.saturating_sub(first),
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
    keys: Rows<'a>,
    values: Rows<'a>,
    /// Keys.
    len: usize,
    /// Keys after these.
    left: usize,
    /// Keys of these, and after them, that no query looks at.
    hidden: Range<usize>,
    out: &'a mut Mixed,
}

impl WithSimd for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { queries, last, keys, values, len, left, hidden: pads, out } = self;
        let mut weights = vec![0.0_f32; queries.len() * len];
        let (together, rest) = queries.as_chunks::<TOGETHER>();
        let (weights_together, weights_of_rest) = weights.split_at_mut(TOGETHER * together.len() * len);
        let places = weights_together.chunks_exact_mut((TOGETHER * len).max(1));
        together.iter().zip(places).for_each(|(queries, weights)| compare(simd, queries, keys, weights));
        let places = weights_of_rest.chunks_exact_mut(len.max(1));
        rest.iter().zip(places).for_each(|(query, weights)| compare(simd, &[*query], keys, weights));

        let places = out.scores.iter_mut().zip(weights.chunks_exact_mut(len.max(1))).enumerate();
        for (query, ([most, sum], weights)) in places {
            // The last query sees all keys, the one before it all but the last.
            let hidden = (last - query % (last + 1)).saturating_sub(left);
            let (seen, hidden) = weights.split_at_mut(len.saturating_sub(hidden));
            let pads = pads.start.min(seen.len())..pads.end.min(seen.len());
            seen[pads.clone()].fill(f32::NEG_INFINITY);
            *most = largest(seen);
            for weight in seen.iter_mut() {
                *weight = exp(*weight - *most);
            }
            // Not nearly nothing, nor what is no number where there are only pads.
            seen[pads].fill(0.0);
            *sum = vectors::sum(seen, seen, |weight, _| weight);
            hidden.fill(0.0);
        }

        let (weights_together, weights_of_rest) = weights.split_at(TOGETHER * together.len() * len);
        let (mixed, rest) = out.values.split_at_mut(TOGETHER * together.len() * values.width);
        let places = mixed.chunks_exact_mut((TOGETHER * values.width).max(1));
        let weights = weights_together.chunks_exact((TOGETHER * len).max(1));
        weights.zip(places).for_each(|(weights, out)| mix::<S, TOGETHER>(simd, weights, values, out));
        let weights = weights_of_rest.chunks_exact(len.max(1));
        let places = rest.chunks_exact_mut(values.width.max(1));
        weights.zip(places).for_each(|(weights, out)| mix::<S, 1>(simd, weights, values, out));
    }
}

/// Writes how well each key fits some queries, one query after another.
#[inline(always)]
fn compare<S: Simd, const QUERIES: usize>(
    simd: S,
    queries: &[&[f32]; QUERIES],
    keys: Rows<'_>,
    out: &mut [f32],
) {
    let (len, scale) = (out.len() / QUERIES, (keys.width as f32).sqrt().recip());
    let mut vectors = [S::as_simd_f32s(queries[0]); QUERIES];
    for query in 0..QUERIES {
        vectors[query] = S::as_simd_f32s(queries[query]);
    }
    for at in 0..len {
        let (key, key_rest) = S::as_simd_f32s(keys.row(at));
        let mut sums = [simd.splat_f32s(0.0); QUERIES];
        for (place, key) in key.iter().enumerate() {
            for query in 0..QUERIES {
                sums[query] = simd.mul_add_e_f32s(*key, vectors[query].0[place], sums[query]);
            }
        }
        for query in 0..QUERIES {
            let rest: f32 = key_rest.iter().zip(vectors[query].1).map(|(key, query)| key * query).sum();
            out[query * len + at] = (simd.reduce_sum_f32s(sums[query]) + rest) * scale;
        }
    }
}

/// Writes values times the weights of some queries, two vectors of each at a time, so that sums stay in registers.
#[inline(always)]
fn mix<S: Simd, const QUERIES: usize>(simd: S, weights: &[f32], values: Rows<'_>, out: &mut [f32]) {
    let (len, width, step) = (weights.len() / QUERIES, values.width, 2 * S::F32_LANES);
    let whole = width / step * step;
    for start in (0..whole).step_by(step) {
        let mut sums = [[simd.splat_f32s(0.0); 2]; QUERIES];
        for at in 0..len {
            let (value, _) = S::as_simd_f32s(&values.row(at)[start..start + step]);
            for query in 0..QUERIES {
                let weight = simd.splat_f32s(weights[query * len + at]);
                sums[query][0] = simd.mul_add_e_f32s(weight, value[0], sums[query][0]);
                sums[query][1] = simd.mul_add_e_f32s(weight, value[1], sums[query][1]);
            }
        }
        for query in 0..QUERIES {
            let place = query * width + start;
            let (place, _) = S::as_mut_simd_f32s(&mut out[place..place + step]);
            place.copy_from_slice(&sums[query]);
        }
    }
    for query in 0..QUERIES {
        for at in 0..len {
            let weight = weights[query * len + at];
            let out = &mut out[query * width + whole..(query + 1) * width];
            for (out, value) in out.iter_mut().zip(&values.row(at)[whole..]) {
                *out += weight * value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_loops_give_what_vector_units_give() {
        let number = |at: usize| (at * 37 % 101) as f32 / 50.0 - 1.0;
        let values: Vec<f32> = (0..200 * 24).map(number).collect();
        // Seven queries, of which the first does not see the last key; a width that fills no vector.
        for width in [24, 19] {
            let rows = |first: usize| Rows { values: &values[first * 24..], stride: 24, width };
            let queries: Vec<&[f32]> = (0..14).map(|at| rows(3 * at).row(0)).collect();
            let [mut plain, mut found] = [Mixed::new(14, width), Mixed::new(14, width)];
            let part = |out| Part {
                queries: &queries,
                last: 6,
                keys: rows(50),
                values: rows(100),
                len: 90,
                left: 2,
                hidden: 10..17,
                out,
            };

            part(&mut plain).with_simd(pulp::Scalar::new());
            arch().dispatch(part(&mut found));

            let pairs = plain.scores.as_flattened().iter().zip(found.scores.as_flattened());
            for (plain, found) in pairs.chain(plain.values.iter().zip(&found.values)) {
                assert!((plain - found).abs() < 1e-4 * plain.abs().max(1.0), "{width}: {plain} and {found}");
            }
            assert!(plain.values.iter().all(|value| value.abs() > 0.0));
        }
    }
}
