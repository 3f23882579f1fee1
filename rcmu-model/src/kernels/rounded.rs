//! Attention over whole sequences with all that is multiplied rounded to bf16, for models whose activations may be: twice as
//! many products an instruction as of floats.

use burn::tensor::{DType, Tensor, TensorData};
use half::bf16;
use rayon::prelude::*;

use super::{GROUP, Numbers, Packed, Values, dot, product, units, zeros};
use crate::fused::{
    Heads,
    vectors::{exp_all, largest},
};

/// Scores that are held at once for each head.
const SCORES: usize = 1 << 19;

impl Packed {
    /// Whether activations beside these weights are rounded to bf16 here, in attention, too.
    pub(crate) fn rounds_attention(&self) -> bool {
        matches!(self.values, Values::Bf16(_)) && self.halves && units::have_halves()
    }
}

/// Mixes the values that each query looks at: all of its sequence.
///
/// # Shapes
///
/// - queries, keys, values: `[batch * seq, heads * head_dim]`, f32, as many heads of each
/// - output: `[batch * seq, heads * head_dim]`
pub(crate) fn attend_rounded(inputs: [Tensor<2>; 3], shape: Heads) -> Tensor<2> {
    let (dims, device) = (inputs[0].dims(), inputs[0].device());
    let inputs = inputs.map(Tensor::into_data);
    let inputs =
        inputs.each_ref().map(|data| data.as_slice().expect("what is next to packed weights is f32"));
    Tensor::from_data(TensorData::new(attend(inputs, shape), dims), (&device, DType::F32))
}

fn attend([query, key, value]: [&[f32]; 3], shape: Heads) -> Vec<f32> {
    let Heads { batch, seq, heads, head_dim, .. } = shape;
    let width = heads * head_dim;
    let mixed: Vec<Vec<f32>> = (0..batch * heads)
        .into_par_iter()
        .map(|at| {
            let first = at / heads * seq * width + at % heads * head_dim;
            let part = |all| Part { values: all, first, width, seq, head_dim };
            mix([query, key, value].map(part))
        })
        .collect();
    let mut out = zeros(batch * seq * width);
    out.par_chunks_exact_mut(width.max(1)).enumerate().for_each(|(token, out)| {
        let of_heads = mixed[token / seq * heads..][..heads].iter();
        for (out, mixed) in out.chunks_exact_mut(head_dim).zip(of_heads) {
            out.copy_from_slice(&mixed[token % seq * head_dim..][..head_dim]);
        }
    });
    out
}

/// What one head has of one sequence.
#[derive(Clone, Copy)]
struct Part<'a> {
    values: &'a [f32],
    /// Its first number.
    first: usize,
    /// Numbers from one token to the next.
    width: usize,
    seq: usize,
    head_dim: usize,
}

impl<'a> Part<'a> {
    fn token(self, at: usize) -> &'a [f32] {
        &self.values[self.first + at * self.width..][..self.head_dim]
    }
}

/// The mixed values of one head, `[seq, head_dim]`.
fn mix([query, key, value]: [Part<'_>; 3]) -> Vec<f32> {
    let Part { seq, head_dim, .. } = query;
    let [tokens, inner] = [seq, head_dim].map(|count| count.next_multiple_of(GROUP));
    let mut keys = vec![bf16::ZERO; tokens * inner];
    for (at, row) in keys.chunks_exact_mut(inner).take(seq).enumerate() {
        row.iter_mut().zip(key.token(at)).for_each(|(place, &x)| *place = product::nearest_half(x));
    }
    // Numbers of a head, token by token, are what its mixed values are products of.
    let mut values = vec![bf16::ZERO; head_dim * tokens];
    for at in 0..seq {
        for (i, &x) in value.token(at).iter().enumerate() {
            values[i * tokens + at] = product::nearest_half(x);
        }
    }
    let [keys, values] =
        [(tokens, inner, keys), (head_dim, tokens, values)].map(|(outputs, inputs, halves)| {
            let values = Values::Bf16(Numbers::Own(halves));
            Packed::of([outputs, inputs], values).with_halves(true)
        });
    let scale = (head_dim as f32).sqrt().recip();
    // Whole parts of products.
    let block = (SCORES / tokens.max(1)).clamp(12, 504) / 12 * 12;
    let mut out = Vec::with_capacity(seq * head_dim);
    for start in (0..seq).step_by(block) {
        let queries = start..seq.min(start + block);
        let mut x = vec![0.0; queries.len() * inner];
        for (at, row) in queries.zip(x.chunks_exact_mut(inner)) {
            row.iter_mut().zip(query.token(at)).for_each(|(place, x)| *place = x * scale);
        }
        let mut scores = product::rounded(&keys, &x);
        dot::with_vectors(Softmax { scores: &mut scores, tokens, seq });
        out.extend(product::rounded(&values, &scores));
    }
    out
}

/// Makes weights of scores, row by row; those of what is no token are zero.
struct Softmax<'a> {
    /// `[queries, tokens]`
    scores: &'a mut [f32],
    tokens: usize,
    seq: usize,
}

impl dot::Work for Softmax<'_> {
    #[inline(always)]
    fn run(self) {
        for row in self.scores.chunks_exact_mut(self.tokens) {
            let (scores, rest) = row.split_at_mut(self.seq);
            let share = exp_all(scores, largest(scores)).recip();
            for score in scores {
                *score *= share;
            }
            rest.fill(0.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{numbers, on_all_units},
        *,
    };

    /// Plain attention, written out with f64 numbers.
    fn by_hand([query, key, value]: [&[f32]; 3], shape: Heads) -> Vec<f64> {
        let Heads { batch, seq, heads, head_dim, .. } = shape;
        let width = heads * head_dim;
        let mut out = vec![0.0; query.len()];
        for (sequence, head, at) in
            (0..batch).flat_map(|s| (0..heads).flat_map(move |h| (0..seq).map(move |at| (s, h, at))))
        {
            let row = |all: &[f32], token: usize| -> Vec<f64> {
                let first = (sequence * seq + token) * width + head * head_dim;
                all[first..first + head_dim].iter().map(|&x| f64::from(x)).collect()
            };
            let query = row(query, at);
            let score = |token| query.iter().zip(row(key, token)).map(|(q, k)| q * k).sum::<f64>();
            let weights: Vec<f64> =
                (0..seq).map(|token| (score(token) / (head_dim as f64).sqrt()).exp()).collect();
            let total: f64 = weights.iter().sum();
            for (token, weight) in weights.iter().enumerate() {
                for (i, x) in row(value, token).into_iter().enumerate() {
                    out[(sequence * seq + at) * width + head * head_dim + i] += weight / total * x;
                }
            }
        }
        out
    }

    #[test]
    fn rounded_attention_is_near_the_formula() {
        on_all_units(|| {
            // Tokens and heads that fill no group, and more queries than are held at once.
            for [batch, seq, heads, head_dim] in
                [[2, 70, 3, 10], [1, 1, 2, 32], [3, 64, 1, 80], [1, 600, 1, 8], [1, 1300, 1, 4]]
            {
                let shape = Heads { batch, seq, heads, kv_heads: heads, head_dim, causal: false };
                let count = batch * seq * heads * head_dim;
                let [mut query, mut key, value] = [7, 8, 9].map(|seed| numbers(count, seed));
                // So that tokens differ in what they look at.
                query.iter_mut().chain(&mut key).for_each(|x| *x *= 2.0);
                let inputs = [&*query, &*key, &*value];

                let found = attend(inputs, shape);

                let expected = by_hand(inputs, shape);
                assert_eq!(found.len(), expected.len());
                let apart = found.iter().zip(&expected).map(|(a, b)| (f64::from(*a) - b).abs());
                // Scores of a few units move by up to 1/128 of that, weights and values by 1/512 of theirs.
                let worst = apart.fold(0.0, f64::max);
                let largest = expected.iter().fold(0.0, |largest, x| f64::max(largest, x.abs()));
                assert!(worst < 0.02 && worst < largest / 10.0, "{shape:?}: {worst} of {largest}");
            }
        });
    }

    #[test]
    fn a_number_that_is_not_finite_spoils_what_looks_at_it() {
        on_all_units(|| {
            let shape = Heads { batch: 2, seq: 40, heads: 2, kv_heads: 2, head_dim: 8, causal: false };
            for which in 0..3 {
                let mut inputs = [3, 4, 5].map(|seed| numbers(2 * 40 * 16, seed));
                // Of the first token of the second sequence, in the first head.
                inputs[which][40 * 16] = f32::NAN;

                let found = attend(inputs.each_ref().map(|x| &**x), shape);

                let spoiled = |token: usize, head: usize| {
                    found[token * 16 + head * 8..][..8].iter().any(|x| x.is_nan())
                };
                assert!(spoiled(40, 0), "{which}");
                assert!((0..40).all(|token| !spoiled(token, 0) && !spoiled(token + 40, 1)), "{which}");
                assert_eq!((41..80).all(|token| spoiled(token, 0)), which > 0, "{which}");
            }
        });
    }
}
