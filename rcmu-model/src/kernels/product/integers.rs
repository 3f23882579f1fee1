#![allow(
    clippy::needless_range_loop,
    reason = "loops of a fixed count over several arrays become vector instructions"
)]

use rayon::prelude::*;

use super::{
    super::{
        GROUP, Packed, Row,
        activations::{Activations, Step},
        f16_scale,
        quantised::{MIDDLE, unpacked},
        units::{COLUMNS, UnitWork, Units, with_units},
    },
    Panels, STRETCH,
};

/// Groups of a stretch.
const GROUPS: usize = STRETCH / GROUP;
/// Weights of a tile: their sums and what is multiplied fill the registers of AVX-512; units with fewer take parts of it.
const TILE: usize = 12;

/// How weights and activations are multiplied: `STEPS` instructions take a group's inputs.
pub(super) trait Kind<const STEPS: usize>: Copy + Sync {
    /// What an activation is rounded to.
    type Number: Step;
    /// Weights of one instruction.
    type Weights: Copy + Default;
    /// Activations of one instruction, [`COLUMNS`] rows.
    type Inputs: Copy + Send + Sync;
    /// What sums begin with.
    type Start: Copy + Send + Sync;

    /// Nothing.
    fn none(self) -> (Self::Inputs, Self::Start);

    /// Puts a group of a row's activations into its column.
    fn place(
        self,
        steps: &[Self::Number; GROUP],
        column: usize,
        inputs: &mut [Self::Inputs; STEPS],
        start: &mut Self::Start,
    );

    /// A group of a row's weights, and the bits of its scale.
    fn weights(self, row: Row<'_>, group: usize) -> ([Self::Weights; STEPS], u16);

    /// The products of a group of some weights with the rows of a panel.
    fn products<U: Units, const PART: usize>(
        self,
        units: U,
        weights: &[[Self::Weights; STEPS]; PART],
        inputs: &[Self::Inputs],
        start: &Self::Start,
    ) -> [U::Wide; PART];
}

/// Weights of 8 bits, activations of 16, two inputs at a time.
#[derive(Clone, Copy)]
pub(super) struct Pairs;

impl Kind<{ GROUP / 2 }> for Pairs {
    type Number = i16;
    type Weights = [i16; 2];
    type Inputs = [i16; 2 * COLUMNS];
    type Start = ();

    fn none(self) -> (Self::Inputs, ()) {
        ([0; 2 * COLUMNS], ())
    }

    #[inline(always)]
    fn place(self, steps: &[i16; GROUP], column: usize, inputs: &mut [Self::Inputs; GROUP / 2], (): &mut ()) {
        for (place, pair) in inputs.iter_mut().zip(steps.as_chunks::<2>().0) {
            place[2 * column..2 * column + 2].copy_from_slice(pair);
        }
    }

    #[inline(always)]
    fn weights(self, row: Row<'_>, group: usize) -> ([[i16; 2]; GROUP / 2], u16) {
        let mut pairs = [[0; 2]; GROUP / 2];
        let Row::Q8(quants, scales) = row else { return (pairs, 0) };
        for (pair, quants) in pairs.iter_mut().zip(quants[group * GROUP..].as_chunks::<2>().0) {
            *pair = quants.map(i16::from);
        }
        (pairs, scales[group])
    }

    #[inline(always)]
    fn products<U: Units, const PART: usize>(
        self,
        units: U,
        weights: &[[[i16; 2]; GROUP / 2]; PART],
        inputs: &[Self::Inputs],
        (): &(),
    ) -> [U::Wide; PART] {
        let mut sums = [units.wide(); PART];
        for (step, inputs) in inputs.iter().take(GROUP / 2).enumerate() {
            for at in 0..PART {
                sums[at] = units.add_pairs(sums[at], weights[at][step], inputs);
            }
        }
        sums
    }
}

/// Weights of 4 bits, activations of 8, four inputs at a time.
#[derive(Clone, Copy)]
pub(super) struct Quads;

impl Kind<{ GROUP / 4 }> for Quads {
    type Number = i8;
    type Weights = [u8; 4];
    type Inputs = [i8; 4 * COLUMNS];
    /// What the offset of the weights takes from the sums of two inputs of four: at most 8 times 128 times 16.
    type Start = [i16; 2 * COLUMNS];

    fn none(self) -> (Self::Inputs, Self::Start) {
        ([0; 4 * COLUMNS], [0; 2 * COLUMNS])
    }

    #[inline(always)]
    fn place(
        self,
        steps: &[i8; GROUP],
        column: usize,
        inputs: &mut [Self::Inputs; GROUP / 4],
        start: &mut Self::Start,
    ) {
        let mut sums = [0_i32; 2];
        for (place, &[a, b, c, d]) in inputs.iter_mut().zip(steps.as_chunks::<4>().0) {
            place[4 * column..4 * column + 4].copy_from_slice(&[a, b, c, d]);
            sums[0] += i32::from(a) + i32::from(b);
            sums[1] += i32::from(c) + i32::from(d);
        }
        let sums = sums.map(|sum| (-MIDDLE * sum) as i16);
        start[2 * column..2 * column + 2].copy_from_slice(&sums);
    }

    #[inline(always)]
    fn weights(self, row: Row<'_>, group: usize) -> ([[u8; 4]; GROUP / 4], u16) {
        let mut quads = [[0; 4]; GROUP / 4];
        let Row::Q4(quants, scales) = row else { return (quads, 0) };
        let quants = unpacked(&quants.as_chunks::<{ GROUP / 2 }>().0[group]);
        quads.copy_from_slice(quants.as_chunks::<4>().0);
        (quads, scales[group])
    }

    #[inline(always)]
    fn products<U: Units, const PART: usize>(
        self,
        units: U,
        weights: &[[[u8; 4]; GROUP / 4]; PART],
        inputs: &[Self::Inputs],
        start: &Self::Start,
    ) -> [U::Wide; PART] {
        // Sixteen weights of 15 times 128, the start among them, fit into 16 bits, and so does each sum at the end.
        let mut sums = [units.narrow(start); PART];
        for (step, inputs) in inputs.iter().take(GROUP / 4).enumerate() {
            for at in 0..PART {
                sums[at] = units.add_quads(sums[at], weights[at][step], inputs);
            }
        }
        sums.map(|sums| units.widened(sums))
    }
}

/// A group of a panel: [`COLUMNS`] rows of activations as whole numbers.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct PanelGroup<K: Kind<STEPS>, const STEPS: usize> {
    inputs: [K::Inputs; STEPS],
    start: K::Start,
    scales: [f32; COLUMNS],
}

/// A group of a tile's weights.
#[derive(Clone, Copy)]
struct TileGroup<K: Kind<STEPS>, const STEPS: usize> {
    weights: [[K::Weights; STEPS]; TILE],
    scales: [f32; TILE],
}

/// Activations as whole numbers, `[panels, groups]`, the last panel filled with zeros.
pub(super) struct Whole<K: Kind<STEPS>, const STEPS: usize> {
    kind: K,
    inputs: usize,
    rows: usize,
    groups: Vec<PanelGroup<K, STEPS>>,
    padded_rows: usize,
}

impl<K: Kind<STEPS>, const STEPS: usize> Whole<K, STEPS> {
    /// Rounds rows of `x` and takes them side by side.
    pub(super) fn new(inputs: usize, kind: K, x: &[f32]) -> Self {
        let (rows, groups) = (x.len() / inputs, inputs / GROUP);
        let padded_rows = rows.next_multiple_of(COLUMNS);
        let (none, start) = kind.none();
        let empty = PanelGroup { inputs: [none; STEPS], start, scales: [0.0; COLUMNS] };
        let mut panels = vec![empty; padded_rows / COLUMNS * groups];
        panels.par_chunks_mut(groups).zip(x.par_chunks(COLUMNS * inputs)).for_each(|(panel, rows)| {
            for (column, row) in rows.chunks_exact(inputs).enumerate() {
                let row = Activations::<K::Number>::new(row);
                for (group, (steps, scale)) in panel.iter_mut().zip(row.steps().iter().zip(row.scales())) {
                    kind.place(steps, column, &mut group.inputs, &mut group.start);
                    group.scales[column] = *scale;
                }
            }
        });
        Self { kind, inputs, rows, groups: panels, padded_rows }
    }
}

impl<K: Kind<STEPS>, const STEPS: usize> Panels for Whole<K, STEPS> {
    fn rows(&self) -> usize {
        self.rows
    }

    fn dims(&self) -> [usize; 2] {
        [self.padded_rows / COLUMNS, COLUMNS]
    }

    fn block(&self, packed: &Packed, first: usize, columns: &mut [f32]) {
        assert_eq!(packed.inputs, self.inputs, "the layers have the same inputs");
        with_units(Block { packed, panels: self, first, columns });
    }
}

/// Outputs from `first` on, `[panels, outputs, columns]`.
struct Block<'a, K: Kind<STEPS>, const STEPS: usize> {
    packed: &'a Packed,
    panels: &'a Whole<K, STEPS>,
    first: usize,
    columns: &'a mut [f32],
}

impl<K: Kind<STEPS>, const STEPS: usize> UnitWork for Block<'_, K, STEPS> {
    #[inline(always)]
    fn run(self, units: impl Units) {
        let Self { packed, panels, first, columns } = self;
        let Whole { kind, groups: ref activations, padded_rows: padded, .. } = *panels;
        let (outputs, groups) = (columns.len() / padded, packed.inputs / GROUP);
        let columns = columns.as_chunks_mut::<COLUMNS>().0;
        // Weights of a tile side by side, input by input; what no weight fills stays zero.
        let empty = TileGroup { weights: [[K::Weights::default(); STEPS]; TILE], scales: [0.0; TILE] };
        let mut tiles: Vec<TileGroup<K, STEPS>> = vec![empty; outputs.div_ceil(TILE) * GROUPS];
        for start in (0..groups).step_by(GROUPS) {
            let width = GROUPS.min(groups - start);
            for at in 0..outputs {
                let row = packed.row(first + at);
                for (group, place) in (start..start + width).zip(&mut tiles[at / TILE * GROUPS..]) {
                    let (weights, scale) = kind.weights(row, group);
                    place.weights[at % TILE] = weights;
                    place.scales[at % TILE] = f16_scale(scale);
                }
            }
            for (at, panel) in activations.chunks_exact(groups).enumerate() {
                let panel = &panel[start..start + width];
                let columns = &mut columns[at * outputs..(at + 1) * outputs];
                for (columns, weights) in columns.chunks_mut(TILE).zip(tiles.chunks(GROUPS)) {
                    tile(units, kind, &weights[..width], panel, columns);
                }
            }
        }
    }
}

/// Adds a tile's weights times the rows of a panel to rows of columns, as many at once as the units have room for.
#[inline(always)]
fn tile<U: Units, K: Kind<STEPS>, const STEPS: usize>(
    units: U,
    kind: K,
    weights: &[TileGroup<K, STEPS>],
    panel: &[PanelGroup<K, STEPS>],
    columns: &mut [[f32; COLUMNS]],
) {
    if U::MANY {
        add_part::<U, K, STEPS, TILE>(units, kind, (weights, 0), panel, columns);
    } else {
        for (part, columns) in columns.chunks_mut(TILE / 2).enumerate() {
            let weights = (weights, part * TILE / 2);
            add_part::<U, K, STEPS, { TILE / 2 }>(units, kind, weights, panel, columns);
        }
    }
}

/// Adds some weights of a tile, from one on, times the rows of a panel to rows of columns.
#[inline(always)]
fn add_part<U: Units, K: Kind<STEPS>, const STEPS: usize, const PART: usize>(
    units: U,
    kind: K,
    (weights, first): (&[TileGroup<K, STEPS>], usize),
    panel: &[PanelGroup<K, STEPS>],
    columns: &mut [[f32; COLUMNS]],
) {
    let mut sums = [units.floats(); PART];
    let steps = std::hint::black_box(STEPS);
    for (tile, group) in weights.iter().zip(panel) {
        let (Some(weights), Some(scales)) =
            (tile.weights[first..].first_chunk::<PART>(), tile.scales[first..].first_chunk::<PART>())
        else {
            unreachable!("a part of a tile lies within it")
        };
        let products = kind.products(units, weights, &group.inputs[..steps], &group.start);
        for at in 0..PART {
            sums[at] = units.add_scaled(sums[at], products[at], scales[at], &group.scales);
        }
    }
    for (columns, sums) in columns.iter_mut().zip(sums) {
        let sums = units.float_sums(sums);
        for at in 0..COLUMNS {
            columns[at] += sums[at];
        }
    }
}
