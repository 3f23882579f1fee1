//! What faces have in common.

use super::{
    coat::Rgb,
    pen::{Pen, arc, oval},
};

const INK: Rgb = [34, 22, 34];

/// Two eyes at `x ± apart`.
pub(super) fn eyes(pen: &mut Pen<'_>, (x, y): (f32, f32), apart: f32, radius: f32) {
    for x in [x - apart, x + apart] {
        eye(pen, (x, y), radius);
    }
}

/// An eye: a white rim, a large pupil and two glints.
pub(super) fn eye(pen: &mut Pen<'_>, (x, y): (f32, f32), radius: f32) {
    pen.flat(oval(x, y, radius * 1.12, radius * 1.26), [255; 3], 1.0);
    pen.flat(oval(x, y + radius * 0.08, radius * 0.86, radius * 1.02), INK, 1.0);
    pen.flat(oval(x - radius * 0.26, y - radius * 0.34, radius * 0.34, radius * 0.38), [255; 3], 1.0);
    pen.flat(oval(x + radius * 0.3, y + radius * 0.46, radius * 0.16, radius * 0.18), [255; 3], 0.9);
}

/// Two rosy cheeks at `x ± apart`.
pub(super) fn blush(pen: &mut Pen<'_>, (x, y): (f32, f32), apart: f32, radius: f32) {
    for x in [x - apart, x + apart] {
        pen.flat(oval(x, y, radius * 1.3, radius * 0.8), [255, 110, 130], 0.5);
    }
}

/// A smile below `(x, y)`.
pub(super) fn smile(pen: &mut Pen<'_>, (x, y): (f32, f32), half: f32) {
    pen.line(arc(&[(x - half, y), (x, y + half * 1.3), (x + half, y)]), 1.6, INK, 1.0);
}

/// A snout's mouth: two smiles that meet below the nose at `(x, y)`.
pub(super) fn snout(pen: &mut Pen<'_>, (x, y): (f32, f32), half: f32) {
    let low = y + half * 1.1;
    let mouth = [(x - half, y), (x - half * 0.7, low), (x, y), (x + half * 0.7, low), (x + half, y)];
    pen.line(arc(&mouth), 1.6, INK, 1.0);
}

/// A dark nose with a glint.
pub(super) fn nose(pen: &mut Pen<'_>, (x, y): (f32, f32), rx: f32, ry: f32) {
    pen.flat(oval(x, y, rx, ry), INK, 1.0);
    pen.flat(oval(x - rx * 0.3, y - ry * 0.4, rx * 0.3, ry * 0.26), [255; 3], 0.8);
}

/// The light that glossy paint throws back.
pub(super) fn gloss(pen: &mut Pen<'_>, (x, y): (f32, f32), rx: f32, ry: f32) {
    pen.flat(super::pen::tilted(x, y, rx, ry, (0.866, -0.5)), [255; 3], 0.42);
}
