use rcmu_core::{ImageSize, Orientation};

use crate::Error;

/// RGB pixels in memory: three bytes each, row by row from the top left.
///
/// # Invariant
///
/// `pixels` has `width * height * 3` bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct RgbPixels {
    size: ImageSize,
    pixels: Vec<u8>,
}

impl RgbPixels {
    /// Takes pixels of a known size.
    ///
    /// # Errors
    ///
    /// [`Error::PixelCount`] when the number of bytes is not `width * height * 3`.
    pub fn new(size: ImageSize, pixels: Vec<u8>) -> Result<Self, Error> {
        check_len(size, pixels.len())?;
        Ok(Self { size, pixels })
    }

    /// Takes pixels whose number is known to be right.
    pub(super) fn from_len_checked(size: ImageSize, pixels: Vec<u8>) -> Self {
        debug_assert!(check_len(size, pixels.len()).is_ok());
        Self { size, pixels }
    }

    /// Width and height.
    pub const fn size(&self) -> ImageSize {
        self.size
    }

    /// The bytes, red first.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Gives the bytes away.
    pub fn into_pixels(self) -> Vec<u8> {
        self.pixels
    }

    /// Turns pixels as stored in a file upright.
    #[must_use]
    pub fn turned(self, orientation: Orientation) -> Self {
        let (width, height) = (self.size.width() as usize, self.size.height() as usize);
        let Self { size, mut pixels } = self;
        let mirror_rows = |pixels: &mut [u8]| pixels.chunks_exact_mut(width * 3).for_each(reverse_pixels);
        match orientation {
            Orientation::Upright => {}
            Orientation::MirrorX => mirror_rows(&mut pixels),
            Orientation::HalfTurn => reverse_pixels(&mut pixels),
            Orientation::MirrorY => {
                reverse_pixels(&mut pixels);
                mirror_rows(&mut pixels);
            }
            Orientation::Transpose
            | Orientation::QuarterTurn
            | Orientation::Transverse
            | Orientation::QuarterTurnBack => {
                // Upright pixel (x, y) is stored in column y or its mirror, row x or its mirror.
                let column_back =
                    matches!(orientation, Orientation::Transverse | Orientation::QuarterTurnBack);
                let row_back = matches!(orientation, Orientation::Transverse | Orientation::QuarterTurn);
                let mut upright = Vec::with_capacity(pixels.len());
                for y in 0..width {
                    let column = if column_back { width - 1 - y } else { y };
                    for x in 0..height {
                        let row = if row_back { height - 1 - x } else { x };
                        let from = (row * width + column) * 3;
                        upright.extend_from_slice(&pixels[from..from + 3]);
                    }
                }
                return Self { size: size.transposed(), pixels: upright };
            }
        }
        Self { size, pixels }
    }
}

/// Checks that `len` bytes are the pixels of `size`.
pub(crate) fn check_len(size: ImageSize, len: usize) -> Result<(), Error> {
    if u128::from(size.pixels()) * 3 == len as u128 {
        return Ok(());
    }
    Err(Error::PixelCount { size, len })
}

/// Reverses the order of whole pixels.
fn reverse_pixels(pixels: &mut [u8]) {
    pixels.reverse();
    for pixel in pixels.as_chunks_mut::<3>().0 {
        pixel.swap(0, 2);
    }
}

impl std::fmt::Debug for RgbPixels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RgbPixels({})", self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pixels `a b c / d e f`, each letter three equal bytes.
    fn turned(exif: u8) -> (u32, u32, String) {
        let pixels = b"abcdef".iter().flat_map(|&c| [c; 3]).collect();
        let stored = RgbPixels::new(ImageSize::new(3, 2).unwrap(), pixels).unwrap();
        let turned = stored.turned(Orientation::from_exif(exif).unwrap());
        let letters = turned.pixels.iter().step_by(3).map(|&c| c as char).collect();
        (turned.size.width(), turned.size.height(), letters)
    }

    #[test]
    fn every_exif_orientation_turns_as_the_standard_says() {
        // The standard names where row 0 and column 0 of the stored picture lie when seen upright.
        assert_eq!(turned(1), (3, 2, "abcdef".into()));
        assert_eq!(turned(2), (3, 2, "cbafed".into())); // column 0 at the right
        assert_eq!(turned(3), (3, 2, "fedcba".into())); // row 0 at the bottom, column 0 at the right
        assert_eq!(turned(4), (3, 2, "defabc".into())); // row 0 at the bottom
        assert_eq!(turned(5), (2, 3, "adbecf".into())); // row 0 at the left, column 0 at the top
        assert_eq!(turned(6), (2, 3, "daebfc".into())); // row 0 at the right, column 0 at the top
        assert_eq!(turned(7), (2, 3, "fcebda".into())); // row 0 at the right, column 0 at the bottom
        assert_eq!(turned(8), (2, 3, "cfbead".into())); // row 0 at the left, column 0 at the bottom
    }

    #[test]
    fn a_wrong_number_of_bytes_is_refused() {
        let refused = RgbPixels::new(ImageSize::new(3, 2).unwrap(), vec![0; 17]);

        assert!(matches!(refused, Err(Error::PixelCount { len: 17, .. })));
    }

    #[test]
    fn red_stays_red_when_a_row_is_mirrored() {
        let row = RgbPixels::new(ImageSize::new(2, 1).unwrap(), vec![1, 2, 3, 4, 5, 6]).unwrap();

        assert_eq!(row.turned(Orientation::MirrorX).into_pixels(), [4, 5, 6, 1, 2, 3]);
    }
}
