//! Inner products of 8- and 4-bit weights with activations of 16 bits.
//!
//! Integers are multiplied in pairs, twice as many at a time as floats, and nothing is converted but the sums of groups.
//! Sixteen bits keep an activation to 1/65,534 of the largest of its group, 256 times finer than the weights: what a layer
//! gives is that of f32 activations within what f32 itself rounds in a sum of some thousand products.

use super::{GROUP, f16_scale};

/// Numbers of 32 bits that are worked on side by side.
const LANES: usize = 8;
/// The largest number; the smallest is as far from zero.
const LARGEST: f32 = 32_767.0;

/// One row of activations, each group of [`GROUP`] with a scale.
#[derive(Debug)]
pub(super) struct Activations {
    quants: Vec<i16>,
    scales: Vec<f32>,
}

impl Activations {
    /// Rounds to the nearest multiples of each group's largest magnitude over 32,767; whole groups only.
    pub(super) fn new(x: &[f32]) -> Self {
        let mut quants = Vec::with_capacity(x.len());
        let groups = x.as_chunks::<GROUP>().0.iter();
        let scales = groups
            .map(|group| {
                let largest = group.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
                let inverse = if largest > 0.0 { LARGEST / largest } else { 0.0 };
                quants.extend(group.iter().map(|value| (value * inverse).round_ties_even() as i16));
                largest / LARGEST
            })
            .collect();
        Self { quants, scales }
    }

    /// The numbers that stand for the activations.
    #[cfg(test)]
    pub(super) fn values(&self) -> Vec<f32> {
        let groups = self.quants.chunks(GROUP).zip(&self.scales);
        groups.flat_map(|(quants, scale)| quants.iter().map(move |&q| f32::from(q) * scale)).collect()
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
    let quants = x.quants.as_chunks::<GROUP>().0;
    let ((blocks, rest), (quants, quants_rest)) = (groups.as_chunks::<BLOCK>(), quants.as_chunks::<BLOCK>());
    let ((scales, scales_rest), (x_scales, x_scales_rest)) =
        (scales.as_chunks::<BLOCK>(), x.scales.as_chunks::<BLOCK>());
    for ((groups, quants), (scales, x_scales)) in blocks.iter().zip(quants).zip(scales.iter().zip(x_scales)) {
        let mut both = [0.0; BLOCK];
        for at in 0..BLOCK {
            both[at] = f16_scale(scales[at]) * x_scales[at];
        }
        for at in 0..BLOCK {
            add_group(pairs, &mut sums, &numbers(&groups[at]), &quants[at], both[at]);
        }
    }
    let rest = rest.iter().zip(quants_rest).zip(scales_rest.iter().zip(x_scales_rest));
    for ((group, quants), (&scale, &x_scale)) in rest {
        add_group(pairs, &mut sums, &numbers(group), quants, f16_scale(scale) * x_scale);
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
fn add_group(pairs: impl Pairs, sums: &mut [f32; LANES], w: &[i8; GROUP], x: &[i16; GROUP], scale: f32) {
    let mut wide = [0_i16; GROUP];
    for at in 0..GROUP {
        wide[at] = i16::from(w[at]);
    }
    let ([w0, w1], [x0, x1]) = (halves(&wide), halves(x));
    let (first, second) = (pairs.multiply(w0, x0), pairs.multiply(w1, x1));
    for lane in 0..LANES {
        sums[lane] += (first[lane] + second[lane]) as f32 * scale;
    }
}

#[inline(always)]
fn halves(group: &[i16; GROUP]) -> [&[i16; 16]; 2] {
    let (halves, _) = group.as_chunks::<16>();
    [&halves[0], &halves[1]]
}
