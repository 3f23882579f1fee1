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

/// `x Wᵀ` for each of several layers of as many inputs, all weights read from memory once; layers of one format share
/// what is made of `x`.
///
/// # Shapes
///
/// - `x`: `[rows, in]`
/// - output: `[rows, out]` each
pub(super) fn products<const N: usize>(layers: [&Packed; N], x: &[f32]) -> [Vec<f32>; N] {
    let (mut pairs, mut quads, mut floats) = (None, None, None);
    layers.map(|packed| {
        let inputs = packed.inputs;
        match &packed.values {
            Values::Q8(_) => blocks(pairs.get_or_insert_with(|| Whole::new(inputs, Pairs, x)), packed),
            Values::Q4(_) => blocks(quads.get_or_insert_with(|| Whole::new(inputs, Quads, x)), packed),
            Values::F32(_) | Values::Bf16(_) | Values::F16(_) => {
                blocks(floats.get_or_insert_with(|| Floats::new(inputs, x)), packed)
            }
        }
    })
}

/// Rows of activations as a kind of tile wants them.
trait Panels: Sync {
    /// Rows.
    fn rows(&self) -> usize;

    /// Panels, and rows of each; the last one's are filled up.
    fn dims(&self) -> [usize; 2];

    /// Adds to the layer's outputs from `first` on, `[panels, outputs, rows of a panel]`.
    fn block(&self, packed: &Packed, first: usize, columns: &mut [f32]);
}

/// Block by block, on all threads.
fn blocks(panels: &impl Panels, packed: &Packed) -> Vec<f32> {
    let (rows, outputs, [count, width]) = (panels.rows(), packed.outputs, panels.dims());
    let mut columns = vec![0.0; outputs * count * width];
    columns.par_chunks_mut((BLOCK * count * width).max(1)).enumerate().for_each(|(at, columns)| {
        panels.block(packed, at * BLOCK, columns);
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
