use std::{fmt, sync::Arc};

use sha2::{Digest, Sha256};

use crate::ImageSize;

/// A picture: the bytes of an image file, or RGB pixels made by the program.
///
/// Cheap to clone. Nothing is decoded here; the processor of the model does that, under its limits.
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Picture {
    /// The bytes of a PNG, JPEG or WebP file.
    Encoded(Arc<[u8]>),
    /// Upright RGB pixels, row by row, three bytes each.
    Rgb {
        /// Width and height.
        size: ImageSize,
        /// `width * height * 3` bytes; another length is refused by the processor.
        pixels: Arc<[u8]>,
    },
}

impl Picture {
    /// A picture from the bytes of an image file.
    pub fn from_bytes(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self::Encoded(bytes.into())
    }

    /// A 256-bit key of the picture: its kind, its size and its bytes.
    pub fn key(&self) -> PictureKey {
        let mut hash = Sha256::new();
        match self {
            Self::Encoded(bytes) => {
                hash.update(b"encoded\0");
                hash.update(bytes);
            }
            Self::Rgb { size, pixels } => {
                hash.update(b"rgb\0");
                hash.update(size.width().to_le_bytes());
                hash.update(size.height().to_le_bytes());
                hash.update(pixels);
            }
        }
        PictureKey(hash.finalize().into())
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encoded(bytes) => write!(f, "Picture::Encoded({} bytes)", bytes.len()),
            Self::Rgb { size, .. } => write!(f, "Picture::Rgb({size})"),
        }
    }
}

/// A SHA-256 key that tells pictures apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PictureKey(pub [u8; 32]);

impl fmt::Debug for PictureKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// What fills one image or video slot of a prompt.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Visual {
    /// One picture.
    Image(Picture),
    /// The chosen frames of a video, in order of time.
    Video(Vec<Picture>),
}

impl From<Picture> for Visual {
    fn from(picture: Picture) -> Self {
        Self::Image(picture)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_tells_sizes_of_the_same_bytes_apart() -> Result<(), crate::Error> {
        let pixels: Arc<[u8]> = vec![7; 24].into();
        let wide = Picture::Rgb { size: ImageSize::new(4, 2)?, pixels: pixels.clone() };
        let tall = Picture::Rgb { size: ImageSize::new(2, 4)?, pixels: pixels.clone() };

        assert_ne!(wide.key(), tall.key());
        assert_ne!(wide.key(), Picture::Encoded(pixels).key());
        assert_eq!(wide.key(), wide.clone().key());
        Ok(())
    }
}
