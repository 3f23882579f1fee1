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
    orientation_entry(tiff).and_then(Orientation::from_exif).unwrap_or_default()
}

/// The first number of the entry in the first directory of a TIFF, whatever whole number it is: some programs write a long
/// where the standard wants a short, and Pillow takes it.
fn orientation_entry(tiff: &[u8]) -> Option<u8> {
    const ORIENTATION: u64 = 0x0112;
    let is_big = match tiff.get(..4)? {
        b"MM\0*" => true,
        b"II*\0" => false,
        _ => return None,
    };
    let number = |at: usize, len: usize| {
        let bytes = tiff.get(at..at.checked_add(len)?)?;
        let add = |sum: u64, &byte: &u8| sum << 8 | u64::from(byte);
        Some(if is_big { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) })
    };
    let directory = usize::try_from(number(4, 4)?).ok()?;
    let entries = number(directory, 2)? as usize;
    let entry = (0..entries)
        .map_while(|index| directory.checked_add(2 + 12 * index))
        .find(|&entry| number(entry, 2) == Some(ORIENTATION))?;
    // Shorts and longs, without and with a sign, and bytes with one; bytes without are text to Pillow.
    let len = match number(entry + 2, 2)? {
        6 => 1,
        3 | 8 => 2,
        4 | 9 => 4,
        _ => return None,
    };
    let count = number(entry + 4, 4)?;
    // More than four bytes stand elsewhere.
    let at = match count.checked_mul(len)? {
        0 => return None,
        1..=4 => entry + 8,
        _ => usize::try_from(number(entry + 8, 4)?).ok()?,
    };
    number(at, len as usize)?.try_into().ok()
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

    #[test]
    fn the_orientation_may_be_any_whole_number() {
        // One entry: the tag, type, count and value; 18 zeros, then the value of an entry that points there.
        let with = |kind: u8, count: u8, value: [u8; 4]| {
            let mut tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01".to_vec();
            tiff.extend([kind, 0, count, 0, 0, 0]);
            tiff.extend(value);
            tiff.extend([0; 18]);
            tiff.extend([8, 0, 0, 0]);
            exif_orientation(&tiff)
        };

        for kind in [3, 4, 6, 8, 9] {
            assert_eq!(with(kind, 1, [6, 0, 0, 0]), Orientation::QuarterTurn, "{kind}");
        }
        assert_eq!(with(3, 2, [6, 0, 1, 0]), Orientation::QuarterTurn);
        // Two longs do not fit in the entry: they begin at byte 40.
        assert_eq!(with(4, 2, [40, 0, 0, 0]), Orientation::QuarterTurnBack);
        for (kind, count, value) in [
            (1, 1, [6, 0, 0, 0]),
            (2, 1, [6; 4]),
            (5, 1, [6; 4]),
            (3, 0, [6, 0, 0, 0]),
            (4, 2, [255; 4]),
            (4, 1, [6, 1, 0, 0]),
        ] {
            assert_eq!(with(kind, count, value), Orientation::Upright, "{kind} {count} {value:?}");
        }
    }
}
