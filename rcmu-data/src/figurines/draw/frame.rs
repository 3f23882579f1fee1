//! The rooms of figurines: how toy, hat and display box share a box.

use super::{pen::OUTLINE, toys};
use crate::figurines::{Accessory, Shape};

/// Height of a display box in units of its own.
pub(super) const CASE: f32 = 100.0;
/// Where a toy stands in a display box: top and bottom.
pub(super) const CASE_INSIDE: [f32; 2] = [11.5, 91.5];
/// Width of a display box beyond that of its toy.
const CASE_SIDES: f32 = 24.0;

/// The units that everything of a toy needs: `[x1, y1, x2, y2]`.
pub(super) fn toy_units(shape: Shape, accessory: Option<Accessory>) -> [f32; 4] {
    let hat = if accessory == Some(Accessory::Hat) { toys::hat_room(shape) } else { 0.0 };
    let rim = OUTLINE / 2.0;
    [-rim, -hat - rim, shape.width_percent() as f32 + rim, 100.0 + rim]
}

/// Width of an undistorted figurine by its height.
pub(crate) fn aspect(shape: Shape, accessory: Option<Accessory>, has_stand: bool) -> f32 {
    let [x1, y1, x2, y2] = toy_units(shape, accessory);
    let toy = (x2 - x1) / (y2 - y1);
    if has_stand { (toy * (CASE_INSIDE[1] - CASE_INSIDE[0]) + CASE_SIDES) / CASE } else { toy }
}

/// The units of a display box that fills these pixels, undistorted.
pub(super) fn case_units([x1, y1, x2, y2]: [f32; 4]) -> [f32; 4] {
    let rim = OUTLINE / 2.0;
    let width = (CASE + OUTLINE) * (x2 - x1) / (y2 - y1);
    [-rim, -rim, width - rim, CASE + rim]
}

/// The pixels in a display box for a toy of this aspect: as large as fits, in the middle of its floor.
pub(super) fn inside(room: [f32; 4], aspect: f32) -> [f32; 4] {
    let [x1, y1, x2, y2] = room;
    let unit = (y2 - y1) / (CASE + OUTLINE);
    let bottom = y1 + CASE_INSIDE[1] * unit;
    let height = ((CASE_INSIDE[1] - CASE_INSIDE[0]) * unit).min((x2 - x1 - 16.0 * unit).max(unit) / aspect);
    let middle = x1 + (x2 - x1) * 0.5;
    [middle - height * aspect / 2.0, bottom - height, middle + height * aspect / 2.0, bottom]
}
