use tiny_skia::Pixmap;

use super::{Fields, Luck, percent_pen};
use crate::figurines::draw::{
    coat::{Rgb, mix},
    pen::{Pen, arc, blob, corners, oval},
};

/// A cloud of round puffs, `size` percent high.
fn cloud(pen: &mut Pen<'_>, x: f32, y: f32, size: f32) {
    for (shift, rgb, alpha) in [(0.14, [196, 214, 236], 0.8), (0.0, [255; 3], 0.95)] {
        for (dx, dy, r) in [(-1.0, 0.22, 0.5), (-0.36, -0.1, 0.66), (0.42, 0.02, 0.58), (1.06, 0.26, 0.44)] {
            pen.flat(
                oval(x + dx * size, y + (dy + shift) * size, r * size * 1.1, r * size * 0.8),
                rgb,
                alpha,
            );
        }
    }
}

/// Hills that span the picture: their heights from left to right, and their foot.
fn hills(pen: &mut Pen<'_>, luck: &mut Luck, [low, high]: [f32; 2], foot: f32, rgb: Rgb) {
    let mut points = vec![(116.0, foot), (-16.0, foot)];
    points.extend((0..5).map(|at| (-14.0 + at as f32 * 32.0, foot - luck.between(low, high))));
    pen.flat(blob(&points), rgb, 1.0);
}

/// Grass with flowers below hills.
pub(super) fn meadow(canvas: &mut Pixmap, luck: &mut Luck) {
    let line = luck.between(28.0, 32.0);
    let grass: [Rgb; 2] = [[198, 228, 136], [104, 166, 74]];
    let fields = Fields { far: [[126, 190, 244], [226, 242, 250]], near: grass, line, soft: 0.6 };
    fields.fill(canvas);
    let mut pen = percent_pen(canvas);
    pen.flat(oval(9.0, 7.0, 4.6, 4.6), [255, 232, 120], 1.0);
    pen.flat(oval(9.0, 7.0, 7.4, 7.4), [255, 240, 160], 0.35);
    for part in 0..3 {
        let x = 22.0 + 32.0 * part as f32 + luck.between(-7.0, 7.0);
        cloud(&mut pen, x, luck.between(4.0, 13.0), luck.between(3.6, 5.6));
    }
    hills(&mut pen, luck, [4.0, 11.0], line + 1.5, [142, 196, 152]);
    hills(&mut pen, luck, [1.5, 5.5], line + 1.5, [172, 214, 130]);
    fields.cover(canvas, luck, 1.3);
    let mut pen = percent_pen(canvas);
    for _ in 0..44 {
        let (x, y) = (luck.between(-1.0, 101.0), luck.between(line + 6.0, 99.0));
        let size = 0.8 + (y - line) * 0.03;
        let dark = mix([136, 192, 92], [66, 130, 56], ((y - line) * 1.3) as u32);
        let tuft = [
            (x - size, y),
            (x - size * 1.1, y - size * 1.5),
            (x - size * 0.3, y - size * 0.4),
            (x + size * 0.1, y - size * 2.0),
            (x + size * 0.4, y - size * 0.4),
            (x + size * 1.2, y - size * 1.4),
            (x + size, y),
        ];
        pen.flat(corners(&tuft, 0.1), dark, 0.9);
    }
    for _ in 0..16 {
        let (x, y) = (luck.between(1.0, 99.0), luck.between(line + 7.0, 98.0));
        let size = 0.5 + (y - line) * 0.011;
        let petal = luck.pick(&[[255, 255, 255], [255, 236, 120], [250, 190, 214]]);
        for (dx, dy) in [(-1.0, 0.0), (1.0, 0.0), (0.0, -1.0), (0.0, 1.0)] {
            pen.flat(oval(x + dx * size * 0.8, y + dy * size * 0.7, size * 0.7, size * 0.62), petal, 1.0);
        }
        pen.flat(oval(x, y, size * 0.5, size * 0.45), [244, 170, 50], 1.0);
    }
}

/// Sand before the sea.
pub(super) fn beach(canvas: &mut Pixmap, luck: &mut Luck) {
    let line = luck.between(29.0, 33.0);
    let sand: [Rgb; 2] = [[252, 232, 188], [212, 172, 118]];
    Fields { far: [[112, 196, 240], [222, 246, 250]], near: sand, line, soft: 0.6 }.fill(canvas);
    let mut pen = percent_pen(canvas);
    for x in [luck.between(14.0, 40.0), luck.between(58.0, 90.0)] {
        cloud(&mut pen, x, luck.between(4.0, 8.0), luck.between(3.0, 4.6));
    }
    let sea = line - 15.0;
    for (at, rgb) in
        [(0.0, [42, 140, 196]), (3.4, [62, 164, 208]), (7.4, [98, 192, 216]), (11.6, [146, 218, 222])]
    {
        let y = sea + at;
        let mut points = vec![(-4.0, line + 1.0), (-4.0, y)];
        for step in 0..=10 {
            points.push((step as f32 * 10.0, y + if at > 0.0 { luck.between(-0.7, 0.7) } else { 0.0 }));
        }
        points.extend([(104.0, y), (104.0, line + 1.0)]);
        pen.flat(blob(&points), rgb, 1.0);
    }
    for _ in 0..10 {
        let (x, y) = (luck.between(0.0, 96.0), luck.between(sea + 3.4, line - 3.6));
        let half = 1.6 + (y - sea) * 0.16;
        let crest = arc(&[
            (x - half, y),
            (x - half * 0.5, y + 0.6),
            (x, y),
            (x + half * 0.5, y - 0.6),
            (x + half, y),
        ]);
        pen.line(crest, 0.46, [236, 250, 255], 0.6);
    }
    let mut shore = |low: f32, deep: f32| {
        let mut points = vec![(-5.0, line - 3.4), (50.0, line - 3.6), (105.0, line - 3.4)];
        points.extend((0..=7).map(|step| (105.0 - step as f32 * 15.7, line + low + luck.between(0.0, deep))));
        blob(&points)
    };
    let (wet, foam, water) = (shore(2.6, 2.0), shore(0.6, 1.8), shore(-0.6, 1.5));
    pen.flat(wet, [206, 174, 126], 0.7);
    pen.flat(foam, [252, 254, 255], 0.95);
    pen.flat(water, [166, 226, 226], 0.9);
    for _ in 0..14 {
        let (x, y) = (luck.between(0.0, 100.0), luck.between(line + 9.0, 99.0));
        let half = 3.0 + (y - line) * 0.06;
        let ripple = arc(&[
            (x - half, y),
            (x - half * 0.4, y - 1.2),
            (x + half * 0.1, y),
            (x + half * 0.6, y + 1.0),
            (x + half, y),
        ]);
        pen.line(ripple, 0.5, mix(sand[1], [150, 106, 60], 25), 0.5);
    }
    for _ in 0..26 {
        let (x, y) = (luck.between(0.0, 100.0), luck.between(line + 7.0, 99.5));
        let size = 0.24 + (y - line) * 0.006;
        pen.flat(
            oval(x, y, size, size * 0.7),
            luck.pick(&[[176, 136, 92], [255, 248, 230], [196, 150, 130]]),
            0.8,
        );
    }
    for _ in 0..3 {
        let (x, y) = (luck.between(3.0, 97.0), luck.between(line + 12.0, 97.0));
        let size = 1.1 + (y - line) * 0.014;
        let shell = [(-1.0, 0.3), (-0.8, -0.6), (0.0, -1.0), (0.8, -0.6), (1.0, 0.3), (0.0, 0.9)];
        let shell = shell.map(|(dx, dy)| (x + dx * size, y + dy * size));
        pen.flat(blob(&shell), [250, 206, 190], 1.0);
        for dx in [-0.5, 0.0, 0.5] {
            pen.line(
                arc(&[(x, y + size * 0.7), (x + dx * size, y), (x + dx * size * 1.3, y - size * 0.6)]),
                0.2,
                [206, 142, 126],
                1.0,
            );
        }
    }
}

/// Snow before hills with firs.
pub(super) fn snow(canvas: &mut Pixmap, luck: &mut Luck) {
    let line = luck.between(28.0, 32.0);
    let ground: [Rgb; 2] = [[248, 251, 255], [184, 204, 232]];
    let fields = Fields { far: [[136, 168, 214], [248, 226, 224]], near: ground, line, soft: 0.6 };
    fields.fill(canvas);
    let mut pen = percent_pen(canvas);
    hills(&mut pen, luck, [8.0, 17.0], line + 1.8, [190, 206, 232]);
    hills(&mut pen, luck, [3.0, 7.0], line + 1.8, [222, 232, 246]);
    for at in 0..9 {
        let x = at as f32 * 12.0 + luck.between(-3.0, 7.0);
        fir(&mut pen, x, line + luck.between(-0.6, 1.6), luck.between(7.0, 12.0));
    }
    fields.cover(canvas, luck, 1.5);
    let mut pen = percent_pen(canvas);
    for at in 0..5 {
        let y = line + 11.0 + at as f32 * 13.0 + luck.between(-3.0, 3.0);
        let x = luck.between(-10.0, 60.0);
        let drift = [
            (x, y),
            (x + 18.0, y - 2.6),
            (x + 42.0, y - 1.0),
            (x + 60.0, y + 0.6),
            (x + 36.0, y + 1.0),
            (x + 16.0, y + 0.2),
        ];
        pen.flat(blob(&drift), [255; 3], 0.7);
        let shade = drift.map(|(x, y)| (x + 2.0, y + 2.4));
        pen.flat(blob(&shade), [156, 180, 218], 0.28);
    }
    for _ in 0..46 {
        let (x, y, size) = (luck.between(0.0, 100.0), luck.between(0.0, 100.0), luck.between(0.3, 0.85));
        pen.flat(oval(x, y, size, size), [255; 3], 0.92);
    }
}

/// A fir of three tiers with snow on them.
fn fir(pen: &mut Pen<'_>, x: f32, low: f32, height: f32) {
    for (at, half) in [(0.0, 0.36), (0.28, 0.29), (0.54, 0.21)] {
        let y = low - height * at;
        let tier = [(x - height * half, y), (x + height * half, y), (x, y - height * 0.46)];
        pen.flat(corners(&tier, 0.5), [86, 130, 124], 1.0);
        let cap = [
            (x - height * half * 0.5, y - height * 0.2),
            (x + height * half * 0.34, y - height * 0.26),
            (x, y - height * 0.47),
        ];
        pen.flat(corners(&cap, 0.4), [240, 246, 252], 0.95);
    }
}
