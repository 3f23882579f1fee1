use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Error, ImageSize, PixelBox};

/// A box on the model's grid: thousandths of the image side, `[x1, y1, x2, y2]`, origin top left.
///
/// The grid belongs to the image as a person sees it, after its EXIF orientation; it does not change when the
/// image is resized. A thin object may fall onto one grid line, so that two corners can be equal.
///
/// # Invariant
///
/// `x1 <= x2 <= 1000` and `y1 <= y2 <= 1000`.
///
/// # Source
///
/// Qwen2-VL (arXiv 2409.12191), section 2: coordinates relative to the image, scaled to `[0, 1000)`; published
/// prompts use 1000 too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "[u16; 4]", into = "[u16; 4]")]
pub struct BBox {
    xyxy: [u16; 4],
}

impl BBox {
    /// Grid units of one image side.
    pub const GRID: u16 = 1000;

    /// Makes a box from its corners on the grid.
    ///
    /// # Errors
    ///
    /// [`Error::BoxCoordinate`] above 1000, [`Error::BoxCorners`] when the corners are swapped.
    pub fn new(x1: u16, y1: u16, x2: u16, y2: u16) -> Result<Self, Error> {
        let xyxy = [x1, y1, x2, y2];
        if let Some(place) = xyxy.iter().position(|&v| v > Self::GRID) {
            return Err(Error::BoxCoordinate {
                value: f64::from(xyxy[place]),
                place,
                max: u32::from(Self::GRID),
            });
        }
        if x1 > x2 || y1 > y2 {
            return Err(Error::BoxCorners { xyxy: xyxy.map(f64::from) });
        }
        Ok(Self { xyxy })
    }

    /// The corners `[x1, y1, x2, y2]`.
    pub const fn xyxy(self) -> [u16; 4] {
        self.xyxy
    }

    /// Places a pixel box on the grid: `x * 1000 / width`, rounded to the nearest unit, ties up.
    ///
    /// # Errors
    ///
    /// [`Error::BoxOutsideImage`] when the box reaches over the image's edge.
    pub fn from_pixels(pixel_box: PixelBox, size: ImageSize) -> Result<Self, Error> {
        pixel_box.check_inside(size)?;
        let [x1, y1, x2, y2] = pixel_box.xyxy();
        let place = |v: u32, side: u32| -> u16 {
            let side = u64::from(side);
            let grid = u64::from(Self::GRID);
            // Inside the image, hence at most 1000.
            ((2 * u64::from(v) * grid + side) / (2 * side)) as u16
        };
        let (w, h) = (size.width(), size.height());
        Ok(Self { xyxy: [place(x1, w), place(y1, h), place(x2, w), place(y2, h)] })
    }

    /// The pixels of an image that the box covers: `x * width / 1000`, rounded to the nearest pixel edge, ties up;
    /// a side that would vanish keeps one pixel.
    pub fn to_pixels(self, size: ImageSize) -> PixelBox {
        let grid = u64::from(Self::GRID);
        let edge = |v: u16, side: u32| ((2 * u64::from(v) * u64::from(side) + grid) / (2 * grid)) as u32;
        let span = |a: u16, b: u16, side: u32| {
            let (lo, hi) = (edge(a, side), edge(b, side));
            if lo < hi {
                (lo, hi)
            } else if lo < side {
                (lo, lo + 1)
            } else {
                (side - 1, side)
            }
        };
        let [x1, y1, x2, y2] = self.xyxy;
        let (left, right) = span(x1, x2, size.width());
        let (top, bottom) = span(y1, y2, size.height());
        PixelBox::from_ordered([left, top, right, bottom])
    }

    /// Intersection over union of the two areas, `0.0..=1.0`; 0 when neither has an area.
    pub fn iou(self, other: Self) -> f64 {
        let area = |b: [u16; 4]| f64::from(b[2] - b[0]) * f64::from(b[3] - b[1]);
        let (a, b) = (self.xyxy, other.xyxy);
        let width = f64::from(a[2].min(b[2])) - f64::from(a[0].max(b[0]));
        let height = f64::from(a[3].min(b[3])) - f64::from(a[1].max(b[1]));
        let both = width.max(0.0) * height.max(0.0);
        let union = area(a) + area(b) - both;
        if union > 0.0 { both / union } else { 0.0 }
    }
}

/// Writes `(x1,y1),(x2,y2)`, as in the model's prompts.
impl fmt::Display for BBox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [x1, y1, x2, y2] = self.xyxy;
        write!(f, "({x1},{y1}),({x2},{y2})")
    }
}

impl TryFrom<[u16; 4]> for BBox {
    type Error = Error;

    fn try_from([x1, y1, x2, y2]: [u16; 4]) -> Result<Self, Error> {
        Self::new(x1, y1, x2, y2)
    }
}

impl From<BBox> for [u16; 4] {
    fn from(bbox: BBox) -> Self {
        bbox.xyxy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swapped_corners_are_refused() {
        assert!(matches!(BBox::new(5, 0, 4, 9), Err(Error::BoxCorners { .. })));
        assert!(matches!(BBox::new(0, 9, 4, 8), Err(Error::BoxCorners { .. })));
        assert!(serde_json::from_str::<BBox>("[5, 0, 4, 9]").is_err());
    }

    #[test]
    fn coordinates_above_the_grid_are_refused() {
        assert!(matches!(BBox::new(0, 0, 1001, 9), Err(Error::BoxCoordinate { place: 2, .. })));
    }

    #[test]
    fn pixels_are_placed_to_the_nearest_unit() -> Result<(), Error> {
        let size = ImageSize::new(3, 2000)?;

        let bbox = BBox::from_pixels(PixelBox::new(1, 1, 2, 3)?, size)?;

        // 1/3 -> 333.3, 2/3 -> 666.7; 1/2000 -> 0.5 and 3/2000 -> 1.5, ties up.
        assert_eq!(bbox.xyxy(), [333, 1, 667, 2]);
        Ok(())
    }

    #[test]
    fn a_thin_box_keeps_one_pixel() -> Result<(), Error> {
        let size = ImageSize::new(100, 100)?;

        assert_eq!(BBox::new(500, 0, 500, 1000)?.to_pixels(size).xyxy(), [50, 0, 51, 100]);
        assert_eq!(BBox::new(1000, 1000, 1000, 1000)?.to_pixels(size).xyxy(), [99, 99, 100, 100]);
        Ok(())
    }

    #[test]
    fn iou_of_two_half_overlapping_squares_is_a_third() -> Result<(), Error> {
        let a = BBox::new(0, 0, 200, 100)?;
        let b = BBox::new(100, 0, 300, 100)?;

        assert!((a.iou(b) - 1.0 / 3.0).abs() < 1e-12);
        assert!(BBox::new(3, 3, 3, 3)?.iou(a).abs() < 1e-12);
        Ok(())
    }
}
