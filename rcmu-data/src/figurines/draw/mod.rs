//! Draws scenes of the figurine world.
//!
//! ```text
//! backdrop ─► stand ─► toy ─► wear        all by a pen, in units of their own; frame says how they share a box
//! ```
//!
//! Pixels are made of sums, products, quotients and square roots only, and tiny-skia is built without SIMD, so that
//! pictures are the same on every platform.

mod backdrop;
mod coat;
mod face;
mod frame;
mod pen;
mod stand;
#[cfg(test)]
mod tests;
mod toys;
mod wear;

use image::RgbImage;
use rcmu_core::{ImageSize, Picture};
use tiny_skia::Pixmap;

pub(super) use self::frame::aspect;
use self::{coat::Coat, pen::Pen};
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
        return Err(Error::Field { field: "side".into(), message: "is 0".into() });
    };
    backdrop::backdrop(&mut canvas, spec.backdrop, spec.backdrop_seed);
    for figurine in &spec.figurines {
        self::figurine(&mut canvas, figurine);
    }
    let mut picture = RgbImage::new(spec.side, spec.side);
    for (to, from) in picture.chunks_exact_mut(3).zip(canvas.data().chunks_exact(4)) {
        to.copy_from_slice(&from[..3]);
    }
    Ok(picture)
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

fn figurine(canvas: &mut Pixmap, figurine: &Figurine) {
    let Figurine { shape, accessory, .. } = *figurine;
    let side = canvas.width() as f32;
    let mut room = figurine.bbox.xyxy().map(|v| f32::from(v) * side / 1000.0);
    if let Some(stand) = figurine.stand {
        stand::stand(canvas, room, Coat::of_stand(stand));
        room = frame::inside(room, frame::aspect(shape, accessory, false));
    }
    let mut pen = Pen::new(canvas, frame::toy_units(shape, accessory), room);
    toys::shadow(&mut pen, shape);
    toys::toy(&mut pen, shape, Coat::of(figurine.colour));
    if let Some(accessory) = accessory {
        let mark = toys::mark(shape, accessory);
        wear::wear(&mut pen.at(mark.place, mark.scale, mark.along), accessory);
    }
}
