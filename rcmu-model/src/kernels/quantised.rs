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
    block, f16_scale,
    units::{Sums, Units},
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

/// `Σ w x` over a row of 4-bit weights.
#[inline(always)]
pub(super) fn dot_q4(units: impl Units, quants: &[u8], scales: &[u16], x: &Activations<i8>) -> f32 {
    let count = x.scales().len();
    let groups = &quants.as_chunks::<{ GROUP / 2 }>().0[..count];
    let scales = &scales[..count];
    let (steps, x_scales, x_sums) = (&x.steps()[..count], &x.scales()[..count], &x.sums()[..count]);
    let (mut sums, mut offsets) = ([0.0; LANES], [0.0; BLOCK]);
    let whole = count / BLOCK * BLOCK;
    for start in (0..whole).step_by(BLOCK) {
        let (groups, scales) = (block(groups, start), block(scales, start));
        let (steps, x_scales, x_sums) = (block(steps, start), block(x_scales, start), block(x_sums, start));
        let both = units.scales(scales, x_scales);
        for at in 0..BLOCK {
            offsets[at] += both[at] * x_sums[at];
        }
        for at in 0..BLOCK {
            add(&mut sums, units.quads(&groups[at], &steps[at]), both[at]);
        }
    }
    for at in whole..count {
        let both = f16_scale(scales[at]) * x_scales[at];
        offsets[0] += both * x_sums[at];
        add(&mut sums, units.quads(&groups[at], &steps[at]), both);
    }
    total(sums) - MIDDLE as f32 * total(offsets)
}

/// Adds scaled sums to lanes.
#[inline(always)]
fn add(sums: &mut [f32; LANES], products: Sums, scale: f32) {
    for lane in 0..LANES {
        sums[lane] += products[lane] as f32 * scale;
    }
}

/// The sum of the lanes, in an order that vector units can follow.
#[inline(always)]
fn total([a, b, c, d, e, f, g, h]: [f32; LANES]) -> f32 {
    ((a + e) + (c + g)) + ((b + f) + (d + h))
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
