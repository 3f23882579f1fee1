#![allow(
    clippy::needless_range_loop,
    reason = "loops of a fixed count over several arrays become vector instructions"
)]

use rayon::prelude::*;

use super::{
    super::{
        GROUP, LANES, Packed, Row,
        activations::{Activations, Step},
        f16_scale,
        quantised::{MIDDLE, unpacked},
        units::{UnitWork, Units, with_units},
    },
    Panels, STRETCH, TILE,
};

/// Groups of a stretch.
const GROUPS: usize = STRETCH / GROUP;
/// Vectors of rows of activations that a tile takes side by side.
const VECTORS: usize = 2;
/// Rows of a panel.
const COLUMNS: usize = VECTORS * LANES;

/// How weights and activations are multiplied: `STEPS` instructions take a group's inputs.
pub(super) trait Kind<const STEPS: usize>: Copy + Sync {
    /// What an activation is rounded to.
    type Number: Step;
    /// Weights of one instruction.
    type Weights: Copy + Default;
    /// Activations of one instruction, eight rows.
    type Inputs: Copy + Send + Sync;
    /// What sums begin with.
    type Start: Copy + Send + Sync;

    /// Nothing.
    fn none(self) -> (Self::Inputs, Self::Start);

    /// Puts a group of a row's activations into its lane.
    fn place(
        self,
        steps: &[Self::Number; GROUP],
        lane: usize,
        inputs: &mut [[Self::Inputs; VECTORS]; STEPS],
        start: &mut [Self::Start; VECTORS],
    );

    /// A group of a row's weights, and the bits of its scale.
    fn weights(self, row: Row<'_>, group: usize) -> ([Self::Weights; STEPS], u16);

    /// The products of a group of a tile's weights with eight rows.
    fn products<U: Units>(
        self,
        units: U,
        weights: &[[Self::Weights; TILE]],
        inputs: &[[Self::Inputs; VECTORS]],
        start: &[Self::Start; VECTORS],
    ) -> [[U::Wide; VECTORS]; TILE];
}

/// Weights of 8 bits, activations of 16, two inputs at a time.
#[derive(Clone, Copy)]
pub(super) struct Pairs;

impl Kind<{ GROUP / 2 }> for Pairs {
    type Number = i16;
    type Weights = [i16; 2];
    type Inputs = [i16; 2 * LANES];
    type Start = ();

    fn none(self) -> (Self::Inputs, ()) {
        ([0; 2 * LANES], ())
    }

    #[inline(always)]
    fn place(
        self,
        steps: &[i16; GROUP],
        lane: usize,
        inputs: &mut [[Self::Inputs; VECTORS]; GROUP / 2],
        _: &mut [(); VECTORS],
    ) {
        let (vector, lane) = (lane / LANES, lane % LANES);
        for (place, pair) in inputs.iter_mut().zip(steps.as_chunks::<2>().0) {
            place[vector][2 * lane..2 * lane + 2].copy_from_slice(pair);
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
    fn products<U: Units>(
        self,
        units: U,
        weights: &[[[i16; 2]; TILE]],
        inputs: &[[Self::Inputs; VECTORS]],
        _: &[(); VECTORS],
    ) -> [[U::Wide; VECTORS]; TILE] {
        let mut sums = [[units.wide(); VECTORS]; TILE];
        for (weights, inputs) in weights.iter().zip(inputs) {
            for at in 0..TILE {
                for vector in 0..VECTORS {
                    sums[at][vector] = units.add_pairs(sums[at][vector], weights[at], &inputs[vector]);
                }
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
    type Inputs = [i8; 4 * LANES];
    /// What the offset of the weights takes from the sums of two inputs of four: at most 8 times 128 times 16.
    type Start = [i16; 2 * LANES];

    fn none(self) -> (Self::Inputs, Self::Start) {
        ([0; 4 * LANES], [0; 2 * LANES])
    }

    #[inline(always)]
    fn place(
        self,
        steps: &[i8; GROUP],
        lane: usize,
        inputs: &mut [[Self::Inputs; VECTORS]; GROUP / 4],
        start: &mut [Self::Start; VECTORS],
    ) {
        let (vector, lane) = (lane / LANES, lane % LANES);
        let mut sums = [0_i32; 2];
        for (place, &[a, b, c, d]) in inputs.iter_mut().zip(steps.as_chunks::<4>().0) {
            place[vector][4 * lane..4 * lane + 4].copy_from_slice(&[a, b, c, d]);
            sums[0] += i32::from(a) + i32::from(b);
            sums[1] += i32::from(c) + i32::from(d);
        }
        let sums = sums.map(|sum| (-MIDDLE * sum) as i16);
        start[vector][2 * lane..2 * lane + 2].copy_from_slice(&sums);
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
    fn products<U: Units>(
        self,
        units: U,
        weights: &[[[u8; 4]; TILE]],
        inputs: &[[Self::Inputs; VECTORS]],
        start: &[Self::Start; VECTORS],
    ) -> [[U::Wide; VECTORS]; TILE] {
        // Sixteen weights of 15 times 128, the start among them, fit into 16 bits, and so does each sum at the end.
        let mut sums = [[units.narrow(&start[0]), units.narrow(&start[1])]; TILE];
        for (weights, inputs) in weights.iter().zip(inputs) {
            for at in 0..TILE {
                for vector in 0..VECTORS {
                    sums[at][vector] = units.add_quads(sums[at][vector], weights[at], &inputs[vector]);
                }
            }
        }
        let mut products = [[units.wide(); VECTORS]; TILE];
        for at in 0..TILE {
            for vector in 0..VECTORS {
                products[at][vector] = units.widened(sums[at][vector]);
            }
        }
        products
    }
}

/// A group of a panel: [`COLUMNS`] rows of activations as whole numbers.
#[derive(Clone, Copy)]
struct PanelGroup<K: Kind<STEPS>, const STEPS: usize> {
    inputs: [[K::Inputs; VECTORS]; STEPS],
    start: [K::Start; VECTORS],
    scales: [[f32; LANES]; VECTORS],
}

/// A group of a tile's weights.
#[derive(Clone, Copy)]
struct TileGroup<K: Kind<STEPS>, const STEPS: usize> {
    weights: [[K::Weights; TILE]; STEPS],
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
        let empty = PanelGroup {
            inputs: [[none; VECTORS]; STEPS],
            start: [start; VECTORS],
            scales: [[0.0; LANES]; VECTORS],
        };
        let mut panels = vec![empty; padded_rows / COLUMNS * groups];
        panels.par_chunks_mut(groups).zip(x.par_chunks(COLUMNS * inputs)).for_each(|(panel, rows)| {
            for (lane, row) in rows.chunks_exact(inputs).enumerate() {
                let row = Activations::<K::Number>::new(row);
                for (group, (steps, scale)) in panel.iter_mut().zip(row.steps().iter().zip(row.scales())) {
                    kind.place(steps, lane, &mut group.inputs, &mut group.start);
                    group.scales[lane / LANES][lane % LANES] = *scale;
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
        let empty = TileGroup { weights: [[K::Weights::default(); TILE]; STEPS], scales: [0.0; TILE] };
        let mut tiles: Vec<TileGroup<K, STEPS>> = vec![empty; outputs.div_ceil(TILE) * GROUPS];
        for start in (0..groups).step_by(GROUPS) {
            let width = GROUPS.min(groups - start);
            for at in 0..outputs {
                let row = packed.row(first + at);
                for (group, place) in (start..start + width).zip(&mut tiles[at / TILE * GROUPS..]) {
                    let (weights, scale) = kind.weights(row, group);
                    for (place, weights) in place.weights.iter_mut().zip(weights) {
                        place[at % TILE] = weights;
                    }
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

/// Adds some weights times the rows of a panel to rows of columns.
#[inline(always)]
fn tile<K: Kind<STEPS>, const STEPS: usize>(
    units: impl Units,
    kind: K,
    weights: &[TileGroup<K, STEPS>],
    panel: &[PanelGroup<K, STEPS>],
    columns: &mut [[f32; COLUMNS]],
) {
    let mut sums = [[units.floats(); VECTORS]; TILE];
    let steps = std::hint::black_box(STEPS);
    for (weights, inputs) in weights.iter().zip(panel) {
        let products =
            kind.products(units, &weights.weights[..steps], &inputs.inputs[..steps], &inputs.start);
        for at in 0..TILE {
            for vector in 0..VECTORS {
                let (products, x) = (products[at][vector], &inputs.scales[vector]);
                sums[at][vector] = units.add_scaled(sums[at][vector], products, weights.scales[at], x);
            }
        }
    }
    for (columns, sums) in columns.iter_mut().zip(&sums) {
        let sums = sums.map(|floats| units.float_sums(floats));
        let sums = sums.as_flattened();
        for at in 0..COLUMNS {
            columns[at] += sums[at];
        }
    }
}
