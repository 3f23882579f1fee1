//! Weights of 8 and 4 bits in the order that other devices take them.

use std::ops::Range;

use bytemuck::Pod;
use rayon::prelude::*;

use super::{
    GROUP, Packed, Values, WeightFormat, f16_scale,
    quantised::{MIDDLE, unpacked},
    rows::{Groups, Row},
};

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

    /// Some rows in another order; none where they are floats: first the numbers of all of them, two's complement, of 4 bits
    /// the first of two in the lower half of a byte, then a scale of f32 for each 32.
    pub(crate) fn exchanged(&self, rows: Range<usize>) -> Option<Vec<u8>> {
        let width = match self.format() {
            WeightFormat::Q8 => self.inputs,
            WeightFormat::Q4 => self.inputs / 2,
            WeightFormat::F32 | WeightFormat::Bf16 | WeightFormat::F16 => return None,
        };
        let scales_width = self.inputs / GROUP * size_of::<f32>();
        let mut bytes = vec![0; rows.len() * (width + scales_width)];
        let (numbers, scales) = bytes.split_at_mut(rows.len() * width);
        let places = numbers.par_chunks_exact_mut(width).zip(scales.par_chunks_exact_mut(scales_width));
        places.zip(rows).for_each(|((numbers, scales), row)| match self.row(row) {
            Row::Q8(row) => write(row, numbers, scales, |group| group.map(i8::cast_unsigned)),
            Row::Q4(row) => write(row, numbers, scales, pairs),
            Row::F32(_) | Row::Bf16(_) | Row::F16(_) => {}
        });
        Some(bytes)
    }
}

/// Writes the numbers and scales of a row.
fn write<G: Pod, const WORDS: usize, const BYTES: usize>(
    row: Groups<'_, G, WORDS>,
    numbers: &mut [u8],
    scales: &mut [u8],
    bytes: impl Fn(&G) -> [u8; BYTES],
) {
    let groups = row.blocks().flat_map(|(groups, scales)| groups.iter().zip(scales));
    let places = numbers.as_chunks_mut::<BYTES>().0.iter_mut().zip(scales.as_chunks_mut().0);
    for ((group, &scale), (numbers, place)) in groups.zip(places) {
        *numbers = bytes(group);
        *place = f16_scale(scale).to_ne_bytes();
    }
}

/// The weights of a group of 4 bits, two neighbours to a byte.
fn pairs(group: &[u8; GROUP / 2]) -> [u8; GROUP / 2] {
    let numbers = unpacked(group).map(|number| (i32::from(number) - MIDDLE) as u8 & 15);
    std::array::from_fn(|at| numbers[2 * at] | numbers[2 * at + 1] << 4)
}
