//! Linear layers over packed weights on the CPU.
//!
//! Decoding one token reads every weight once, so that its time is their number of bytes: burn's CPU backend keeps them
//! in f32 and reads them on one thread, the layers here keep them in 16, 8.5 or 4.5 bits and read them on all threads.
//!
//! ```text
//! f32 rows ─ pack ─► Packed [out, in] ─┬─ linear ─► y, few rows: each weight is read once, by every row of x
//!                                      └─ expand ─► f32 [out, in], many rows: burn's own product follows
//! ```
//!
//! No `unsafe`: the loops are written so that the compiler makes vector instructions of them, and `pulp` picks the copy
//! for this machine at run time. All copies add in the same order, so that results do not depend on the machine.

#![allow(
    clippy::inline_always,
    reason = "a loop is compiled for vector units only where it is inlined into its copy"
)]

mod dot;
mod format;
mod pack;
#[cfg(test)]
mod tests;

use std::ops::Range;

use half::bf16;
use rayon::prelude::*;

#[cfg(all(feature = "flex", feature = "train"))]
pub(crate) use dot::{Work, with_vectors};
pub use format::{WeightFormat, WeightFormats};

/// Weights that share a scale.
pub(crate) const GROUP: usize = 32;
/// Rows of activations from which on expanding the weights and a blocked product is faster than inner products.
pub(crate) const FEW_ROWS: usize = 16;
/// Weights of a task below which sharing it out costs more than it saves.
const TASK_WEIGHTS: usize = 1 << 15;

/// The weights of a linear layer, `[out, in]`, packed.
#[derive(Debug)]
pub(crate) struct Packed {
    outputs: usize,
    inputs: usize,
    values: Values,
}

/// Rows one after another; scales are the bits of f16 numbers.
#[derive(Debug)]
enum Values {
    F32(Vec<f32>),
    Bf16(Vec<bf16>),
    Q8 { quants: Vec<i8>, scales: Vec<u16> },
    Q4 { quants: Vec<u8>, scales: Vec<u16> },
}

/// One row of weights.
#[derive(Clone, Copy)]
enum Row<'a> {
    F32(&'a [f32]),
    Bf16(&'a [bf16]),
    Q8(&'a [i8], &'a [u16]),
    Q4(&'a [u8], &'a [u16]),
}

impl Packed {
    /// Packs weights, `[out, in]`, row by row. Rows that are no multiple of [`GROUP`] long are kept as bf16 where 8 or 4
    /// bits are asked for.
    pub(crate) fn new(format: WeightFormat, [outputs, inputs]: [usize; 2], values: Vec<f32>) -> Self {
        assert_eq!(values.len(), outputs * inputs, "the weights fill their shape");
        let whole = inputs.is_multiple_of(GROUP);
        let values = match format {
            WeightFormat::F32 => Values::F32(values),
            WeightFormat::Q8 if whole => {
                let mut quants = Vec::with_capacity(values.len());
                let mut scales = Vec::with_capacity(values.len() / GROUP);
                pack::q8(&values, &mut quants, &mut scales);
                Values::Q8 { quants, scales }
            }
            WeightFormat::Q4 if whole => {
                let mut quants = Vec::with_capacity(values.len() / 2);
                let mut scales = Vec::with_capacity(values.len() / GROUP);
                pack::q4(&values, &mut quants, &mut scales);
                Values::Q4 { quants, scales }
            }
            WeightFormat::Bf16 | WeightFormat::Q8 | WeightFormat::Q4 => {
                let mut packed = Vec::with_capacity(values.len());
                pack::bf16s(&values, &mut packed);
                Values::Bf16(packed)
            }
        };
        Self { outputs, inputs, values }
    }

    /// Keeps weights as they are, `[out, in]`.
    pub(crate) fn from_bf16([outputs, inputs]: [usize; 2], values: Vec<bf16>) -> Self {
        assert_eq!(values.len(), outputs * inputs, "the weights fill their shape");
        Self { outputs, inputs, values: Values::Bf16(values) }
    }

    /// `[out, in]`
    pub(crate) const fn dims(&self) -> [usize; 2] {
        [self.outputs, self.inputs]
    }

    /// Bytes of the weights.
    pub(crate) fn bytes(&self) -> u64 {
        let bytes = match &self.values {
            Values::F32(values) => size_of_val(values.as_slice()),
            Values::Bf16(values) => size_of_val(values.as_slice()),
            Values::Q8 { quants, scales } => quants.len() + size_of_val(scales.as_slice()),
            Values::Q4 { quants, scales } => quants.len() + size_of_val(scales.as_slice()),
        };
        bytes as u64
    }

    /// `x Wᵀ`, each weight read from memory once.
    ///
    /// # Shapes
    ///
    /// - `x`: `[rows, in]`
    /// - output: `[rows, out]`
    pub(crate) fn linear(&self, x: &[f32]) -> Vec<f32> {
        assert!(x.len().is_multiple_of(self.inputs), "activations are rows of the layer's width");
        let rows = x.len() / self.inputs;
        let block = self.block();
        if rows == 1 {
            let sums = dot::group_sums(x);
            let mut y = vec![0.0; self.outputs];
            y.par_chunks_mut(block).enumerate().for_each(|(at, y)| {
                dot::with_vectors(Single { packed: self, first: at * block, x, sums: &sums, y });
            });
            return y;
        }
        // Weight by weight first: `[out, rows]`.
        let mut columns = vec![0.0; self.outputs * rows];
        columns.par_chunks_mut(block * rows).enumerate().for_each(|(at, columns)| {
            let weights = &mut vec![0.0; self.inputs];
            dot::with_vectors(Several { packed: self, first: at * block, x, weights, columns });
        });
        let transposed = |row: usize| columns.iter().skip(row).step_by(rows).copied();
        (0..rows).flat_map(transposed).collect()
    }

    /// Neighbouring rows as f32 numbers, `[rows, in]`.
    pub(crate) fn expand(&self, rows: Range<usize>) -> Vec<f32> {
        let mut out = vec![0.0; rows.len() * self.inputs];
        let block = rows.len().div_ceil(rayon::current_num_threads()).max(1);
        out.par_chunks_mut(block * self.inputs).enumerate().for_each(|(at, out)| {
            dot::with_vectors(Expansion { packed: self, first: rows.start + at * block, out });
        });
        out
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
        let shared = self.outputs.div_ceil(4 * rayon::current_num_threads());
        shared.max(TASK_WEIGHTS.div_ceil(self.inputs.max(1))).max(1)
    }

    #[inline(always)]
    fn row(&self, at: usize) -> Row<'_> {
        let (width, groups) = (self.inputs, self.inputs / GROUP);
        match &self.values {
            Values::F32(values) => Row::F32(&values[at * width..(at + 1) * width]),
            Values::Bf16(values) => Row::Bf16(&values[at * width..(at + 1) * width]),
            Values::Q8 { quants, scales } => {
                Row::Q8(&quants[at * width..(at + 1) * width], &scales[at * groups..(at + 1) * groups])
            }
            Values::Q4 { quants, scales } => Row::Q4(
                &quants[at * width / 2..(at + 1) * width / 2],
                &scales[at * groups..(at + 1) * groups],
            ),
        }
    }
}

/// Some outputs for one row of activations.
struct Single<'a> {
    packed: &'a Packed,
    first: usize,
    x: &'a [f32],
    sums: &'a [f32],
    y: &'a mut [f32],
}

impl dot::Work for Single<'_> {
    #[inline(always)]
    fn run(self) {
        for (out, y) in (self.first..).zip(self.y) {
            *y = dot::dot(self.packed.row(out), self.x, self.sums);
        }
    }
}

/// Some outputs for several rows of activations, `[outputs, rows]`.
struct Several<'a> {
    packed: &'a Packed,
    first: usize,
    x: &'a [f32],
    weights: &'a mut [f32],
    columns: &'a mut [f32],
}

impl dot::Work for Several<'_> {
    #[inline(always)]
    fn run(self) {
        let inputs = self.packed.inputs;
        let rows = self.x.len() / inputs;
        for (out, column) in (self.first..).zip(self.columns.chunks_exact_mut(rows)) {
            dot::expand(self.packed.row(out), self.weights);
            for (y, x) in column.iter_mut().zip(self.x.chunks_exact(inputs)) {
                *y = dot::dot(Row::F32(self.weights), x, &[]);
            }
        }
    }
}

/// Some rows as f32 numbers.
struct Expansion<'a> {
    packed: &'a Packed,
    first: usize,
    out: &'a mut [f32],
}

impl dot::Work for Expansion<'_> {
    #[inline(always)]
    fn run(self) {
        for (row, out) in (self.first..).zip(self.out.chunks_exact_mut(self.packed.inputs)) {
            dot::expand(self.packed.row(row), out);
        }
    }
}

/// The value of a finite f16 number from its bits.
///
/// The bits of exponent and mantissa, moved to their places in an f32, are the number times 2^-112, subnormal ones too.
#[inline(always)]
fn f16_scale(bits: u16) -> f32 {
    const TWO_TO_112: f32 = f32::from_bits((112 + 127) << 23);
    let magnitude = f32::from_bits(u32::from(bits & 0x7fff) << 13) * TWO_TO_112;
    f32::from_bits(magnitude.to_bits() | u32::from(bits & 0x8000) << 16)
}
