//! From f32 rows to packed ones.

use half::f16;

use super::{GROUP, f16_scale};

/// Packs a group to 8 bits; returns the bits of its scale.
///
/// The scale is the largest magnitude over 127, rounded to f16; values are rounded to the nearest multiple.
pub(super) fn q8(group: &[f32], quants: &mut [i8]) -> u16 {
    let largest = group.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let (bits, inverse) = scale(largest / 127.0);
    for (quant, value) in quants.iter_mut().zip(group) {
        *quant = (value * inverse).round().clamp(-127.0, 127.0) as i8;
    }
    bits
}

/// Packs a group to 4 bits, value `i` beside value `i + 16`, each plus 8; returns the bits of its scale.
///
/// The scale makes the value of the largest magnitude -8, so that all sixteen numbers are of use.
pub(super) fn q4(group: &[f32], quants: &mut [u8]) -> u16 {
    let largest = group.iter().fold(0.0_f32, |far, &value| if value.abs() > far.abs() { value } else { far });
    let (bits, inverse) = scale(largest / -8.0);
    let number = |value: f32| (value * inverse + 8.0).round().clamp(0.0, 15.0) as u8;
    let (low, high) = group.split_at(GROUP / 2);
    for (quant, (&low, &high)) in quants.iter_mut().zip(low.iter().zip(high)) {
        *quant = number(low) | number(high) << 4;
    }
    bits
}

/// The f16 nearest to a scale, within the finite numbers, and the inverse of that f16; 0 where it is 0.
fn scale(scale: f32) -> (u16, f32) {
    let bits = nearest_f16(scale).to_bits();
    let rounded = f16_scale(bits);
    (bits, if rounded == 0.0 { 0.0 } else { rounded.recip() })
}

/// The finite f16 number nearest to a value.
pub(crate) fn nearest_f16(value: f32) -> f16 {
    f16::from_f32(value.clamp(f16::MIN.to_f32(), f16::MAX.to_f32()))
}
