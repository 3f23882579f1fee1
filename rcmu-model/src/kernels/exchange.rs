//! Weights of 8 and 4 bits in the order that other devices take them.

use bytemuck::Pod;

use super::{
    GROUP, Packed, Values, WeightFormat, f16_scale,
    quantised::{MIDDLE, unpacked},
    rows::{Groups, Row},
};

/// Numbers of 8 or 4 bits, `[out, in]`, and the scales of 32 of them each, `[out, in / 32]`.
#[derive(Debug, Default)]
pub(crate) struct Exchanged {
    /// Row by row, two's complement; of 4 bits the first of two in the lower half of a byte.
    pub(crate) numbers: Vec<u8>,
    pub(crate) scales: Vec<f32>,
}

impl Packed {
    /// How the weights are kept.
    pub(crate) const fn format(&self) -> WeightFormat {
        match &self.values {
            Values::F32(_) => WeightFormat::F32,
            Values::Bf16(_) => WeightFormat::Bf16,
            Values::F16(_) => WeightFormat::F16,
            Values::Q8(_) => WeightFormat::Q8,
            Values::Q4(_) => WeightFormat::Q4,
        }
    }

    /// The weights in another order; none where they are floats.
    pub(crate) fn exchanged(&self) -> Option<Exchanged> {
        let mut out = Exchanged::default();
        for row in 0..self.outputs {
            match self.row(row) {
                Row::Q8(row) => out.push(row, |group| group.map(i8::cast_unsigned)),
                Row::Q4(row) => out.push(row, pairs),
                Row::F32(_) | Row::Bf16(_) | Row::F16(_) => return None,
            }
        }
        Some(out)
    }
}

impl Exchanged {
    fn push<G: Pod, const WORDS: usize, const BYTES: usize>(
        &mut self,
        row: Groups<'_, G, WORDS>,
        bytes: impl Fn(&G) -> [u8; BYTES],
    ) {
        for (groups, scales) in row.blocks() {
            self.numbers.extend(groups.iter().flat_map(&bytes));
            self.scales.extend(scales.iter().map(|&scale| f16_scale(scale)));
        }
    }
}

/// The weights of a group of 4 bits, two neighbours to a byte.
fn pairs(group: &[u8; GROUP / 2]) -> [u8; GROUP / 2] {
    let numbers = unpacked(group).map(|number| (i32::from(number) - MIDDLE) as u8 & 15);
    std::array::from_fn(|at| numbers[2 * at] | numbers[2 * at + 1] << 4)
}
