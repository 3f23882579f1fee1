//! From f32 rows to packed ones.

use half::{bf16, f16};

use super::{GROUP, f16_scale};

/// Packs values to 8 bits, appending to both.
///
/// A group's scale is its largest magnitude over 127, rounded to f16; its values are rounded to the nearest multiple.
pub(super) fn q8(values: &[f32], quants: &mut Vec<i8>, scales: &mut Vec<u16>) {
    for group in values.chunks(GROUP) {
        let largest = group.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        let (bits, inverse) = scale(largest / 127.0);
        scales.push(bits);
        quants.extend(group.iter().map(|value| (value * inverse).round().clamp(-127.0, 127.0) as i8));
    }
}

/// Packs values to 4 bits, appending to both: 16 bytes a group, value `i` beside value `i + 16`, each plus 8.
///
/// A group's scale makes its value of the largest magnitude -8, so that all sixteen numbers are of use.
pub(super) fn q4(values: &[f32], quants: &mut Vec<u8>, scales: &mut Vec<u16>) {
    for group in values.chunks(GROUP) {
        let largest =
            group.iter().fold(0.0_f32, |far, &value| if value.abs() > far.abs() { value } else { far });
        let (bits, inverse) = scale(largest / -8.0);
        scales.push(bits);
        let number = |value: f32| (value * inverse + 8.0).round().clamp(0.0, 15.0) as u8;
        let (low, high) = group.split_at(GROUP / 2);
        quants.extend(low.iter().zip(high).map(|(&low, &high)| number(low) | number(high) << 4));
    }
}

/// Rounds to bf16, ties to even.
pub(super) fn bf16s(values: &[f32], out: &mut Vec<bf16>) {
    out.extend(values.iter().map(|&value| bf16::from_f32(value)));
}

/// The f16 nearest to a scale, within the finite numbers, and the inverse of that f16; 0 where it is 0.
fn scale(scale: f32) -> (u16, f32) {
    let bits = f16::from_f32(scale.clamp(-65504.0, 65504.0)).to_bits();
    let rounded = f16_scale(bits);
    (bits, if rounded == 0.0 { 0.0 } else { rounded.recip() })
}
