use super::*;

/// Numbers from 0 to 1, the same in every run: fractions of the multiples of the golden ratio.
fn numbers(seed: usize, shape: [usize; 4]) -> Vec<f32> {
    (0..shape.iter().product()).map(|at| ((seed + at) as f64 * 0.618_033_988_75).fract() as f32).collect()
}

/// Plain attention of one query head, written out with f64 numbers.
fn by_hand(q: &[f32], k: &[f32], v: &[f32], dim: usize, visible: usize) -> Vec<f32> {
    let scale = 1.0 / (dim as f64).sqrt();
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    let exps: Vec<f64> = k.chunks(dim).take(visible).map(|row| (dot(q, row) * scale).exp()).collect();
    let sum: f64 = exps.iter().sum();
    (0..dim)
        .map(|d| {
            let mixed: f64 = exps.iter().zip(v.chunks(dim)).map(|(e, row)| e * f64::from(row[d])).sum();
            (mixed / sum) as f32
        })
        .collect()
}

/// What f32 may be off by in any order of its sums, for numbers from 0 to 1 (Higham, Accuracy and Stability of
/// Numerical Algorithms, section 3.1: a sum of n products is off by at most n·u of the sum of their magnitudes).
///
/// A score of at most √dim is off by (dim + 2)·√dim·u, its exponential by as large a share and four units, and so
/// is a weighted sum of n values and the sum of n weights that divides it, each by n more.
fn rounding(dim: usize, keys: usize) -> f64 {
    let score = (dim + 2) as f64 * (dim as f64).sqrt();
    2.0 * (score + 4.0 + keys as f64) * f64::from(f32::EPSILON) / 2.0
}

/// Compares both ways with the formula for two sequences, under the causal mask.
fn both_ways_equal_the_formula([heads, kv_heads, queries, keys, dim]: [usize; 5]) {
    let device = Device::flex();
    let shapes = [[2, heads, queries, dim], [2, kv_heads, keys, dim], [2, kv_heads, keys, dim]];
    let [qs, ks, vs] = [0, 1, 2].map(|i| numbers(1000 * i, shapes[i]));
    let [q, k, v] = [(&qs, 0), (&ks, 1), (&vs, 2)]
        .map(|(numbers, i)| Tensor::<4>::from_data(TensorData::new(numbers.clone(), shapes[i]), &device));
    let bound = rounding(dim, keys);

    for attender in
        [Attender::Fused, Attender::Explicit(Multiplier::Whole), Attender::Explicit(Multiplier::InParts)]
    {
        let out = attender
            .forward(q.clone(), k.clone(), v.clone(), &AttentionMask::Causal)
            .into_data()
            .try_to_vec::<f32>()
            .expect("f32");
        // The heads of the second sequence after those of the first, and so with those of keys and values.
        for head in 0..2 * heads {
            let kv = head / (heads / kv_heads) * keys * dim;
            for query in 0..queries {
                let at = (head * queries + query) * dim;
                let visible = keys - queries + query + 1;
                let expected = by_hand(&qs[at..at + dim], &ks[kv..kv + keys * dim], &vs[kv..], dim, visible);
                for (a, b) in out[at..at + dim].iter().zip(&expected) {
                    let off = f64::from((a - b).abs());
                    assert!(off <= bound, "{attender:?}, head {head}, query {query}: {a} and {b}");
                }
            }
        }
    }
}

#[test]
fn grouped_heads_and_earlier_keys_are_those_of_the_formula() {
    // Few queries are taken one by one, more in products.
    for queries in [1, 3, 9, 20] {
        both_ways_equal_the_formula([4, 2, queries, queries + 2, 8]);
        both_ways_equal_the_formula([6, 1, queries, queries + 300, 40]);
        both_ways_equal_the_formula([14, 2, queries, queries + 5, 16]);
    }
    // A cache is taken in parts of 256 keys: of the last one some queries see all, some a few, and some nothing.
    for [queries, keys] in [[1, 256], [1, 257], [3, 258], [8, 260], [2, 1025]] {
        both_ways_equal_the_formula([4, 2, queries, keys, 8]);
    }
}

#[test]
fn a_cache_is_read_where_it_lies() {
    let device = Device::flex();
    let tensor = |shape| Tensor::<4>::from_data(TensorData::new(numbers(5, shape), shape), &device);
    let (query, rooms) = (tensor([2, 12, 2, 8]), [tensor([2, 2, 50, 8]), tensor([2, 2, 50, 8]) * -3.0]);
    let parts = || rooms.clone().map(|room| room.slice([0..2, 0..2, 0..21, 0..8]));
    let copied = |part: Tensor<4>| Tensor::<4>::from_data(part.into_data(), &device);

    let [keys, values] = parts();
    let found = Attender::Fused.forward(query.clone(), keys, values, &AttentionMask::Causal);
    let [keys, values] = parts().map(copied);
    let expected = Attender::Fused.forward(query, keys, values, &AttentionMask::Causal);

    assert_eq!(found.into_data(), expected.into_data());
}

#[test]
fn nothing_looks_at_pads() {
    let device = Device::flex();
    let tensor = |seed, shape| Tensor::<4>::from_data(TensorData::new(numbers(seed, shape), shape), &device);
    // None, few, those of a whole part of the cache, all but the first and the last keys.
    for (queries, start, counts) in [(1, 3, [0, 7]), (3, 250, [270, 1]), (1, 1, [590, 300]), (9, 5, [20, 0])]
    {
        let keys = 600;
        let shapes = [[2, 4, queries, 8], [2, 2, keys, 8], [2, 2, keys, 8]];
        let [q, k, v] = [0, 1, 2].map(|at| tensor(1000 * at, shapes[at]));
        let mask = AttentionMask::Padded(Pads { start, counts: counts.into() });

        for attender in
            [Attender::Fused, Attender::Explicit(Multiplier::Whole), Attender::Explicit(Multiplier::InParts)]
        {
            let found = attender.forward(q.clone(), k.clone(), v.clone(), &mask);
            for (row, pads) in counts.into_iter().enumerate() {
                // The same without the pads.
                let one = |x: &Tensor<4>| x.clone().narrow(0, row, 1);
                let kept = |x: &Tensor<4>| {
                    let end = start + pads;
                    Tensor::cat(vec![one(x).narrow(2, 0, start), one(x).narrow(2, end, keys - end)], 2)
                };
                let expected = Attender::Explicit(Multiplier::Whole).forward(
                    one(&q),
                    kept(&k),
                    kept(&v),
                    &AttentionMask::Causal,
                );
                let apart = (one(&found) - expected).abs().max().into_scalar::<f32>();
                assert!(
                    f64::from(apart) <= 2.0 * rounding(8, keys),
                    "{attender:?} {queries} {pads}: {apart}"
                );
            }
        }
    }
}

#[test]
fn numbers_that_are_not_finite_do_not_get_lost() {
    let device = Device::flex();
    for (queries, broken) in [(1, f32::NAN), (1, f32::INFINITY), (3, f32::NAN)] {
        let shapes = [[1, 2, queries, 8], [1, 1, 300, 8], [1, 1, 300, 8]];
        let attend = |inputs: &[Vec<f32>; 3]| {
            let [q, k, v] = [0, 1, 2].map(|at| {
                let data = TensorData::new(inputs[at].clone(), shapes[at]);
                Tensor::<4>::from_data(data, &device)
            });
            let out = Attender::Fused.forward(q, k, v, &AttentionMask::Causal);
            out.into_data().try_to_vec::<f32>().expect("f32")
        };
        let whole = shapes.map(|shape| numbers(5, shape));

        // A number of the last query of the second head spoils that query alone.
        let (mut inputs, last) = (whole.clone(), (2 * queries - 1) * 8);
        inputs[0][last] = broken;
        let out = attend(&inputs);
        assert!(out[last..].iter().all(|value| !value.is_finite()), "{queries} {broken}: {out:?}");
        assert!(out[..last].iter().all(|value| value.is_finite()), "{queries} {broken}: {out:?}");

        // A number of a key spoils all that look at it.
        let mut inputs = whole;
        inputs[1][10 * 8] = broken;
        let out = attend(&inputs);
        assert!(out.iter().all(|value| !value.is_finite()), "{queries} {broken}: {out:?}");
    }
}

#[test]
fn one_token_is_decoded_however_its_mask_is_called() {
    let query = |count| Tensor::<4>::zeros([1, 2, count, 4], &Device::flex());

    assert!(is_decoding(&query(1), &AttentionMask::Causal));
    assert!(is_decoding(&query(1), &AttentionMask::Full));
    assert!(is_decoding(&query(3), &AttentionMask::Causal));
    assert!(!is_decoding(&query(3), &AttentionMask::Full));
}

#[test]
fn more_queries_than_a_block_holds_give_the_formula() {
    let queries = MAX_BLOCK_ROWS + 7;
    both_ways_equal_the_formula([2, 1, queries, queries, 4]);
}

#[test]
fn scores_of_one_block_count() {
    let [whole, parts] = [Multiplier::Whole, Multiplier::InParts].map(Attender::Explicit);

    assert_eq!(Attender::Fused.score_bytes([12, 1000, 1000], 4), 0);
    // All queries at once, in bf16, f32 and bf16 again; 512 of 1,000 in f32 three times.
    assert_eq!(whole.score_bytes([12, 500, 600], 2), 12 * 500 * 600 * (2 + 4 + 2));
    assert_eq!(whole.score_bytes([12, 1000, 1000], 4), 12 * 512 * 1000 * (4 + 4 + 4));
    assert_eq!(parts.score_bytes([12, 1000, 1000], 4), 12 * 512 * 1000 * 24);
    // As many as make 2^26 scores.
    assert_eq!(whole.score_bytes([16, 65_536, 65_536], 4), (1 << 26) * 12);
}
