//! Inner products of weights of 8 and 4 bits with activations that are whole numbers.
//!
//! Whole numbers are multiplied two or four at a time as often as floats, and nothing is converted but the sums of groups.

#![allow(
    clippy::needless_range_loop,
    reason = "loops of a fixed count over several arrays become vector instructions"
)]

use super::{
    BLOCK, GROUP, LANES,
    activations::Activations,
    block,
    dot::total,
    f16_scale,
    units::{PackedBlock, StepsBlock, Sums, Units},
};

/// What is taken from a stored weight of 0 to 15.
pub(super) const MIDDLE: i32 = 8;

/// `Σ w x` over a row of 8-bit weights.
#[inline(always)]
pub(super) fn dot_q8(units: impl Units, quants: &[i8], scales: &[u16], x: &Activations<i16>) -> f32 {
    let count = x.scales().len();
    let (groups, scales) = (&quants.as_chunks::<GROUP>().0[..count], &scales[..count]);
    let (steps, x_scales) = (&x.steps()[..count], &x.scales()[..count]);
    let mut sums = [0.0; LANES];
    let whole = count / BLOCK * BLOCK;
    for start in (0..whole).step_by(BLOCK) {
        let (groups, scales) = (block(groups, start), block(scales, start));
        let (steps, x_scales) = (block(steps, start), block(x_scales, start));
        let both = units.scales(scales, x_scales);
        for at in 0..BLOCK {
            add(&mut sums, eighths(units, &groups[at], &steps[at]), both[at]);
        }
    }
    for at in whole..count {
        add(&mut sums, eighths(units, &groups[at], &steps[at]), f16_scale(scales[at]) * x_scales[at]);
    }
    total(sums)
}

/// The products of a group in eight sums.
#[inline(always)]
fn eighths(units: impl Units, quants: &[i8; GROUP], steps: &[i16; GROUP]) -> Sums {
    let mut w = [0; GROUP];
    for at in 0..GROUP {
        w[at] = i16::from(quants[at]);
    }
    let ([w0, w1], [x0, x1]) = (halves(&w), halves(steps));
    let (mut sums, second) = (units.pairs(w0, x0), units.pairs(w1, x1));
    for lane in 0..LANES {
        sums[lane] += second[lane];
    }
    sums
}

/// A row of activations as [`dot_q4`] wants them, block by block; the last one is filled up with zeros.
#[derive(Debug)]
pub(super) struct Blocks {
    steps: Vec<StepsBlock>,
    scales: Vec<[f32; BLOCK]>,
    sums: Vec<[f32; BLOCK]>,
}

impl Blocks {
    /// Rounds a row; whole groups only.
    pub(super) fn new(x: &[f32]) -> Self {
        let x = Activations::<i8>::new(x);
        let blocks = x.scales().len().div_ceil(BLOCK);
        let mut steps = vec![[[[0; 2 * GROUP]; 2]; BLOCK / 4]; blocks];
        for (at, group) in x.steps().iter().enumerate() {
            let (halves, place) = (group.as_chunks::<{ GROUP / 2 }>().0, at % 4 * GROUP / 2);
            for (part, half) in steps[at / BLOCK][at % BLOCK / 4].iter_mut().zip(halves) {
                part[place..place + GROUP / 2].copy_from_slice(half);
            }
        }
        let filled = |values: &[f32]| values.chunks(BLOCK).map(padded).collect();
        Self { steps, scales: filled(x.scales()), sums: filled(x.sums()) }
    }
}

/// A block, filled up with zeros.
#[inline(always)]
fn padded<T: Copy + Default, const N: usize>(values: &[T]) -> [T; N] {
    std::array::from_fn(|at| values.get(at).copied().unwrap_or_default())
}

/// `Σ w x` over a row of 4-bit weights.
#[inline(always)]
pub(super) fn dot_q4<U: Units>(units: U, quants: &[u8], scales: &[u16], x: &Blocks) -> f32 {
    let mut sums = (units.block_sums(), [0.0; BLOCK]);
    let (quants, quants_rest) = quants.as_chunks();
    let (scales, scales_rest) = scales.as_chunks();
    let count = quants.len().min(scales.len());
    for (at, (quants, scales)) in quants.iter().zip(scales).enumerate() {
        sums = add_block(units, sums, (quants, scales), x, at);
    }
    if !scales_rest.is_empty() {
        sums = add_block(units, sums, (&padded(quants_rest), &padded(scales_rest)), x, count);
    }
    let (sums, offsets) = (units.all_sums(sums.0), sums.1);
    let lanes = std::array::from_fn(|lane| {
        let at = |quarter: usize| sums[quarter * LANES + lane];
        (at(0) + at(1)) + (at(2) + at(3))
    });
    total(lanes) - MIDDLE as f32 * total(offsets)
}

/// Adds the products of a block to sums, and those of the scales with the sums of steps to offsets.
#[inline(always)]
fn add_block<U: Units>(
    units: U,
    (sums, mut offsets): (U::BlockSums, [f32; BLOCK]),
    (quants, scales): (&PackedBlock, &[u16; BLOCK]),
    x: &Blocks,
    at: usize,
) -> (U::BlockSums, [f32; BLOCK]) {
    let both = units.scales(scales, &x.scales[at]);
    for group in 0..BLOCK {
        offsets[group] += both[group] * x.sums[at][group];
    }
    (units.add_block(sums, quants, &x.steps[at], &both), offsets)
}

/// Adds scaled sums to lanes.
#[inline(always)]
fn add(sums: &mut [f32; LANES], products: Sums, scale: f32) {
    for lane in 0..LANES {
        sums[lane] += products[lane] as f32 * scale;
    }
}

/// The numbers of a group of 4-bit weights as they are stored, 0 to 15.
#[inline(always)]
pub(super) fn unpacked(quants: &[u8; GROUP / 2]) -> [u8; GROUP] {
    let mut values = [0; GROUP];
    let (low, high) = values.split_at_mut(GROUP / 2);
    for at in 0..GROUP / 2 {
        low[at] = quants[at] & 15;
        high[at] = quants[at] >> 4;
    }
    values
}

#[inline(always)]
fn halves(group: &[i16; GROUP]) -> [&[i16; 16]; 2] {
    let (halves, _) = group.as_chunks::<16>();
    [&halves[0], &halves[1]]
}
