use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Error, ImageSize};

/// A box in pixels of an image, `[x1, y1, x2, y2]`, origin top left.
///
/// The image is the one that a person sees, after its EXIF orientation, unless a function names another:
/// [`Geometry`](crate::Geometry) also places boxes in the file's pixels and in the model's.
///
/// Edges are half-open: column `x1` belongs to the box, column `x2` does not, so the width is `x2 - x1` and the
/// whole image is `[0, 0, width, height]`.
///
/// # Invariant
///
/// `x1 < x2` and `y1 < y2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "[u32; 4]", into = "[u32; 4]")]
pub struct PixelBox {
    xyxy: [u32; 4],
}

impl PixelBox {
    /// Makes a box from its corners in pixels.
    ///
    /// # Errors
    ///
    /// [`Error::BoxCorners`] when the corners are swapped or the box has no area.
    pub fn new(x1: u32, y1: u32, x2: u32, y2: u32) -> Result<Self, Error> {
        let xyxy = [x1, y1, x2, y2];
        if x1 >= x2 || y1 >= y2 {
            return Err(Error::BoxCorners { xyxy: xyxy.map(f64::from) });
        }
        Ok(Self { xyxy })
    }

    /// Makes a box from fractional corners, rounding each to the nearest pixel edge (ties away from zero).
    ///
    /// # Errors
    ///
    /// [`Error::BoxCoordinate`] for NaN, infinite, negative or huge coordinates; [`Error::BoxCorners`] when the
    /// rounded box has no area. [`PixelBox::fitted`] takes what lies in an image.
    pub fn from_f64(xyxy: [f64; 4]) -> Result<Self, Error> {
        let max = u32::MAX;
        for (place, &value) in xyxy.iter().enumerate() {
            if !value.is_finite() || value < 0.0 || value > f64::from(max) {
                return Err(Error::BoxCoordinate { value, place, max });
            }
        }
        let [x1, y1, x2, y2] = xyxy.map(|v| v.round() as u32);
        Self::new(x1, y1, x2, y2).map_err(|_| Error::BoxCorners { xyxy })
    }

    /// Makes a box of what lies in an image, from corners that may reach over its edges, as those of detectors do; the rest
    /// as [`PixelBox::from_f64`].
    ///
    /// # Errors
    ///
    /// [`Error::BoxCoordinate`] for NaN and infinite coordinates; [`Error::BoxCorners`] when the corners are swapped or
    /// nothing of the box is left in the image.
    pub fn fitted(xyxy: [f64; 4], size: ImageSize) -> Result<Self, Error> {
        if let Some((place, &value)) = xyxy.iter().enumerate().find(|(_, value)| !value.is_finite()) {
            return Err(Error::BoxCoordinate { value, place, max: u32::MAX });
        }
        let (width, height) = (f64::from(size.width()), f64::from(size.height()));
        let [x1, y1, x2, y2] = xyxy;
        let cut = |value: f64, side: f64| value.clamp(0.0, side);
        Self::from_f64([cut(x1, width), cut(y1, height), cut(x2, width), cut(y2, height)])
            .map_err(|_| Error::BoxCorners { xyxy })
    }

    /// Corners already known to be in order.
    pub(crate) fn from_ordered(xyxy: [u32; 4]) -> Self {
        debug_assert!(xyxy[0] < xyxy[2] && xyxy[1] < xyxy[3]);
        Self { xyxy }
    }

    /// The corners `[x1, y1, x2, y2]`.
    pub const fn xyxy(self) -> [u32; 4] {
        self.xyxy
    }

    /// Width in pixels.
    pub const fn width(self) -> u32 {
        self.xyxy[2] - self.xyxy[0]
    }

    /// Height in pixels.
    pub const fn height(self) -> u32 {
        self.xyxy[3] - self.xyxy[1]
    }

    /// Checks that no edge reaches over the image.
    ///
    /// # Errors
    ///
    /// [`Error::BoxOutsideImage`] when one does.
    pub fn check_inside(self, size: ImageSize) -> Result<(), Error> {
        if self.xyxy[2] > size.width() || self.xyxy[3] > size.height() {
            return Err(Error::BoxOutsideImage { xyxy: self.xyxy, size });
        }
        Ok(())
    }

    /// Cuts the box at the image's edges; `None` when nothing of it is left.
    pub fn clamped(self, size: ImageSize) -> Option<Self> {
        let [x1, y1, x2, y2] = self.xyxy;
        Self::new(x1, y1, x2.min(size.width()), y2.min(size.height())).ok()
    }
}

/// Writes `[x1, y1, x2, y2]`.
impl fmt::Display for PixelBox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [x1, y1, x2, y2] = self.xyxy;
        write!(f, "[{x1}, {y1}, {x2}, {y2}]")
    }
}

impl TryFrom<[u32; 4]> for PixelBox {
    type Error = Error;

    fn try_from([x1, y1, x2, y2]: [u32; 4]) -> Result<Self, Error> {
        Self::new(x1, y1, x2, y2)
    }
}

impl From<PixelBox> for [u32; 4] {
    fn from(pixel_box: PixelBox) -> Self {
        pixel_box.xyxy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_without_area_are_refused() {
        assert!(PixelBox::new(4, 4, 4, 9).is_err());
        assert!(PixelBox::new(9, 4, 4, 9).is_err());
    }

    #[test]
    fn every_special_float_is_refused() {
        let bad = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, -0.6, 1e300];
        for value in bad {
            for place in 0..4 {
                let mut xyxy = [1.0, 1.0, 5.0, 5.0];
                xyxy[place] = value;
                assert!(PixelBox::from_f64(xyxy).is_err(), "{value} at {place}");
            }
        }
    }

    #[test]
    fn what_a_detector_gives_is_cut_to_the_image() -> Result<(), Error> {
        let size = ImageSize::new(640, 480)?;

        assert_eq!(PixelBox::fitted([-0.3, 10.6, 640.4, 479.9], size)?, PixelBox::new(0, 11, 640, 480)?);
        assert_eq!(PixelBox::fitted([5.0, 5.0, 9.0, 1e300], size)?, PixelBox::new(5, 5, 9, 480)?);
        for outside in [[-9.0, 0.0, -1.0, 5.0], [641.0, 0.0, 700.0, 5.0], [9.0, 0.0, 5.0, 5.0]] {
            let error = PixelBox::fitted(outside, size).expect_err("nothing of it is in the image");
            let as_given = |xyxy: [f64; 4]| xyxy.map(f64::to_bits) == outside.map(f64::to_bits);
            assert!(matches!(error, Error::BoxCorners { xyxy } if as_given(xyxy)), "{error}");
        }
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let error = PixelBox::fitted([0.0, 0.0, value, 5.0], size).expect_err("no coordinate");
            assert!(matches!(error, Error::BoxCoordinate { place: 2, .. }), "{error}");
        }
        Ok(())
    }

    #[test]
    fn a_box_over_the_edge_is_an_error_or_cut_on_request() -> Result<(), Error> {
        let size = ImageSize::new(10, 10)?;
        let over = PixelBox::new(5, 5, 12, 10)?;

        assert!(matches!(over.check_inside(size), Err(Error::BoxOutsideImage { .. })));
        assert_eq!(over.clamped(size), Some(PixelBox::new(5, 5, 10, 10)?));
        assert_eq!(PixelBox::new(10, 0, 12, 5)?.clamped(size), None);
        Ok(())
    }
}
