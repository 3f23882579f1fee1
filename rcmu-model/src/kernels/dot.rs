//! What inner products and tiles share: floats of packed rows, and the order in which sums are added up.
//!
//! Plain loops over eight lanes, in one order of additions on every machine: compiled for the vector units that
//! [`with_vectors`] finds, they give the same bits as without.

#![allow(
    clippy::needless_range_loop,
    reason = "loops of a fixed count over several arrays become vector instructions"
)]

use half::{bf16, f16};
use pulp::WithSimd;

use super::{
    GROUP, LANES, f16_scale,
    quantised::{MIDDLE, unpacked},
    rows::Row,
    units::arch,
};

/// Accumulators of [`LANES`] numbers, so that one addition need not wait for the one before.
const STREAMS: usize = 4;
/// Inputs that are added up side by side.
pub(super) const STRIDE: usize = LANES * STREAMS;

/// Work on packed rows, all of it inlined where it is run.
pub(crate) trait Work {
    /// Does it.
    fn run(self);
}

/// Runs work compiled for the vector units of this machine: AVX2, AVX-512 or NEON where there are any.
pub(crate) fn with_vectors(work: impl Work) {
    /// Needs no vector types, only the instructions.
    struct Plain<W>(W);
    impl<W: Work> WithSimd for Plain<W> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: pulp::Simd>(self, _: S) {
            self.0.run();
        }
    }
    arch().dispatch(Plain(work));
}

/// Writes a row as f32 numbers.
#[inline(always)]
pub(super) fn expand(row: Row<'_>, out: &mut [f32]) {
    match row {
        Row::F32(w) => out.copy_from_slice(w),
        Row::Bf16(w) => out.iter_mut().zip(w).for_each(|(out, w)| *out = wide(w)),
        Row::F16(w) => out.iter_mut().zip(w).for_each(|(out, w)| *out = half(w)),
        Row::Q8(row) => {
            let groups = row.blocks().flat_map(|(groups, scales)| groups.iter().zip(scales));
            for (out, (quants, &scale)) in out.as_chunks_mut::<GROUP>().0.iter_mut().zip(groups) {
                *out = scaled(&quants.map(i32::from), f16_scale(scale));
            }
        }
        Row::Q4(row) => {
            let groups = row.blocks().flat_map(|(groups, scales)| groups.iter().zip(scales));
            for (out, (quants, &scale)) in out.as_chunks_mut::<GROUP>().0.iter_mut().zip(groups) {
                let numbers = unpacked(quants).map(|number| i32::from(number) - MIDDLE);
                *out = scaled(&numbers, f16_scale(scale));
            }
        }
    }
}

#[inline(always)]
fn scaled(numbers: &[i32; GROUP], scale: f32) -> [f32; GROUP] {
    let mut values = [0.0; GROUP];
    for at in 0..GROUP {
        values[at] = numbers[at] as f32 * scale;
    }
    values
}

/// Any bf16 number.
#[inline(always)]
pub(super) fn wide(w: &bf16) -> f32 {
    f32::from_bits(u32::from(w.to_bits()) << 16)
}

/// Any f16 number, those that are not finite among them.
#[inline(always)]
pub(super) fn half(w: &f16) -> f32 {
    let bits = f16_scale(w.to_bits()).to_bits();
    // What lies beyond the largest finite number has all bits of the exponent.
    let beyond = f32::from_bits(bits & 0x7fff_ffff) >= 65_536.0;
    f32::from_bits(bits | if beyond { 0x7f80_0000 } else { 0 })
}

/// The sum of all accumulators.
#[inline(always)]
pub(super) fn total_of_streams(sums: &[f32; STRIDE]) -> f32 {
    total(std::array::from_fn(|lane| {
        let stream = |at: usize| sums[at * LANES + lane];
        (stream(0) + stream(1)) + (stream(2) + stream(3))
    }))
}

/// The sum of the lanes, in an order that vector units can follow.
#[inline(always)]
pub(super) fn total([a, b, c, d, e, f, g, h]: [f32; LANES]) -> f32 {
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}
