//! The chunks of a PNG file.

use super::{
    PictureFormat, PictureHeader, PictureLimits, Transparency,
    header::{exif_orientation, stored_size},
};
use crate::Error;

/// The first bytes of every PNG file.
pub(super) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
const FORMAT: &str = "PNG";
/// Deflate makes at most 1032 bytes of one.
const MAX_DEFLATE_RATIO: u64 = 1032;

/// One chunk: its name, its data, and all its bytes with length and checksum.
struct Chunk<'a> {
    name: [u8; 4],
    data: &'a [u8],
    bytes: &'a [u8],
}

/// Cuts the next chunk off.
fn next_chunk<'a>(rest: &mut &'a [u8]) -> Result<Chunk<'a>, Error> {
    let cut = |place| Error::PictureTruncated { format: FORMAT, place };
    let (length, after) = rest.split_first_chunk::<4>().ok_or_else(|| cut("a chunk header"))?;
    let (&name, after) = after.split_first_chunk::<4>().ok_or_else(|| cut("a chunk header"))?;
    let length = u32::from_be_bytes(*length) as usize;
    let end = length.checked_add(4).filter(|&end| end <= after.len()).ok_or_else(|| cut("a chunk"))?;
    let (bytes, next) = rest.split_at(8 + end);
    *rest = next;
    Ok(Chunk { name, data: &after[..length], bytes })
}

/// Walks all chunks.
pub(super) fn inspect(file: &[u8], limits: &PictureLimits) -> Result<PictureHeader, Error> {
    let invalid = |problem: &str| Error::PictureInvalid { format: FORMAT, problem: problem.to_owned() };
    let mut rest = &file[SIGNATURE.len()..];
    let first = next_chunk(&mut rest)?;
    let &[w0, w1, w2, w3, h0, h1, h2, h3, depth, color, _, _, _] = first.data else {
        return Err(invalid("IHDR does not have 13 bytes"));
    };
    if &first.name != b"IHDR" {
        return Err(invalid("IHDR is not the first chunk"));
    }
    let [width, height] = [[w0, w1, w2, w3], [h0, h1, h2, h3]].map(u32::from_be_bytes);
    let file_size = stored_size(PictureFormat::Png, [width, height], limits)?;
    let channels: u64 = match color {
        0 | 3 => 1,
        2 => 3,
        4 => 2,
        6 => 4,
        _ => return Err(invalid("its colour type is not known")),
    };
    if !matches!(depth, 1 | 2 | 4 | 8 | 16) {
        return Err(invalid("its bit depth is not known"));
    }
    let mut header = PictureHeader {
        format: PictureFormat::Png,
        file_size,
        orientation: rcmu_core::Orientation::default(),
        // The reference reads 16-bit grey with alpha as RGBA.
        transparency: match (color, depth) {
            (4, 16) | (6, _) => Transparency::Rgba,
            (4, _) => Transparency::Other,
            _ => Transparency::None,
        },
        is_gray16: color == 0 && depth == 16,
        decode_bytes: 0,
    };
    let mut compressed = 0;
    loop {
        let chunk = next_chunk(&mut rest)?;
        match &chunk.name {
            b"IEND" => break,
            b"IDAT" => compressed += chunk.data.len() as u64,
            // The decoder panics on a colour that is cut off.
            b"PLTE" if chunk.data.is_empty() || !chunk.data.len().is_multiple_of(3) => {
                return Err(invalid("its palette is not whole colours"));
            }
            b"acTL" => return Err(Error::PictureFormat { found: "an animated PNG" }),
            b"eXIf" => header.orientation = exif_orientation(chunk.data),
            b"tRNS" if header.transparency == Transparency::None => header.transparency = Transparency::Other,
            _ => {}
        }
    }
    let least_bytes = (file_size.pixels() * channels * u64::from(depth)).div_ceil(8);
    if compressed.saturating_mul(MAX_DEFLATE_RATIO) < least_bytes {
        return Err(Error::PictureTruncated { format: FORMAT, place: "the pixels" });
    }
    header.decode_bytes = decode_bytes(file_size.pixels(), color, depth, header.transparency);
    Ok(header)
}

/// What the decoder writes, and the RGB pixels when they do not fit into the same memory.
fn decode_bytes(pixels: u64, color: u8, depth: u8, transparency: Transparency) -> u64 {
    let transparent = u64::from(transparency != Transparency::None);
    let channels = match color {
        0 | 4 => 1 + transparent,
        _ => 3 + transparent,
    };
    let decoded = channels * u64::from(depth.div_ceil(8));
    let rgb = if decoded < 3 { 3 } else { 0 };
    pixels * (decoded + rgb)
}

/// The file without the chunks that no pixel needs: profiles and texts can be bombs, and nothing reads them.
///
/// Chunks that a decoder may not skip stay, so that it refuses those it does not know.
pub(super) fn without_extras(file: &[u8]) -> Result<Vec<u8>, Error> {
    let (signature, mut rest) = file.split_at(SIGNATURE.len());
    let mut kept = Vec::with_capacity(file.len());
    kept.extend_from_slice(signature);
    loop {
        let chunk = next_chunk(&mut rest)?;
        if chunk.name[0].is_ascii_uppercase() || &chunk.name == b"tRNS" {
            kept.extend_from_slice(chunk.bytes);
        }
        if &chunk.name == b"IEND" {
            return Ok(kept);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chunk with a checksum of zero: the walk does not look at it.
    fn chunk(name: [u8; 4], data: &[u8]) -> Vec<u8> {
        [&(data.len() as u32).to_be_bytes(), &name, data, &[0; 4]].concat()
    }

    fn file(ihdr: [u8; 13], chunks: &[Vec<u8>]) -> Vec<u8> {
        [SIGNATURE, &chunk(*b"IHDR", &ihdr), &chunks.concat(), &chunk(*b"IEND", b"")].concat()
    }

    fn checked(file: &[u8]) -> Result<PictureHeader, Error> {
        inspect(file, &PictureLimits::default())
    }

    const IHDR: [u8; 13] = [0, 0, 0, 3, 0, 0, 0, 2, 8, 3, 0, 0, 0];

    #[test]
    fn the_header_is_read_from_the_chunks() {
        let png = file(IHDR, &[chunk(*b"tRNS", &[0]), chunk(*b"IDAT", &[0; 9])]);

        let header = checked(&png).unwrap();

        assert_eq!(header.file_size.to_string(), "3x2");
        assert_eq!(header.transparency, Transparency::Other);
        assert_eq!(header.decode_bytes, 6 * 4); // palette with alpha becomes four bytes a pixel
    }

    #[test]
    fn an_animated_png_is_refused() {
        let png = file(IHDR, &[chunk(*b"acTL", &[0; 8]), chunk(*b"IDAT", &[0; 9])]);

        assert!(matches!(checked(&png), Err(Error::PictureFormat { .. })));
    }

    #[test]
    fn a_palette_with_half_a_colour_is_refused() {
        let png = file(IHDR, &[chunk(*b"PLTE", &[1, 2, 3, 4]), chunk(*b"IDAT", &[0; 9])]);

        assert!(matches!(checked(&png), Err(Error::PictureInvalid { .. })));
    }

    #[test]
    fn a_header_that_promises_more_pixels_than_can_be_packed_is_refused() {
        // 8000 x 8000 bytes cannot come from 100.
        let lying = [0, 0, 0x1F, 0x40, 0, 0, 0x1F, 0x40, 8, 0, 0, 0, 0];

        let refused = checked(&file(lying, &[chunk(*b"IDAT", &[0; 100])]));

        assert!(matches!(refused, Err(Error::PictureTruncated { .. })), "{refused:?}");
    }

    #[test]
    fn the_largest_sides_that_can_be_written_are_over_the_limit() {
        let mut ihdr = [0xFF; 13];
        ihdr[8..].copy_from_slice(&[16, 6, 0, 0, 0]);

        let refused = checked(&file(ihdr, &[]));

        assert!(matches!(refused, Err(Error::PictureLimit { found: 4_294_967_295, .. })), "{refused:?}");
    }

    #[test]
    fn a_file_cut_anywhere_is_truncated() {
        let png = file(IHDR, &[chunk(*b"IDAT", &[0; 9])]);

        for end in SIGNATURE.len()..png.len() {
            let refused = checked(&png[..end]);
            assert!(matches!(refused, Err(Error::PictureTruncated { .. })), "{end}: {refused:?}");
        }
    }

    #[test]
    fn profiles_and_texts_never_reach_the_decoder() {
        let png =
            file(IHDR, &[chunk(*b"iCCP", &[1; 50]), chunk(*b"zTXt", &[2; 50]), chunk(*b"IDAT", &[0; 9])]);

        let kept = without_extras(&png).unwrap();

        assert_eq!(kept, file(IHDR, &[chunk(*b"IDAT", &[0; 9])]));
    }
}
