use tiny_skia::Pixmap;

use super::{
    Fields, Luck, percent_pen,
    wood::{Boards, wood},
};
use crate::figurines::draw::{
    coat::{Rgb, mix},
    pen::{arc, block, corners, oval},
};

/// Seamless paper and the light of a window.
pub(super) fn studio(canvas: &mut Pixmap, luck: &mut Luck) {
    let [high, low]: [Rgb; 2] = luck.pick(&[
        [[250, 238, 222], [214, 188, 164]],
        [[228, 244, 236], [160, 192, 180]],
        [[252, 230, 230], [212, 176, 178]],
        [[226, 238, 252], [160, 178, 206]],
    ]);
    let line = luck.between(28.0, 33.0);
    let floor = mix(high, low, 35);
    Fields { far: [mix(high, low, 10), high], near: [floor, mix(low, [60, 40, 60], 12)], line, soft: 9.0 }
        .fill(canvas);
    let mut pen = percent_pen(canvas);
    let x = luck.between(2.0, 60.0);
    for (column, row) in [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)] {
        let (x, y) = (x + column * 9.0 + row * 2.4, 5.0 + row * 10.5);
        let pane = corners(&[(x, y), (x + 8.0, y), (x + 10.2, y + 9.6), (x + 2.2, y + 9.6)], 0.6);
        pen.flat(pane, [255, 255, 250], 0.5);
    }
    let swags = luck.between(-30.0, 0.0);
    for start in [0.0, 44.0, 88.0] {
        let x = swags + start;
        pen.line(arc(&[(x, -1.0), (x + 22.0, 11.0), (x + 44.0, -1.0)]), 0.5, low, 1.0);
        for flag in 1..=6 {
            let along = flag as f32 / 7.0;
            let (x, y) = (x + 44.0 * along, 24.0 * along * (1.0 - along) - 1.0);
            let rgb = if flag % 2 == 0 { [255; 3] } else { mix(high, low, 80) };
            pen.flat(corners(&[(x - 2.2, y), (x + 2.2, y), (x, y + 5.4)], 0.5), rgb, 0.9);
        }
    }
    for (rx, rgb, alpha) in [(45.0, [255; 3], 0.26), (41.0, low, 0.25), (38.0, [255; 3], 0.16)] {
        pen.flat(oval(50.0, 69.0, rx, rx * 0.62), rgb, alpha);
    }
}

/// Boards before a panelled back.
pub(super) fn shelf(canvas: &mut Pixmap, luck: &mut Luck) {
    let line = luck.between(28.5, 33.0);
    let [far, near]: [[Rgb; 2]; 2] = luck.pick(&[
        [[[146, 104, 70], [188, 142, 98]], [[226, 178, 122], [172, 116, 66]]],
        [[[124, 110, 98], [170, 152, 134]], [[222, 190, 150], [170, 128, 90]]],
    ]);
    Fields { far, near, line, soft: 0.6 }.fill(canvas);
    wood(canvas, &Boards { top: line, count: 6, contrast: 0.075 }, luck);
    let mut pen = percent_pen(canvas);
    for at in 0..10 {
        let x = at as f32 * 10.6 + 3.0;
        pen.flat(block([x, 0.0, x + 0.7, line], 0.0), [70, 42, 24], 0.5);
        pen.flat(block([x + 0.7, 0.0, x + 1.3, line], 0.0), [255, 230, 200], 0.28);
    }
    pen.flat(block([0.0, 0.0, 100.0, 2.2], 0.0), [60, 34, 18], 0.55);
    pen.flat(block([0.0, 2.2, 100.0, 6.0], 0.0), [60, 34, 18], 0.22);
    pen.flat(block([0.0, line - 1.6, 100.0, line + 0.5], 0.0), [70, 40, 22], 0.5);
    pen.flat(block([0.0, line + 0.5, 100.0, line + 3.4], 0.0), [60, 30, 16], 0.18);
    pen.flat(block([0.0, 97.2, 100.0, 100.0], 0.0), [92, 54, 28], 0.72);
    pen.flat(block([0.0, 96.6, 100.0, 97.2], 0.0), [255, 236, 206], 0.55);
}

/// A striped wallpaper and a table with a dotted cloth.
pub(super) fn room(canvas: &mut Pixmap, luck: &mut Luck) {
    let line = luck.between(28.5, 33.0);
    let [wall, stripe, cloth_far, cloth_near]: [Rgb; 4] = luck.pick(&[
        [[238, 226, 240], [206, 182, 218], [200, 226, 222], [128, 172, 172]],
        [[250, 238, 214], [240, 206, 164], [200, 212, 236], [134, 150, 190]],
        [[226, 240, 232], [178, 212, 196], [244, 222, 212], [198, 156, 146]],
    ]);
    Fields { far: [mix(wall, stripe, 40), wall], near: [cloth_far, cloth_near], line, soft: 0.6 }
        .fill(canvas);
    let mut pen = percent_pen(canvas);
    for at in 0..9 {
        let x = at as f32 * 11.8 + 1.6;
        pen.flat(block([x, 0.0, x + 5.0, line], 0.0), stripe, 0.75);
        pen.flat(block([x + 7.9, 0.0, x + 8.8, line], 0.0), stripe, 0.6);
        for y in [6.0, 15.0, 24.0] {
            let heart = [(x + 2.5, y + 2.2), (x + 0.9, y), (x + 2.5, y - 2.2), (x + 4.1, y)];
            pen.flat(corners(&heart, 0.5), wall, 0.9);
        }
    }
    pen.flat(block([0.0, line - 3.4, 100.0, line - 0.2], 0.0), [255, 252, 246], 0.9);
    pen.flat(block([0.0, line - 0.9, 100.0, line + 0.2], 0.0), [96, 84, 104], 0.45);
    pen.flat(block([0.0, line + 0.2, 100.0, line + 2.6], 0.0), [60, 50, 80], 0.14);
    let (mut y, mut step, mut odd) = (line + 4.0, 5.4, false);
    while y < 100.0 {
        let count = 10;
        for at in 0..=count {
            let x = (at as f32 + if odd { 0.5 } else { 0.0 }) * 100.0 / count as f32;
            pen.flat(oval(x, y, step * 0.135, step * 0.1), [255; 3], 0.55);
        }
        y += step;
        step *= 1.13;
        odd = !odd;
    }
}
