use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::{
    super::{Packed, Row, dot},
    Panels, STRETCH,
};

/// Weights of a tile: six times two vectors of sums, and what is multiplied, fill the registers of AVX2.
const TILE: usize = 6;

/// Activations, `[stretches, panels, inputs of the stretch, columns]`: a panel is `columns` rows, the last filled with zeros.
pub(super) struct Floats {
    inputs: usize,
    rows: usize,
    values: Vec<f32>,
    columns: usize,
    padded_rows: usize,
    arch: Arch,
}

/// Rows of activations that a tile takes side by side.
struct Columns;

impl WithSimd for Columns {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        2 * S::F32_LANES
    }
}

impl Floats {
    /// Takes rows of `x` side by side.
    pub(super) fn new(inputs: usize, x: &[f32]) -> Self {
        let arch = Arch::new();
        let columns = arch.dispatch(Columns);
        let rows = x.len() / inputs;
        let padded_rows = rows.next_multiple_of(columns);
        let mut values = vec![0.0; padded_rows * inputs];
        for (at, stretch) in values.chunks_mut(STRETCH * padded_rows).enumerate() {
            let start = at * STRETCH;
            let width = stretch.len() / padded_rows;
            stretch.par_chunks_mut(width * columns).zip(x.par_chunks(columns * inputs)).for_each(
                |(panel, rows)| {
                    for (column, row) in rows.chunks_exact(inputs).enumerate() {
                        let places = panel[column..].iter_mut().step_by(columns);
                        places.zip(&row[start..start + width]).for_each(|(place, &value)| *place = value);
                    }
                },
            );
        }
        Self { inputs, rows, values, columns, padded_rows, arch }
    }

    /// The panels of a stretch of `width` inputs from `start` on.
    fn stretch(&self, start: usize, width: usize) -> impl Iterator<Item = &[f32]> {
        let begin = start * self.padded_rows;
        self.values[begin..begin + width * self.padded_rows].chunks_exact(width * self.columns)
    }
}

impl Panels for Floats {
    fn rows(&self) -> usize {
        self.rows
    }

    fn dims(&self) -> [usize; 2] {
        [self.padded_rows / self.columns, self.columns]
    }

    fn block(&self, packed: &Packed, first: usize, columns: &mut [f32]) {
        assert_eq!(packed.inputs, self.inputs, "the layers have the same inputs");
        self.arch.dispatch(Block { packed, panels: self, first, columns });
    }
}

/// Outputs from `first` on, `[panels, outputs, columns]`.
struct Block<'a> {
    packed: &'a Packed,
    panels: &'a Floats,
    first: usize,
    columns: &'a mut [f32],
}

impl WithSimd for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { packed, panels, first, columns } = self;
        let padded = panels.padded_rows;
        let outputs = columns.len() / padded;
        // Weights of a tile side by side, input by input; what no weight fills stays zero.
        let mut weights = vec![[0.0; TILE]; outputs.div_ceil(TILE) * STRETCH];
        let mut expanded = [0.0; STRETCH];
        for start in (0..packed.inputs).step_by(STRETCH) {
            let width = STRETCH.min(packed.inputs - start);
            for at in 0..outputs {
                dot::expand(part(packed.row(first + at), start, width), &mut expanded[..width]);
                let places = weights[at / TILE * STRETCH..].iter_mut();
                places.zip(&expanded[..width]).for_each(|(place, &value)| place[at % TILE] = value);
            }
            for (at, panel) in panels.stretch(start, width).enumerate() {
                let columns =
                    &mut columns[at * outputs * panels.columns..(at + 1) * outputs * panels.columns];
                for (columns, weights) in
                    columns.chunks_mut(TILE * panels.columns).zip(weights.chunks(STRETCH))
                {
                    tile(simd, &weights[..width], panel, columns);
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

/// Adds some weights times the rows of a panel to rows of columns.
#[inline(always)]
fn tile<S: Simd>(simd: S, weights: &[[f32; TILE]], panel: &[f32], columns: &mut [f32]) {
    let (vectors, _) = S::as_simd_f32s(panel);
    let (pairs, _) = vectors.as_chunks::<2>();
    let mut sums = [[simd.splat_f32s(0.0); 2]; TILE];
    for (weights, [first, second]) in weights.iter().zip(pairs) {
        for (sums, &weight) in sums.iter_mut().zip(weights) {
            let weight = simd.splat_f32s(weight);
            sums[0] = simd.mul_add_e_f32s(weight, *first, sums[0]);
            sums[1] = simd.mul_add_e_f32s(weight, *second, sums[1]);
        }
    }
    let (places, _) = S::as_mut_simd_f32s(columns);
    let (places, _) = places.as_chunks_mut::<2>();
    for (places, sums) in places.iter_mut().zip(sums) {
        places[0] = simd.add_f32s(places[0], sums[0]);
        places[1] = simd.add_f32s(places[1], sums[1]);
    }
}
