use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};
use tiny_skia::Pixmap;

use super::pen::{Pen, Rgb, mix};
use crate::figurines::Backdrop;

/// Share of the light that is left at the right edge; it falls from the left in every scene.
const RIGHT_LIGHT: f32 = 0.78;

/// Fills the canvas. Above and below the horizon the light changes from top to bottom, everywhere from left to right,
/// so that any part of a backdrop tells where in the picture it is.
pub(super) fn backdrop(canvas: &mut Pixmap, backdrop: Backdrop, seed: u32) {
    let mut rng = ChaCha8Rng::seed_from_u64(u64::from(seed));
    let mut unit = || (rng.next_u32() >> 8) as f32 / 16_777_216.0;
    let (high, low, line): ([Rgb; 2], [Rgb; 2], f32) = match backdrop {
        Backdrop::Studio => ([[236, 232, 226], [206, 200, 196]], [[176, 168, 162], [150, 140, 134]], 0.62),
        Backdrop::Shelf => ([[222, 202, 174], [198, 172, 140]], [[168, 120, 76], [128, 86, 52]], 0.66),
        Backdrop::Meadow => ([[176, 214, 244], [222, 238, 246]], [[156, 204, 112], [104, 164, 76]], 0.5),
        Backdrop::Room => ([[226, 214, 232], [206, 190, 214]], [[186, 150, 116], [148, 112, 84]], 0.64),
        Backdrop::Beach => ([[168, 218, 238], [200, 232, 240]], [[240, 222, 176], [220, 194, 142]], 0.55),
        Backdrop::Snow => ([[196, 212, 232], [222, 230, 242]], [[240, 246, 252], [206, 218, 236]], 0.48),
    };
    let tone = (unit() - 0.5) * 0.12;
    let line = line + (unit() - 0.5) * 0.06;
    let (width, height) = (canvas.width(), canvas.height());
    let side = height as f32;
    let shade = |colour: Rgb, x: u32| -> [u8; 4] {
        let light = (1.0 - (1.0 - RIGHT_LIGHT) * x as f32 / width as f32) * (1.0 + tone);
        let [r, g, b] = colour.map(|v| (f32::from(v) * light).clamp(0.0, 255.0) as u8);
        [r, g, b, 255]
    };
    let pixels = canvas.data_mut();
    for y in 0..height {
        let at = y as f32 / side;
        let colour = if at < line {
            mix(high[0], high[1], at / line)
        } else {
            mix(low[0], low[1], (at - line) / (1.0 - line))
        };
        for x in 0..width {
            let place = ((y * width + x) * 4) as usize;
            pixels[place..place + 4].copy_from_slice(&shade(colour, x));
        }
    }
    let mut pen = Pen::whole(canvas);
    match backdrop {
        Backdrop::Studio => {}
        Backdrop::Shelf => {
            let edge = pen.block([0.0, line, 1.0, line + 0.02], 0.0);
            pen.flat(edge, [110, 72, 42], 0.8);
            for _ in 0..9 {
                let y = line + 0.04 + unit() * (0.94 - line);
                let x = unit() * 0.6;
                let grain = pen.block([x, y, x + 0.2 + unit() * 0.3, y + 0.005], 0.0);
                pen.flat(grain, [110, 72, 42], 0.35);
            }
        }
        Backdrop::Meadow => {
            for _ in 0..3 {
                let (x, y) = (unit(), unit() * line * 0.6);
                for (dx, r) in [(-0.06, 0.04), (0.0, 0.06), (0.07, 0.045)] {
                    let puff = pen.oval(x + dx, y, r * 1.3, r * 0.7);
                    pen.flat(puff, [255; 3], 0.75);
                }
            }
            for _ in 0..26 {
                let (x, y) = (unit(), line + 0.03 + unit() * (0.96 - line));
                let blade = pen.polygon(&[(x, y), (x + 0.008, y - 0.03), (x + 0.016, y)]);
                pen.flat(blade, [84, 140, 60], 0.7);
            }
        }
        Backdrop::Room => {
            for at in 0..12 {
                let x = at as f32 / 12.0 + 0.02;
                let stripe = pen.block([x, 0.0, x + 0.03, line], 0.0);
                pen.flat(stripe, [190, 168, 204], 0.45);
            }
            let edge = pen.block([0.0, line, 1.0, line + 0.018], 0.0);
            pen.flat(edge, [120, 88, 64], 0.9);
        }
        Backdrop::Beach => {
            let sea = pen.block([0.0, line - 0.1, 1.0, line], 0.0);
            pen.flat(sea, [80, 164, 204], 0.85);
            for _ in 0..7 {
                let (x, y) = (unit() * 0.9, line - 0.09 + unit() * 0.08);
                let wave = pen.oval(x, y, 0.05, 0.006);
                pen.flat(wave, [240, 250, 255], 0.7);
            }
            for _ in 0..24 {
                let grain = pen.dot(unit(), line + 0.02 + unit() * (0.98 - line), 0.004);
                pen.flat(grain, [190, 160, 110], 0.6);
            }
        }
        Backdrop::Snow => {
            let hill = pen.oval(0.25 + unit() * 0.5, line + 0.06, 0.45, 0.14);
            pen.flat(hill, [228, 236, 248], 0.8);
            for _ in 0..30 {
                let flake = pen.dot(unit(), unit(), 0.006);
                pen.flat(flake, [255; 3], 0.85);
            }
        }
    }
}
