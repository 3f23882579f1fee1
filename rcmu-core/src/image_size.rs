use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Error;

/// Width and height of an image in pixels.
///
/// # Invariant
///
/// Both sides are at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "[u32; 2]", into = "[u32; 2]")]
pub struct ImageSize {
    width: u32,
    height: u32,
}

impl ImageSize {
    /// Makes a size of `width` by `height` pixels.
    ///
    /// # Errors
    ///
    /// [`Error::EmptyImage`] when a side is zero.
    pub fn new(width: u32, height: u32) -> Result<Self, Error> {
        if width == 0 || height == 0 {
            return Err(Error::EmptyImage { width, height });
        }
        Ok(Self { width, height })
    }

    /// Width in pixels.
    pub const fn width(self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub const fn height(self) -> u32 {
        self.height
    }

    /// Number of pixels.
    pub const fn pixels(self) -> u64 {
        self.width as u64 * self.height as u64
    }

    /// The size of the image turned by a quarter.
    #[must_use]
    pub const fn transposed(self) -> Self {
        Self { width: self.height, height: self.width }
    }
}

impl fmt::Display for ImageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl TryFrom<[u32; 2]> for ImageSize {
    type Error = Error;

    fn try_from([width, height]: [u32; 2]) -> Result<Self, Error> {
        Self::new(width, height)
    }
}

impl From<ImageSize> for [u32; 2] {
    fn from(size: ImageSize) -> Self {
        [size.width, size.height]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_side_is_refused() {
        assert_eq!(ImageSize::new(0, 3), Err(Error::EmptyImage { width: 0, height: 3 }));
        assert!(ImageSize::new(3, 0).is_err());
        assert!(serde_json::from_str::<ImageSize>("[0, 4]").is_err());
    }

    #[test]
    fn a_quarter_turn_swaps_the_sides() -> Result<(), Error> {
        let size = ImageSize::new(640, 480)?;

        assert_eq!(size.transposed(), ImageSize::new(480, 640)?);
        assert_eq!(size.pixels(), 307_200);
        assert_eq!(size.to_string(), "640x480");
        Ok(())
    }
}
