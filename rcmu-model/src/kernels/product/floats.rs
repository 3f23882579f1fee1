use pulp::{Arch, Simd, WithSimd};

use super::{
    super::{Packed, Row, dot},
    BLOCK, PART, Parts, STRETCH, Sums,
};

/// Numbers of a line of the cache: vectors that lie in two cost twice.
const LINE: usize = 16;

/// Activations as they are.
pub(super) struct Floats<'a> {
    inputs: usize,
    /// `[rows, inputs]`
    x: &'a [f32],
}

impl<'a> Floats<'a> {
    pub(super) const fn new(inputs: usize, x: &'a [f32]) -> Self {
        Self { inputs, x }
    }
}

impl Parts for Floats<'_> {
    fn rows(&self) -> usize {
        self.x.len() / self.inputs
    }

    fn add_block(&self, packed: &Packed, first: usize, part: usize, sums: &mut [Sums]) {
        assert_eq!(packed.inputs, self.inputs, "the layers have the same inputs");
        let x = &self.x[part * PART * self.inputs..];
        Arch::new().dispatch(Block { packed, first, x, sums });
    }
}

/// Outputs from `first` on.
struct Block<'a> {
    packed: &'a Packed,
    first: usize,
    x: &'a [f32],
    sums: &'a mut [Sums],
}

impl WithSimd for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { packed, first, x, sums } = self;
        let (inputs, side) = (packed.inputs, 2 * S::F32_LANES);
        let outputs = BLOCK.min(packed.outputs - first);
        // Weights of two vectors of outputs side by side, input by input; what no output fills stays zero.
        let mut weights = vec![0.0; BLOCK * STRETCH + LINE];
        let lines = weights.as_ptr().align_offset(size_of::<f32>() * LINE).min(LINE);
        let weights = &mut weights[lines..lines + BLOCK * STRETCH];
        let mut expanded = [0.0; STRETCH];
        let mut rows = [[0.0; STRETCH]; PART];
        for start in (0..inputs).step_by(STRETCH) {
            let width = STRETCH.min(inputs - start);
            for at in 0..outputs {
                dot::expand(part(packed.row(first + at), start, width), &mut expanded[..width]);
                let places = &mut weights[at / side * side * STRETCH + at % side..];
                places
                    .iter_mut()
                    .step_by(side)
                    .zip(&expanded[..width])
                    .for_each(|(place, &value)| *place = value);
            }
            for (x, sums) in x.chunks(PART * inputs).zip(&mut *sums) {
                for (row, x) in rows.iter_mut().zip(x.chunks_exact(inputs)) {
                    row[..width].copy_from_slice(&x[start..start + width]);
                }
                for (at, weights) in weights.chunks_exact(side * STRETCH).enumerate() {
                    if at * side < outputs {
                        tile(simd, &weights[..side * width], &rows, sums, at * side);
                    }
                }
            }
        }
    }
}

/// Inputs `start..start + width` of a row of floats.
#[inline(always)]
fn part(row: Row<'_>, start: usize, width: usize) -> Row<'_> {
    let end = start + width;
    match row {
        Row::F32(w) => Row::F32(&w[start..end]),
        Row::Bf16(w) => Row::Bf16(&w[start..end]),
        Row::F16(w) => Row::F16(&w[start..end]),
        integers => integers,
    }
}

/// Adds the products of a part's rows with two vectors of outputs, as many rows at once as the units have room for.
#[inline(always)]
fn tile<S: Simd>(simd: S, weights: &[f32], rows: &[[f32; STRETCH]; PART], sums: &mut Sums, column: usize) {
    /// Six times two vectors of sums, and what is multiplied, fill the registers of AVX2.
    const HALF: usize = PART / 2;
    if S::REGISTER_COUNT >= 32 {
        add_rows::<S, PART>(simd, weights, rows, sums, column);
    } else {
        let (rows, sums) = (rows.as_chunks::<HALF>().0, sums.as_chunks_mut::<HALF>().0);
        for (rows, sums) in rows.iter().zip(sums) {
            add_rows::<S, HALF>(simd, weights, rows, sums, column);
        }
    }
}

/// Adds the products of some rows with two vectors of outputs.
#[inline(always)]
fn add_rows<S: Simd, const ROWS: usize>(
    simd: S,
    weights: &[f32],
    rows: &[[f32; STRETCH]; ROWS],
    sums: &mut [[f32; BLOCK]; ROWS],
    column: usize,
) {
    let (vectors, _) = S::as_simd_f32s(weights);
    let (pairs, _) = vectors.as_chunks::<2>();
    let mut added = [[simd.splat_f32s(0.0); 2]; ROWS];
    for (at, [first, second]) in pairs.iter().take(STRETCH).enumerate() {
        for row in 0..ROWS {
            let x = simd.splat_f32s(rows[row][at]);
            added[row][0] = simd.mul_add_e_f32s(x, *first, added[row][0]);
            added[row][1] = simd.mul_add_e_f32s(x, *second, added[row][1]);
        }
    }
    for (sums, added) in sums.iter_mut().zip(added) {
        let (places, _) = S::as_mut_simd_f32s(&mut sums[column..column + 2 * S::F32_LANES]);
        for (place, added) in places.iter_mut().zip(added) {
            *place = simd.add_f32s(*place, added);
        }
    }
}
