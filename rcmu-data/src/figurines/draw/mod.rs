//! Draws scenes of the figurine world.
//!
//! tiny-skia is built without SIMD, so that its arithmetic is the same on every platform.

mod backdrop;
mod pen;
mod toy;

use image::RgbImage;
use rcmu_core::{ImageSize, Picture};
use tiny_skia::Pixmap;

use self::pen::Pen;
use super::{Figurine, SceneSpec};
use crate::Error;

/// Draws a scene.
///
/// # Errors
///
/// As [`SceneSpec::check`].
pub fn draw(spec: &SceneSpec) -> Result<RgbImage, Error> {
    spec.check()?;
    let Some(mut canvas) = Pixmap::new(spec.side, spec.side) else {
        return Err(Error::Field {
            field: "side".into(),
            message: format!("of {} cannot be drawn", spec.side),
        });
    };
    backdrop::backdrop(&mut canvas, spec.backdrop, spec.backdrop_seed);
    for figurine in &spec.figurines {
        self::figurine(&mut canvas, figurine, spec.side);
    }
    let pixels = canvas.data().chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
    RgbImage::from_raw(spec.side, spec.side, pixels)
        .ok_or_else(|| Error::Field { field: "side".into(), message: "was not drawn in full".into() })
}

/// The picture of a scene.
///
/// # Errors
///
/// As [`SceneSpec::check`].
pub fn picture(spec: &SceneSpec) -> Result<Picture, Error> {
    let pixels = draw(spec)?.into_raw();
    Ok(Picture::Rgb { size: ImageSize::new(spec.side, spec.side)?, pixels: pixels.into() })
}

fn figurine(canvas: &mut Pixmap, figurine: &Figurine, side: u32) {
    let [x1, y1, x2, y2] = figurine.bbox.xyxy().map(|v| f32::from(v) * side as f32 / 1000.0);
    let mut room = [x1, y1, x2 - x1, y2 - y1];
    if let Some(stand) = figurine.stand {
        let mut pen = Pen::new(canvas, room);
        let colour = toy::stand_rgb(stand);
        let back = pen.block([0.0, 0.0, 1.0, 1.0], 0.03);
        pen.body(back, colour);
        let inside = pen.block([0.07, 0.06, 0.93, 0.94], 0.02);
        pen.flat(inside, pen::mix(colour, [255; 3], 0.72), 1.0);
        let [left, top, width, height] = room;
        room = [left + width * 0.14, top + height * 0.12, width * 0.72, height * 0.78];
    } else {
        let mut pen = Pen::new(canvas, room);
        let shadow = pen.oval(0.5, 0.955, 0.46, 0.045);
        pen.flat(shadow, [20, 20, 40], 0.25);
    }
    let mut pen = Pen::new(canvas, room);
    toy::shape(&mut pen, figurine.shape, toy::rgb(figurine.colour));
    if let Some(accessory) = figurine.accessory {
        toy::accessory(&mut pen, figurine.shape, accessory);
    }
}
