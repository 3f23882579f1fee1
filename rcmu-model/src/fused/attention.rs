//! Attention and its gradient, block by block of queries.
//!
//! # Source
//!
//! The gradient needs only the logarithm of each query's sum of exponentials: Dao et al., "`FlashAttention`" (arXiv
//! 2205.14135), section 3.1 and appendix B.

use pulp::{Arch, Simd, WithSimd};

use super::{
    Heads,
    vectors::{Into, Left, Right, exp_all, largest, padded, product, sum},
};

/// Queries of a block: their scores over some hundred keys stay in the cache.
const BLOCK: usize = 48;

/// What attention works on, token by token.
#[derive(Clone, Copy)]
pub(super) struct Inputs<'a> {
    /// `[batch * seq, heads * head_dim]`
    pub(super) query: &'a [f32],
    /// `[batch * seq, kv_heads * head_dim]`
    pub(super) key: &'a [f32],
    /// `[batch * seq, kv_heads * head_dim]`
    pub(super) value: &'a [f32],
    /// `[batch * seq, head_dim]`
    pub(super) cos: &'a [f32],
    /// `[batch * seq, head_dim]`
    pub(super) sin: &'a [f32],
    pub(super) heads: Heads,
}

/// Mixed values and, for each query, the logarithm of its sum of exponentials.
pub(super) struct Mixed {
    /// `[batch * seq, heads * head_dim]`
    pub(super) out: Vec<f32>,
    /// `[batch, heads, seq]`
    pub(super) log_sums: Vec<f32>,
}

/// What came out, and the gradient of that.
#[derive(Clone, Copy)]
pub(super) struct Results<'a> {
    /// `[batch * seq, heads * head_dim]`
    pub(super) out: &'a [f32],
    /// `[batch, heads, seq]`
    pub(super) log_sums: &'a [f32],
    /// `[batch * seq, heads * head_dim]`
    pub(super) gradient: &'a [f32],
}

/// What attention computes.
pub(super) fn forward(inputs: Inputs<'_>) -> Mixed {
    Arch::new().dispatch(Forward(inputs))
}

/// Gradients of queries, keys and values, in their layouts.
pub(super) fn backward(inputs: Inputs<'_>, results: Results<'_>) -> [Vec<f32>; 3] {
    Arch::new().dispatch(Backward { inputs, results })
}

struct Forward<'a>(Inputs<'a>);

struct Backward<'a> {
    inputs: Inputs<'a>,
    results: Results<'a>,
}

/// Rows of one head, padded to `width` columns.
struct Rows {
    values: Vec<f32>,
    width: usize,
}

impl Rows {
    fn zeros(rows: usize, head_dim: usize) -> Self {
        let width = padded(head_dim);
        Self { values: vec![0.0; rows * width], width }
    }

    fn right(&self, k: usize) -> Right<'_> {
        Right { values: &self.values, stride: self.width, columns: self.width, k }
    }

    /// Rows `start..start + rows` as a left-hand side.
    fn left(&self, start: usize, rows: usize) -> Left<'_> {
        Left { values: &self.values[start * self.width..], strides: [self.width, 1], rows }
    }

    fn row(&self, at: usize) -> &[f32] {
        &self.values[at * self.width..(at + 1) * self.width]
    }
}

impl<'a> Inputs<'a> {
    /// The rows of one head of one sequence, turned by their positions where they are turned, times a scale.
    #[inline(always)]
    fn head(&self, from: &[f32], [sequence, heads, head]: [usize; 3], turned: bool, scale: f32) -> Rows {
        let Heads { seq, head_dim, .. } = self.heads;
        let mut rows = Rows::zeros(seq, head_dim);
        let half = head_dim / 2;
        let places = rows.values.chunks_exact_mut(rows.width);
        for (at, place) in places.enumerate() {
            let token = sequence * seq + at;
            let x = &from[(token * heads + head) * head_dim..][..head_dim];
            let place = &mut place[..head_dim];
            if turned {
                let (cos, sin) = self.tables(token);
                let (low, high) = x.split_at(half);
                let (to_low, to_high) = place.split_at_mut(half);
                for i in 0..half {
                    to_low[i] = (low[i] * cos[i] - high[i] * sin[i]) * scale;
                    to_high[i] = (high[i] * cos[half + i] + low[i] * sin[half + i]) * scale;
                }
            } else {
                place.copy_from_slice(x);
            }
        }
        rows
    }

    /// Puts gradients of the turned rows of one head back where the rows came from.
    #[inline(always)]
    fn put_back(
        &self,
        rows: &Rows,
        to: &mut [f32],
        [sequence, heads, head]: [usize; 3],
        turned: bool,
        scale: f32,
    ) {
        let Heads { seq, head_dim, .. } = self.heads;
        let half = head_dim / 2;
        for at in 0..seq {
            let token = sequence * seq + at;
            let g = &rows.row(at)[..head_dim];
            let place = &mut to[(token * heads + head) * head_dim..][..head_dim];
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

    #[inline(always)]
    fn tables(&self, token: usize) -> (&'a [f32], &'a [f32]) {
        let width = self.heads.head_dim;
        (&self.cos[token * width..][..width], &self.sin[token * width..][..width])
    }

    /// Keys that the queries `start..start + rows` look at together.
    const fn seen(&self, start: usize, rows: usize) -> usize {
        if self.heads.causal { start + rows } else { self.heads.seq }
    }

    /// Keys that one query looks at.
    const fn seen_by(&self, query: usize) -> usize {
        self.seen(query, 1)
    }

    fn scale(&self) -> f32 {
        (self.heads.head_dim as f32).sqrt().recip()
    }
}

/// Rows as columns, `[width of a head, padded(rows)]`.
#[inline(always)]
fn transposed(rows: &Rows, seq: usize, head_dim: usize) -> Vec<f32> {
    let stride = padded(seq);
    let mut out = vec![0.0; head_dim * stride];
    for (at, row) in rows.values.chunks_exact(rows.width).enumerate() {
        for (i, &x) in row[..head_dim].iter().enumerate() {
            out[i * stride + at] = x;
        }
    }
    out
}

impl WithSimd for Forward<'_> {
    type Output = Mixed;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Mixed {
        let inputs = self.0;
        let Heads { batch, seq, heads, kv_heads, head_dim, .. } = inputs.heads;
        let stride = padded(seq);
        let mut out = vec![0.0; batch * seq * heads * head_dim];
        let mut log_sums = vec![0.0; batch * heads * seq];
        let mut scores = vec![0.0; BLOCK * stride];
        let mut mixed = Rows::zeros(BLOCK, head_dim);
        for (sequence, kv_head) in (0..batch).flat_map(|b| (0..kv_heads).map(move |h| (b, h))) {
            let keys = inputs.head(inputs.key, [sequence, kv_heads, kv_head], true, 1.0);
            let keys = transposed(&keys, seq, head_dim);
            let values = inputs.head(inputs.value, [sequence, kv_heads, kv_head], false, 1.0);
            let group = heads / kv_heads;
            for head in kv_head * group..(kv_head + 1) * group {
                let queries = inputs.head(inputs.query, [sequence, heads, head], true, inputs.scale());
                for start in (0..seq).step_by(BLOCK) {
                    let rows = BLOCK.min(seq - start);
                    let seen = inputs.seen(start, rows);
                    let right = Right { values: &keys, stride, columns: padded(seen), k: head_dim };
                    product(simd, queries.left(start, rows), right, &mut scores, stride, Into::Place);
                    for (at, scores) in scores.chunks_exact_mut(stride).take(rows).enumerate() {
                        let visible = inputs.seen_by(start + at);
                        let (scores, hidden) = scores[..seen].split_at_mut(visible);
                        let top = largest(scores);
                        let total = exp_all(scores, top);
                        let share = total.recip();
                        for score in scores {
                            *score *= share;
                        }
                        hidden.fill(0.0);
                        log_sums[(sequence * heads + head) * seq + start + at] = top + total.ln();
                    }
                    let left = Left { values: &scores, strides: [stride, 1], rows };
                    let width = mixed.width;
                    product(simd, left, values.right(seen), &mut mixed.values, width, Into::Place);
                    for at in 0..rows {
                        let token = sequence * seq + start + at;
                        let place = &mut out[(token * heads + head) * head_dim..][..head_dim];
                        place.copy_from_slice(&mixed.row(at)[..head_dim]);
                    }
                }
            }
        }
        Mixed { out, log_sums }
    }
}

impl WithSimd for Backward<'_> {
    type Output = [Vec<f32>; 3];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [Vec<f32>; 3] {
        let Self { inputs, results: Results { out, log_sums, gradient } } = self;
        let Heads { batch, seq, heads, kv_heads, head_dim, .. } = inputs.heads;
        let stride = padded(seq);
        let mut to_query = vec![0.0; batch * seq * heads * head_dim];
        let mut to_key = vec![0.0; batch * seq * kv_heads * head_dim];
        let mut to_value = to_key.clone();
        let (mut weights, mut changes) = (vec![0.0; BLOCK * stride], vec![0.0; BLOCK * stride]);
        for (sequence, kv_head) in (0..batch).flat_map(|b| (0..kv_heads).map(move |h| (b, h))) {
            let kv_place = [sequence, kv_heads, kv_head];
            let keys = inputs.head(inputs.key, kv_place, true, 1.0);
            let key_columns = transposed(&keys, seq, head_dim);
            let values = inputs.head(inputs.value, kv_place, false, 1.0);
            let value_columns = transposed(&values, seq, head_dim);
            let (mut of_keys, mut of_values) = (Rows::zeros(seq, head_dim), Rows::zeros(seq, head_dim));
            let width = keys.width;
            let group = heads / kv_heads;
            for head in kv_head * group..(kv_head + 1) * group {
                let place = [sequence, heads, head];
                let queries = inputs.head(inputs.query, place, true, inputs.scale());
                let gradients = inputs.head(gradient, place, false, 1.0);
                let results = inputs.head(out, place, false, 1.0);
                let mut of_queries = Rows::zeros(seq, head_dim);
                for start in (0..seq).step_by(BLOCK) {
                    let rows = BLOCK.min(seq - start);
                    let seen = inputs.seen(start, rows);
                    let columns = padded(seen);
                    let right = Right { values: &key_columns, stride, columns, k: head_dim };
                    product(simd, queries.left(start, rows), right, &mut weights, stride, Into::Place);
                    let right = Right { values: &value_columns, stride, columns, k: head_dim };
                    product(simd, gradients.left(start, rows), right, &mut changes, stride, Into::Place);
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
                    product(simd, left(&changes), keys.right(seen), part, width, Into::Place);
                    let turned = |values| Left { values, strides: [1, stride], rows: seen };
                    let from = start * width;
                    let right =
                        Right { values: &queries.values[from..], stride: width, columns: width, k: rows };
                    product(simd, turned(&changes), right, &mut of_keys.values, width, Into::Sum);
                    let right = Right { values: &gradients.values[from..], ..right };
                    product(simd, turned(&weights), right, &mut of_values.values, width, Into::Sum);
                }
                inputs.put_back(&of_queries, &mut to_query, place, true, inputs.scale());
            }
            inputs.put_back(&of_keys, &mut to_key, kv_place, true, 1.0);
            inputs.put_back(&of_values, &mut to_value, kv_place, false, 1.0);
        }
        [to_query, to_key, to_value]
    }
}
