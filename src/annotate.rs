//! Draws boxes with their numbers over a picture.

use std::{io::Cursor, path::Path};

use image::{ImageFormat, Rgb, RgbImage};
use rcmu_core::{Picture, PixelBox, RegionId, Scene};
use rcmu_model::processor::{Dialect, PictureLimits, decode};

use crate::Error;

/// Colours of regions 1, 2, 3, …; they repeat. Told apart by most people with colour blindness.
///
/// # Source
///
/// Okabe and Ito, "Color Universal Design" (2008), without black and yellow, which vanish on many pictures.
const COLORS: [Rgb<u8>; 6] = [
    Rgb([213, 94, 0]),
    Rgb([0, 114, 178]),
    Rgb([0, 158, 115]),
    Rgb([204, 121, 167]),
    Rgb([230, 159, 0]),
    Rgb([86, 180, 233]),
];

/// Columns and rows of a digit.
const DIGIT: [u32; 2] = [3, 5];

/// The digits 0 to 9, five rows of three bits each, the highest bit on the left.
const DIGITS: [[u8; 5]; 10] = [
    [0b111, 0b101, 0b101, 0b101, 0b111],
    [0b010, 0b110, 0b010, 0b010, 0b111],
    [0b111, 0b001, 0b111, 0b100, 0b111],
    [0b111, 0b001, 0b111, 0b001, 0b111],
    [0b101, 0b101, 0b111, 0b001, 0b001],
    [0b111, 0b100, 0b111, 0b001, 0b111],
    [0b111, 0b100, 0b111, 0b101, 0b111],
    [0b111, 0b001, 0b001, 0b010, 0b010],
    [0b111, 0b101, 0b111, 0b101, 0b111],
    [0b111, 0b101, 0b111, 0b001, 0b111],
];

/// Draws the boxes of the given regions over the scene's picture and returns a PNG file.
///
/// Regions without a box and numbers without a region are left out.
///
/// # Errors
///
/// [`Error::Model`] when the picture cannot be decoded, [`Error::SceneSize`] when the scene has not the size of its
/// picture, [`Error::Draw`] when the PNG cannot be written.
pub fn annotate(scene: &Scene, regions: &[RegionId]) -> Result<Vec<u8>, Error> {
    let size = scene.size();
    let mut canvas = canvas(scene)?;
    // Lines of 1/140 of the longer side can be seen at any zoom.
    let unit = (size.width().max(size.height()) / 140).max(1);
    for &id in regions {
        if let Some(bbox) = scene.regions().find(id).and_then(rcmu_core::Region::bbox) {
            let color = COLORS[id.index() % COLORS.len()];
            draw_box(&mut canvas, bbox.to_pixels(size), unit, color);
            draw_number(&mut canvas, id.number(), bbox.to_pixels(size), unit, color);
        }
    }
    let mut png = Cursor::new(Vec::new());
    canvas.write_to(&mut png, ImageFormat::Png).map_err(|error| Error::Draw(Box::new(error)))?;
    Ok(png.into_inner())
}

/// As [`annotate`], into a file.
///
/// # Errors
///
/// As [`annotate`], and [`Error::WriteFile`].
pub fn annotate_to(path: &Path, scene: &Scene, regions: &[RegionId]) -> Result<(), Error> {
    let png = annotate(scene, regions)?;
    std::fs::write(path, png).map_err(|source| Error::WriteFile { path: path.to_owned(), source })
}

/// The pixels of the scene's picture, turned by its EXIF orientation or, where the scene's size says so, not.
fn canvas(scene: &Scene) -> Result<RgbImage, Error> {
    let limits = PictureLimits::default();
    let (size, pixels) = match scene.picture() {
        Picture::Encoded(bytes) => {
            let upright = decode(bytes, Dialect::default(), &limits)?.pixels;
            let stored = || decode(bytes, Dialect::QwenVlUtils, &limits).map(|decoded| decoded.pixels);
            let pixels = if upright.size() == scene.size() { upright } else { stored()? };
            (pixels.size(), pixels.pixels().to_vec())
        }
        Picture::Rgb { size, pixels } => (*size, pixels.to_vec()),
        _ => return Err(rcmu_model::Error::UnknownVisual.into()),
    };
    if size != scene.size() {
        return Err(Error::SceneSize { scene: scene.size(), seen: size });
    }
    let wrong_length = || Error::Draw("the picture has the wrong number of pixels".into());
    RgbImage::from_raw(size.width(), size.height(), pixels).ok_or_else(wrong_length)
}

fn draw_box(canvas: &mut RgbImage, at: PixelBox, unit: u32, color: Rgb<u8>) {
    let [x1, y1, x2, y2] = at.xyxy();
    let (right, bottom) = (x2.saturating_sub(unit).max(x1), y2.saturating_sub(unit).max(y1));
    fill(canvas, [x1, y1, x2, (y1 + unit).min(y2)], color);
    fill(canvas, [x1, bottom, x2, y2], color);
    fill(canvas, [x1, y1, (x1 + unit).min(x2), y2], color);
    fill(canvas, [right, y1, x2, y2], color);
}

/// White digits on a plate in the box's upper left corner; moved so far that the whole plate is on the canvas, for half a
/// number is another one.
fn draw_number(canvas: &mut RgbImage, number: u32, at: PixelBox, unit: u32, color: Rgb<u8>) {
    let digits: Vec<u32> = number.to_string().chars().filter_map(|c| c.to_digit(10)).collect();
    let dot = unit.max(2);
    let [columns, rows] = DIGIT;
    let [x, y, ..] = at.xyxy();
    let (width, height) = ((digits.len() as u32 * (columns + 1) + 1) * dot, (rows + 2) * dot);
    let x = x.min(canvas.width().saturating_sub(width));
    let y = y.min(canvas.height().saturating_sub(height));
    fill(canvas, [x, y, x + width, y + height], color);
    for (place, &digit) in (0..).zip(&digits) {
        for (row, bits) in (0..).zip(DIGITS[digit as usize]) {
            for column in (0..columns).filter(|column| bits >> (columns - 1 - column) & 1 == 1) {
                let left = x + (1 + place * (columns + 1) + column) * dot;
                let top = y + (1 + row) * dot;
                fill(canvas, [left, top, left + dot, top + dot], Rgb([255; 3]));
            }
        }
    }
}

/// Fills `[x1, y1, x2, y2]`, cut at the edges.
fn fill(canvas: &mut RgbImage, [x1, y1, x2, y2]: [u32; 4], color: Rgb<u8>) {
    for y in y1..y2.min(canvas.height()) {
        for x in x1..x2.min(canvas.width()) {
            canvas.put_pixel(x, y, color);
        }
    }
}

#[cfg(test)]
mod tests {
    use rcmu_core::ImageSize;

    use super::*;

    const WHITE: Rgb<u8> = Rgb([255; 3]);

    /// What is drawn of the last of some regions, all with the same box, on black.
    fn drawn(size: ImageSize, at: PixelBox, regions: usize) -> Result<RgbImage, Error> {
        let pixels = vec![0; size.width() as usize * size.height() as usize * 3].into();
        let mut scene = Scene::new(Picture::Rgb { size, pixels }, size);
        for _ in 0..regions {
            scene = scene.region("box", at, "")?;
        }
        let last: Vec<_> = scene.regions().iter().map(|(id, _)| id).skip(regions - 1).collect();
        let png = annotate(&scene, &last)?;
        Ok(image::load_from_memory(&png).map_err(|error| Error::Draw(Box::new(error)))?.to_rgb8())
    }

    #[test]
    fn a_box_is_drawn_inside_its_edges_and_nowhere_else() -> Result<(), Error> {
        let drawn = drawn(ImageSize::new(100, 100)?, PixelBox::new(20, 30, 60, 80)?, 1)?;

        assert_eq!(drawn.get_pixel(59, 79), &COLORS[0]);
        assert_eq!(drawn.get_pixel(20, 79), &COLORS[0]);
        assert_eq!(drawn.get_pixel(40, 60), &Rgb([0; 3]));
        assert_eq!(drawn.get_pixel(60, 80), &Rgb([0; 3]));
        Ok(())
    }

    #[test]
    fn a_box_narrower_than_its_lines_is_drawn_inside_its_edges() -> Result<(), Error> {
        // Lines of 2800 / 140 = 20 pixels, a plate of 7 times that height, edges at whole thousandths of the sides.
        let size = ImageSize::new(2800, 500)?;
        let tall = drawn(size, PixelBox::new(280, 100, 294, 400)?, 1)?;
        let wide = drawn(size, PixelBox::new(280, 100, 560, 110)?, 1)?;

        assert_eq!([tall.get_pixel(293, 300), tall.get_pixel(294, 300)], [&COLORS[0], &Rgb([0; 3])]);
        assert_eq!([wide.get_pixel(500, 109), wide.get_pixel(500, 110)], [&COLORS[0], &Rgb([0; 3])]);
        Ok(())
    }

    #[test]
    fn a_number_in_the_corner_is_whole() -> Result<(), Error> {
        let size = ImageSize::new(1000, 800)?;
        let corner = PixelBox::new(965, 780, 1000, 800)?;

        // Dots of 1000 / 140 = 7 pixels a side: 8 of them are a 1, 11 are a 2.
        for (regions, dots) in [(1, 8), (12, 8 + 11), (11, 8 + 8)] {
            let drawn = drawn(size, corner, regions)?;
            let white = drawn.pixels().filter(|pixel| **pixel == WHITE).count();

            assert_eq!(white, dots * 7 * 7, "region {regions}");
        }
        Ok(())
    }
}
