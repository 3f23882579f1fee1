//! Inner products of 8-bit weights with activations of two 16-bit numbers.
//!
//! Integers are multiplied in pairs, twice as many at a time as floats, and nothing is converted but the sums of groups.
//! One number of sixteen bits is too coarse: the logits of the tiny model move by 1.5e-3. A second one for what the first
//! leaves keeps as many bits as an f32 has.

#![allow(
    clippy::needless_range_loop,
    reason = "loops of a fixed count over several arrays become vector instructions"
)]

use super::{BLOCK, GROUP, block, dot, f16_scale, nibbles::Nibbles};

/// Numbers of 32 bits that are worked on side by side.
pub(super) const LANES: usize = 8;
/// The largest number; the smallest is as far from zero.
const LARGEST: f32 = 32_767.0;
/// What the first number leaves is at most a half, which is the largest second number.
const FINER: f32 = 2.0 * LARGEST;

/// One row of activations, each group of [`GROUP`] with a scale: `scale (coarse + fine / FINER)`.
#[derive(Debug)]
pub(super) struct Activations {
    coarse: Vec<i16>,
    fine: Vec<i16>,
    scales: Vec<f32>,
}

impl Activations {
    /// Rounds to the nearest multiples of each group's largest magnitude over 32,767, and the rest to their 65,534th
    /// parts; whole groups only. A group with a number that is not finite stays not a number, as it would among floats.
    pub(super) fn new(x: &[f32]) -> Self {
        let mut out =
            Self { coarse: vec![0; x.len()], fine: vec![0; x.len()], scales: vec![0.0; x.len() / GROUP] };
        dot::with_vectors(Rounding { x, out: &mut out });
        out
    }

    /// The numbers that stand for the activations.
    #[cfg(test)]
    pub(super) fn values(&self) -> Vec<f32> {
        let groups = self.coarse.chunks(GROUP).zip(self.fine.chunks(GROUP)).zip(&self.scales);
        let value = |(&coarse, &fine): (&i16, &i16), scale: f32| {
            let steps = f64::from(coarse) + f64::from(fine) / f64::from(FINER);
            (steps * f64::from(scale)) as f32
        };
        groups
            .flat_map(|((coarse, fine), &scale)| coarse.iter().zip(fine).map(move |x| value(x, scale)))
            .collect()
    }
}

/// Makes activations of floats.
struct Rounding<'a> {
    x: &'a [f32],
    out: &'a mut Activations,
}

impl dot::Work for Rounding<'_> {
    #[inline(always)]
    fn run(self) {
        let Activations { coarse, fine, scales } = self.out;
        let parts = coarse.as_chunks_mut::<GROUP>().0.iter_mut().zip(fine.as_chunks_mut::<GROUP>().0);
        for ((x, (coarse, fine)), scale) in self.x.as_chunks::<GROUP>().0.iter().zip(parts).zip(scales) {
            // As the bits of magnitudes are in order, and those of what is not finite come last.
            let largest = x.iter().fold(0, |largest, value| value.abs().to_bits().max(largest));
            let largest = f32::from_bits(largest);
            let inverse = if largest > 0.0 { LARGEST / largest } else { 0.0 };
            for at in 0..GROUP {
                let steps = x[at] * inverse;
                let (nearest, number) = rounded(steps);
                coarse[at] = number as i16;
                fine[at] = rounded((steps - nearest) * FINER).1 as i16;
            }
            // Integers have no way to say it, so the scale does.
            *scale = if largest.is_finite() { largest / LARGEST } else { f32::NAN };
        }
    }
}

/// The nearest whole number, of two the even one, as a float and as an integer; magnitudes up to 2²².
#[inline(always)]
pub(super) fn rounded(value: f32) -> (f32, i32) {
    /// Floats of this size have no places behind the point.
    const WHOLE: f32 = 12_582_912.0;
    let shifted = value + WHOLE;
    (shifted - WHOLE, shifted.to_bits().wrapping_sub(WHOLE.to_bits()) as i32)
}

/// What multiplies pairs of 16-bit numbers.
pub(super) trait Pairs: Copy {
    /// `a[2i] b[2i] + a[2i + 1] b[2i + 1]`; no sum may leave 32 bits.
    fn multiply(self, a: &[i16; 16], b: &[i16; 16]) -> [i32; LANES];
}

/// Every machine's own instructions, as the compiler finds them.
#[derive(Clone, Copy)]
pub(super) struct Plain;

impl Pairs for Plain {
    #[inline(always)]
    fn multiply(self, a: &[i16; 16], b: &[i16; 16]) -> [i32; LANES] {
        std::array::from_fn(|at| {
            let product = |at: usize| i32::from(a[at]) * i32::from(b[at]);
            product(2 * at) + product(2 * at + 1)
        })
    }
}

#[cfg(target_arch = "x86_64")]
impl Pairs for pulp::x86::V3 {
    #[inline(always)]
    fn multiply(self, a: &[i16; 16], b: &[i16; 16]) -> [i32; LANES] {
        pulp::cast(self.multiply_wrapping_add_adjacent_i16x16(pulp::cast(*a), pulp::cast(*b)))
    }
}

/// Work that needs something to multiply integers with.
pub(super) trait PairWork {
    /// Does it.
    fn run(self, units: impl Pairs + Nibbles);
}

/// Runs work with the vector units of this machine. All give the same bits.
pub(super) fn with_pairs(work: impl PairWork) {
    #[cfg(target_arch = "x86_64")]
    if let Some(units) = pulp::x86::V3::try_new() {
        /// Inlined where it is compiled for the units.
        struct OnUnits<W>(W, pulp::x86::V3);
        impl<W: PairWork> pulp::NullaryFnOnce for OnUnits<W> {
            type Output = ();

            #[inline(always)]
            fn call(self) {
                self.0.run(self.1);
            }
        }
        return units.vectorize(OnUnits(work, units));
    }
    work.run(Plain);
}

/// `Σ w x` over a row of 8-bit weights.
#[inline(always)]
pub(super) fn dot_q8(pairs: impl Pairs, quants: &[i8], scales: &[u16], x: &Activations) -> f32 {
    let mut sums = [0.0; LANES];
    let count = x.scales.len();
    let (groups, scales) = (&quants.as_chunks::<GROUP>().0[..count], &scales[..count]);
    let coarse = &x.coarse.as_chunks::<GROUP>().0[..count];
    let fine = &x.fine.as_chunks::<GROUP>().0[..count];
    let whole = count / BLOCK * BLOCK;
    for start in (0..whole).step_by(BLOCK) {
        let (groups, scales) = (block(groups, start), block(scales, start));
        let (coarse, fine) = (block(coarse, start), block(fine, start));
        let x_scales = block(&x.scales, start);
        let mut both = [0.0; BLOCK];
        for at in 0..BLOCK {
            both[at] = f16_scale(scales[at]) * x_scales[at];
        }
        for at in 0..BLOCK {
            add_group(pairs, &mut sums, &widened(&groups[at]), [&coarse[at], &fine[at]], both[at]);
        }
    }
    for at in whole..count {
        let both = f16_scale(scales[at]) * x.scales[at];
        add_group(pairs, &mut sums, &widened(&groups[at]), [&coarse[at], &fine[at]], both);
    }
    total(sums)
}

/// The sum of the lanes, in an order that vector units can follow.
#[inline(always)]
pub(super) fn total([a, b, c, d, e, f, g, h]: [f32; LANES]) -> f32 {
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

/// The numbers of a group of 4-bit weights, -8 to 7.
#[inline(always)]
pub(super) fn unpacked(quants: &[u8; GROUP / 2]) -> [i8; GROUP] {
    let mut values = [0; GROUP];
    let (low, high) = values.split_at_mut(GROUP / 2);
    for at in 0..GROUP / 2 {
        low[at] = (quants[at] & 15) as i8 - 8;
        high[at] = (quants[at] >> 4) as i8 - 8;
    }
    values
}

/// Numbers in the width that they are multiplied in.
#[inline(always)]
fn widened(numbers: &[i8; GROUP]) -> [i16; GROUP] {
    let mut wide = [0; GROUP];
    for at in 0..GROUP {
        wide[at] = i16::from(numbers[at]);
    }
    wide
}

/// Adds `scale Σ w x` of a group to lanes of sums.
#[inline(always)]
fn add_group(
    pairs: impl Pairs,
    sums: &mut [f32; LANES],
    w: &[i16; GROUP],
    [coarse, fine]: [&[i16; GROUP]; 2],
    scale: f32,
) {
    let ([w0, w1], [c0, c1], [f0, f1]) = (halves(w), halves(coarse), halves(fine));
    let (first, second) = (pairs.multiply(w0, c0), pairs.multiply(w1, c1));
    let (third, fourth) = (pairs.multiply(w0, f0), pairs.multiply(w1, f1));
    for lane in 0..LANES {
        let rest = (third[lane] + fourth[lane]) as f32 * (1.0 / FINER);
        sums[lane] += ((first[lane] + second[lane]) as f32 + rest) * scale;
    }
}

#[inline(always)]
fn halves(group: &[i16; GROUP]) -> [&[i16; 16]; 2] {
    let (halves, _) = group.as_chunks::<16>();
    [&halves[0], &halves[1]]
}
