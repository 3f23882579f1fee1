//! Tiles of bf16 weights and activations rounded to bf16.

#![allow(
    clippy::needless_range_loop,
    reason = "loops of a fixed count over several arrays become vector instructions"
)]

use half::bf16;
use rayon::prelude::*;

use super::{
    super::{
        GROUP, Packed, Values, dot,
        units::{COLUMNS, UnitWork, Units, with_units},
    },
    BLOCK, PART, Parts, STRETCH, Sums, all_alike,
};

/// Instructions for a group: each takes two inputs.
const STEPS: usize = GROUP / 2;
const _: () = assert!(STEPS == COLUMNS, "a group of some outputs is turned at once");
/// Groups of a stretch.
const GROUPS: usize = STRETCH / GROUP;
/// Panels of a block: [`COLUMNS`] outputs side by side.
const PANELS: usize = BLOCK / COLUMNS;

/// Two numbers of bf16.
type Word = u32;

/// A group of a part's rows, two inputs to a word.
type PartGroup = [[Word; STEPS]; PART];

/// A group of a panel's weights, two inputs to a word, outputs side by side.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct PanelGroup([[Word; COLUMNS]; STEPS]);

/// Activations rounded to bf16, `[parts, groups]`, the last part filled with zeros.
pub(super) struct Halves {
    rows: usize,
    /// Groups of a row.
    width: usize,
    groups: Vec<PartGroup>,
}

impl Halves {
    /// Rounds rows of `x`, of whole groups, to the nearest, of two the even one.
    pub(super) fn new(inputs: usize, x: &[f32]) -> Self {
        let (rows, width) = (x.len() / inputs, inputs / GROUP);
        let mut groups = all_alike([[0; STEPS]; PART], rows.div_ceil(PART) * width);
        groups.par_chunks_mut(width.max(1)).zip(x.par_chunks(PART * inputs)).for_each(|(part, x)| {
            dot::with_vectors(Rounding { inputs, x, part });
        });
        Self { rows, width, groups }
    }
}

/// Rounds a part's rows.
struct Rounding<'a> {
    inputs: usize,
    x: &'a [f32],
    part: &'a mut [PartGroup],
}

impl dot::Work for Rounding<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { inputs, x, part } = self;
        for (row, x) in x.chunks_exact(inputs).enumerate() {
            for (group, x) in part.iter_mut().zip(x.as_chunks::<GROUP>().0) {
                let mut halves = [0_u16; GROUP];
                for at in 0..GROUP {
                    halves[at] = nearest(x[at]);
                }
                group[row] = bytemuck::cast(halves);
            }
        }
    }
}

/// The bits of the nearest bf16 number, of two those of the even one; what is not a number stays so.
#[inline(always)]
fn nearest(value: f32) -> u16 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    // A quiet one, of which the upper half has a bit.
    let nan = bits >> 16 | 0x40;
    (if value.is_nan() { nan } else { rounded }) as u16
}

impl Parts for Halves {
    fn rows(&self) -> usize {
        self.rows
    }

    fn add_block(&self, packed: &Packed, first: usize, part: usize, sums: &mut [Sums]) {
        let Values::Bf16(weights) = &packed.values else {
            unreachable!("only weights of bf16 are multiplied so")
        };
        assert_eq!(packed.inputs, self.width * GROUP, "the layers have the same inputs");
        let outputs = first..packed.outputs.min(first + BLOCK);
        let weights = &weights[outputs.start * packed.inputs..outputs.end * packed.inputs];
        with_units(Block { width: self.width, weights, x: &self.groups[part * self.width..], sums });
    }
}

/// Some outputs.
struct Block<'a> {
    /// Groups of a row.
    width: usize,
    /// `[outputs, inputs]`
    weights: &'a [bf16],
    x: &'a [PartGroup],
    sums: &'a mut [Sums],
}

impl UnitWork for Block<'_> {
    #[inline(always)]
    fn run(self, units: impl Units) {
        let Self { width, weights, x, sums } = self;
        let words = weights.as_chunks::<GROUP>().0;
        let outputs = words.len() / width;
        // Outputs side by side, two inputs by two.
        let mut panels = vec![[PanelGroup([[0; COLUMNS]; STEPS]); GROUPS]; PANELS];
        let panels = &mut panels[..outputs.div_ceil(COLUMNS)];
        for start in (0..width).step_by(GROUPS) {
            let count = GROUPS.min(width - start);
            for (at, panel) in panels.iter_mut().enumerate() {
                for (group, panel) in panel.iter_mut().take(count).enumerate() {
                    let mut rows = [[0; STEPS]; COLUMNS];
                    for (output, row) in (at * COLUMNS..outputs).zip(&mut rows) {
                        *row = bytemuck::cast(words[output * width + start + group]);
                    }
                    panel.0 = units.turned(&rows);
                }
            }
            for (x, sums) in x.chunks_exact(width).zip(&mut *sums) {
                for (at, panel) in panels.iter().enumerate() {
                    add_tile(units, &panel[..count], &x[start..start + count], sums, at * COLUMNS);
                }
            }
        }
    }
}

/// Adds the products of a part's rows with the outputs of a panel.
#[inline(always)]
fn add_tile(units: impl Units, panel: &[PanelGroup], x: &[PartGroup], sums: &mut Sums, column: usize) {
    let mut added = [units.floats(); PART];
    // What is not known is not unrolled.
    let steps = std::hint::black_box(STEPS);
    for (weights, x) in panel.iter().zip(x) {
        for (step, weights) in weights.0.iter().take(steps).enumerate() {
            for row in 0..PART {
                added[row] = units.add_halves(added[row], weights, x[row][step]);
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_to_the_nearest_bf16() {
        // Every upper half with lower halves around the middle, and at both ends.
        for upper in 0..=u16::MAX {
            for lower in [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff] {
                let value = f32::from_bits(u32::from(upper) << 16 | lower);
                let (found, expected) = (bf16::from_bits(nearest(value)), bf16::from_f32(value));
                assert!(
                    found == expected || found.is_nan() && expected.is_nan(),
                    "{value}: {found}, {expected}"
                );
            }
        }
    }
}
