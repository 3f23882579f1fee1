//! Products of many rows of activations with packed weights.
//!
//! ```text
//! x [rows, in] ─ panels ─► a few rows side by side, k by k ───────────────────┐
//! weights ─ a block of rows, a stretch of k, a few rows side by side, k by k ─┴─ tiles ─► yᵀ [out, rows] ─► y
//! ```
//!
//! A panel's stretch stays in the first cache while a block of weights goes by, the block in the second while the panels
//! do (Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", ACM TOMS 34, 2008, with the sides
//! changed: weights are what is expanded block by block).

mod floats;
mod integers;

use floats::Floats;
use integers::{Pairs, Quads, Whole};
use rayon::prelude::*;

use super::{GROUP, Packed, Values};

/// Inputs of a stretch.
const STRETCH: usize = 8 * GROUP;
/// Outputs of a block.
const BLOCK: usize = 96;
/// Weights of a tile: six times two vectors of sums, and what is multiplied, fill the registers of AVX2.
const TILE: usize = 6;

/// `x Wᵀ`, all weights read from memory once.
///
/// # Shapes
///
/// - `x`: `[rows, in]`
/// - output: `[rows, out]`
pub(super) fn product(packed: &Packed, x: &[f32]) -> Vec<f32> {
    let [outputs, inputs] = packed.dims();
    let dims = [x.len() / inputs.max(1), outputs];
    match &packed.values {
        Values::Q8 { .. } => blocks(&Whole::new(packed, Pairs, x), dims),
        Values::Q4 { .. } => blocks(&Whole::new(packed, Quads, x), dims),
        Values::F32(_) | Values::Bf16(_) | Values::F16(_) => blocks(&Floats::new(packed, x), dims),
    }
}

/// The same on a machine without vector units.
#[cfg(test)]
pub(super) fn plain(packed: &Packed, x: &[f32]) -> Vec<f32> {
    let dims = [x.len() / packed.inputs, packed.outputs];
    match &packed.values {
        Values::Q8 { .. } => blocks(&Whole::new(packed, Pairs, x).on_plain_units(), dims),
        Values::Q4 { .. } => blocks(&Whole::new(packed, Quads, x).on_plain_units(), dims),
        Values::F32(_) | Values::Bf16(_) | Values::F16(_) => blocks(&Floats::new(packed, x), dims),
    }
}

/// Rows of activations as a kind of tile wants them.
trait Panels: Sync {
    /// Panels, and rows of each; the last one's are filled up.
    fn dims(&self) -> [usize; 2];

    /// Adds to outputs from `first` on, `[panels, outputs, rows of a panel]`.
    fn block(&self, first: usize, columns: &mut [f32]);
}

/// Block by block, on all threads.
fn blocks(panels: &impl Panels, [rows, outputs]: [usize; 2]) -> Vec<f32> {
    let [count, width] = panels.dims();
    let mut columns = vec![0.0; outputs * count * width];
    columns.par_chunks_mut((BLOCK * count * width).max(1)).enumerate().for_each(|(at, columns)| {
        panels.block(at * BLOCK, columns);
    });
    let mut out = vec![0.0; rows * outputs];
    out.par_chunks_mut((width * outputs).max(1)).enumerate().for_each(|(panel, out)| {
        for (at, columns) in columns.chunks(BLOCK * count * width).enumerate() {
            let outputs_here = columns.len() / (count * width);
            let columns = &columns[panel * outputs_here * width..(panel + 1) * outputs_here * width];
            turn(columns, width, out.chunks_exact_mut(outputs).map(|row| &mut row[at * BLOCK..]));
        }
    });
    out
}

/// Writes `[outputs, width]` as rows of outputs.
fn turn<'a>(columns: &[f32], width: usize, rows: impl Iterator<Item = &'a mut [f32]>) {
    for (at, row) in rows.enumerate() {
        for (place, value) in row.iter_mut().zip(columns[at..].iter().step_by(width)) {
            *place = *value;
        }
    }
}
