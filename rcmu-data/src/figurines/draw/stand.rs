//! The display boxes.

use tiny_skia::Pixmap;

use super::{
    coat::{Coat, mix},
    frame::case_units,
    pen::{OUTLINE, Pen, block, corners},
};

/// Draws a display box that fills these pixels: a frame, and inside it three walls, a ceiling and a floor.
pub(super) fn stand(canvas: &mut Pixmap, room: [f32; 4], coat: Coat) {
    let units = case_units(room);
    let width = units[2] - OUTLINE / 2.0;
    let mut pen = Pen::new(canvas, units, room);
    pen.body(block([0.0, 0.0, width, 100.0], 4.0), coat);
    // The opening and, further in, the back.
    let [l, t, r, b] = [4.5, 4.5, width - 4.5, 95.5];
    let [il, it, ir, ib] = [l + 6.0, t + 4.5, r - 6.0, b - 13.0];
    let sides = [
        ([(l, t), (r, t), (ir, it), (il, it)], mix(coat.base, coat.dark, 55)),
        ([(l, t), (il, it), (il, ib), (l, b)], mix(coat.base, coat.dark, 35)),
        ([(r, t), (r, b), (ir, ib), (ir, it)], mix(coat.base, coat.pale, 30)),
        ([(l, b), (il, ib), (ir, ib), (r, b)], mix(coat.base, coat.pale, 45)),
    ];
    pen.flat(block([l + 1.0, t + 1.0, r - 1.0, b - 1.0], 0.0), coat.pale, 1.0);
    for (side, rgb) in sides {
        pen.flat(corners(&side, 0.0), rgb, 1.0);
        pen.line(corners(&side, 0.0), 0.7, coat.line, 0.55);
    }
    pen.line(block([l, t, r, b], 0.5), OUTLINE * 0.6, coat.line, 0.9);
    pen.flat(block([3.0, 1.5, width * 0.6, 2.9], 0.7), [255; 3], 0.5);
}
