//! Products of many rows of activations with packed weights.
//!
//! ```text
//! x [rows, in] ─ panels ─► a few rows side by side, k by k ─┐
//! weights ─ a block of rows, a stretch of k, as f32 ────────┴─ tiles ─► yᵀ [out, rows] ─ transposed ─► y
//! ```
//!
//! A panel's stretch stays in the first cache while a block of weights goes by, the block in the second while the panels
//! do (Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", ACM TOMS 34, 2008, with the sides
//! changed: weights keep their own layout and are expanded, not turned).

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::{GROUP, Packed, Row, dot};

/// Inputs of a stretch: a panel of it takes 16 KiB with vectors of eight numbers.
const STRETCH: usize = 8 * GROUP;
/// Outputs of a block.
const BLOCK: usize = 96;
/// Weights of a tile: six times two vectors of sums, and the two that are multiplied, fill the registers of AVX2.
const TILE: usize = 6;

/// `x Wᵀ`, all weights read from memory once.
///
/// # Shapes
///
/// - `x`: `[rows, in]`
/// - output: `[rows, out]`
pub(super) fn product(packed: &Packed, x: &[f32]) -> Vec<f32> {
    let arch = Arch::new();
    let [outputs, inputs] = packed.dims();
    let rows = x.len() / inputs.max(1);
    let panels = Panels::new(x, inputs, arch.dispatch(Columns));
    let mut columns = vec![0.0; outputs * panels.padded_rows];
    columns.par_chunks_mut(BLOCK * panels.padded_rows).enumerate().for_each(|(at, columns)| {
        let mut weights = Vec::new();
        arch.dispatch(Block { packed, panels: &panels, first: at * BLOCK, columns, weights: &mut weights });
    });
    transposed(&columns, panels.padded_rows, [rows, outputs])
}

/// Rows of activations that a tile takes side by side.
struct Columns;

impl WithSimd for Columns {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        2 * S::F32_LANES
    }
}

/// Activations, `[stretches, panels, inputs of the stretch, columns]`: a panel is `columns` rows, the last filled with zeros.
struct Panels {
    values: Vec<f32>,
    columns: usize,
    padded_rows: usize,
}

impl Panels {
    fn new(x: &[f32], inputs: usize, columns: usize) -> Self {
        let padded_rows = (x.len() / inputs).next_multiple_of(columns);
        let mut values = vec![0.0; padded_rows * inputs];
        for (at, stretch) in values.chunks_mut(STRETCH * padded_rows).enumerate() {
            let start = at * STRETCH;
            let width = stretch.len() / padded_rows;
            stretch.par_chunks_mut(width * columns).zip(x.par_chunks(columns * inputs)).for_each(
                |(panel, rows)| {
                    for (column, row) in rows.chunks_exact(inputs).enumerate() {
                        let places = panel[column..].iter_mut().step_by(columns);
                        places.zip(&row[start..start + width]).for_each(|(place, &value)| *place = value);
                    }
                },
            );
        }
        Self { values, columns, padded_rows }
    }

    /// The panels of a stretch of `width` inputs from `start` on.
    fn stretch(&self, start: usize, width: usize) -> impl Iterator<Item = &[f32]> {
        let begin = start * self.padded_rows;
        self.values[begin..begin + width * self.padded_rows].chunks_exact(width * self.columns)
    }
}

/// Outputs from `first` on, `[outputs, padded rows]`.
struct Block<'a> {
    packed: &'a Packed,
    panels: &'a Panels,
    first: usize,
    columns: &'a mut [f32],
    /// Room for a stretch of all weights of the block.
    weights: &'a mut Vec<f32>,
}

impl WithSimd for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { packed, panels, first, columns, weights } = self;
        let (inputs, padded) = (packed.inputs, panels.padded_rows);
        for start in (0..inputs).step_by(STRETCH) {
            let width = STRETCH.min(inputs - start);
            weights.resize(columns.len() / padded * width, 0.0);
            for (out, weights) in (first..).zip(weights.chunks_exact_mut(width)) {
                dot::expand(part(packed.row(out), start, width), weights);
            }
            for (at, panel) in panels.stretch(start, width).enumerate() {
                let tiles = columns.chunks_mut(TILE * padded).zip(weights.chunks(TILE * width));
                for (columns, weights) in tiles {
                    let columns = &mut columns[at * panels.columns..];
                    let place = Place { columns, stride: padded, adds: start > 0 };
                    match weights.len() / width {
                        1 => tile::<S, 1>(simd, weights, panel, width, place),
                        2 => tile::<S, 2>(simd, weights, panel, width, place),
                        3 => tile::<S, 3>(simd, weights, panel, width, place),
                        4 => tile::<S, 4>(simd, weights, panel, width, place),
                        5 => tile::<S, 5>(simd, weights, panel, width, place),
                        _ => tile::<S, TILE>(simd, weights, panel, width, place),
                    }
                }
            }
        }
    }
}

/// Inputs `start..start + width` of a row, whole groups of them or all that are left.
#[inline(always)]
fn part(row: Row<'_>, start: usize, width: usize) -> Row<'_> {
    let (end, groups) = (start + width, start / GROUP..(start + width).div_ceil(GROUP));
    match row {
        Row::F32(w) => Row::F32(&w[start..end]),
        Row::Bf16(w) => Row::Bf16(&w[start..end]),
        Row::Q8(quants, scales) => Row::Q8(&quants[start..end], &scales[groups]),
        Row::Q4(quants, scales) => Row::Q4(&quants[start / 2..end / 2], &scales[groups]),
    }
}

/// Where a tile goes: its rows are `stride` apart.
struct Place<'a> {
    columns: &'a mut [f32],
    stride: usize,
    adds: bool,
}

/// Some weights times the rows of a panel.
#[inline(always)]
fn tile<S: Simd, const WEIGHTS: usize>(
    simd: S,
    weights: &[f32],
    panel: &[f32],
    width: usize,
    place: Place<'_>,
) {
    let weights: [&[f32]; WEIGHTS] = std::array::from_fn(|at| &weights[at * width..(at + 1) * width]);
    let (pairs, _) = S::as_simd_f32s(panel);
    let (pairs, _) = pairs.as_chunks::<2>();
    let pairs = &pairs[..width];
    let mut sums = [[simd.splat_f32s(0.0); 2]; WEIGHTS];
    for k in 0..width {
        let [first, second] = pairs[k];
        for at in 0..WEIGHTS {
            let w = simd.splat_f32s(weights[at][k]);
            sums[at][0] = simd.mul_add_e_f32s(w, first, sums[at][0]);
            sums[at][1] = simd.mul_add_e_f32s(w, second, sums[at][1]);
        }
    }
    let Place { columns, stride, adds } = place;
    for (at, sums) in sums.iter().enumerate() {
        let start = at * stride;
        let (pair, _) = S::as_mut_simd_f32s(&mut columns[start..start + 2 * S::F32_LANES]);
        for (place, &sum) in pair.iter_mut().zip(sums) {
            *place = if adds { simd.add_f32s(*place, sum) } else { sum };
        }
    }
}

/// Side of the squares that are turned at a time.
const SQUARE: usize = 16;

/// `[columns, padded rows]` as `[rows, columns]`.
fn transposed(values: &[f32], padded: usize, [rows, columns]: [usize; 2]) -> Vec<f32> {
    let mut out = vec![0.0; rows * columns];
    out.par_chunks_mut((SQUARE * columns).max(1)).enumerate().for_each(|(at, out)| {
        let row = at * SQUARE;
        for column in (0..columns).step_by(SQUARE) {
            let end = columns.min(column + SQUARE);
            for (below, out) in out.chunks_exact_mut(columns).enumerate() {
                for (column, out) in (column..end).zip(&mut out[column..end]) {
                    *out = values[column * padded + row + below];
                }
            }
        }
    });
    out
}
