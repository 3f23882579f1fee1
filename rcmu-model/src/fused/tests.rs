use std::cell::RefCell;

use burn::tensor::{
    DType, Device, Tensor, TensorData,
    activation::{log_softmax, sigmoid, silu, softmax},
};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore as _, SeedableRng as _},
};

use super::{Heads, Word, attend, quick_gelu, rms_norm, swiglu, told, turn};
use crate::kernels::on_all_units;

type Values = Vec<f32>;

fn device() -> Device {
    Device::flex().autodiff()
}

thread_local! {
    /// Every test has a thread of its own, and so the same numbers in every run.
    static NUMBERS: RefCell<ChaCha8Rng> = RefCell::new(ChaCha8Rng::seed_from_u64(1));
}

/// Numbers of mean 0 and variance 1, evenly from -√3 to √3.
fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    let numbers: Values = NUMBERS.with_borrow_mut(|numbers| {
        let mut next = || f64::from(numbers.next_u32()) / f64::from(u32::MAX) * 2.0 - 1.0;
        (0..shape.iter().product()).map(|_| (next() * 3_f64.sqrt()) as f32).collect()
    });
    Tensor::from_data(TensorData::new(numbers, shape), &device())
}

/// The same as inputs whose gradients are asked for.
fn tracked<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    random(shape).require_grad()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Values {
    tensor.into_data().try_to_vec().expect("f32")
}

/// Checks two results and their gradients for the same inputs; each difference at most 2e-5 of the largest value.
fn assert_same<const D: usize, const E: usize>(
    what: &str,
    inputs: &[Tensor<E>],
    [found, expected]: [Tensor<D>; 2],
) {
    let weights = random(found.dims());
    let outcome = |out: Tensor<D>| {
        let gradients = (out.clone() * weights.clone()).sum().backward();
        let all = inputs.iter().map(|input| values(input.grad(&gradients).expect("it is tracked")));
        std::iter::once(values(out)).chain(all).collect::<Vec<_>>()
    };
    let (found, expected) = (outcome(found), outcome(expected));
    for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let largest = expected.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        assert!(largest > 0.01, "{what} {at} says nothing");
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() <= 2e-5 * largest.max(1.0), "{what} {at}: {a} and {b} of {largest}");
        }
    }
}

/// Attention as burn's operations compose it.
fn composed([query, key, value]: [&Tensor<2>; 3], [cos, sin]: [Tensor<4>; 2], shape: Heads) -> Tensor<2> {
    let Heads { batch, seq, heads, kv_heads, head_dim, causal } = shape;
    let split =
        |x: &Tensor<2>, count: usize| x.clone().reshape([batch, seq, count, head_dim]).swap_dims(1, 2);
    let turn = |x: Tensor<4>| {
        let [b, h, n, d] = x.dims();
        let low = x.clone().slice([0..b, 0..h, 0..n, 0..d / 2]);
        let high = x.clone().slice([0..b, 0..h, 0..n, d / 2..d]);
        x * cos.clone() + Tensor::cat(vec![high.neg(), low], 3) * sin.clone()
    };
    let spread = |x: Tensor<4>| {
        let group = heads / kv_heads;
        x.reshape([batch, kv_heads, 1, seq, head_dim])
            .repeat_dim(2, group)
            .reshape([batch, heads, seq, head_dim])
    };
    let (query, key) = (turn(split(query, heads)), spread(turn(split(key, kv_heads))));
    let mut scores = query.matmul(key.swap_dims(2, 3)) / (head_dim as f64).sqrt();
    if causal {
        let hidden: Vec<bool> = (0..seq).flat_map(|q| (0..seq).map(move |k| k > q)).collect();
        let data = burn::tensor::TensorData::new(hidden, [1, 1, seq, seq]);
        let hidden = Tensor::<4, burn::tensor::Bool>::from_data(data, &device());
        scores = scores.mask_fill(hidden.expand([batch, heads, seq, seq]), f32::NEG_INFINITY);
    }
    let mixed = softmax(scores, 3).matmul(spread(split(value, kv_heads)));
    mixed.swap_dims(1, 2).reshape([batch * seq, heads * head_dim])
}

#[test]
fn attention_and_its_gradients_equal_the_composed_ones() {
    on_all_units(|| {
        for (seq, heads, kv_heads, head_dim, causal) in [
            (1, 1, 1, 2, true),
            (7, 4, 2, 8, true),
            (50, 4, 2, 32, true),
            (113, 2, 1, 16, true),
            (36, 4, 4, 12, false),
            (256, 2, 1, 4, true),
            // A head of several vectors and one more.
            (61, 2, 2, 80, false),
        ] {
            let shape = Heads { batch: 2, seq, heads, kv_heads, head_dim, causal };
            let rows = |heads: usize| tracked([2 * seq, heads * head_dim]);
            let (query, key, value) = (rows(heads), rows(kv_heads), rows(kv_heads));
            let angles = random([2, 1, seq, head_dim / 2]) * 3.0;
            let angles = Tensor::cat(vec![angles.clone(), angles], 3);
            let tables = [angles.clone().cos(), angles.sin()];
            let inputs = [&query, &key, &value];

            let found = attend(inputs, tables.clone(), shape).expect("the device has it");

            let expected = composed(inputs, tables, shape);
            // With one token the weights are 1 whatever the queries and keys are.
            let asked = if seq == 1 { vec![value.clone()] } else { vec![query, key, value.clone()] };
            assert_same(&format!("{shape:?}"), &asked, [found, expected]);
        }
    });
}

#[test]
fn attention_reads_parts_of_rows_where_they_lie() {
    let shape = Heads { batch: 2, seq: 20, heads: 3, kv_heads: 3, head_dim: 16, causal: false };
    let [tokens, width] = [40, 48];
    let rows = tracked([tokens, 3 * width]);
    let angles = random([2, 1, 20, 8]) * 3.0;
    let angles = Tensor::cat(vec![angles.clone(), angles], 3);
    let tables = [angles.clone().cos(), angles.sin()];
    let parts = || [0, 1, 2].map(|at| rows.clone().slice([0..tokens, at * width..(at + 1) * width]));

    let found = attend(parts().each_ref(), tables.clone(), shape).expect("the device has it");

    let expected = composed(parts().each_ref(), tables.clone(), shape);
    assert_same("parts of rows", std::slice::from_ref(&rows), [found, expected]);
    // Rows that are columns of something else.
    let turned = [0, 1, 2].map(|_| random([width, tokens]).transpose());
    let found = attend(turned.each_ref(), tables.clone(), shape).expect("the device has it");
    let expected = composed(turned.each_ref(), tables, shape);
    assert_close(found.inner(), expected.inner());
}

#[test]
fn norms_and_gates_equal_the_composed_ones() {
    on_all_units(|| {
        let (x, y, weight) = (tracked([9, 37]), tracked([9, 37]), tracked([1, 37]));

        let found = rms_norm(&x, &weight.clone().reshape([37]), 1e-6).expect("the device has it");
        let scale = (x.clone().square().mean_dim(1) + 1e-6).sqrt().recip();
        assert_same("norm", &[x.clone(), weight.clone()], [found, x.clone() * scale * weight]);

        let found = swiglu(x.clone(), y.clone()).expect("the device has it");
        assert_same("gate", &[x.clone(), y.clone()], [found, silu(x) * y]);
    });
}

#[test]
fn gates_are_those_of_the_formula_far_from_zero() {
    on_all_units(|| {
        let device = Device::flex();
        let numbers: Values = (-1500..=1500).map(|step| step as f32 * 0.701).collect();
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let near =
            |found: f32, expected: f64| (f64::from(found) - expected).abs() <= 1e-6 * expected.abs().max(1.0);
        let shape = [1, numbers.len()];
        let x = || Tensor::<2>::from_data(TensorData::new(numbers.clone(), shape), &device);

        let gated = values(quick_gelu(x()).expect("the device has it"));
        for (&x, found) in numbers.iter().zip(gated) {
            let expected = f64::from(x) * sigmoid(1.702 * f64::from(x));
            assert!(near(found, expected), "quick_gelu of {x}: {found} and {expected}");
        }

        let gate = Tensor::from_inner(x()).require_grad();
        let up = Tensor::from_inner(x().ones_like());
        let gated = swiglu(gate.clone(), up).expect("the device has it");
        let slopes = values(gate.grad(&gated.clone().sum().backward()).expect("it is tracked"));
        for ((&x, found), slope) in numbers.iter().zip(values(gated.inner())).zip(slopes) {
            let x = f64::from(x);
            let expected = x * sigmoid(x);
            assert!(near(found, expected), "silu of {x}: {found} and {expected}");
            let expected = sigmoid(x) * (1.0 + x * sigmoid(-x));
            assert!(near(slope, expected), "the slope of silu at {x}: {slope} and {expected}");
        }
    });
}

#[test]
fn the_loss_of_words_equals_the_composed_one() {
    on_all_units(|| {
        let logits = tracked([5, 70]);
        let words: [Word; 4] = [(0, 3, 0.5), (0, 69, 0.5), (2, 0, 2.0), (4, 16, 0.25)];

        let found = told(&logits, &words).expect("the device has it");

        let chosen = log_softmax(logits.clone(), 1);
        let parts = words.map(|(row, word, weight)| {
            let (row, word) = (row as usize, word as usize);
            chosen.clone().slice([row..row + 1, word..word + 1]).reshape([1]) * -f64::from(weight)
        });
        let expected = parts.into_iter().reduce(|a, b| a + b).expect("there are words");
        assert_same("loss", &[logits], [found, expected]);
    });
}

#[test]
fn operations_without_a_gradient_equal_the_composed_ones() {
    on_all_units(|| {
        // More than one thread takes on.
        let [tokens, heads, head_dim] = [1300, 3, 10];
        let x = random([tokens, heads * head_dim]).inner();
        let angles = random([1, 1, tokens, head_dim / 2]).inner() * 3.0;
        let angles = Tensor::cat(vec![angles.clone(), angles], 3);
        let [cos, sin] = [angles.clone().cos(), angles.sin()];

        let turned = turn(&x, [cos.clone(), sin.clone()]).expect("the device has it");
        let split = x.clone().reshape([1, tokens, heads, head_dim]).swap_dims(1, 2);
        let part = |at: usize| split.clone().slice([0..1, 0..heads, 0..tokens, at * 5..at * 5 + 5]);
        let expected = split.clone() * cos + Tensor::cat(vec![part(1).neg(), part(0)], 3) * sin;
        assert_close(turned, expected.swap_dims(1, 2).reshape([tokens, heads * head_dim]));

        let opened = quick_gelu(x.clone()).expect("the device has it");
        assert_close(opened, x.clone() * sigmoid(x * 1.702));
    });
}

#[test]
fn values_that_others_have_are_not_changed() {
    on_all_units(|| {
        let (x, y) = (random([40, 30]).inner(), random([40, 30]).inner());
        let (before, part) = (values(x.clone()), x.clone().slice([3..9, 0..30]));
        let expected = [
            values(quick_gelu(x.clone() + 0.0).expect("it is")),
            values(x.clone() * sigmoid(x.clone() * 1.702)),
        ];

        let shared = values(quick_gelu(x.clone()).expect("the device has it"));
        let gated = values(swiglu(x.clone(), y.clone()).expect("the device has it"));
        let alone = values(swiglu(x.clone() + 0.0, y).expect("the device has it"));
        let of_part = values(quick_gelu(part).expect("the device has it"));

        assert_eq!(values(x), before);
        assert_eq!(shared, expected[0]);
        assert!(shared.iter().zip(&expected[1]).all(|(a, b)| (a - b).abs() <= 2e-6));
        assert_eq!(gated, alone);
        assert_eq!(of_part, shared[3 * 30..9 * 30]);
    });
}

fn assert_close(found: Tensor<2>, expected: Tensor<2>) {
    let (found, expected) = (values(found), values(expected));
    assert!(expected.iter().any(|x| x.abs() > 0.1), "nothing is said");
    for (a, b) in found.iter().zip(&expected) {
        assert!((a - b).abs() <= 2e-6, "{a} and {b}");
    }
}

#[test]
fn all_threads_give_what_one_gives() {
    on_all_units(|| {
        let ([x, y], weight) = ([0, 1].map(|_| random([300, 257])), random([257]));
        let plain = |x: &Tensor<2>| x.clone().inner();

        let [one, all] = [(&x, &weight), (&plain(&x), &weight.clone().inner())]
            .map(|(x, weight)| rms_norm(x, weight, 1e-6).expect("the device has it"));
        assert_eq!(values(one), values(all));
        let [one, all] = [[&x, &y], [&plain(&x), &plain(&y)]]
            .map(|[x, y]| swiglu(x.clone(), y.clone()).expect("the device has it"));
        assert_eq!(values(one), values(all));

        // As many keys as meet in one set of a cache.
        let shape = Heads { batch: 2, seq: 256, heads: 4, kv_heads: 2, head_dim: 8, causal: true };
        let inputs = [32, 16, 16].map(|width| random([512, width]));
        let angles = random([2, 1, 256, 8]);
        let tables = [angles.clone().cos(), angles.sin()];
        let one = attend(inputs.each_ref(), tables.clone(), shape).expect("the device has it");
        let plainly = inputs.each_ref().map(plain);
        let all = attend(plainly.each_ref(), tables.map(Tensor::inner), shape).expect("the device has it");
        assert_eq!(values(one), values(all));
    });
}

#[test]
fn other_numbers_are_left_to_their_own_operations() {
    let device = Device::flex();
    let [x, weight] =
        [Tensor::<2>::zeros([2, 4], &device), Tensor::zeros([1, 4], &device)].map(|x| x.cast(DType::BF16));

    assert!(rms_norm(&x, &weight.reshape([4]), 1e-6).is_none());
    assert!(quick_gelu(x.clone()).is_err());
    assert!(quick_gelu(tracked([2, 4])).is_err(), "it has no gradient");
}
