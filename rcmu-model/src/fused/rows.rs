//! Work on rows one after another; its gradients and losses are in [`gradients`].

#[cfg(feature = "train")]
pub(super) mod gradients;

use rayon::prelude::*;

use super::{
    Threads,
    vectors::{exp, sum},
};
use crate::kernels::{Work, with_vectors, zeros};

/// Runs a closure compiled for the vector units of this machine.
fn vectorised(run: impl FnOnce()) {
    struct Run<F>(F);
    impl<F: FnOnce()> Work for Run<F> {
        #[inline(always)]
        fn run(self) {
            (self.0)();
        }
    }
    with_vectors(Run(run));
}

/// Numbers below which sharing them out costs more than it saves.
const TASK: usize = 1 << 15;

/// Makes `len` numbers from parts of them and where they begin; parts are whole rows.
fn fill(width: usize, len: usize, threads: Threads, part: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    let mut out = if threads == Threads::One { vec![0.0; len] } else { zeros(len) };
    change(width, &mut out, threads, part);
    out
}

/// Changes numbers part by part, each with where it begins; parts are whole rows.
fn change(width: usize, out: &mut [f32], threads: Threads, part: impl Fn(usize, &mut [f32]) + Sync) {
    let len = out.len();
    let rows = (len / width.max(1)).div_ceil(rayon::current_num_threads()).max(TASK.div_ceil(width.max(1)));
    let size = (rows * width).max(1);
    if threads == Threads::One || size >= len {
        part(0, out);
    } else {
        out.par_chunks_mut(size).enumerate().for_each(|(at, out)| part(at * size, out));
    }
}

/// The rows `x * factor * weight`, each with its own factor.
pub(super) fn rms_norm(x: &[f32], weight: &[f32], eps: f64, threads: Threads) -> Vec<f32> {
    let width = weight.len();
    fill(width, x.len(), threads, |start, out| {
        vectorised(
            #[inline(always)]
            || {
                let x = &x[start..start + out.len()];
                for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
                    let factor = factor(x, eps);
                    for i in 0..width {
                        out[i] = x[i] * factor * weight[i];
                    }
                }
            },
        );
    })
}

#[inline(always)]
fn factor(x: &[f32], eps: f64) -> f32 {
    let mean = sum(x, x, |a, b| a * b) / x.len() as f32;
    (mean + eps as f32).sqrt().recip()
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// `silu(gate) * up` in the place of `gate`.
pub(super) fn swiglu(gate: &mut [f32], up: &[f32], threads: Threads) {
    change(1, gate, threads, |start, gate| {
        vectorised(
            #[inline(always)]
            || {
                for (gate, &up) in gate.iter_mut().zip(&up[start..]) {
                    *gate = *gate * sigmoid(*gate) * up;
                }
            },
        );
    });
}

/// `x * sigmoid(1.702 x)` in the place of `x`.
pub(super) fn quick_gelu(x: &mut [f32]) {
    change(1, x, Threads::All, |_, x| {
        vectorised(
            #[inline(always)]
            || x.iter_mut().for_each(|x| *x *= sigmoid(1.702 * *x)),
        );
    });
}

/// Rows of heads turned by cosines and sines, one row of each per token.
pub(super) fn turn(x: &[f32], width: usize, [cos, sin]: [&[f32]; 2], tokens: usize) -> Vec<f32> {
    let head_dim = cos.len() / tokens.max(1);
    let half = head_dim / 2;
    fill(width, x.len(), Threads::All, |start, out| {
        vectorised(
            #[inline(always)]
            || {
                let rows = x[start..].chunks_exact(width).zip(out.chunks_exact_mut(width));
                for (token, (x, out)) in (start / width..).zip(rows) {
                    let (cos, sin) =
                        (&cos[token * head_dim..][..head_dim], &sin[token * head_dim..][..head_dim]);
                    for (x, out) in x.chunks_exact(head_dim).zip(out.chunks_exact_mut(head_dim)) {
                        let ((low, high), (to_low, to_high)) = (x.split_at(half), out.split_at_mut(half));
                        for i in 0..half {
                            to_low[i] = low[i] * cos[i] - high[i] * sin[i];
                            to_high[i] = high[i] * cos[half + i] + low[i] * sin[half + i];
                        }
                    }
                }
            },
        );
    })
}
