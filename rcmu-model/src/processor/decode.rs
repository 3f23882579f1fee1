use std::{
    io::Cursor,
    panic::{AssertUnwindSafe, catch_unwind},
};

use image::{
    ColorType, ImageDecoder, ImageError, Limits,
    codecs::{png::PngDecoder, webp::WebPDecoder},
};
use rcmu_core::{ImageSize, Orientation};

use super::{
    AlphaRule, Dialect, ExifRule, Gray16Rule, PictureFormat, PictureHeader, PictureLimits, RgbPixels,
    Transparency, inspect, jpeg, png,
};
use crate::Error;

/// The pixels of a file as the model will see them, before resizing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedPicture {
    /// The pixels, turned by `orientation`.
    pub pixels: RgbPixels,
    /// Width and height as stored.
    pub file_size: ImageSize,
    /// How the stored pixels were turned; upright when the dialect ignores EXIF.
    pub orientation: Orientation,
}

/// Decodes the bytes of a PNG, JPEG or WebP file to RGB.
///
/// Samples of 16 bits keep their high byte; orientation, transparency and 16-bit grey follow the dialect. Colour
/// profiles are ignored, as in the reference.
///
/// # Errors
///
/// As [`inspect`]; [`Error::PictureDecode`] when the decoder refuses the data, and
/// [`Error::PictureDecoderPanic`] when it panics.
pub fn decode(bytes: &[u8], dialect: Dialect, limits: &PictureLimits) -> Result<DecodedPicture, Error> {
    let header = inspect(bytes, limits)?;
    let format = header.format.name();
    // The decoder sees only this call's values, so a panic leaves nothing half done.
    let (color, stored) = catch_unwind(AssertUnwindSafe(|| decode_stored(bytes, &header, limits)))
        .map_err(|_| Error::PictureDecoderPanic { format })??;
    let pixels = to_rgb(stored, color, &header, dialect)
        .ok_or_else(|| Error::PictureInvalid { format, problem: format!("its pixels are {color:?}") })?;
    let orientation = match dialect.exif_rule() {
        ExifRule::Apply => header.orientation,
        ExifRule::Ignore => Orientation::Upright,
    };
    let pixels = RgbPixels::new(header.file_size, pixels)?.turned(orientation);
    Ok(DecodedPicture { pixels, file_size: header.file_size, orientation })
}

/// Runs the decoder of the format.
fn decode_stored(
    bytes: &[u8],
    header: &PictureHeader,
    limits: &PictureLimits,
) -> Result<(ColorType, Vec<u8>), Error> {
    let mut decoder_limits = Limits::default();
    decoder_limits.max_image_width = Some(header.file_size.width());
    decoder_limits.max_image_height = Some(header.file_size.height());
    decoder_limits.max_alloc = Some(limits.max_decode_bytes);
    let failed =
        |source: ImageError| Error::PictureDecode { format: header.format.name(), source: source.into() };
    match header.format {
        PictureFormat::Png => {
            let bytes = png::without_extras(bytes)?;
            let decoder = PngDecoder::with_limits(Cursor::new(bytes), decoder_limits).map_err(failed)?;
            read_all(decoder, header)
        }
        PictureFormat::Jpeg => Ok((ColorType::Rgb8, jpeg::decode(bytes, limits)?)),
        PictureFormat::WebP => {
            let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(failed)?;
            decoder.set_limits(decoder_limits).map_err(failed)?;
            read_all(decoder, header)
        }
    }
}

/// Reads all pixels, if the decoder sees the size that was checked.
fn read_all(decoder: impl ImageDecoder, header: &PictureHeader) -> Result<(ColorType, Vec<u8>), Error> {
    let format = header.format.name();
    let (width, height) = decoder.dimensions();
    if [width, height] != <[u32; 2]>::from(header.file_size) || decoder.total_bytes() > header.decode_bytes {
        let problem = format!("the decoder sees {width}x{height} instead of {}", header.file_size);
        return Err(Error::PictureInvalid { format, problem });
    }
    let color = decoder.color_type();
    let mut stored = vec![0; decoder.total_bytes() as usize];
    decoder
        .read_image(&mut stored)
        .map_err(|source| Error::PictureDecode { format, source: source.into() })?;
    Ok((color, stored))
}

/// Turns stored samples into RGB, in the same memory where they fit; `None` for samples that no format here has.
fn to_rgb(stored: Vec<u8>, color: ColorType, header: &PictureHeader, dialect: Dialect) -> Option<Vec<u8>> {
    let over_white = match dialect.alpha_rule() {
        AlphaRule::OverWhite => true,
        AlphaRule::OverWhiteIfRgba => header.transparency == Transparency::Rgba,
        AlphaRule::Drop => false,
    };
    let mix = |channel: u8, alpha: u8| if over_white { blend_over_white(channel, alpha) } else { channel };
    // Samples of 16 bits come in the byte order of this machine.
    let high = |a: u8, b: u8| (u16::from_ne_bytes([a, b]) >> 8) as u8;
    let clip = dialect.gray16_rule() == Gray16Rule::Clip && header.is_gray16;
    let gray16 = |a: u8, b: u8| {
        if clip { u16::from_ne_bytes([a, b]).min(255) as u8 } else { high(a, b) }
    };
    Some(match color {
        ColorType::Rgb8 => stored,
        ColorType::L8 => map_pixels(stored, |[l]: [u8; 1]| [l; 3]),
        ColorType::La8 => map_pixels(stored, |[l, a]| [mix(l, a); 3]),
        ColorType::Rgba8 => map_pixels(stored, |[r, g, b, a]| [r, g, b].map(|c| mix(c, a))),
        ColorType::L16 => map_pixels(stored, |[a, b]| [gray16(a, b); 3]),
        ColorType::La16 => map_pixels(stored, |[a, b, c, d]| [mix(gray16(a, b), high(c, d)); 3]),
        ColorType::Rgb16 => map_pixels(stored, |[a, b, c, d, e, f]| [high(a, b), high(c, d), high(e, f)]),
        ColorType::Rgba16 => map_pixels(stored, |[a, b, c, d, e, f, g, h]| {
            [high(a, b), high(c, d), high(e, f)].map(|channel| mix(channel, high(g, h)))
        }),
        _ => return None,
    })
}

/// Rewrites pixels of `N` bytes as RGB.
fn map_pixels<const N: usize>(mut stored: Vec<u8>, rgb: impl Fn([u8; N]) -> [u8; 3]) -> Vec<u8> {
    if N < 3 {
        let mut pixels = vec![0; stored.len() / N * 3];
        for (to, from) in pixels.as_chunks_mut::<3>().0.iter_mut().zip(stored.as_chunks::<N>().0) {
            *to = rgb(*from);
        }
        return pixels;
    }
    let count = stored.len() / N;
    for i in 0..count {
        let (pixels, _) = stored.as_chunks::<N>();
        let pixel = rgb(pixels[i]);
        stored[i * 3..i * 3 + 3].copy_from_slice(&pixel);
    }
    stored.truncate(count * 3);
    stored.shrink_to_fit();
    stored
}

/// A channel over white, rounded to nearest as the reference's integer division by 255 does.
fn blend_over_white(channel: u8, alpha: u8) -> u8 {
    let (channel, alpha) = (u32::from(channel), u32::from(alpha));
    let sum = channel * alpha + 255 * (255 - alpha) + 128;
    ((sum + (sum >> 8)) >> 8) as u8
}

#[cfg(test)]
mod tests {
    use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};

    use super::*;

    fn png(color: ExtendedColorType, pixels: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        PngEncoder::new(&mut file).write_image(pixels, 1, 1, color).unwrap();
        file
    }

    fn pixel(file: &[u8], dialect: Dialect) -> Vec<u8> {
        decode(file, dialect, &PictureLimits::default()).unwrap().pixels.into_pixels()
    }

    #[test]
    fn alpha_is_laid_over_white_or_dropped() {
        let half_red = png(ExtendedColorType::Rgba8, &[200, 0, 100, 51]); // alpha 0.2

        // 200 * 0.2 + 255 * 0.8 = 244, 0 + 204 = 204, 20 + 204 = 224.
        assert_eq!(pixel(&half_red, Dialect::Visible), [244, 204, 224]);
        assert_eq!(pixel(&half_red, Dialect::QwenVlUtils), [244, 204, 224]);
        assert_eq!(pixel(&half_red, Dialect::Transformers523), [244, 204, 224]);
        assert_eq!(pixel(&half_red, Dialect::Transformers457), [200, 0, 100]);
    }

    #[test]
    fn grey_alpha_is_dropped_where_only_rgba_is_known() {
        let gray = png(ExtendedColorType::La8, &[200, 51]);

        assert_eq!(pixel(&gray, Dialect::Visible), [244; 3]);
        assert_eq!(pixel(&gray, Dialect::QwenVlUtils), [200; 3]);
        assert_eq!(pixel(&gray, Dialect::Transformers457), [200; 3]);
        assert_eq!(pixel(&gray, Dialect::Transformers523), [244; 3]);
    }

    #[test]
    fn sixteen_bit_grey_keeps_its_shade_or_is_clipped() {
        let gray = png(ExtendedColorType::L16, &0x80FF_u16.to_ne_bytes());

        assert_eq!(pixel(&gray, Dialect::Visible), [0x80; 3]);
        assert_eq!(pixel(&gray, Dialect::Transformers523), [255; 3]);
    }

    #[test]
    fn sixteen_bit_colours_keep_their_high_byte() {
        let samples: Vec<u8> =
            [0x12FF_u16, 0x3480, 0x5600, 0xFFFF].iter().flat_map(|s| s.to_ne_bytes()).collect();

        for dialect in Dialect::ALL {
            assert_eq!(pixel(&png(ExtendedColorType::Rgba16, &samples), dialect), [0x12, 0x34, 0x56]);
            assert_eq!(pixel(&png(ExtendedColorType::Rgb16, &samples[..6]), dialect), [0x12, 0x34, 0x56]);
        }
    }

    #[test]
    fn blending_is_the_nearest_integer() {
        for channel in 0..=255_u8 {
            for alpha in 0..=255_u8 {
                // 255 is odd, so that no sum lies in the middle of two multiples.
                let sum = u32::from(channel) * u32::from(alpha) + 255 * (255 - u32::from(alpha));
                let nearest = (2 * sum + 255) / 510;
                assert_eq!(u32::from(blend_over_white(channel, alpha)), nearest, "{channel} {alpha}");
            }
        }
    }
}
