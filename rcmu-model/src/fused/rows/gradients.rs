//! Gradients of the work on rows, and the loss of words.

use super::{
    super::{
        Word,
        vectors::{exp_all, largest, sum},
    },
    factor, sigmoid, vectorised,
};

/// Gradients of the rows and of the weight.
pub(in crate::fused) fn rms_norm_backward(
    x: &[f32],
    weight: &[f32],
    eps: f64,
    gradient: &[f32],
) -> [Vec<f32>; 2] {
    let (mut to_x, mut to_weight) = (vec![0.0; x.len()], vec![0.0; weight.len()]);
    vectorised(
        #[inline(always)]
        || {
            let width = weight.len();
            let mut weighted = vec![0.0; width];
            let rows = x.chunks_exact(width).zip(gradient.chunks_exact(width));
            for ((x, g), to_x) in rows.zip(to_x.chunks_exact_mut(width)) {
                let factor = factor(x, eps);
                for i in 0..width {
                    to_weight[i] += x[i] * factor * g[i];
                    weighted[i] = g[i] * weight[i];
                }
                let along = sum(&weighted, x, |a, b| a * b) * factor * factor / width as f32;
                for i in 0..width {
                    to_x[i] = factor * (weighted[i] - x[i] * along);
                }
            }
        },
    );
    [to_x, to_weight]
}

/// Gradients of the gate and of what it lets through.
pub(in crate::fused) fn swiglu_backward(gate: &[f32], up: &[f32], gradient: &[f32]) -> [Vec<f32>; 2] {
    let (mut to_gate, mut to_up) = (vec![0.0; gate.len()], vec![0.0; gate.len()]);
    vectorised(
        #[inline(always)]
        || {
            let inputs = gate.iter().zip(up).zip(gradient);
            for (((&gate, &up), &g), (to_gate, to_up)) in inputs.zip(to_gate.iter_mut().zip(&mut to_up)) {
                let open = sigmoid(gate);
                *to_gate = g * up * open * (1.0 + gate * (1.0 - open));
                *to_up = g * gate * open;
            }
        },
    );
    [to_gate, to_up]
}

/// The weighted sum of the negative log-likelihoods of words, and the logarithm of each row's sum of exponentials.
pub(in crate::fused) fn told(logits: &[f32], vocab: usize, words: &[Word]) -> (f32, Vec<f32>) {
    let mut log_sums = Vec::with_capacity(logits.len() / vocab.max(1));
    vectorised(
        #[inline(always)]
        || {
            let mut row = vec![0.0; vocab];
            for logits in logits.chunks_exact(vocab) {
                row.copy_from_slice(logits);
                let top = largest(&row);
                log_sums.push(top + exp_all(&mut row, top).ln());
            }
        },
    );
    let loss = words.iter().map(|&(row, word, weight)| {
        let (row, word) = (row as usize, word as usize);
        f64::from(weight * (log_sums[row] - logits[row * vocab + word]))
    });
    (loss.sum::<f64>() as f32, log_sums)
}

/// The gradient of the logits.
pub(in crate::fused) fn told_backward(
    logits: &[f32],
    vocab: usize,
    words: &[Word],
    log_sums: &[f32],
    gradient: f32,
) -> Vec<f32> {
    let mut weights = vec![0.0; log_sums.len()];
    for &(row, _, weight) in words {
        weights[row as usize] += weight * gradient;
    }
    let mut out = logits.to_vec();
    vectorised(
        #[inline(always)]
        || {
            let rows = out.chunks_exact_mut(vocab).zip(log_sums).zip(&weights);
            for ((row, &log_sum), &weight) in rows {
                if weight == 0.0 {
                    row.fill(0.0);
                    continue;
                }
                exp_all(row, log_sum);
                for x in row {
                    *x *= weight;
                }
            }
        },
    );
    for &(row, word, weight) in words {
        out[row as usize * vocab + word as usize] -= weight * gradient;
    }
    out
}
