//! Tiles of weights that are floats: outputs side by side, so that one instruction multiplies a word of each of them by a word
//! of a row of activations and adds it to a sum of the output's own.

#![allow(
    clippy::needless_range_loop,
    reason = "loops of a fixed count over several arrays become vector instructions"
)]

use std::{marker::PhantomData, ops::Range};

use rayon::prelude::*;

use super::{
    super::{
        Packed, dot,
        units::{COLUMNS, UnitWork, Units, ask_ahead, with_units},
    },
    BLOCK, PART, Parts, STRETCH, Sums, all_alike,
};

/// Panels of a block: [`COLUMNS`] outputs side by side.
const PANELS: usize = BLOCK / COLUMNS;
/// Parts whose words a thread makes at once.
const FILLED: usize = 4;
/// Rows that units with few registers take at once.
const HALF: usize = PART / 2;

/// What an instruction multiplies: 32 bits.
pub(super) type Word = u32;

/// Words of a part's rows: as many of each row as there are outputs side by side, which are turned at once.
type Inputs = [[Word; COLUMNS]; PART];

/// Words of a panel's weights, outputs side by side.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Panel([[Word; COLUMNS]; COLUMNS]);

/// What a word holds, and how it is multiplied.
pub(super) trait Kind: Send + Sync {
    /// A weight as it is kept.
    type Weight: Copy + Sync;
    /// Inputs to a word.
    const INPUTS: usize;

    /// The weights of a layer, `[outputs, inputs]`.
    fn of(packed: &Packed) -> &[Self::Weight];

    /// The words of some inputs, zero where there are no more.
    fn inputs(x: &[f32]) -> [Word; COLUMNS];

    /// The words of some weights of an output, zero where there are no more.
    fn weights(units: impl Units, weights: &[Self::Weight]) -> [Word; COLUMNS];

    /// Adds the products of a word of each output and one of a row.
    fn add<U: Units>(units: U, sums: U::Floats, w: &[Word; COLUMNS], x: Word) -> U::Floats;
}

/// Activations in words, `[stretches, parts, steps]`, the last part filled with zeros: a block reads them from the first to
/// the last of a stretch.
pub(super) struct Panels<K> {
    rows: usize,
    inputs: usize,
    parts: Vec<Inputs>,
    kind: PhantomData<K>,
}

/// Inputs of a step.
const fn step<K: Kind>() -> usize {
    COLUMNS * K::INPUTS
}

/// Steps of a stretch.
const fn steps<K: Kind>() -> usize {
    STRETCH / step::<K>()
}

impl<K: Kind> Panels<K> {
    /// Makes words of rows of `x`.
    pub(super) fn new(inputs: usize, x: &[f32]) -> Self {
        let (rows, width) = (x.len() / inputs, inputs.div_ceil(step::<K>()));
        let count = rows.div_ceil(PART);
        let mut parts = all_alike([[0; COLUMNS]; PART], count * width);
        let stretches = parts.par_chunks_mut((steps::<K>() * count).max(1)).enumerate();
        stretches.for_each(|(stretch, parts)| {
            let first = stretch * STRETCH;
            let steps = parts.len() / count;
            let parts = parts.par_chunks_mut(FILLED * steps).zip(x.par_chunks(FILLED * PART * inputs));
            parts.for_each(|(parts, x)| {
                dot::with_vectors(Filling::<K> { inputs, x, first, parts, kind: PhantomData });
            });
        });
        Self { rows, inputs, parts, kind: PhantomData }
    }
}

/// Makes words of a stretch of rows.
struct Filling<'a, K> {
    inputs: usize,
    x: &'a [f32],
    /// The first input.
    first: usize,
    /// `[parts, steps]`
    parts: &'a mut [Inputs],
    kind: PhantomData<K>,
}

impl<K: Kind> dot::Work for Filling<'_, K> {
    #[inline(always)]
    fn run(self) {
        let Self { inputs, x, first, parts, .. } = self;
        let end = inputs.min(first + STRETCH);
        let steps = (end - first).div_ceil(step::<K>());
        for (part, x) in parts.chunks_exact_mut(steps).zip(x.chunks(PART * inputs)) {
            for (row, x) in x.chunks_exact(inputs).enumerate() {
                for (part, x) in part.iter_mut().zip(x[first..end].chunks(step::<K>())) {
                    part[row] = K::inputs(x);
                }
            }
        }
    }
}

impl<K: Kind> Parts for Panels<K> {
    fn rows(&self) -> usize {
        self.rows
    }

    fn add_block(&self, packed: &Packed, outputs: Range<usize>, part: usize, sums: &mut [Sums]) {
        assert_eq!(packed.inputs, self.inputs, "the layers have the same inputs");
        let weights = &K::of(packed)[outputs.start * self.inputs..outputs.end * self.inputs];
        with_units(Block { x: self, weights, part, sums });
    }
}

/// Some outputs.
struct Block<'a, K: Kind> {
    x: &'a Panels<K>,
    /// `[outputs, inputs]`
    weights: &'a [K::Weight],
    /// The first part.
    part: usize,
    sums: &'a mut [Sums],
}

impl<K: Kind> UnitWork for Block<'_, K> {
    #[inline(always)]
    fn run(self, units: impl Units) {
        let Self { x, weights, part, sums } = self;
        let (inputs, steps) = (x.inputs, steps::<K>());
        let (outputs, width) = (weights.len() / inputs, inputs.div_ceil(step::<K>()));
        let parts = x.rows.div_ceil(PART);
        let mut panels = vec![Panel([[0; COLUMNS]; COLUMNS]); PANELS * steps];
        for start in (0..width).step_by(steps) {
            let count = steps.min(width - start);
            let ends = (start * step::<K>(), inputs.min((start + count) * step::<K>()));
            for (at, panel) in panels.chunks_exact_mut(steps).take(outputs.div_ceil(COLUMNS)).enumerate() {
                let rows = weights[at * COLUMNS * inputs..].chunks_exact(inputs).take(COLUMNS);
                for (at, panel) in panel[..count].iter_mut().enumerate() {
                    let mut words = [[0; COLUMNS]; COLUMNS];
                    for (words, row) in words.iter_mut().zip(rows.clone()) {
                        let from = ends.0 + at * step::<K>();
                        *words = K::weights(units, &row[from..ends.1.min(from + step::<K>())]);
                    }
                    panel.0 = units.turned(&words);
                }
            }
            let x = &x.parts[start * parts + part * count..];
            for (x, sums) in x.chunks_exact(count).zip(&mut *sums) {
                for (at, panel) in panels.chunks_exact(steps).take(outputs.div_ceil(COLUMNS)).enumerate() {
                    add_part::<K, _>(units, &panel[..count], x, sums, at * COLUMNS);
                }
            }
        }
    }
}

/// Adds the products of a part's rows with the outputs of a panel, of as many rows at once as there is room for.
#[inline(always)]
fn add_part<K: Kind, U: Units>(units: U, panel: &[Panel], x: &[Inputs], sums: &mut Sums, column: usize) {
    if U::MANY {
        add_tile::<K, U, PART>(units, panel, x, [0, column], sums);
    } else {
        add_tile::<K, U, HALF>(units, panel, x, [0, column], sums);
        add_tile::<K, U, HALF>(units, panel, x, [HALF, column], sums);
    }
}

/// Adds the products of some rows of a part with the outputs of a panel, from a row and a column on.
#[inline(always)]
fn add_tile<K: Kind, U: Units, const ROWS: usize>(
    units: U,
    panel: &[Panel],
    x: &[Inputs],
    [first, column]: [usize; 2],
    sums: &mut Sums,
) {
    let mut added = [units.floats(); ROWS];
    // What is not known is not unrolled.
    let steps = std::hint::black_box(COLUMNS);
    let part = size_of_val(x);
    for (weights, x) in panel.iter().zip(x) {
        if column == 0 {
            // The part that comes next.
            ask_ahead(x, part);
        }
        if !U::MANY && first == 0 {
            // The panel comes from the second cache; the other rows find it in the first.
            ask_ahead(weights, size_of::<Panel>());
        }
        let x = x[first..].first_chunk::<ROWS>().expect("a part has the rows");
        for (step, weights) in weights.0.iter().take(steps).enumerate() {
            for row in 0..ROWS {
                added[row] = K::add(units, added[row], weights, x[row][step]);
            }
        }
    }
    for (sums, added) in sums[first..].iter_mut().zip(added) {
        let added = units.float_sums(added);
        let sums = &mut sums[column..column + COLUMNS];
        for at in 0..COLUMNS {
            sums[at] += added[at];
        }
    }
}
