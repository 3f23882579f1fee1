//! What stands behind figurines: something far above a line, the ground they stand on below it.
//!
//! The line is so high that figurines stand on the ground wherever a layout puts them. Above and below it the colours
//! change from top to bottom, everywhere the light falls from the left, so that any part of a backdrop tells where in
//! the picture it is.

mod indoors;
mod outdoors;
mod wood;

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};
use tiny_skia::Pixmap;

use super::{coat::Rgb, pen::Pen};
use crate::figurines::Backdrop;

/// Shares of red, green and blue light that are lost from the left edge to the right one.
const LOST: [f32; 3] = [0.23, 0.21, 0.13];

/// Fills the canvas.
pub(super) fn backdrop(canvas: &mut Pixmap, backdrop: Backdrop, seed: u32) {
    let mut luck = Luck(ChaCha8Rng::seed_from_u64(u64::from(seed)));
    let tone = luck.between(0.93, 1.0);
    match backdrop {
        Backdrop::Studio => indoors::studio(canvas, &mut luck),
        Backdrop::Shelf => indoors::shelf(canvas, &mut luck),
        Backdrop::Room => indoors::room(canvas, &mut luck),
        Backdrop::Meadow => outdoors::meadow(canvas, &mut luck),
        Backdrop::Beach => outdoors::beach(canvas, &mut luck),
        Backdrop::Snow => outdoors::snow(canvas, &mut luck),
    }
    light(canvas, tone);
}

/// Two fields of colour, one above the other.
struct Fields {
    /// Top and bottom of the upper one.
    far: [Rgb; 2],
    /// Top and bottom of the lower one.
    near: [Rgb; 2],
    /// Where they meet, in percent of the height.
    line: f32,
    /// Over how much of the height they run into one another, in percent.
    soft: f32,
}

impl Fields {
    fn fill(&self, canvas: &mut Pixmap) {
        let (width, height) = (canvas.width() as usize, canvas.height() as usize);
        for (y, row) in canvas.data_mut().chunks_exact_mut(width * 4).enumerate() {
            let at = (y as f32 + 0.5) * 100.0 / height as f32;
            let far = blend(self.far, at / self.line);
            let near = blend(self.near, (at - self.line) / (100.0 - self.line));
            let near_share = smooth((at - self.line) / self.soft + 0.5);
            let pixel: [f32; 3] = std::array::from_fn(|c| far[c] + (near[c] - far[c]) * near_share);
            let [r, g, b] = pixel.map(|v| (v + 0.5) as u8);
            row.copy_from_slice(&[r, g, b, 255].repeat(width));
        }
    }

    /// Fills the lower field again, over what lies behind it, up to an edge that swings about the line.
    fn cover(&self, canvas: &mut Pixmap, luck: &mut Luck, swing: f32) {
        let (width, height) = (canvas.width() as usize, canvas.height() as usize);
        let heights: [f32; 8] = std::array::from_fn(|_| luck.between(-swing, swing));
        let edges: Vec<f32> = (0..width)
            .map(|x| {
                let x = (x as f32 + 0.5) * 6.0 / width as f32;
                let (at, share) = (x as usize, smooth(x - (x as usize) as f32));
                self.line + heights[at] + (heights[at + 1] - heights[at]) * share
            })
            .collect();
        let sharp = height as f32 / 100.0;
        for (y, row) in canvas.data_mut().chunks_exact_mut(width * 4).enumerate() {
            let at = (y as f32 + 0.5) / sharp;
            if at < self.line - 2.0 * swing - 1.0 {
                continue;
            }
            let near = blend(self.near, (at - self.line) / (100.0 - self.line));
            for (pixel, edge) in row.chunks_exact_mut(4).zip(&edges) {
                let share = ((at - edge) * sharp + 0.5).clamp(0.0, 1.0);
                for (value, near) in pixel.iter_mut().zip(near) {
                    *value = (f32::from(*value) * (1.0 - share) + near * share + 0.5) as u8;
                }
            }
            if at > self.line + 2.0 * swing + 1.0 {
                break;
            }
        }
    }
}

fn blend([from, to]: [Rgb; 2], share: f32) -> [f32; 3] {
    let share = share.clamp(0.0, 1.0);
    std::array::from_fn(|c| f32::from(from[c]) + (f32::from(to[c]) - f32::from(from[c])) * share)
}

/// Rises from 0 to 1 between 0 and 1, without a bend at its ends.
fn smooth(at: f32) -> f32 {
    let at = at.clamp(0.0, 1.0);
    at * at * (3.0 - 2.0 * at)
}

/// Lets the light fall from the left.
fn light(canvas: &mut Pixmap, tone: f32) {
    let width = canvas.width() as usize;
    // In 256ths, so that products have 16 bits.
    let shares: Vec<u16> = (0..width)
        .flat_map(|x| {
            let at = (x as f32 + 0.5) / width as f32;
            let [r, g, b] = LOST.map(|lost| ((1.0 - lost * at) * tone * 256.0 + 0.5) as u16);
            [r, g, b, 256]
        })
        .collect();
    for row in canvas.data_mut().chunks_exact_mut(width * 4) {
        for (value, share) in row.iter_mut().zip(&shares) {
            *value = ((u16::from(*value) * share + 127) >> 8) as u8;
        }
    }
}

/// A pen in percent of the canvas.
fn percent_pen(canvas: &mut Pixmap) -> Pen<'_> {
    let pixels = [0.0, 0.0, canvas.width() as f32, canvas.height() as f32];
    Pen::new(canvas, [0.0, 0.0, 100.0, 100.0], pixels)
}

/// Random details of a backdrop.
struct Luck(ChaCha8Rng);

impl Luck {
    fn between(&mut self, low: f32, high: f32) -> f32 {
        // 24 bits: exact as a float.
        low + (high - low) * ((self.0.next_u32() >> 8) as f32 / 16_777_216.0)
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.0.next_u32() as usize % items.len()]
    }
}
