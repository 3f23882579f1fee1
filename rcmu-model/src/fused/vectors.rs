//! Products of small matrices and the exponential function, compiled for the vector units of this machine.

use pulp::Simd;

/// Columns of a right-hand side are padded to a multiple of this, a vector of the widest unit.
pub(super) const COLUMNS: usize = 16;

/// The next multiple of [`COLUMNS`].
pub(super) const fn padded(count: usize) -> usize {
    count.next_multiple_of(COLUMNS)
}

/// A left-hand side: element `(row, k)` is `values[row * strides[0] + k * strides[1]]`.
#[derive(Clone, Copy)]
pub(super) struct Left<'a> {
    pub(super) values: &'a [f32],
    pub(super) strides: [usize; 2],
    pub(super) rows: usize,
}

/// A right-hand side: `k` rows of `columns` values (a multiple of [`COLUMNS`]), `stride` apart.
#[derive(Clone, Copy)]
pub(super) struct Right<'a> {
    pub(super) values: &'a [f32],
    pub(super) stride: usize,
    pub(super) columns: usize,
    pub(super) k: usize,
}

/// Whether a product replaces what is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Into {
    /// It does.
    Place,
    /// It is added.
    Sum,
}

/// Where a product goes: rows that are `stride` apart.
pub(super) struct Out<'a> {
    pub(super) values: &'a mut [f32],
    pub(super) stride: usize,
    pub(super) into: Into,
}

/// The product of two matrices.
#[inline(always)]
pub(super) fn product<S: Simd>(simd: S, left: Left<'_>, right: Right<'_>, mut out: Out<'_>) {
    let step = 2 * S::F32_LANES;
    let pairs = right.columns / step * step;
    for column in (0..pairs).step_by(step) {
        column_of_tiles::<S, 2>(simd, left, right, &mut out, column);
    }
    // One vector at most, since there are whole ones of the widest unit.
    if pairs < right.columns {
        column_of_tiles::<S, 1>(simd, left, right, &mut out, pairs);
    }
}

/// Tiles of some vectors one below another.
///
/// Six rows times two vectors of sums, and the two that are multiplied, fill the registers of AVX2, twelve those of
/// AVX-512.
#[inline(always)]
fn column_of_tiles<S: Simd, const VECTORS: usize>(
    simd: S,
    left: Left<'_>,
    right: Right<'_>,
    out: &mut Out<'_>,
    column: usize,
) {
    let mut row = 0;
    while row < left.rows {
        let at = [row, column];
        row += match left.rows - row {
            12.. if S::REGISTER_COUNT >= 32 => tile::<S, 12, VECTORS>(simd, left, right, out, at),
            6.. => tile::<S, 6, VECTORS>(simd, left, right, out, at),
            5 => tile::<S, 5, VECTORS>(simd, left, right, out, at),
            4 => tile::<S, 4, VECTORS>(simd, left, right, out, at),
            3 => tile::<S, 3, VECTORS>(simd, left, right, out, at),
            2 => tile::<S, 2, VECTORS>(simd, left, right, out, at),
            _ => tile::<S, 1, VECTORS>(simd, left, right, out, at),
        };
    }
}

/// Returns its rows.
#[inline(always)]
fn tile<S: Simd, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    left: Left<'_>,
    right: Right<'_>,
    out: &mut Out<'_>,
    [row, column]: [usize; 2],
) -> usize {
    let step = VECTORS * S::F32_LANES;
    let mut sums = [[simd.splat_f32s(0.0); VECTORS]; ROWS];
    let [across, along] = left.strides;
    let values = &left.values[row * across..];
    for k in 0..right.k {
        let start = k * right.stride + column;
        let (vectors, _) = S::as_simd_f32s(&right.values[start..start + step]);
        let column = &values[k * along..];
        for (at, sums) in sums.iter_mut().enumerate() {
            let x = simd.splat_f32s(column[at * across]);
            for vector in 0..VECTORS {
                sums[vector] = simd.mul_add_e_f32s(x, vectors[vector], sums[vector]);
            }
        }
    }
    for (at, sums) in sums.iter().enumerate() {
        let start = (row + at) * out.stride + column;
        let (vectors, _) = S::as_mut_simd_f32s(&mut out.values[start..start + step]);
        for (place, &sum) in vectors.iter_mut().zip(sums) {
            *place = if out.into == Into::Sum { simd.add_f32s(*place, sum) } else { sum };
        }
    }
    ROWS
}

/// `eˣ` within 3e-7 of it; below -87 it stays at about 1e-38, above 88 at about 2e38. What is not a number stays so.
///
/// `2ⁿ` times the Taylor polynomial of the rest, which is at most half of `ln 2`: the first term left out is
/// `0.347⁷ / 5040 = 1.2e-7`. The rest and the last sum and product are rounded, by 6e-8 each.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    /// Adding it rounds to an integer, which then stands in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    /// `ln 2` in two parts, the first of few digits so that its multiples are exact.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    let x = if x < -87.0 { -87.0 } else { x };
    let x = if x > 88.0 { 88.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN_2[0]) - n * LN_2[1];
    let tail = 1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0));
    let p = 1.0 + r * (1.0 + r * (0.5 + r * (1.0 / 6.0 + r * tail)));
    p * f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0_f32.to_bits()))
}

/// Numbers that are worked on side by side in sums whose order is fixed.
const LANES: usize = 16;

/// The sum of `f` over pairs.
#[inline(always)]
pub(crate) fn sum(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        for at in 0..LANES {
            sums[at] += f(a[at], b[at]);
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(&a, &b)| f(a, b)).sum();
    sums.iter().sum::<f32>() + rest
}

/// The largest value.
#[inline(always)]
pub(crate) fn largest(values: &[f32]) -> f32 {
    let mut best = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for at in 0..LANES {
            best[at] = if chunk[at] > best[at] { chunk[at] } else { best[at] };
        }
    }
    best.iter().chain(rest).fold(f32::NEG_INFINITY, |best, &x| if x > best { x } else { best })
}

/// Replaces each value by `exp(value - shift)`; returns their sum.
#[inline(always)]
pub(crate) fn exp_all(values: &mut [f32], shift: f32) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let (chunks, rest) = values.as_chunks_mut::<LANES>();
    for chunk in chunks {
        for at in 0..LANES {
            let e = exp(chunk[at] - shift);
            chunk[at] = e;
            sums[at] += e;
        }
    }
    let mut total: f32 = sums.iter().sum();
    for value in rest {
        *value = exp(*value - shift);
        total += *value;
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_right_wherever_there_is_room_for_it_and_stays_at_both_ends() {
        // Steps that are no multiples of anything, through all that f32 has room for and far beyond.
        let steps = (-100_000..=100_000).map(|step| step as f32 * 0.010_007);
        for x in steps.chain([-f32::MAX, -87.0, -0.0, 0.0, f32::MIN_POSITIVE, 88.0, f32::MAX]) {
            let expected = f64::from(x.clamp(-87.0, 88.0)).exp();
            let apart = (f64::from(exp(x)) - expected).abs() / expected;
            assert!(apart < 3e-7, "{x}: {} and {expected}", exp(x));
        }
        assert!(exp(f32::NAN).is_nan());
    }
}
