//! Linear layers over packed weights on the CPU.
//!
//! Decoding one token reads every weight once, so that its time is their number of bytes: burn's CPU backend keeps them
//! in f32 and reads them on one thread, the layers here keep them in 16, 8.5 or 4.5 bits and read them on all threads.
//!
//! ```text
//! f32 rows ─ pack ─► Packed [out, in] ─┬─ linear ─► y, few rows: each weight is read once, by every row of x
//!                                      └─ products ─► y, many rows: weights are unpacked block by block, then tiles
//! ```
//!
//! Beside weights of 8 and 4 bits activations are whole numbers of 16 and 8 bits with a scale for 32 of them, in the vision
//! tower of 8.
//!
//! The loops are written so that the compiler makes vector instructions of them, and `pulp` picks the copy for this machine
//! at run time: plain, AVX2 or AVX-512. The one room for `unsafe` is `units/vnni.rs`, for instructions that `pulp` does not
//! have. All copies add in the same order, so that results do not depend on the machine, but for how many rows go to tiles;
//! only tiles of floats and attention use fused multiplications where there are any, scores over a cache are added up in the order of the vectors, and
//! activations are rounded to bf16 only where it is allowed and there are instructions for it.

#![allow(
    clippy::inline_always,
    reason = "a loop is compiled for vector units only where it is inlined into its copy"
)]

mod activations;
#[cfg(feature = "flex")]
mod attention;
mod dot;
mod exchange;
mod format;
mod numbers;
mod pack;
#[cfg(test)]
mod pack_tests;
mod product;
mod quantised;
#[cfg(feature = "flex")]
mod rounded;
mod rows;
mod singles;
mod stored;
mod tasks;
#[cfg(test)]
mod tests;
mod units;

use half::{bf16, f16};
use rayon::prelude::*;

#[cfg(feature = "flex")]
pub(crate) use attention::{FEW_QUERIES, attend_cached};
#[cfg(feature = "flex")]
pub(crate) use dot::{Work, with_vectors};
pub(crate) use format::ActivationBits;
pub use format::{WeightFormat, WeightFormats};
pub(crate) use numbers::Mapped;
use numbers::Numbers;
pub(crate) use pack::{Packing, nearest_f16};
#[cfg(feature = "flex")]
pub(crate) use rounded::attend_rounded;
use rows::{Q4Row, Q8Row, Row};
use tasks::{Inputs, Task};
#[cfg(all(test, feature = "flex"))]
pub(crate) use tests::on_all_units;
#[cfg(feature = "flex")]
pub(crate) use units::arch;

/// Weights that share a scale.
pub(crate) const GROUP: usize = 32;
/// Groups whose scales are multiplied together: one vector of them.
const BLOCK: usize = 8;
/// Numbers of 32 bits that are worked on side by side.
const LANES: usize = 8;
/// Weights of a task below which sharing it out costs more than it saves.
const TASK_WEIGHTS: usize = 1 << 15;

/// The most rows of activations for which inner products are faster than products of many rows, where nothing else was measured.
pub(crate) const FEW_ROWS: usize = 8;

/// The weights of a linear layer, `[out, in]`, packed.
#[derive(Debug)]
pub(crate) struct Packed {
    outputs: usize,
    inputs: usize,
    values: Values,
    activations: ActivationBits,
    /// Whether activations beside weights of bf16 may be rounded to bf16.
    halves: bool,
}

/// Rows one after another, as files have them; of 8 and 4 bits see [`rows`].
#[derive(Debug)]
enum Values {
    F32(Numbers<f32>),
    Bf16(Numbers<bf16>),
    F16(Numbers<f16>),
    Q8(Numbers<u16>),
    Q4(Numbers<u16>),
}

impl Packed {
    /// The weights of a layer, `[outputs, inputs]`, beside activations as they are by default.
    const fn of([outputs, inputs]: [usize; 2], values: Values) -> Self {
        Self { outputs, inputs, values, activations: ActivationBits::Sixteen, halves: false }
    }

    /// Packs weights, `[out, in]`; see [`Packing`].
    #[cfg(test)]
    pub(crate) fn new(format: WeightFormat, dims: [usize; 2], values: &[f32]) -> Self {
        let mut packing = Packing::new(format, dims).expect("room for the weights");
        packing.push(values);
        packing.finish()
    }

    /// The same weights beside activations of other bits.
    pub(crate) fn beside(self, activations: ActivationBits) -> Self {
        Self { activations, ..self }
    }

    /// The same weights, if they are bf16, beside activations that are rounded to bf16 in products of many rows where the
    /// machine has instructions for it.
    pub(crate) fn with_halves(self, halves: bool) -> Self {
        Self { halves, ..self }
    }

    /// Whether activations are rounded to bf16 here.
    fn rounds_halves(&self) -> bool {
        let are_halves = self.halves && matches!(self.values, Values::Bf16(_));
        are_halves && self.inputs.is_multiple_of(GROUP) && units::have_halves()
    }

    /// The most rows of activations for which inner products are faster than tiles, as it was measured with layers of
    /// `[17920, 1536]` and `[1536, 8960]` and AVX-512, elsewhere with layers of `[8960, 1536]` and AVX2.
    pub(crate) fn few_rows(&self) -> usize {
        match &self.values {
            Values::Q8(_) if units::are_many() => 7,
            Values::Bf16(_) | Values::F16(_) if units::are_many() && !self.rounds_halves() => 20,
            Values::F32(_) | Values::Bf16(_) | Values::F16(_) | Values::Q8(_) | Values::Q4(_) => FEW_ROWS,
        }
    }

    /// Whether tiles of f32 weights are faster here than burn's products; measured with AVX-512 only.
    pub(crate) fn has_best_tiles() -> bool {
        units::are_many()
    }

    /// `[out, in]`
    pub(crate) const fn dims(&self) -> [usize; 2] {
        [self.outputs, self.inputs]
    }

    /// Bytes of the weights.
    pub(crate) fn bytes(&self) -> u64 {
        let bytes = match &self.values {
            Values::F32(values) => size_of_val(&**values),
            Values::Bf16(values) => size_of_val(&**values),
            Values::F16(values) => size_of_val(&**values),
            Values::Q8(words) | Values::Q4(words) => size_of_val(&**words),
        };
        bytes as u64
    }

    /// `x Wᵀ + b` for each of several layers, each weight read from memory once.
    ///
    /// # Shapes
    ///
    /// - biases: `[out]`, where there is one
    /// - `x`: `[rows, in]`
    /// - output: `[rows, out]` each
    pub(crate) fn linear<const N: usize>(layers: [(&Self, Option<&[f32]>); N], x: &[f32]) -> [Vec<f32>; N] {
        let inputs = layers.first().map_or(1, |(layer, _)| layer.inputs);
        let widths = layers.each_ref().map(|(layer, _)| layer.inputs);
        assert!(widths.iter().all(|&width| width == inputs), "layers of the inputs {widths:?} share none");
        assert!(x.len().is_multiple_of(inputs), "{} activations are no rows of {inputs}", x.len());
        let rows = x.len() / inputs;
        // Weight by weight first: `[out, rows]`.
        let mut columns = layers.map(|(layer, _)| vec![0.0; layer.outputs * rows]);
        let mut tasks = Vec::new();
        for (&(packed, _), columns) in layers.iter().zip(&mut columns) {
            let block = packed.block();
            let parts = columns.chunks_mut((block * rows).max(1)).enumerate();
            tasks.extend(parts.map(|(at, columns)| Task { packed, first: at * block, columns }));
        }
        let x = Inputs::new(x, layers.map(|(layer, _)| layer));
        // One by one, so that no thread that is done waits for another's.
        tasks.into_par_iter().with_max_len(1).for_each(|task| task.run(&x));
        let mut biases = layers.iter().map(|(_, bias)| *bias);
        columns.map(|columns| {
            let outputs = columns.len() / rows.max(1);
            let transposed = |row: usize| columns.iter().skip(row).step_by(rows).copied();
            let mut out = if rows > 1 { (0..rows).flat_map(transposed).collect() } else { columns };
            if let Some(Some(bias)) = biases.next() {
                for out in out.chunks_exact_mut(outputs.max(1)) {
                    out.iter_mut().zip(bias).for_each(|(out, bias)| *out += bias);
                }
            }
            out
        })
    }

    /// `x Wᵀ + b` for each of several layers, for many rows: weights are unpacked block by block.
    ///
    /// # Shapes
    ///
    /// - `x`: `[rows, in]`
    /// - biases: `[out]`, where there is one
    /// - output: `[rows, out]` each
    pub(crate) fn products<const N: usize>(layers: [(&Self, Option<&[f32]>); N], x: &[f32]) -> [Vec<f32>; N] {
        product::products(layers, x)
    }

    /// Some rows as f32 numbers, `[rows, in]`.
    pub(crate) fn rows(&self, rows: &[u32]) -> Vec<f32> {
        let mut out = vec![0.0; rows.len() * self.inputs];
        for (&row, out) in rows.iter().zip(out.chunks_exact_mut(self.inputs)) {
            dot::expand(self.row(row as usize), out);
        }
        out
    }

    /// Outputs of one task.
    fn block(&self) -> usize {
        let shared = self.outputs.div_ceil(16 * rayon::current_num_threads());
        shared.max(TASK_WEIGHTS.div_ceil(self.inputs.max(1))).max(1)
    }

    #[inline(always)]
    fn row(&self, at: usize) -> Row<'_> {
        let width = self.inputs;
        match &self.values {
            Values::F32(values) => Row::F32(&values[at * width..(at + 1) * width]),
            Values::Bf16(values) => Row::Bf16(&values[at * width..(at + 1) * width]),
            Values::F16(values) => Row::F16(&values[at * width..(at + 1) * width]),
            Values::Q8(words) => Row::Q8(Q8Row::new(words, at, width)),
            Values::Q4(words) => Row::Q4(Q4Row::new(words, at, width)),
        }
    }
}

/// Zeros, many of them written by all threads: where the system gives memory anew, it takes its time for every page.
pub(crate) fn zeros(count: usize) -> Vec<f32> {
    /// A page of most machines.
    const PAGE: usize = 1024;
    let mut zeros = all_alike([0.0; PAGE], count.div_ceil(PAGE)).into_flattened();
    zeros.truncate(count);
    zeros
}

/// The same value some times, written by all threads.
fn all_alike<T: Copy + Send + Sync>(value: T, count: usize) -> Vec<T> {
    let task = (8 * TASK_WEIGHTS).div_ceil(size_of::<T>().max(1));
    if count <= task {
        return vec![value; count];
    }
    rayon::iter::repeat_n(value, count).with_min_len(task).collect()
}

const TWO_TO_112: f32 = f32::from_bits((112 + 127) << 23);

/// The value of a finite f16 number from its bits.
///
/// The bits of exponent and mantissa, moved to their places in an f32, are the number times 2^-112, subnormal ones too.
#[inline(always)]
fn f16_scale(bits: u16) -> f32 {
    let magnitude = f32::from_bits(u32::from(bits & 0x7fff) << 13) * TWO_TO_112;
    f32::from_bits(magnitude.to_bits() | u32::from(bits & 0x8000) << 16)
}
