//! Inner products of 8- and 4-bit weights with activations of two 16-bit numbers.
//!
//! Integers are multiplied in pairs, twice as many at a time as floats, and nothing is converted but the sums of groups.
//! One number of sixteen bits is too coarse: the logits of the tiny model move by 1.5e-3. A second one for what the first
//! leaves keeps as many bits as an f32 has.

use super::{GROUP, f16_scale};

/// Numbers of 32 bits that are worked on side by side.
const LANES: usize = 8;
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
        let (mut coarse, mut fine) = (Vec::with_capacity(x.len()), Vec::with_capacity(x.len()));
        let groups = x.as_chunks::<GROUP>().0.iter();
        let scales = groups
            .map(|group| {
                let largest = group.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
                let inverse = if largest > 0.0 { LARGEST / largest } else { 0.0 };
                for value in group {
                    let steps = value * inverse;
                    let nearest = steps.round_ties_even();
                    coarse.push(nearest as i16);
                    fine.push(((steps - nearest) * FINER).round_ties_even() as i16);
                }
                // Integers have no way to say it, so the scale does.
                if group.iter().all(|value| value.is_finite()) { largest / LARGEST } else { f32::NAN }
            })
            .collect();
        Self { coarse, fine, scales }
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

/// Work that needs something to multiply with.
pub(super) trait PairWork {
    /// Does it.
    fn run(self, pairs: impl Pairs);
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
    dot_with(pairs, quants.as_chunks::<GROUP>().0, scales, x, |group| *group)
}

/// `Σ w x` over a row of 4-bit weights.
#[inline(always)]
pub(super) fn dot_q4(pairs: impl Pairs, quants: &[u8], scales: &[u16], x: &Activations) -> f32 {
    dot_with(pairs, quants.as_chunks::<{ GROUP / 2 }>().0, scales, x, unpacked)
}

/// The numbers of a row of 4-bit weights, -8 to 7.
#[inline(always)]
pub(super) fn unpack(quants: &[u8], numbers: &mut [i8]) {
    let groups = quants.as_chunks::<{ GROUP / 2 }>().0;
    for (numbers, quants) in numbers.as_chunks_mut::<GROUP>().0.iter_mut().zip(groups) {
        *numbers = unpacked(quants);
    }
}

/// Groups whose scales are multiplied together: one vector of them.
const BLOCK: usize = 8;

#[inline(always)]
fn dot_with<T>(
    pairs: impl Pairs,
    groups: &[T],
    scales: &[u16],
    x: &Activations,
    numbers: impl Fn(&T) -> [i8; GROUP],
) -> f32 {
    let mut sums = [0.0; LANES];
    let (coarse, fine) = (x.coarse.as_chunks::<GROUP>().0, x.fine.as_chunks::<GROUP>().0);
    for start in (0..groups.len()).step_by(BLOCK) {
        let end = groups.len().min(start + BLOCK);
        let mut both = [0.0; BLOCK];
        for (both, (&scale, x_scale)) in
            both.iter_mut().zip(scales[start..end].iter().zip(&x.scales[start..end]))
        {
            *both = f16_scale(scale) * x_scale;
        }
        let parts = coarse[start..end].iter().zip(&fine[start..end]);
        for ((group, (coarse, fine)), &scale) in groups[start..end].iter().zip(parts).zip(&both) {
            add_group(pairs, &mut sums, &numbers(group), [coarse, fine], scale);
        }
    }
    sums.iter().sum()
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

/// Adds `scale Σ w x` of a group to lanes of sums.
#[inline(always)]
fn add_group(
    pairs: impl Pairs,
    sums: &mut [f32; LANES],
    w: &[i8; GROUP],
    [coarse, fine]: [&[i16; GROUP]; 2],
    scale: f32,
) {
    let mut wide = [0_i16; GROUP];
    for at in 0..GROUP {
        wide[at] = i16::from(w[at]);
    }
    let ([w0, w1], [c0, c1], [f0, f1]) = (halves(&wide), halves(coarse), halves(fine));
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
