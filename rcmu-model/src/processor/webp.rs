//! The chunks of a WebP file.

use super::{
    PictureFormat, PictureHeader, PictureLimits, Transparency,
    header::{exif_orientation, stored_size},
};
use crate::Error;

const FORMAT: &str = "WebP";
/// Position and size of a frame, before its own chunks.
const FRAME_HEADER: usize = 16;

/// Cuts the next chunk off: its name and its data. Chunks are padded to an even length.
fn next_chunk<'a>(rest: &mut &'a [u8]) -> Result<([u8; 4], &'a [u8]), Error> {
    let cut = |place| Error::PictureTruncated { format: FORMAT, place };
    let (&name, after) = rest.split_first_chunk::<4>().ok_or_else(|| cut("a chunk header"))?;
    let (length, after) = after.split_first_chunk::<4>().ok_or_else(|| cut("a chunk header"))?;
    let length = u32::from_le_bytes(*length) as usize;
    let (data, next) = after.split_at_checked(length).ok_or_else(|| cut("a chunk"))?;
    // The pad byte after the last chunk may be missing.
    *rest = if length % 2 == 1 { next.get(1..).unwrap_or(next) } else { next };
    Ok((name, data))
}

/// Walks all chunks.
pub(super) fn inspect(file: &[u8], limits: &PictureLimits) -> Result<PictureHeader, Error> {
    let invalid = |problem: &str| Error::PictureInvalid { format: FORMAT, problem: problem.to_owned() };
    // The signature has 12 bytes; the length in it counts from the eighth.
    let length = u32::from_le_bytes([file[4], file[5], file[6], file[7]]) as usize;
    let body = length
        .checked_sub(4)
        .and_then(|length| file[12..].get(..length))
        .ok_or(Error::PictureTruncated { format: FORMAT, place: "the chunks" })?;

    let mut canvas = None;
    let mut picture: Option<Bitstream> = None;
    let (mut alpha_chunk, mut animated) = (false, false);
    let mut orientation = rcmu_core::Orientation::default();
    let mut rest = body;
    while !rest.is_empty() {
        let (name, data) = next_chunk(&mut rest)?;
        match &name {
            b"VP8X" => canvas = Some(read_canvas(data).ok_or_else(|| invalid("VP8X is too short"))?),
            b"VP8 " | b"VP8L" => {
                let found = Bitstream::read(name, data, limits)?;
                if picture.is_some_and(|first| first.size != found.size) {
                    return Err(invalid("its pictures differ in size"));
                }
                picture.get_or_insert(found);
            }
            b"ALPH" => alpha_chunk = true,
            b"ANMF" if !animated => {
                animated = true;
                picture = Some(read_first_frame(data, limits)?);
            }
            b"EXIF" => orientation = exif_orientation(data),
            _ => {}
        }
    }
    let picture = picture.ok_or_else(|| invalid("it has no picture"))?;
    let (file_size, canvas_alpha) = match canvas {
        Some((width, height, alpha)) => (stored_size(PictureFormat::WebP, [width, height], limits)?, alpha),
        None => (picture.size, picture.lossless_alpha),
    };
    let fits = if animated {
        picture.size.width() <= file_size.width() && picture.size.height() <= file_size.height()
    } else {
        picture.size == file_size
    };
    if !fits {
        return Err(invalid("its picture is not the size of its canvas"));
    }
    // Bytes a pixel, besides the output: a canvas and a frame; the pixels before alpha is taken off; the planes.
    let per_pixel = match (animated, picture.lossless || alpha_chunk) {
        (true, _) => 14,
        (false, true) => 9,
        (false, false) => 5,
    };
    Ok(PictureHeader {
        format: PictureFormat::WebP,
        file_size,
        orientation,
        transparency: if canvas_alpha { Transparency::Rgba } else { Transparency::None },
        is_gray16: false,
        decode_bytes: file_size.pixels() * per_pixel,
    })
}

/// Width, height and whether there is alpha.
fn read_canvas(data: &[u8]) -> Option<(u32, u32, bool)> {
    let &[flags, _, _, _, w0, w1, w2, h0, h1, h2, ..] = data else { return None };
    let side = |low, middle, high| u32::from_le_bytes([low, middle, high, 0]) + 1;
    Some((side(w0, w1, w2), side(h0, h1, h2), flags & 0x10 != 0))
}

/// What the coded picture says about itself.
#[derive(Clone, Copy)]
struct Bitstream {
    size: rcmu_core::ImageSize,
    lossless: bool,
    lossless_alpha: bool,
}

impl Bitstream {
    fn read(name: [u8; 4], data: &[u8], limits: &PictureLimits) -> Result<Self, Error> {
        let lossless = &name == b"VP8L";
        let (width, height, lossless_alpha) = match *data {
            [0x2F, a, b, c, d, ..] if lossless => {
                let bits = u32::from_le_bytes([a, b, c, d]);
                ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bits >> 28 & 1 == 1)
            }
            [tag, _, _, 0x9D, 0x01, 0x2A, w0, w1, h0, h1, ..] if !lossless && tag & 1 == 0 => {
                let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3FFF);
                (side(w0, w1), side(h0, h1), false)
            }
            _ => {
                let problem = "its picture does not start with a key frame".to_owned();
                return Err(Error::PictureInvalid { format: FORMAT, problem });
            }
        };
        let size = stored_size(PictureFormat::WebP, [width, height], limits)?;
        Ok(Self { size, lossless, lossless_alpha })
    }
}

/// The picture in an animation frame, which must have the size that the frame declares.
fn read_first_frame(data: &[u8], limits: &PictureLimits) -> Result<Bitstream, Error> {
    let invalid = |problem: &str| Error::PictureInvalid { format: FORMAT, problem: problem.to_owned() };
    let &[_, _, _, _, _, _, w0, w1, w2, h0, h1, h2, ..] = data else {
        return Err(invalid("a frame is too short"));
    };
    let side = |low, middle, high| u32::from_le_bytes([low, middle, high, 0]) + 1;
    let mut rest = data.get(FRAME_HEADER..).unwrap_or_default();
    while !rest.is_empty() {
        let (name, data) = next_chunk(&mut rest)?;
        if matches!(&name, b"VP8 " | b"VP8L") {
            let found = Bitstream::read(name, data, limits)?;
            if [found.size.width(), found.size.height()] != [side(w0, w1, w2), side(h0, h1, h2)] {
                return Err(invalid("a frame is not the size of its picture"));
            }
            return Ok(found);
        }
    }
    Err(invalid("a frame has no picture"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(name: [u8; 4], data: &[u8]) -> Vec<u8> {
        let pad = vec![0; data.len() % 2];
        [&name[..], &(data.len() as u32).to_le_bytes(), data, &pad].concat()
    }

    fn file(chunks: &[Vec<u8>]) -> Vec<u8> {
        let body = chunks.concat();
        [&b"RIFF"[..], &(body.len() as u32 + 4).to_le_bytes(), b"WEBP", &body].concat()
    }

    fn checked(file: &[u8]) -> Result<PictureHeader, Error> {
        inspect(file, &PictureLimits::default())
    }

    /// The head of a lossless picture of this size.
    fn lossless(width: u32, height: u32) -> Vec<u8> {
        let bits = (width - 1) | (height - 1) << 14 | 1 << 28;
        chunk(*b"VP8L", &[&[0x2F][..], &bits.to_le_bytes(), &[0; 4]].concat())
    }

    fn canvas(width: u8, height: u8) -> Vec<u8> {
        chunk(*b"VP8X", &[0x10, 0, 0, 0, width - 1, 0, 0, height - 1, 0, 0])
    }

    #[test]
    fn the_size_is_read_from_the_picture_itself() {
        let header = checked(&file(&[lossless(300, 20)])).unwrap();

        assert_eq!(header.file_size.to_string(), "300x20");
        assert_eq!(header.transparency, Transparency::Rgba);
    }

    #[test]
    fn a_canvas_that_hides_a_larger_picture_is_refused() {
        let refused = checked(&file(&[canvas(10, 10), lossless(16_000, 100)]));

        assert!(matches!(refused, Err(Error::PictureInvalid { .. })), "{refused:?}");
    }

    #[test]
    fn a_frame_that_hides_a_larger_picture_is_refused() {
        let frame = |width| {
            let head = [0, 0, 0, 0, 0, 0, 9, 0, 0, 9, 0, 0, 0, 0, 0, 0];
            chunk(*b"ANMF", &[&head[..], &lossless(width, 10)].concat())
        };

        assert!(checked(&file(&[canvas(10, 10), frame(10)])).is_ok());
        let refused = checked(&file(&[canvas(10, 10), frame(16_000)]));
        assert!(matches!(refused, Err(Error::PictureInvalid { .. })), "{refused:?}");
    }

    #[test]
    fn a_file_cut_anywhere_is_truncated() {
        let whole = file(&[canvas(10, 10), lossless(10, 10)]);

        for end in 12..whole.len() {
            let refused = checked(&whole[..end]);
            assert!(matches!(refused, Err(Error::PictureTruncated { .. })), "{end}: {refused:?}");
        }
    }
}
