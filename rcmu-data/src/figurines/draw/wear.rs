//! What toys wear, in units around the place where it is worn.

use super::{
    coat::Coat,
    pen::{OUTLINE, Pen, arc, blob, block, corners, oval},
};
use crate::figurines::Accessory;

/// Draws an accessory.
pub(super) fn wear(pen: &mut Pen<'_>, accessory: Accessory) {
    match accessory {
        Accessory::Hat => hat(pen),
        Accessory::Scarf => scarf(pen),
        Accessory::Bow => bow(pen),
        Accessory::Flower => flower(pen),
    }
}

/// The brim's middle is the origin.
fn hat(pen: &mut Pen<'_>) {
    let felt =
        Coat { light: [128, 112, 150], base: [62, 50, 80], dark: [28, 22, 42], ..Coat::plain([48, 36, 60]) };
    pen.body(block([-18.0, -3.4, 18.0, 3.4], 3.4), felt);
    pen.body(corners(&[(-12.0, -23.0), (12.0, -23.0), (11.0, 0.5), (-11.0, 0.5)], 2.0), felt);
    pen.flat(corners(&[(-10.6, -9.0), (10.6, -9.0), (10.2, -2.2), (-10.2, -2.2)], 0.4), [255, 196, 46], 1.0);
    pen.flat(block([-8.6, -20.6, -5.6, -10.6], 1.4), [255; 3], 0.35);
}

/// The neck's middle is the origin.
fn scarf(pen: &mut Pen<'_>) {
    let wool = Coat { line: [4, 62, 74], dark: [4, 132, 146], ..Coat::plain([24, 190, 198]) };
    pen.body(corners(&[(7.0, 2.0), (19.0, 0.0), (23.0, 28.0), (11.0, 30.0)], 2.0), wool);
    for y in [11.0, 17.5, 24.0] {
        let x = 8.2 + (y - 2.0) / 7.0;
        pen.flat(
            corners(&[(x, y + 0.8), (x + 11.6, y - 0.8), (x + 12.0, y + 2.2), (x + 0.4, y + 3.8)], 0.4),
            [255; 3],
            1.0,
        );
    }
    let band = [
        (-25.0, -6.0),
        (-12.0, -1.6),
        (0.0, -0.6),
        (12.0, -1.6),
        (25.0, -6.0),
        (27.0, 2.0),
        (14.0, 8.6),
        (0.0, 10.0),
        (-14.0, 8.6),
        (-27.0, 2.0),
    ];
    pen.body(blob(&band), wool);
    for x in [-19.0, -8.0, 3.0] {
        let low = 8.8 - x * x / 70.0;
        pen.line(arc(&[(x, low - 7.6), (x + 1.4, low - 4.0), (x, low - 0.6)]), 3.0, [255; 3], 1.0);
    }
    pen.body(blob(&[(9.0, -1.0), (18.0, -2.0), (20.0, 5.0), (15.0, 9.5), (8.0, 7.0)]), wool);
}

/// The knot is the origin.
fn bow(pen: &mut Pen<'_>) {
    let silk = Coat { line: [92, 6, 50], ..Coat::plain([240, 44, 128]) };
    for side in [-1.0, 1.0] {
        let wing = [
            (0.0, -3.0),
            (side * 14.0, -10.0),
            (side * 19.0, -8.0),
            (side * 19.0, 8.0),
            (side * 14.0, 10.0),
            (0.0, 3.0),
        ];
        pen.body(corners(&wing, 3.0), silk);
        pen.flat(oval(side * 13.6, -3.4, 2.2, 2.2), [255; 3], 0.95);
        pen.flat(oval(side * 12.6, 4.0, 2.2, 2.2), [255; 3], 0.95);
    }
    pen.body(block([-4.6, -5.0, 4.6, 5.0], 3.0), silk);
}

/// The flower's heart is the origin.
fn flower(pen: &mut Pen<'_>) {
    let leaf = Coat::plain([70, 170, 70]);
    pen.body(blob(&[(-3.0, 4.0), (-12.0, 6.0), (-15.0, 12.0), (-7.0, 12.0)]), leaf);
    pen.body(blob(&[(3.0, 4.0), (12.0, 6.0), (15.0, 12.0), (7.0, 12.0)]), leaf);
    let petals = [(0.0, -7.4), (7.04, -2.29), (4.35, 5.99), (-4.35, 5.99), (-7.04, -2.29)];
    let coat = Coat { line: [116, 78, 120], dark: [232, 206, 232], ..Coat::plain([255, 248, 252]) };
    for (x, y) in petals {
        pen.body(oval(x, y, 5.4, 5.4), coat);
    }
    for (x, y) in petals {
        pen.flat(oval(x * 0.8, y * 0.8, 4.2, 4.2), coat.base, 1.0);
    }
    pen.flat(oval(0.0, 0.0, 4.6, 4.6), [255, 198, 40], 1.0);
    pen.line(oval(0.0, 0.0, 4.6, 4.6), OUTLINE * 0.5, [170, 104, 10], 1.0);
}
