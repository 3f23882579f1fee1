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
    let kv_heads = keys.dims[1];
    let group = heads / kv_heads;
    let mut out = vec![0.0; batch * heads * queries * width];
    out.par_chunks_mut((group * queries * width).max(1)).enumerate().for_each(|(at, out)| {
        let place = [at / kv_heads, at % kv_heads];
        let rows = (0..group * queries)
            .map(|row| query.row([place[0], place[1] * group + row / queries, row % queries]));
        dot::with_vectors(Group { rows: &rows.collect::<Vec<_>>(), queries, keys, values, place, out });
    });
    out
}

/// The heads that share keys and values.
struct Group<'a> {
    /// Queries of one head after those of another.
    rows: &'a [&'a [f32]],
    queries: usize,
    keys: &'a View<'a>,
    values: &'a View<'a>,
    /// Sequence, and head of keys and values.
    place: [usize; 2],
    out: &'a mut [f32],
}

impl dot::Work for Group<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { rows, queries, keys, values, place: [sequence, head], out } = self;
        let [_, _, len, width] = keys.dims;
        let scale = (width as f32).sqrt().recip();
        let mut weights = vec![0.0_f32; rows.len() * len];
        for key in 0..len {
            let row = Row::F32(keys.row([sequence, head, key]));
            for (query, weights) in rows.iter().zip(weights.chunks_exact_mut(len)) {
                weights[key] = dot::dot(row, query) * scale;
            }
        }
        for (row, weights) in weights.chunks_exact_mut(len).enumerate() {
            let (seen, hidden) = weights.split_at_mut(len - (queries - 1 - row % queries));
            let largest = seen.iter().fold(f32::NEG_INFINITY, |largest, &score| largest.max(score));
            for score in seen.iter_mut() {
                *score = (*score - largest).exp();
            }
            let inverse = seen.iter().sum::<f32>().recip();
            for weight in seen.iter_mut() {
                *weight *= inverse;
            }
            hidden.fill(0.0);
        }
        for key in 0..len {
            let value = values.row([sequence, head, key]);
            for (out, weights) in out.chunks_exact_mut(width).zip(weights.chunks_exact(len)) {
                let weight = weights[key];
                out.iter_mut().zip(value).for_each(|(out, value)| *out += weight * value);
            }
        }
    }
}
