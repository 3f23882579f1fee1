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
    dot::total,
    f16_scale,
    rows::{Q4Row, Q8Row},
    units::{StepsBlock, Sums, Units, ask_ahead},
};

/// What is taken from a stored weight of 0 to 15.
pub(super) const MIDDLE: i32 = 8;

/// Bytes that memory is asked for ahead of what is multiplied: few, since machines ask for more of each row themselves.
const AHEAD: usize = 256;

/// `Σ w x` over rows of 8-bit weights of one length.
#[inline(always)]
pub(super) fn dots_q8<const ROWS: usize>(
    units: impl Units,
    rows: [Q8Row<'_>; ROWS],
    x: &Activations<i16>,
) -> [f32; ROWS] {
    let mut sums = [[0.0; LANES]; ROWS];
    let ((steps, steps_rest), (x_scales, x_scales_rest)) =
        (x.steps().as_chunks::<BLOCK>(), x.scales().as_chunks::<BLOCK>());
    let mut blocks = rows.map(Q8Row::whole);
    for (steps, x_scales) in steps.iter().zip(x_scales) {
        for row in 0..ROWS {
            let (groups, scales) = blocks[row].next().expect("rows of one length");
            ask_ahead(groups, AHEAD);
            let both = units.scales(scales, x_scales);
            for at in 0..BLOCK {
                add(&mut sums[row], eighths(units, &groups[at], &steps[at]), both[at]);
            }
        }
    }
    for (row, sums) in rows.iter().zip(&mut sums) {
        let (groups, scales) = row.rest();
        let x = steps_rest.iter().zip(x_scales_rest);
        for ((group, &scale), (steps, x_scale)) in groups.iter().zip(scales).zip(x) {
            add(sums, eighths(units, group, steps), f16_scale(scale) * x_scale);
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
    rows: [Q4Row<'_>; ROWS],
    x: &Blocks,
) -> [f32; ROWS] {
    let mut sums = [units.block_sums(); ROWS];
    let mut blocks = rows.map(Q4Row::whole);
    let count = blocks[0].len();
    for (steps, x_scales) in x.steps.iter().zip(&x.scales).take(count) {
        for row in 0..ROWS {
            let (groups, scales) = blocks[row].next().expect("rows of one length");
            ask_ahead(groups, AHEAD);
            let scales = units.scales(scales, x_scales);
            sums[row] = units.add_block(sums[row], bytemuck::cast_ref(groups), steps, &scales);
        }
    }
    if let (Some(steps), Some(x_scales)) = (x.steps.get(count), x.scales.get(count)) {
        for row in 0..ROWS {
            let (groups, scales) = rows[row].rest();
            let groups: [_; BLOCK] = padded(groups);
            let scales = units.scales(&padded(scales), x_scales);
            sums[row] = units.add_block(sums[row], bytemuck::cast_ref(&groups), steps, &scales);
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
