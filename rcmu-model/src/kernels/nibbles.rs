//! Inner products of 4-bit weights with activations of three 8-bit digits.
//!
//! Weights of 0 to 15 times digits of -128 to 127 stay so small that bytes can be multiplied, twice as many at a time as
//! numbers of 16 bits. Three digits keep 23 bits of a group's largest number, as an f32 keeps 24 of each.

#![allow(
    clippy::needless_range_loop,
    reason = "loops of a fixed count over several arrays become vector instructions"
)]

use super::{
    BLOCK, GROUP, block, dot, f16_scale,
    quantised::{LANES, Plain, rounded, total},
};

/// The largest number of steps: whole numbers up to here are exact in floats that have room for [`rounded`].
const LARGEST: f32 = (63 << 16) as f32;
/// What is taken from a weight of 0 to 15.
const MIDDLE: f32 = 8.0;

/// One row of activations, each group of [`GROUP`] with a scale: `scale (65536 high + 256 middle + low)`.
#[derive(Debug)]
pub(super) struct Digits {
    /// High, middle and low digits.
    bytes: [Vec<[i8; GROUP]>; 3],
    scales: Vec<f32>,
    /// What the weights' offset adds up to: -8 times the sum of the steps.
    offsets: Vec<f32>,
}

impl Digits {
    /// Rounds to the nearest multiples of each group's largest magnitude over 4,128,768; whole groups only. A group with
    /// a number that is not finite stays not a number, as it would among floats.
    pub(super) fn new(x: &[f32]) -> Self {
        let groups = x.len() / GROUP;
        let mut out = Self {
            bytes: std::array::from_fn(|_| vec![[0; GROUP]; groups]),
            scales: vec![0.0; groups],
            offsets: vec![0.0; groups],
        };
        dot::with_vectors(Rounding { x, out: &mut out });
        out
    }

    /// The numbers that stand for the activations.
    #[cfg(test)]
    pub(super) fn values(&self) -> Vec<f32> {
        let [high, middle, low] = &self.bytes;
        let steps = |group: usize, at: usize| {
            65_536 * i32::from(high[group][at])
                + 256 * i32::from(middle[group][at])
                + i32::from(low[group][at])
        };
        let value = |at: usize| f64::from(steps(at / GROUP, at % GROUP)) * f64::from(self.scales[at / GROUP]);
        (0..high.len() * GROUP).map(|at| value(at) as f32).collect()
    }
}

/// Makes digits of floats.
struct Rounding<'a> {
    x: &'a [f32],
    out: &'a mut Digits,
}

impl dot::Work for Rounding<'_> {
    #[inline(always)]
    fn run(self) {
        let Digits { bytes: [high, middle, low], scales, offsets } = self.out;
        let digits = high.iter_mut().zip(middle).zip(low);
        let places = digits.zip(scales.iter_mut().zip(offsets));
        for (x, (((high, middle), low), (scale, offset))) in self.x.as_chunks::<GROUP>().0.iter().zip(places)
        {
            // As the bits of magnitudes are in order, and those of what is not finite come last.
            let largest = x.iter().fold(0, |largest, value| value.abs().to_bits().max(largest));
            let largest = f32::from_bits(largest);
            let inverse = if largest > 0.0 { LARGEST / largest } else { 0.0 };
            let mut sum = 0_i32;
            for at in 0..GROUP {
                let (_, steps) = rounded(x[at] * inverse);
                sum = sum.wrapping_add(steps);
                low[at] = steps as i8;
                let rest = steps.wrapping_sub(i32::from(low[at])) >> 8;
                middle[at] = rest as i8;
                high[at] = (rest.wrapping_sub(i32::from(middle[at])) >> 8) as i8;
            }
            *offset = -MIDDLE * sum as f32;
            // Integers have no way to say it, so the scale does.
            *scale = if largest.is_finite() { largest / LARGEST } else { f32::NAN };
        }
    }
}

/// What multiplies weights of 4 bits by digits.
pub(super) trait Nibbles: Copy {
    /// The sums over four neighbours of `w (65536 high + 256 middle + low)`, `w` from 0 to 15: first the lower halves of
    /// the bytes, then the upper ones.
    fn quads(self, w: &[u8; GROUP / 2], digits: [&[i8; GROUP]; 3]) -> [i32; LANES];
}

impl Nibbles for Plain {
    #[inline(always)]
    fn quads(self, w: &[u8; GROUP / 2], [high, middle, low]: [&[i8; GROUP]; 3]) -> [i32; LANES] {
        let product = |at: usize| {
            let w = if at < GROUP / 2 { w[at] & 15 } else { w[at - GROUP / 2] >> 4 };
            let steps = 65_536 * i32::from(high[at]) + 256 * i32::from(middle[at]) + i32::from(low[at]);
            i32::from(w) * steps
        };
        std::array::from_fn(|lane| (4 * lane..4 * lane + 4).map(product).sum())
    }
}

#[cfg(target_arch = "x86_64")]
impl Nibbles for pulp::x86::V3 {
    #[inline(always)]
    fn quads(self, w: &[u8; GROUP / 2], digits: [&[i8; GROUP]; 3]) -> [i32; LANES] {
        let units = self.avx2;
        let both = units._mm256_broadcastsi128_si256(pulp::cast(*w));
        let halves = units._mm256_srlv_epi32(both, pulp::cast([0_u32, 0, 0, 0, 4, 4, 4, 4]));
        let w = units._mm256_and_si256(halves, pulp::cast([15_u8; GROUP]));
        let [high, middle, low] = digits.map(|digits| units._mm256_maddubs_epi16(w, pulp::cast(*digits)));
        let ones = pulp::cast([1_i16; 16]);
        let upper = units._mm256_madd_epi16(high, pulp::cast([256_i16; 16]));
        let upper = units._mm256_add_epi32(upper, units._mm256_madd_epi16(middle, ones));
        let lower = units._mm256_madd_epi16(low, ones);
        pulp::cast(units._mm256_add_epi32(units._mm256_slli_epi32::<8>(upper), lower))
    }
}

/// `Σ w x` over a row of 4-bit weights.
#[inline(always)]
pub(super) fn dot_q4(units: impl Nibbles, quants: &[u8], scales: &[u16], x: &Digits) -> f32 {
    let count = x.scales.len();
    let groups = &quants.as_chunks::<{ GROUP / 2 }>().0[..count];
    let scales = &scales[..count];
    let digits = x.bytes.each_ref().map(|digits| &digits[..count]);
    let (mut sums, mut offsets) = ([0.0; LANES], [0.0; BLOCK]);
    let whole = count / BLOCK * BLOCK;
    for start in (0..whole).step_by(BLOCK) {
        let (groups, scales) = (block(groups, start), block(scales, start));
        let [high, middle, low] = digits.map(|digits| block(digits, start));
        let (x_scales, x_offsets) = (block(&x.scales, start), block(&x.offsets, start));
        let mut both = [0.0; BLOCK];
        for at in 0..BLOCK {
            both[at] = f16_scale(scales[at]) * x_scales[at];
            offsets[at] += both[at] * x_offsets[at];
        }
        for at in 0..BLOCK {
            add(&mut sums, units.quads(&groups[at], [&high[at], &middle[at], &low[at]]), both[at]);
        }
    }
    for at in whole..count {
        let both = f16_scale(scales[at]) * x.scales[at];
        offsets[0] += both * x.offsets[at];
        add(&mut sums, units.quads(&groups[at], digits.map(|digits| &digits[at])), both);
    }
    total(sums) + total(offsets)
}

#[inline(always)]
fn add(sums: &mut [f32; LANES], quads: [i32; LANES], scale: f32) {
    for lane in 0..LANES {
        sums[lane] += quads[lane] as f32 * scale;
    }
}
