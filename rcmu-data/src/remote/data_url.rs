use std::io::Cursor;

use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use rcmu_core::Picture;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Writes a picture as `data:image/png;base64,…`; says what is wrong with a picture that cannot be written.
pub(super) fn data_url(picture: &Picture) -> Result<String, &'static str> {
    match picture {
        Picture::Encoded(bytes) => {
            let kind = match &bytes[..] {
                [0x89, b'P', b'N', b'G', ..] => "png",
                [0xFF, 0xD8, 0xFF, ..] => "jpeg",
                [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "webp",
                _ => return Err("is no PNG, JPEG or WebP"),
            };
            Ok(format!("data:image/{kind};base64,{}", base64(bytes)))
        }
        Picture::Rgb { size, pixels } => {
            if pixels.len() as u64 != size.pixels() * 3 {
                return Err("has another number of pixels than its size says");
            }
            let mut png = Vec::new();
            PngEncoder::new(Cursor::new(&mut png))
                .write_image(pixels, size.width(), size.height(), ExtendedColorType::Rgb8)
                .map_err(|_| "cannot be written as PNG")?;
            Ok(format!("data:image/png;base64,{}", base64(&png)))
        }
        _ => Err("is of a kind that cannot be sent"),
    }
}

/// Writes bytes as base64 with padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = char::from(ALPHABET[(bits >> (18 - 6 * place) & 63) as usize]);
            text.push(if place <= chunk.len() { digit } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use rcmu_core::ImageSize;

    use super::*;

    #[test]
    fn base64_gives_the_vectors_of_its_standard() {
        // RFC 4648, section 10.
        let vectors = ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"];
        for (length, expected) in vectors.into_iter().enumerate() {
            assert_eq!(base64(&b"foobar"[..length]), expected);
        }
        assert_eq!(base64(&[0xFB, 0xFF, 0xBF]), "+/+/");
    }

    #[test]
    fn the_kind_of_a_file_is_seen_in_its_first_bytes() {
        let url = |bytes: &[u8]| data_url(&Picture::from_bytes(bytes));

        assert_eq!(url(b"\xFF\xD8\xFFx").as_deref(), Ok("data:image/jpeg;base64,/9j/eA=="));
        assert!(url(b"GIF89a").is_err());
        assert!(url(b"").is_err());
    }

    #[test]
    fn pixels_are_sent_as_png() {
        let size = ImageSize::new(2, 1).unwrap();
        let picture = |len: usize| Picture::Rgb { size, pixels: vec![7; len].into() };

        // The signature 89 50 4E 47 0D 0A begins with `iVBORw0K`.
        assert!(data_url(&picture(6)).unwrap().starts_with("data:image/png;base64,iVBORw0K"));
        assert!(data_url(&picture(5)).is_err());
    }
}
