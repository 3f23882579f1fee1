//! JPEG: the walk over the markers of a file, and a decoder of its own.
//!
//! ```text
//! bytes ─ huffman, blocks, scan ─► coefficients ─ idct ─► samples ─ upsample ─► components ─ color ─► RGB
//! ```
//!
//! The standard leaves the rounding of the transform and the widening of colour open, and decoders differ by several
//! levels. These steps follow libjpeg-turbo to the bit, because the reference reads pictures with it.

mod blocks;
mod color;
mod decode;
mod frame;
mod huffman;
mod idct;
mod render;
mod scan;
mod settings;
mod upsample;

pub(super) use self::decode::decode;
use self::frame::Frame;
use super::{
    PictureFormat, PictureHeader, PictureLimits, Transparency, header::exif_orientation, limits::check,
};
use crate::Error;

const FORMAT: &str = "JPEG";

/// The result of reading coded data; the error says what is wrong with the file.
type Coded<T> = Result<T, &'static str>;

fn invalid(problem: &str) -> Error {
    Error::PictureInvalid { format: FORMAT, problem: problem.to_owned() }
}

fn cut(place: &'static str) -> Error {
    Error::PictureTruncated { format: FORMAT, place }
}

/// Walks all markers up to the end of the image.
pub(super) fn inspect(file: &[u8], limits: &PictureLimits) -> Result<PictureHeader, Error> {
    let mut rest = &file[2..];
    let mut frame: Option<Frame> = None;
    let mut orientation = None;
    let (mut scans, mut first_scan_components) = (0, 0);
    loop {
        let marker = next_marker(&mut rest).ok_or_else(|| cut("the markers"))?;
        match marker {
            0xD9 => break,
            0x01 | 0xD0..=0xD7 => continue,
            0xD8 => return Err(invalid("a second picture starts inside the first")),
            _ => {}
        }
        let segment = next_segment(&mut rest)?;
        match marker {
            0xC0..=0xC2 => {
                if frame.is_some() {
                    return Err(invalid("it has more than one frame header"));
                }
                frame = Some(Frame::read(segment, marker == 0xC2, limits)?);
            }
            0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                return Err(invalid("it is lossless, hierarchical or arithmetic coded"));
            }
            0xDA => {
                if frame.is_none() {
                    return Err(invalid("a scan comes before the frame header"));
                }
                scans += 1;
                check("number of JPEG scans", scans, limits.max_jpeg_scans)?;
                if scans == 1 {
                    first_scan_components = segment.first().copied().map_or(0, usize::from);
                }
                skip_entropy_coded(&mut rest).ok_or_else(|| cut("a scan"))?;
            }
            0xE1 if orientation.is_none() && segment.starts_with(b"Exif\0\0") => {
                orientation = Some(exif_orientation(segment));
            }
            _ => {}
        }
    }
    let frame = frame.filter(|_| scans > 0).ok_or_else(|| invalid("it has no scan"))?;
    Ok(PictureHeader {
        format: PictureFormat::Jpeg,
        file_size: frame.size,
        orientation: orientation.unwrap_or_default(),
        transparency: Transparency::None,
        is_gray16: false,
        decode_bytes: frame.decode_bytes(first_scan_components),
    })
}

/// The next marker; bytes before it are skipped, as other decoders do.
fn next_marker(rest: &mut &[u8]) -> Option<u8> {
    loop {
        let start = rest.iter().position(|&byte| byte == 0xFF)?;
        let code = start + rest[start..].iter().position(|&byte| byte != 0xFF)?;
        let marker = rest[code];
        *rest = &rest[code + 1..];
        if marker != 0 {
            return Some(marker);
        }
    }
}

/// Cuts off the data of a segment, whose length counts itself.
fn next_segment<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Error> {
    let cut = || cut("a segment");
    let (length, after) = rest.split_first_chunk::<2>().ok_or_else(cut)?;
    let length = usize::from(u16::from_be_bytes(*length))
        .checked_sub(2)
        .ok_or_else(|| invalid("a segment is shorter than its length field"))?;
    let (segment, next) = after.split_at_checked(length).ok_or_else(cut)?;
    *rest = next;
    Ok(segment)
}

/// Skips the coded data of a scan, up to the next real marker.
fn skip_entropy_coded(rest: &mut &[u8]) -> Option<()> {
    loop {
        let at = rest.iter().position(|&byte| byte == 0xFF)?;
        match rest.get(at + 1)? {
            0x00 | 0xD0..=0xD7 => *rest = &rest[at + 2..],
            0xFF => *rest = &rest[at + 1..],
            _ => {
                *rest = &rest[at..];
                return Some(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(marker: u8, data: &[u8]) -> Vec<u8> {
        [&[0xFF, marker], &(data.len() as u16 + 2).to_be_bytes()[..], data].concat()
    }

    /// A 16x8 colour picture in this many scans; the coded data is not meant to be decoded.
    fn file(scans: usize, progressive: bool) -> Vec<u8> {
        let frame = segment(
            0xC0 + 2 * u8::from(progressive),
            &[8, 0, 8, 0, 16, 3, 1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0],
        );
        let scan =
            [segment(0xDA, &[3, 1, 0, 2, 0, 3, 0, 0, 63, 0]), vec![1, 2, 0xFF, 0, 3, 0xFF, 0xD1, 4]].concat();
        [&[0xFF, 0xD8][..], &frame, &scan.repeat(scans), &[0xFF, 0xD9]].concat()
    }

    #[test]
    fn size_and_memory_are_read_from_the_markers() {
        let limits = PictureLimits::default();

        let header = inspect(&file(1, true), &limits).unwrap();

        assert_eq!(header.file_size.to_string(), "16x8");
        // 128 pixels of 3 bytes; one unit of 4 + 1 + 1 blocks of 64 coefficients of 2 bytes, and of samples three
        // times; three rows of 16 samples.
        assert_eq!(header.decode_bytes, 128 * 3 + 6 * (128 + 3 * 64) + 3 * 16);
    }

    #[test]
    fn more_scans_than_the_limit_are_refused() {
        let limits = PictureLimits::default();

        assert!(inspect(&file(64, true), &limits).is_ok());
        let refused = inspect(&file(65, true), &limits);
        assert!(matches!(refused, Err(Error::PictureLimit { found: 65, max: 64, .. })), "{refused:?}");
    }

    #[test]
    fn a_file_cut_anywhere_is_truncated() {
        let whole = file(2, false);

        for end in 3..whole.len() {
            let refused = inspect(&whole[..end], &PictureLimits::default());
            assert!(matches!(refused, Err(Error::PictureTruncated { .. })), "{end}: {refused:?}");
        }
        assert!(inspect(&whole, &PictureLimits::default()).is_ok());
    }

    #[test]
    fn marker_codes_inside_a_segment_are_not_markers() {
        let mut whole = file(1, false);
        // A thumbnail in an application segment ends its own picture.
        whole.splice(2..2, segment(0xE1, &[0xFF, 0xD8, 0xFF, 0xD9]));

        assert!(inspect(&whole, &PictureLimits::default()).is_ok());
    }
}
