#![allow(
    clippy::needless_range_loop,
    reason = "loops of a fixed count over several arrays become vector instructions"
)]

use std::ops::Range;

use rayon::prelude::*;

use super::{
    super::{
        GROUP, LANES, Packed,
        activations::{Step, round},
        dot,
        quantised::{MIDDLE, unpacked},
        rows::{Q4Row, Q8Row, Row},
        units::{COLUMNS, UnitWork, Units, ask_ahead, with_units},
    },
    BLOCK, PART, Parts, STRETCH, Sums, all_alike,
};

/// Groups of a stretch.
const GROUPS: usize = STRETCH / GROUP;
const _: () = assert!(GROUPS == super::super::BLOCK, "a stretch is a block of a row's groups");
/// Panels of a block: [`COLUMNS`] outputs side by side.
const PANELS: usize = BLOCK / COLUMNS;

/// Numbers of one instruction for one output or row: two of 16 bits, or four of 8.
type Word = u32;

/// How weights and activations are multiplied: `STEPS` instructions take a group's inputs.
pub(super) trait Kind<const STEPS: usize>: Copy + Send + Sync {
    /// What an activation is rounded to.
    type Number: Step;
    /// What the sums of a row begin with.
    type Start: Copy + Default + Send + Sync;

    /// A group of a row's activations.
    fn inputs(self, steps: &[Self::Number; GROUP]) -> ([Word; STEPS], Self::Start);

    /// A group of an output's weights; asks memory for that of the next stretch.
    fn weights(self, row: Row<'_>, group: usize) -> [Word; STEPS];

    /// The products of a group of some rows with the outputs of a panel.
    fn products<U: Units, const ROWS: usize>(
        self,
        units: U,
        weights: &[[Word; COLUMNS]],
        inputs: &[[Word; STEPS]; ROWS],
        start: &[Self::Start; ROWS],
    ) -> [U::Wide; ROWS];
}

/// Weights of 8 bits, activations of 16, two inputs at a time.
#[derive(Clone, Copy)]
pub(super) struct Pairs;

impl Kind<{ GROUP / 2 }> for Pairs {
    type Number = i16;
    type Start = ();

    #[inline(always)]
    fn inputs(self, steps: &[i16; GROUP]) -> ([Word; GROUP / 2], ()) {
        (bytemuck::cast(*steps), ())
    }

    #[inline(always)]
    fn weights(self, row: Row<'_>, group: usize) -> [Word; GROUP / 2] {
        let (quants, mut wide) = (row.q8().numbers(group), [0; GROUP]);
        ask_ahead(quants, Q8Row::BYTES);
        for at in 0..GROUP {
            wide[at] = i16::from(quants[at]);
        }
        bytemuck::cast(wide)
    }

    #[inline(always)]
    fn products<U: Units, const ROWS: usize>(
        self,
        units: U,
        weights: &[[Word; COLUMNS]],
        inputs: &[[Word; GROUP / 2]; ROWS],
        _: &[(); ROWS],
    ) -> [U::Wide; ROWS] {
        let mut sums = [units.wide(); ROWS];
        for (step, weights) in weights.iter().take(GROUP / 2).enumerate() {
            for row in 0..ROWS {
                sums[row] = units.add_pairs(sums[row], weights, inputs[row][step]);
            }
        }
        sums
    }
}

/// Weights of 8 bits, activations of 8, four inputs at a time.
#[derive(Clone, Copy)]
pub(super) struct Bytes;

impl Kind<{ GROUP / 4 }> for Bytes {
    type Number = i8;
    /// Their sum.
    type Start = i32;

    #[inline(always)]
    fn inputs(self, steps: &[i8; GROUP]) -> ([Word; GROUP / 4], i32) {
        (bytemuck::cast(*steps), steps.iter().map(|&step| i32::from(step)).sum())
    }

    #[inline(always)]
    fn weights(self, row: Row<'_>, group: usize) -> [Word; GROUP / 4] {
        let (quants, mut lifted) = (row.q8().numbers(group), [0; GROUP]);
        ask_ahead(quants, Q8Row::BYTES);
        for at in 0..GROUP {
            lifted[at] = quants[at].cast_unsigned() ^ 128;
        }
        bytemuck::cast(lifted)
    }

    #[inline(always)]
    fn products<U: Units, const ROWS: usize>(
        self,
        units: U,
        weights: &[[Word; COLUMNS]],
        inputs: &[[Word; GROUP / 4]; ROWS],
        start: &[i32; ROWS],
    ) -> [U::Wide; ROWS] {
        let mut sums = [units.wide(); ROWS];
        for row in 0..ROWS {
            sums[row] = units.bytes(start[row]);
        }
        for (step, weights) in weights.iter().take(GROUP / 4).enumerate() {
            for row in 0..ROWS {
                sums[row] = units.add_bytes(sums[row], weights, inputs[row][step]);
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
    /// What the offset of the weights takes from the sums of two inputs of four: at most 8 times 128 times 16.
    type Start = [i16; 2];

    #[inline(always)]
    fn inputs(self, steps: &[i8; GROUP]) -> ([Word; GROUP / 4], [i16; 2]) {
        let mut sums = [0_i32; 2];
        for [a, b, c, d] in steps.as_chunks::<4>().0.iter().map(|quad| quad.map(i32::from)) {
            sums[0] += a + b;
            sums[1] += c + d;
        }
        (bytemuck::cast(*steps), sums.map(|sum| (-MIDDLE * sum) as i16))
    }

    #[inline(always)]
    fn weights(self, row: Row<'_>, group: usize) -> [Word; GROUP / 4] {
        let quants = row.q4().numbers(group);
        ask_ahead(quants, Q4Row::BYTES);
        bytemuck::cast(unpacked(quants))
    }

    #[inline(always)]
    fn products<U: Units, const ROWS: usize>(
        self,
        units: U,
        weights: &[[Word; COLUMNS]],
        inputs: &[[Word; GROUP / 4]; ROWS],
        start: &[[i16; 2]; ROWS],
    ) -> [U::Wide; ROWS] {
        // Each input takes a sum by at most 8 times 128 from zero, sixteen of them by half of what 16 bits have room for.
        let mut sums = [units.narrow(start[0]); ROWS];
        for row in 1..ROWS {
            sums[row] = units.narrow(start[row]);
        }
        for (step, weights) in weights.iter().take(GROUP / 4).enumerate() {
            for row in 0..ROWS {
                sums[row] = units.add_quads(sums[row], weights, inputs[row][step]);
            }
        }
        let mut products = [units.wide(); ROWS];
        for row in 0..ROWS {
            products[row] = units.widened(sums[row]);
        }
        products
    }
}

/// A group of a part's rows.
#[derive(Clone, Copy)]
struct PartGroup<K: Kind<STEPS>, const STEPS: usize> {
    inputs: [[Word; STEPS]; PART],
    start: [K::Start; PART],
    scales: [f32; PART],
}

/// A group of a panel's weights.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct PanelGroup<const STEPS: usize> {
    weights: [[Word; COLUMNS]; STEPS],
    scales: [f32; COLUMNS],
}

/// Activations as whole numbers, `[parts, groups]`, the last part filled with zeros.
pub(super) struct Whole<K: Kind<STEPS>, const STEPS: usize> {
    kind: K,
    rows: usize,
    /// Groups of a row.
    width: usize,
    groups: Vec<PartGroup<K, STEPS>>,
}

impl<K: Kind<STEPS>, const STEPS: usize> Whole<K, STEPS> {
    /// Rounds rows of `x`.
    pub(super) fn new(inputs: usize, kind: K, x: &[f32]) -> Self {
        let (rows, width) = (x.len() / inputs, inputs / GROUP);
        let empty =
            PartGroup { inputs: [[0; STEPS]; PART], start: [K::Start::default(); PART], scales: [0.0; PART] };
        let mut groups = all_alike(empty, rows.div_ceil(PART) * width);
        groups.par_chunks_mut(width.max(1)).zip(x.par_chunks(PART * inputs)).for_each(|(part, x)| {
            dot::with_vectors(Rounding { kind, x, part });
        });
        Self { kind, rows, width, groups }
    }
}

/// Makes whole numbers of a part's rows.
struct Rounding<'a, K: Kind<STEPS>, const STEPS: usize> {
    kind: K,
    x: &'a [f32],
    part: &'a mut [PartGroup<K, STEPS>],
}

impl<K: Kind<STEPS>, const STEPS: usize> dot::Work for Rounding<'_, K, STEPS> {
    #[inline(always)]
    fn run(self) {
        let Self { kind, x, part } = self;
        for (row, x) in x.chunks_exact((part.len() * GROUP).max(1)).enumerate() {
            for (group, x) in part.iter_mut().zip(x.as_chunks::<GROUP>().0) {
                let (steps, scale) = round(x);
                (group.inputs[row], group.start[row]) = kind.inputs(&steps);
                group.scales[row] = scale;
            }
        }
    }
}

impl<K: Kind<STEPS>, const STEPS: usize> Parts for Whole<K, STEPS> {
    fn rows(&self) -> usize {
        self.rows
    }

    fn add_block(&self, packed: &Packed, outputs: Range<usize>, part: usize, sums: &mut [Sums]) {
        assert_eq!(packed.inputs, self.width * GROUP, "the layers have the same inputs");
        with_units(Block { packed, outputs, kind: self.kind, x: &self.groups[part * self.width..], sums });
    }
}

/// Some outputs.
struct Block<'a, K: Kind<STEPS>, const STEPS: usize> {
    packed: &'a Packed,
    outputs: Range<usize>,
    kind: K,
    x: &'a [PartGroup<K, STEPS>],
    sums: &'a mut [Sums],
}

impl<K: Kind<STEPS>, const STEPS: usize> UnitWork for Block<'_, K, STEPS> {
    #[inline(always)]
    fn run(self, units: impl Units) {
        let Self { packed, outputs: Range { start: first, end }, kind, x, sums } = self;
        let (outputs, groups) = (end - first, packed.inputs / GROUP);
        // Outputs side by side, input by input.
        let empty = PanelGroup { weights: [[0; COLUMNS]; STEPS], scales: [0.0; COLUMNS] };
        let mut panels: Vec<[PanelGroup<STEPS>; GROUPS]> = vec![[empty; GROUPS]; PANELS];
        let panels = &mut panels[..outputs.div_ceil(COLUMNS)];
        for start in (0..groups).step_by(GROUPS) {
            let width = GROUPS.min(groups - start);
            for (at, panel) in panels.iter_mut().enumerate() {
                let columns = COLUMNS.min(outputs - at * COLUMNS);
                let row = |column: usize| packed.row(first + at * COLUMNS + column);
                let rows: [_; COLUMNS] =
                    std::array::from_fn(|column| (column < columns).then(|| row(column)));
                unpack(units, kind, &rows, start, &mut panel[..width]);
            }
            for (x, sums) in x.chunks_exact(groups).zip(&mut *sums) {
                for (at, panel) in panels.iter().enumerate() {
                    let tile = Tile { units, kind, panel: &panel[..width], x: &x[start..start + width] };
                    tile.add(sums, at * COLUMNS);
                }
            }
        }
    }
}

/// Unpacks groups of a panel's outputs from one on; an output that is not there has scales of zero.
#[inline(always)]
fn unpack<K: Kind<STEPS>, const STEPS: usize>(
    units: impl Units,
    kind: K,
    rows: &[Option<Row<'_>>; COLUMNS],
    start: usize,
    panel: &mut [PanelGroup<STEPS>],
) {
    for (column, row) in rows.iter().enumerate() {
        let Some(row) = row else { continue };
        let mut scales = [0; LANES];
        scales[..panel.len()].copy_from_slice(row.scales(start / GROUPS));
        for (group, scale) in panel.iter_mut().zip(units.scales(&scales, &[1.0; LANES])) {
            group.scales[column] = scale;
        }
    }
    // As many groups as fill the words that are turned at once.
    for (at, groups) in panel.chunks_mut(COLUMNS / STEPS).enumerate() {
        let mut words = [[0; COLUMNS]; COLUMNS];
        for (row, words) in rows.iter().zip(&mut words) {
            let Some(row) = *row else { continue };
            let first = start + at * (COLUMNS / STEPS);
            let places = words.as_chunks_mut::<STEPS>().0.iter_mut().take(groups.len());
            for (group, words) in (first..).zip(places) {
                *words = kind.weights(row, group);
            }
        }
        let words = units.turned(&words);
        for (group, words) in groups.iter_mut().zip(words.as_chunks::<STEPS>().0) {
            group.weights = *words;
        }
    }
}

/// Rows of a part and outputs of a panel.
#[derive(Clone, Copy)]
struct Tile<'a, U, K: Kind<STEPS>, const STEPS: usize> {
    units: U,
    kind: K,
    panel: &'a [PanelGroup<STEPS>],
    x: &'a [PartGroup<K, STEPS>],
}

impl<U: Units, K: Kind<STEPS>, const STEPS: usize> Tile<'_, U, K, STEPS> {
    /// Adds its products, of as many rows at once as the units have room for.
    #[inline(always)]
    fn add(self, sums: &mut Sums, column: usize) {
        if U::MANY {
            self.add_rows::<PART>(0, sums, column);
        } else {
            for (at, sums) in sums.chunks_exact_mut(PART / 2).enumerate() {
                self.add_rows::<{ PART / 2 }>(at, sums, column);
            }
        }
    }

    /// Adds the products of the rows from `ROWS * at` on.
    #[inline(always)]
    fn add_rows<const ROWS: usize>(self, at: usize, sums: &mut [[f32; BLOCK]], column: usize) {
        let Self { units, kind, panel, x } = self;
        let mut added = [units.floats(); ROWS];
        // What is not known is not unrolled.
        let steps = std::hint::black_box(STEPS);
        for (weights, x) in panel.iter().zip(x) {
            let (inputs, start) = (&x.inputs.as_chunks::<ROWS>().0[at], &x.start.as_chunks::<ROWS>().0[at]);
            let scales = &x.scales.as_chunks::<ROWS>().0[at];
            let products = kind.products(units, &weights.weights[..steps], inputs, start);
            for row in 0..ROWS {
                added[row] = units.add_scaled(added[row], products[row], scales[row], &weights.scales);
            }
        }
        for (sums, added) in sums.iter_mut().zip(added) {
            let added = units.float_sums(added);
            let sums = &mut sums[column..column + COLUMNS];
            for at in 0..COLUMNS {
                sums[at] += added[at];
            }
        }
    }
}
