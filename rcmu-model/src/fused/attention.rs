//! Attention, block by block of queries; its gradient is in [`gradient`].

#[cfg(feature = "train")]
pub(super) mod gradient;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::{
    Heads, Threads,
    vectors::{COLUMNS, Into, Left, Out, Right, exp_all, largest, padded, product},
};
use crate::kernels::{arch, zeros};

/// Queries of a block: their scores over some hundred keys stay in the cache.
const BLOCK: usize = 48;
/// Tokens whose mixed values one thread puts together at least.
const TOKENS: usize = 32;
/// Keys side by side: two vectors of the widest unit.
const PANEL: usize = 32;
/// Numbers after which addresses meet in the same set of a cache, in common caches of the first level.
const SET: usize = 256;

/// Rows of tokens, where they lie.
#[derive(Clone, Copy)]
pub(super) struct Tokens<'a> {
    pub(super) values: &'a [f32],
    /// Numbers from the begin of one row to that of the next.
    pub(super) stride: usize,
}

/// What attention works on, token by token.
#[derive(Clone, Copy)]
pub(super) struct Inputs<'a> {
    /// `[batch * seq, heads * head_dim]`
    pub(super) query: Tokens<'a>,
    /// `[batch * seq, kv_heads * head_dim]`
    pub(super) key: Tokens<'a>,
    /// `[batch * seq, kv_heads * head_dim]`
    pub(super) value: Tokens<'a>,
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

/// What attention computes.
pub(super) fn forward(inputs: Inputs<'_>, threads: Threads) -> Mixed {
    let Heads { batch, seq, heads, head_dim, .. } = inputs.heads;
    let run = |at: usize| arch().dispatch(Forward { inputs, place: [at / heads, at % heads] });
    let parts: Vec<Mixed> = match threads {
        Threads::One => (0..batch * heads).map(run).collect(),
        Threads::All => (0..batch * heads).into_par_iter().map(run).collect(),
    };
    let count = batch * seq * heads * head_dim;
    let mut out = if threads == Threads::One { vec![0.0; count] } else { zeros(count) };
    let put = |(token, row): (usize, &mut [f32])| {
        let parts = &parts[token / seq * heads..][..heads];
        for (place, part) in row.chunks_exact_mut(head_dim).zip(parts) {
            place.copy_from_slice(&part.out[token % seq * head_dim..][..head_dim]);
        }
    };
    let width = (heads * head_dim).max(1);
    match threads {
        Threads::One => out.chunks_exact_mut(width).enumerate().for_each(put),
        Threads::All => out.par_chunks_exact_mut(width).with_min_len(TOKENS).enumerate().for_each(put),
    }
    Mixed { out, log_sums: parts.into_iter().flat_map(|part| part.log_sums).collect() }
}

/// One head of one sequence.
struct Forward<'a> {
    inputs: Inputs<'a>,
    /// Sequence and head.
    place: [usize; 2],
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
    fn head(&self, from: Tokens<'_>, [sequence, head]: [usize; 2], turned: bool, scale: f32) -> Rows {
        let Heads { seq, head_dim, .. } = self.heads;
        let mut rows = Rows::zeros(seq, head_dim);
        let half = head_dim / 2;
        let places = rows.values.chunks_exact_mut(rows.width);
        for (at, place) in places.enumerate() {
            let token = sequence * seq + at;
            let x = &from.values[token * from.stride + head * head_dim..][..head_dim];
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

/// Numbers from one column to the same place of the next, so far apart that they do not meet in one set of the cache.
const fn spread(rows: usize) -> usize {
    let stride = rows.next_multiple_of(PANEL);
    if stride.is_multiple_of(SET) { stride + COLUMNS } else { stride }
}

/// Keys as columns, `[panels, width of a head, PANEL]`: what is multiplied together lies together.
#[inline(always)]
fn panels(rows: &Rows, head_dim: usize) -> Vec<f32> {
    let count = rows.values.len() / rows.width;
    let mut out = vec![0.0; count.div_ceil(PANEL) * PANEL * head_dim];
    let panels = out.chunks_exact_mut(head_dim * PANEL);
    for (panel, rows) in
        panels.zip(rows.values.chunks(PANEL * rows.width).map(|part| part.chunks_exact(rows.width)))
    {
        for (at, row) in rows.enumerate() {
            for (columns, &x) in panel.chunks_exact_mut(PANEL).zip(&row[..head_dim]) {
                columns[at] = x;
            }
        }
    }
    out
}

impl WithSimd for Forward<'_> {
    /// Values, `[seq, head_dim]`, and sums, `[seq]`.
    type Output = Mixed;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Mixed {
        let Self { inputs, place: [sequence, head] } = self;
        let Heads { seq, heads, kv_heads, head_dim, .. } = inputs.heads;
        let stride = spread(seq);
        let mut out = vec![0.0; seq * head_dim];
        let mut log_sums = vec![0.0; seq];
        let mut scores = vec![0.0; BLOCK * stride];
        let mut mixed = Rows::zeros(BLOCK, head_dim);
        let kv_place = [sequence, head * kv_heads / heads];
        let keys = panels(&inputs.head(inputs.key, kv_place, true, 1.0), head_dim);
        let values = inputs.head(inputs.value, kv_place, false, 1.0);
        let queries = inputs.head(inputs.query, [sequence, head], true, inputs.scale());
        for start in (0..seq).step_by(BLOCK) {
            let rows = BLOCK.min(seq - start);
            let seen = inputs.seen(start, rows);
            let left = queries.left(start, rows);
            for (at, panel) in keys.chunks_exact(head_dim * PANEL).enumerate().take(seen.div_ceil(PANEL)) {
                let right = Right { values: panel, stride: PANEL, columns: PANEL, k: head_dim };
                product(
                    simd,
                    left,
                    right,
                    Out { values: &mut scores[at * PANEL..], stride, into: Into::Place },
                );
            }
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
                log_sums[start + at] = top + total.ln();
            }
            let left = Left { values: &scores, strides: [stride, 1], rows };
            let width = mixed.width;
            product(
                simd,
                left,
                values.right(seen),
                Out { values: &mut mixed.values, stride: width, into: Into::Place },
            );
            for at in 0..rows {
                out[(start + at) * head_dim..][..head_dim].copy_from_slice(&mixed.row(at)[..head_dim]);
            }
        }
        Mixed { out, log_sums }
    }
}
