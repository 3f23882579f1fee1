//! The gradient of attention, block by block of queries.
//!
//! # Source
//!
//! It needs only the logarithm of each query's sum of exponentials: Dao et al., "`FlashAttention`" (arXiv
//! 2205.14135), section 3.1 and appendix B.

use pulp::{Simd, WithSimd};

use super::{
    super::vectors::{Into, Left, Out, Right, exp_all, padded, product, sum},
    BLOCK, Heads, Inputs, Rows, Tokens, spread,
};
use crate::kernels::arch;

/// What came out, and the gradient of that.
#[derive(Clone, Copy)]
pub(in crate::fused) struct Results<'a> {
    /// `[batch * seq, heads * head_dim]`
    pub(in crate::fused) out: &'a [f32],
    /// `[batch, heads, seq]`
    pub(in crate::fused) log_sums: &'a [f32],
    /// `[batch * seq, heads * head_dim]`
    pub(in crate::fused) gradient: &'a [f32],
}

/// Gradients of queries, keys and values, in their layouts.
pub(in crate::fused) fn backward(inputs: Inputs<'_>, results: Results<'_>) -> [Vec<f32>; 3] {
    arch().dispatch(Backward { inputs, results })
}

struct Backward<'a> {
    inputs: Inputs<'a>,
    results: Results<'a>,
}

impl Inputs<'_> {
    /// Puts gradients of the turned rows of one head back where the rows came from.
    #[inline(always)]
    fn put_back(&self, rows: &Rows, to: &mut [f32], [sequence, head]: [usize; 2], turned: bool, scale: f32) {
        let Heads { batch, seq, head_dim, .. } = self.heads;
        let (half, width) = (head_dim / 2, to.len() / (batch * seq).max(1));
        for at in 0..seq {
            let token = sequence * seq + at;
            let g = &rows.row(at)[..head_dim];
            let place = &mut to[token * width + head * head_dim..][..head_dim];
            if turned {
                let (cos, sin) = self.tables(token);
                let (low, high) = g.split_at(half);
                let (to_low, to_high) = place.split_at_mut(half);
                for i in 0..half {
                    to_low[i] = (low[i] * cos[i] + high[i] * sin[half + i]) * scale;
                    to_high[i] = (high[i] * cos[half + i] - low[i] * sin[i]) * scale;
                }
            } else {
                place.copy_from_slice(g);
            }
        }
    }
}

/// Rows as columns, `[width of a head, spread(rows)]`.
#[inline(always)]
fn transposed(rows: &Rows, seq: usize, head_dim: usize) -> Vec<f32> {
    let stride = spread(seq);
    let mut out = vec![0.0; head_dim * stride];
    for (at, row) in rows.values.chunks_exact(rows.width).enumerate() {
        for (i, &x) in row[..head_dim].iter().enumerate() {
            out[i * stride + at] = x;
        }
    }
    out
}

impl WithSimd for Backward<'_> {
    type Output = [Vec<f32>; 3];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [Vec<f32>; 3] {
        let Self { inputs, results: Results { out, log_sums, gradient } } = self;
        let Heads { batch, seq, heads, kv_heads, head_dim, .. } = inputs.heads;
        let stride = spread(seq);
        let mut to_query = vec![0.0; batch * seq * heads * head_dim];
        let mut to_key = vec![0.0; batch * seq * kv_heads * head_dim];
        let mut to_value = to_key.clone();
        let (mut weights, mut changes) = (vec![0.0; BLOCK * stride], vec![0.0; BLOCK * stride]);
        for (sequence, kv_head) in (0..batch).flat_map(|b| (0..kv_heads).map(move |h| (b, h))) {
            let kv_place = [sequence, kv_head];
            let keys = inputs.head(inputs.key, kv_place, true, 1.0);
            let key_columns = transposed(&keys, seq, head_dim);
            let values = inputs.head(inputs.value, kv_place, false, 1.0);
            let value_columns = transposed(&values, seq, head_dim);
            let (mut of_keys, mut of_values) = (Rows::zeros(seq, head_dim), Rows::zeros(seq, head_dim));
            let width = keys.width;
            let group = heads / kv_heads;
            for head in kv_head * group..(kv_head + 1) * group {
                let place = [sequence, head];
                let queries = inputs.head(inputs.query, place, true, inputs.scale());
                let of_results = |values| Tokens { values, stride: heads * head_dim };
                let gradients = inputs.head(of_results(gradient), place, false, 1.0);
                let results = inputs.head(of_results(out), place, false, 1.0);
                let mut of_queries = Rows::zeros(seq, head_dim);
                for start in (0..seq).step_by(BLOCK) {
                    let rows = BLOCK.min(seq - start);
                    let seen = inputs.seen(start, rows);
                    let columns = padded(seen);
                    let right = Right { values: &key_columns, stride, columns, k: head_dim };
                    product(
                        simd,
                        queries.left(start, rows),
                        right,
                        Out { values: &mut weights, stride, into: Into::Place },
                    );
                    let right = Right { values: &value_columns, stride, columns, k: head_dim };
                    product(
                        simd,
                        gradients.left(start, rows),
                        right,
                        Out { values: &mut changes, stride, into: Into::Place },
                    );
                    let pairs = weights.chunks_exact_mut(stride).zip(changes.chunks_exact_mut(stride));
                    for (at, (weights, changes)) in pairs.take(rows).enumerate() {
                        let query = start + at;
                        let visible = inputs.seen_by(query);
                        let (weights, hidden) = weights[..seen].split_at_mut(visible);
                        let (changes, without) = changes[..seen].split_at_mut(visible);
                        exp_all(weights, log_sums[(sequence * heads + head) * seq + query]);
                        hidden.fill(0.0);
                        let along = sum(gradients.row(query), results.row(query), |g, o| g * o);
                        for (change, &weight) in changes.iter_mut().zip(&*weights) {
                            *change = weight * (*change - along);
                        }
                        without.fill(0.0);
                    }
                    let left = |values| Left { values, strides: [stride, 1], rows };
                    let part = &mut of_queries.values[start * width..];
                    product(
                        simd,
                        left(&changes),
                        keys.right(seen),
                        Out { values: part, stride: width, into: Into::Place },
                    );
                    let turned = |values| Left { values, strides: [1, stride], rows: seen };
                    let from = start * width;
                    let right =
                        Right { values: &queries.values[from..], stride: width, columns: width, k: rows };
                    product(
                        simd,
                        turned(&changes),
                        right,
                        Out { values: &mut of_keys.values, stride: width, into: Into::Sum },
                    );
                    let right = Right { values: &gradients.values[from..], ..right };
                    product(
                        simd,
                        turned(&weights),
                        right,
                        Out { values: &mut of_values.values, stride: width, into: Into::Sum },
                    );
                }
                inputs.put_back(&of_queries, &mut to_query, place, true, inputs.scale());
            }
            inputs.put_back(&of_keys, &mut to_key, kv_place, true, 1.0);
            inputs.put_back(&of_values, &mut to_value, kv_place, false, 1.0);
        }
        [to_query, to_key, to_value]
    }
}
