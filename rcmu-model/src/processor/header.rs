use rcmu_core::{ImageSize, Orientation};

use super::{PictureLimits, jpeg, limits::check, png, webp};
use crate::Error;

/// File formats that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PictureFormat {
    /// Portable Network Graphics, without animation.
    Png,
    /// JPEG: baseline, extended or progressive Huffman coding with 8 bits.
    Jpeg,
    /// WebP, lossy or lossless; of an animation the first frame.
    WebP,
}

impl PictureFormat {
    /// The name for messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::WebP => "WebP",
        }
    }
}

/// What a file says about transparency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transparency {
    /// Nothing is transparent.
    None,
    /// An alpha channel beside red, green and blue, or beside 16-bit grey.
    Rgba,
    /// 8-bit grey with alpha, a palette with alpha, or a transparent colour.
    Other,
}

/// What the container of a picture says, without decoding a pixel.
///
/// The whole container was walked: the file is complete, and decoding it stays within the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PictureHeader {
    /// The format.
    pub format: PictureFormat,
    /// Width and height as stored.
    pub file_size: ImageSize,
    /// The EXIF orientation; upright when the file has none.
    pub orientation: Orientation,
    /// What is transparent.
    pub transparency: Transparency,
    /// Whether samples are 16-bit grey without alpha.
    pub is_gray16: bool,
    /// Bytes that decoding holds at once, with the RGB pixels; an upper estimate.
    pub decode_bytes: u64,
}

/// Reads the header of a picture file and checks the container to its end.
///
/// # Errors
///
/// - [`Error::PictureFormat`] when it is not PNG, JPEG or WebP, or is an animated PNG;
/// - [`Error::PictureTruncated`], [`Error::PictureInvalid`] when the container is cut short or broken;
/// - [`Error::PictureLimit`] when file, size, scans or memory are over the limits.
pub fn inspect(bytes: &[u8], limits: &PictureLimits) -> Result<PictureHeader, Error> {
    check("file in bytes", bytes.len() as u64, limits.max_file_bytes)?;
    let header = match bytes {
        [] => return Err(Error::PictureFormat { found: "empty" }),
        _ if bytes.starts_with(png::SIGNATURE) => png::inspect(bytes, limits)?,
        [0xFF, 0xD8, 0xFF, ..] => jpeg::inspect(bytes, limits)?,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => webp::inspect(bytes, limits)?,
        [b'G', b'I', b'F', b'8', ..] => return Err(Error::PictureFormat { found: "a GIF" }),
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => {
            return Err(Error::PictureFormat { found: "a TIFF" });
        }
        _ => return Err(Error::PictureFormat { found: "of another format" }),
    };
    check("memory for decoding in bytes", header.decode_bytes, limits.max_decode_bytes)?;
    Ok(header)
}

/// The orientation in a block of EXIF, with or without its `Exif` mark; upright when there is none.
pub(super) fn exif_orientation(exif: &[u8]) -> Orientation {
    let tiff = exif.strip_prefix(b"Exif\0\0").unwrap_or(exif);
    image::metadata::Orientation::from_exif_chunk(tiff)
        .and_then(|orientation| Orientation::from_exif(orientation.to_exif()))
        .unwrap_or_default()
}

/// A size as the container gives it, checked before anything is worked out from it.
pub(super) fn stored_size(
    format: PictureFormat,
    [width, height]: [u32; 2],
    limits: &PictureLimits,
) -> Result<ImageSize, Error> {
    let size = ImageSize::new(width, height).map_err(|_| Error::PictureInvalid {
        format: format.name(),
        problem: format!("its size is {width}x{height}"),
    })?;
    limits.check_size(size)?;
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_formats_are_named() {
        let limits = PictureLimits::default();
        for bytes in [&b""[..], b"GIF89a\x01\0\x01\0", b"II*\0\x08\0\0\0", b"plain text", b"\x89PNG"] {
            let refused = inspect(bytes, &limits);
            assert!(matches!(refused, Err(Error::PictureFormat { .. })), "{refused:?}");
        }
    }

    #[test]
    fn exif_gives_the_orientation_in_both_byte_orders() {
        // Header, one entry: tag 0x0112, type short, count 1, value 6.
        let little = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let big = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";

        assert_eq!(exif_orientation(little), Orientation::QuarterTurn);
        assert_eq!(exif_orientation(big), Orientation::QuarterTurn);
        assert_eq!(exif_orientation(b"Exif\0\0MM"), Orientation::Upright);
    }
}
