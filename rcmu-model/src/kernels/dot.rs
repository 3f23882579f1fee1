//! Inner products of one row of packed weights with activations.
//!
//! Plain loops over eight lanes, in one order of additions on every machine: compiled for the vector units that
//! [`with_vectors`] finds, they give the same bits as without.

#![allow(
    clippy::needless_range_loop,
    reason = "loops of a fixed count over several arrays become vector instructions"
)]

use half::bf16;
use pulp::{Arch, WithSimd};

use super::{GROUP, Row, f16_scale};

/// Numbers that are worked on side by side.
const LANES: usize = 8;
/// Accumulators of [`LANES`] numbers, so that one addition need not wait for the one before.
const STREAMS: usize = 4;

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
    Arch::new().dispatch(Plain(work));
}

/// `Σ w x` over a row.
#[inline(always)]
pub(super) fn dot(row: Row<'_>, x: &[f32], group_sums: &[f32]) -> f32 {
    match row {
        Row::F32(w) => dot_with(w, x, |&w| w),
        Row::Bf16(w) => dot_with(w, x, wide),
        Row::Q8(quants, scales) => dot_q8(quants, scales, x),
        Row::Q4(quants, scales) => dot_q4(quants, scales, x, group_sums),
    }
}

/// Writes a row as f32 numbers.
#[inline(always)]
pub(super) fn expand(row: Row<'_>, out: &mut [f32]) {
    match row {
        Row::F32(w) => out.copy_from_slice(w),
        Row::Bf16(w) => out.iter_mut().zip(w).for_each(|(out, w)| *out = wide(w)),
        Row::Q8(quants, scales) => {
            let groups = quants.as_chunks::<GROUP>().0.iter().zip(scales);
            for (out, (quants, &scale)) in out.as_chunks_mut::<GROUP>().0.iter_mut().zip(groups) {
                let scale = f16_scale(scale);
                out.iter_mut().zip(quants).for_each(|(out, &q)| *out = f32::from(q) * scale);
            }
        }
        Row::Q4(quants, scales) => {
            let groups = quants.as_chunks::<{ GROUP / 2 }>().0.iter().zip(scales);
            for (out, (quants, &scale)) in out.as_chunks_mut::<GROUP>().0.iter_mut().zip(groups) {
                let scale = f16_scale(scale);
                let (low, high) = out.split_at_mut(GROUP / 2);
                for ((low, high), &pair) in low.iter_mut().zip(high).zip(quants) {
                    *low = (f32::from(pair & 15) - 8.0) * scale;
                    *high = (f32::from(pair >> 4) - 8.0) * scale;
                }
            }
        }
    }
}

/// The sums of each group of activations; what [`dot`] needs for 4-bit weights.
pub(super) fn group_sums(x: &[f32]) -> Vec<f32> {
    x.chunks(GROUP).map(|group| group.iter().sum()).collect()
}

#[inline(always)]
fn wide(w: &bf16) -> f32 {
    f32::from_bits(u32::from(w.to_bits()) << 16)
}

#[inline(always)]
fn dot_with<W>(w: &[W], x: &[f32], value: impl Fn(&W) -> f32) -> f32 {
    const STRIDE: usize = LANES * STREAMS;
    let mut sums = [0.0_f32; STRIDE];
    let ((w, w_rest), (x, x_rest)) = (w.as_chunks::<STRIDE>(), x.as_chunks::<STRIDE>());
    for (w, x) in w.iter().zip(x) {
        for at in 0..STRIDE {
            sums[at] += value(&w[at]) * x[at];
        }
    }
    let rest: f32 = w_rest.iter().zip(x_rest).map(|(w, x)| value(w) * x).sum();
    sums.iter().sum::<f32>() + rest
}

#[inline(always)]
fn dot_q8(quants: &[i8], scales: &[u16], x: &[f32]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let groups = quants.as_chunks::<GROUP>().0.iter().zip(x.as_chunks::<GROUP>().0).zip(scales);
    for ((quants, x), &scale) in groups {
        let mut values = [0.0; GROUP];
        for at in 0..GROUP {
            values[at] = f32::from(quants[at]);
        }
        add_group(&mut sums, &values, x, f16_scale(scale));
    }
    sums.iter().sum()
}

#[inline(always)]
fn dot_q4(quants: &[u8], scales: &[u16], x: &[f32], group_sums: &[f32]) -> f32 {
    let (mut sums, mut offset) = ([0.0_f32; LANES], 0.0_f32);
    let groups = quants.as_chunks::<{ GROUP / 2 }>().0.iter().zip(x.as_chunks::<GROUP>().0);
    for ((quants, x), (&scale, &sum)) in groups.zip(scales.iter().zip(group_sums)) {
        let scale = f16_scale(scale);
        let mut values = [0.0; GROUP];
        let (low, high) = values.split_at_mut(GROUP / 2);
        for at in 0..GROUP / 2 {
            low[at] = f32::from(quants[at] & 15);
            high[at] = f32::from(quants[at] >> 4);
        }
        add_group(&mut sums, &values, x, scale);
        offset += sum * scale;
    }
    sums.iter().sum::<f32>() - 8.0 * offset
}

/// Adds `scale Σ w x` of a group to lanes of sums.
#[inline(always)]
fn add_group(sums: &mut [f32; LANES], w: &[f32; GROUP], x: &[f32; GROUP], scale: f32) {
    let mut products = [0.0_f32; LANES];
    for stream in 0..GROUP / LANES {
        for lane in 0..LANES {
            let at = stream * LANES + lane;
            products[lane] += w[at] * x[at];
        }
    }
    for lane in 0..LANES {
        sums[lane] += products[lane] * scale;
    }
}
