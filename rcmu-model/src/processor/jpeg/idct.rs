//! The inverse transform of a block, in the integer arithmetic of the reference.

/// A block of coefficients or samples, row by row.
pub(super) type Block<T> = [T; 64];

/// Bits behind the point of the constants.
const CONST_BITS: u32 = 13;
/// Bits behind the point that are kept between the passes.
const PASS_BITS: u32 = 2;

/// A constant of the transform as a whole number.
const fn fix(number: f64) -> i32 {
    (number * (1 << CONST_BITS) as f64 + 0.5) as i32
}

/// Turns quantised coefficients into samples of 0 to 255.
///
/// Coefficients and the numbers between the passes are limited to 16 bits. Only damaged files reach that, and then
/// no sum leaves 32 bits: an output is at most 7.48 times the largest input, in units of 2^-13.
///
/// # Source
///
/// The "slow integer" method of the Independent JPEG Group's library: C. Loeffler, A. Ligtenberg and G. Moschytz,
/// "Practical fast 1-D DCT algorithms with 11 multiplications", ICASSP 1989, over columns and then over rows.
pub(super) fn inverse(coefficients: &Block<i16>, steps: &Block<u16>) -> Block<u8> {
    let value = |i: usize| clamp_i16(i32::from(coefficients[i]) * i32::from(steps[i]));
    if coefficients[1..].iter().all(|&c| c == 0) {
        // What the two passes give for a flat block.
        return [sample((value(0) + 4) >> 3); 64];
    }
    let mut between = [0; 64];
    for x in 0..8 {
        let column = std::array::from_fn(|y| value(y * 8 + x));
        let out = if column[1..] == [0; 7] { [column[0] << (CONST_BITS); 8] } else { transform(column) };
        for (y, sum) in out.into_iter().enumerate() {
            between[y * 8 + x] = clamp_i16(rounded(sum, CONST_BITS - PASS_BITS));
        }
    }
    let mut samples = [0; 64];
    for (row, out) in between.as_chunks::<8>().0.iter().zip(samples.as_chunks_mut::<8>().0) {
        // The transform is scaled by the root of eight in each pass.
        *out = transform(*row).map(|sum| sample(rounded(sum, CONST_BITS + PASS_BITS + 3)));
    }
    samples
}

fn clamp_i16(number: i32) -> i32 {
    number.clamp(i16::MIN.into(), i16::MAX.into())
}

/// Drops bits, rounding to nearest.
fn rounded(number: i32, bits: u32) -> i32 {
    (number + (1 << (bits - 1))) >> bits
}

/// A sample from its distance to the middle.
fn sample(number: i32) -> u8 {
    (number + 128).clamp(0, 255) as u8
}

/// Transforms eight numbers, times the root of eight and 2^13.
fn transform([c0, c1, c2, c3, c4, c5, c6, c7]: [i32; 8]) -> [i32; 8] {
    // Even part: rotates c2 and c6.
    let turned = (c2 + c6) * fix(0.541_196_100);
    let low = turned - c6 * fix(1.847_759_065);
    let high = turned + c2 * fix(0.765_366_865);
    let (sum, difference) = ((c0 + c4) << CONST_BITS, (c0 - c4) << CONST_BITS);
    let even = [sum + high, difference + low, difference - low, sum - high];
    // Odd part.
    let common = (c7 + c3 + c5 + c1) * fix(1.175_875_602);
    let z1 = -(c7 + c1) * fix(0.899_976_223);
    let z2 = -(c5 + c3) * fix(2.562_915_447);
    let z3 = common - (c7 + c3) * fix(1.961_570_560);
    let z4 = common - (c5 + c1) * fix(0.390_180_644);
    let odd = [
        c1 * fix(1.501_321_110) + z1 + z4,
        c3 * fix(3.072_711_026) + z2 + z3,
        c5 * fix(2.053_119_869) + z2 + z4,
        c7 * fix(0.298_631_336) + z1 + z3,
    ];
    std::array::from_fn(|i| if i < 4 { even[i] + odd[i] } else { even[7 - i] - odd[7 - i] })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition in ITU-T T.81, A.3.3.
    fn exact(coefficients: &Block<i16>) -> Block<f64> {
        let scale = |k: usize| if k == 0 { 0.5_f64.sqrt() } else { 1.0 };
        let wave = |x: usize, u: usize| ((2 * x + 1) as f64 * u as f64 * std::f64::consts::PI / 16.0).cos();
        std::array::from_fn(|i| {
            let terms = (0..64).map(|k| {
                let (u, v) = (k % 8, k / 8);
                scale(u) * scale(v) * f64::from(coefficients[k]) * wave(i % 8, u) * wave(i / 8, v)
            });
            terms.sum::<f64>() / 4.0 + 128.0
        })
    }

    /// Numbers that look random, the same every time.
    fn numbers(seed: u64) -> impl Iterator<Item = u64> {
        std::iter::successors(Some(seed), |n| {
            Some(n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407))
        })
        .map(|n| n >> 33)
        .skip(1)
    }

    #[test]
    fn samples_are_within_one_level_of_the_definition() {
        for seed in 0..500 {
            let mut random = numbers(seed);
            let width = 1 + seed % 200;
            let block: Block<i16> =
                std::array::from_fn(|_| (random.next().unwrap() % (2 * width + 1)) as i16 - width as i16);

            let found = inverse(&block, &[1; 64]);

            for (found, exact) in found.iter().zip(exact(&block)) {
                assert!((f64::from(*found) - exact.clamp(0.0, 255.0)).abs() < 1.0, "{found} {exact}");
            }
        }
    }

    #[test]
    fn steps_multiply_the_coefficients() {
        let (mut block, mut product, mut steps) = ([0; 64], [0; 64], [1; 64]);
        (block[0], block[9], steps[0], steps[9]) = (-3, 5, 16, 10);
        (product[0], product[9]) = (-48, 50);

        assert_eq!(inverse(&block, &steps), inverse(&product, &[1; 64]));
    }

    #[test]
    fn a_flat_block_is_an_eighth_of_its_first_coefficient() {
        let mut block = [0; 64];
        block[0] = -81; // -10.125

        assert_eq!(inverse(&block, &[1; 64]), [118; 64]);
        block[0] = 12; // 1.5, rounded up
        assert_eq!(inverse(&block, &[1; 64]), [130; 64]);
    }

    #[test]
    fn the_largest_coefficients_do_not_overflow() {
        // Signs that add up: each sample in turn, in both passes.
        for i in 0..64 {
            let mut one = [0; 64];
            for (k, coefficient) in one.iter_mut().enumerate() {
                let wave =
                    |x: usize, u: usize| (((2 * x + 1) * u) as f64 * std::f64::consts::PI / 16.0).cos();
                let positive = wave(i % 8, k % 8) * wave(i / 8, k / 8) > 0.0;
                *coefficient = if positive { i16::MAX } else { i16::MIN };
            }

            assert_eq!(inverse(&one, &[u16::MAX; 64])[i], 255, "{i}");
            assert_eq!(inverse(&one.map(|c| !c), &[u16::MAX; 64])[i], 0, "{i}");
        }
    }
}
