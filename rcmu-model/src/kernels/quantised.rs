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
    units::{StepsBlock, Sums, Units, ask_ahead},
};

/// What is taken from a stored weight of 0 to 15.
pub(super) const MIDDLE: i32 = 8;

/// Bytes that memory is asked for ahead of what is multiplied.
const AHEAD: usize = 2048;

/// `Σ w x` over rows of 8-bit weights of one length.
#[inline(always)]
pub(super) fn dots_q8<const ROWS: usize>(
    units: impl Units,
    rows: [(&[i8], &[u16]); ROWS],
    x: &Activations<i16>,
) -> [f32; ROWS] {
    let count = x.scales().len();
    let rows = rows.map(|(quants, scales)| (&quants.as_chunks::<GROUP>().0[..count], &scales[..count]));
    let (steps, x_scales) = (&x.steps()[..count], &x.scales()[..count]);
    let mut sums = [[0.0; LANES]; ROWS];
    let whole = count / BLOCK * BLOCK;
    for start in (0..whole).step_by(BLOCK) {
        let (steps, x_scales) = (block(steps, start), block(x_scales, start));
        for ((groups, scales), sums) in rows.iter().zip(&mut sums) {
            let (groups, scales) = (block(groups, start), block(scales, start));
            ask_ahead(groups, AHEAD);
            let both = units.scales(scales, x_scales);
            for at in 0..BLOCK {
                add(sums, eighths(units, &groups[at], &steps[at]), both[at]);
            }
        }
    }
    for ((groups, scales), sums) in rows.iter().zip(&mut sums) {
        for at in whole..count {
            let scale = f16_scale(scales[at]) * x_scales[at];
            add(sums, eighths(units, &groups[at], &steps[at]), scale);
        }
    }
    let mut products = [0.0; ROWS];
    for row in 0..ROWS {
        products[row] = total(sums[row]);
    }
    products
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

/// A row of activations as [`dots_q4`] wants them, block by block; the last one is filled up with zeros.
#[derive(Debug)]
pub(super) struct Blocks {
    steps: Vec<StepsBlock>,
    scales: Vec<[f32; BLOCK]>,
}

impl Blocks {
    /// Rounds a row; whole groups only.
    pub(super) fn new(x: &[f32]) -> Self {
        let x = Activations::<i8>::new(x);
        let blocks = x.scales().len().div_ceil(BLOCK);
        let mut steps = vec![StepsBlock::EMPTY; blocks];
        for (at, group) in x.steps().iter().enumerate() {
            let (block, four, place) = (&mut steps[at / BLOCK], at % BLOCK / 4, at % 4);
            for (part, half) in block.steps[four].iter_mut().zip(group.as_chunks::<{ GROUP / 2 }>().0) {
                part[place * GROUP / 2..(place + 1) * GROUP / 2].copy_from_slice(half);
            }
            for at in 0..4 {
                let sum =
                    |start: usize| group[start..start + 4].iter().map(|&step| i32::from(step)).sum::<i32>();
                block.start[four][4 * place + at] = -MIDDLE * (sum(4 * at) + sum(GROUP / 2 + 4 * at));
            }
        }
        Self { steps, scales: x.scales().chunks(BLOCK).map(padded).collect() }
    }
}

/// A block, filled up with zeros.
#[inline(always)]
fn padded<T: Copy + Default, const N: usize>(values: &[T]) -> [T; N] {
    std::array::from_fn(|at| values.get(at).copied().unwrap_or_default())
}

/// `Σ w x` over rows of 4-bit weights of one length.
#[inline(always)]
pub(super) fn dots_q4<U: Units, const ROWS: usize>(
    units: U,
    rows: [(&[u8], &[u16]); ROWS],
    x: &Blocks,
) -> [f32; ROWS] {
    let mut sums = [units.block_sums(); ROWS];
    let quants = rows.map(|(quants, _)| quants.as_chunks());
    let scales = rows.map(|(_, scales)| scales.as_chunks());
    let count = scales[0].0.len().min(x.steps.len()).min(x.scales.len());
    let whole = (quants.map(|(blocks, _)| &blocks[..count]), scales.map(|(blocks, _)| &blocks[..count]));
    for at in 0..count {
        for row in 0..ROWS {
            ask_ahead(&whole.0[row][at], AHEAD);
            let scales = units.scales(&whole.1[row][at], &x.scales[at]);
            sums[row] = units.add_block(sums[row], &whole.0[row][at], &x.steps[at], &scales);
        }
    }
    if let (Some(steps), Some(x_scales)) = (x.steps.get(count), x.scales.get(count)) {
        for row in 0..ROWS {
            let scales = units.scales(&padded(scales[row].1), x_scales);
            sums[row] = units.add_block(sums[row], &padded(quants[row].1), steps, &scales);
        }
    }
    let mut products = [0.0; ROWS];
    for row in 0..ROWS {
        products[row] = total(units.lanes(sums[row]));
    }
    products
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
