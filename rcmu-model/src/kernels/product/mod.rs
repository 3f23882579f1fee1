//! Products of many rows of activations with packed weights.
//!
//! ```text
//! x [rows, in] ─ parts: twelve rows ───────────────────────────────────────┐
//! weights ─ a block of outputs, a stretch of k, outputs side by side ──────┴─ tiles ─► sums [rows, block] ─ + bias ─► y
//! ```
//!
//! A stretch of a part stays in the first cache while the block's weights go by, these and the sums in the second while
//! the parts do (Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", ACM TOMS 34, 2008).

mod floats;
mod halves;
mod integers;
mod panels;

use std::ops::Range;

use floats::Floats;
use half::{bf16, f16};
use halves::Halves;
#[cfg(feature = "flex")]
pub(super) use halves::nearest_half;
use integers::{Bytes, Pairs, Quads, Whole};
use panels::Panels;
use rayon::prelude::*;

use super::{ActivationBits, GROUP, Packed, Values, all_alike, units::COLUMNS, zeros};

/// Inputs of a stretch.
const STRETCH: usize = 8 * GROUP;
/// The most outputs of a block.
const BLOCK: usize = 96;
/// Rows of a part: their sums and what is multiplied fill the registers of AVX-512; units with fewer take halves of it.
const PART: usize = 12;
/// The most rows whose sums of a block are held at once: with a stretch of them they stay in the second cache.
const SHARE: usize = 43 * PART;

/// `x Wᵀ + b` for each of several layers of as many inputs, all weights read from memory once for each [`SHARE`] of rows;
/// layers of one format share what is made of `x`.
///
/// # Shapes
///
/// - `x`: `[rows, in]`
/// - biases: `[out]`, where there is one
/// - output: `[rows, out]` each
pub(super) fn products<const N: usize>(layers: [(&Packed, Option<&[f32]>); N], x: &[f32]) -> [Vec<f32>; N] {
    let (mut pairs, mut bytes, mut quads, mut halves) = (None, None, None, None);
    let (mut singles, mut bf16s, mut f16s) = (None, None, None);
    layers.map(|(packed, bias)| {
        let inputs = packed.inputs;
        match &packed.values {
            Values::Q8(_) => match packed.activations {
                ActivationBits::Sixteen => {
                    blocks(pairs.get_or_insert_with(|| Whole::new(inputs, Pairs, x)), packed, bias)
                }
                ActivationBits::Eight => {
                    blocks(bytes.get_or_insert_with(|| Whole::new(inputs, Bytes, x)), packed, bias)
                }
            },
            Values::Q4(_) => blocks(quads.get_or_insert_with(|| Whole::new(inputs, Quads, x)), packed, bias),
            Values::Bf16(_) if packed.rounds_halves() => {
                blocks(halves.get_or_insert_with(|| Panels::<Halves>::new(inputs, x)), packed, bias)
            }
            Values::F32(_) => {
                blocks(singles.get_or_insert_with(|| Panels::<Floats<f32>>::new(inputs, x)), packed, bias)
            }
            Values::Bf16(_) => {
                blocks(bf16s.get_or_insert_with(|| Panels::<Floats<bf16>>::new(inputs, x)), packed, bias)
            }
            Values::F16(_) => {
                blocks(f16s.get_or_insert_with(|| Panels::<Floats<f16>>::new(inputs, x)), packed, bias)
            }
        }
    })
}

/// Products of weights of bf16, rows of whole groups, with activations rounded to bf16, on whatever units.
#[cfg(any(feature = "flex", test))]
pub(super) fn rounded(packed: &Packed, x: &[f32]) -> Vec<f32> {
    blocks(&Panels::<Halves>::new(packed.inputs, x), packed, None)
}

/// Rows of activations as a kind of tile wants them.
trait Parts: Sync {
    /// Rows.
    fn rows(&self) -> usize;

    /// Adds the products of the weights of some outputs, at most [`BLOCK`], with the rows from part `part` on.
    fn add_block(&self, packed: &Packed, outputs: Range<usize>, part: usize, sums: &mut [Sums]);
}

/// Sums of a part's rows over a block's outputs.
type Sums = [[f32; BLOCK]; PART];

/// Block by block, on all threads.
fn blocks(x: &impl Parts, packed: &Packed, bias: Option<&[f32]>) -> Vec<f32> {
    let (rows, outputs) = (x.rows(), packed.outputs);
    let mut out = zeros(rows * outputs);
    // As few shares as there can be, of about as many rows each.
    let share = rows.div_ceil(rows.div_ceil(SHARE).max(1)).next_multiple_of(PART);
    let size = block_size(outputs, rows.div_ceil(share.max(1)), rayon::current_num_threads());
    let mut tasks = Vec::new();
    for (at, rows) in out.chunks_mut((share * outputs).max(1)).enumerate() {
        let mut blocks: Vec<Vec<&mut [f32]>> = Vec::new();
        blocks.resize_with(outputs.div_ceil(size), || Vec::with_capacity(share));
        for row in rows.chunks_exact_mut(outputs) {
            for (block, places) in blocks.iter_mut().zip(row.chunks_mut(size)) {
                block.push(places);
            }
        }
        let part = at * share / PART;
        tasks.extend(blocks.into_iter().enumerate().map(|(block, places)| (part, block * size, places)));
    }
    // One by one, so that no thread that is done waits for another's.
    tasks.into_par_iter().with_max_len(1).for_each(|(part, first, places)| {
        let mut sums: Vec<Sums> = vec![[[0.0; BLOCK]; PART]; places.len().div_ceil(PART)];
        x.add_block(packed, first..outputs.min(first + size), part, &mut sums);
        let bias = bias.map(|bias| &bias[first..]);
        for (places, sums) in places.into_iter().zip(sums.as_flattened()) {
            let Some(bias) = bias else {
                places.copy_from_slice(&sums[..places.len()]);
                continue;
            };
            for (place, (sum, bias)) in places.iter_mut().zip(sums.iter().zip(bias)) {
                *place = sum + bias;
            }
        }
    });
    out
}

/// Outputs of a block, so that threads have about as many each: of a few outputs the last blocks would count.
fn block_size(outputs: usize, shares: usize, threads: usize) -> usize {
    let longest = |size: usize| (outputs.div_ceil(size) * shares).div_ceil(threads) * size;
    let sizes = (BLOCK / 2..=BLOCK).rev().step_by(COLUMNS);
    // A smaller one costs, since rows are read once for each.
    sizes.min_by_key(|&size| longest(size) * (20 * BLOCK + BLOCK - size)).unwrap_or(BLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_give_no_thread_more_than_the_largest_ones_would() {
        for (outputs, shares) in
            (1..3000).step_by(7).flat_map(|outputs| [1, 2, 5].map(|shares| (outputs, shares)))
        {
            for threads in [1, 2, 3, 8, 16] {
                let size = block_size(outputs, shares, threads);
                let longest = |size: usize| (outputs.div_ceil(size) * shares).div_ceil(threads) * size;
                assert!(
                    size.is_multiple_of(COLUMNS) && size <= BLOCK,
                    "{outputs} {shares} {threads}: {size}"
                );
                assert!(longest(size) <= longest(BLOCK), "{outputs} {shares} {threads}: {size}");
            }
        }
        // 16 blocks of 80 for two threads, not 13 of 96 and a third of one.
        assert_eq!(block_size(1280, 1, 2), 80);
        // Nothing to gain.
        assert_eq!(block_size(960, 1, 2), BLOCK);
    }
}
