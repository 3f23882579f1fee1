//! Weights of bf16 and activations rounded to bf16, two to a word.

use half::bf16;

use super::{
    super::{
        Packed, Values,
        units::{COLUMNS, Units},
    },
    panels::{Kind, Word},
};

/// Activations rounded to the nearest, of two the even one; rows of whole steps only.
pub(super) struct Halves;

impl Kind for Halves {
    type Weight = bf16;
    const INPUTS: usize = 2;

    fn of(packed: &Packed) -> &[bf16] {
        let Values::Bf16(weights) = &packed.values else {
            unreachable!("only weights of bf16 are multiplied so")
        };
        weights
    }

    #[inline(always)]
    fn inputs(x: &[f32]) -> [Word; COLUMNS] {
        let x = x.first_chunk::<{ 2 * COLUMNS }>().expect("rows are whole steps");
        let mut halves = [0_u16; 2 * COLUMNS];
        for (half, &x) in halves.iter_mut().zip(x) {
            *half = nearest(x);
        }
        bytemuck::cast(halves)
    }

    #[inline(always)]
    fn weights(_: impl Units, weights: &[bf16]) -> [Word; COLUMNS] {
        bytemuck::cast(*weights.first_chunk::<{ 2 * COLUMNS }>().expect("rows are whole steps"))
    }

    #[inline(always)]
    fn add<U: Units>(units: U, sums: U::Floats, w: &[Word; COLUMNS], x: Word) -> U::Floats {
        units.add_halves(sums, w, x)
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

/// The nearest bf16 number, of two the even one; what is not a number stays so.
#[cfg(feature = "flex")]
#[inline(always)]
pub(in crate::kernels) fn nearest_half(value: f32) -> bf16 {
    bf16::from_bits(nearest(value))
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
