//! From the components of a pixel to red, green and blue.

/// What the components of a frame stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ColorModel {
    /// Brightness alone.
    Gray,
    /// Brightness, blue and red difference.
    YCbCr,
    /// Red, green and blue.
    Rgb,
    /// Cyan, magenta, yellow and black, stored inverted.
    Cmyk,
    /// As `Cmyk`, with the inverses of its cyan, magenta and yellow as brightness and differences.
    Ycck,
}

impl ColorModel {
    /// Tells from the identifiers of the components and what the application segments say.
    ///
    /// # Source
    ///
    /// The rules of the Independent JPEG Group's library; `adobe` is the transform of an Adobe segment.
    pub(super) fn of(ids: &[u8], has_jfif: bool, adobe: Option<u8>) -> Self {
        match (ids.len(), adobe) {
            (1, _) => Self::Gray,
            (4, None | Some(0)) => Self::Cmyk,
            (4, Some(_)) => Self::Ycck,
            _ if has_jfif => Self::YCbCr,
            (_, Some(0)) => Self::Rgb,
            (_, None) if ids == *b"RGB" => Self::Rgb,
            _ => Self::YCbCr,
        }
    }

    /// Fills a row of RGB pixels from a row of each component, which may be longer.
    pub(super) fn convert(self, rows: &[Vec<u8>], pixels: &mut [u8]) {
        let pixels = pixels.as_chunks_mut::<3>().0;
        match (self, rows) {
            (Self::YCbCr, [y, cb, cr]) => {
                for (((pixel, &y), &cb), &cr) in pixels.iter_mut().zip(y).zip(cb).zip(cr) {
                    *pixel = from_ycbcr(y, cb, cr);
                }
            }
            (Self::Rgb, [red, green, blue]) => {
                for (((pixel, &red), &green), &blue) in pixels.iter_mut().zip(red).zip(green).zip(blue) {
                    *pixel = [red, green, blue];
                }
            }
            (Self::Cmyk | Self::Ycck, [a, b, c, k]) => {
                for ((((pixel, &a), &b), &c), &k) in pixels.iter_mut().zip(a).zip(b).zip(c).zip(k) {
                    let colors = if self == Self::Ycck {
                        from_ycbcr(a, b, c).map(|color| 255 - color)
                    } else {
                        [a, b, c]
                    };
                    *pixel = colors.map(|color| over_black(color, k));
                }
            }
            _ => {
                for (pixel, &gray) in pixels.iter_mut().zip(&rows[0]) {
                    *pixel = [gray; 3];
                }
            }
        }
    }
}

/// A constant with 16 bits behind the point.
const fn fix(number: f64) -> i32 {
    (number * 65_536.0 + 0.5) as i32
}

/// # Source
///
/// JFIF 1.02, with constants of 16 bits as in the Independent JPEG Group's library.
fn from_ycbcr(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    const HALF: i32 = 1 << 15;
    let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
    let red = y + ((fix(1.402) * cr + HALF) >> 16);
    let green = y + ((-fix(0.344_14) * cb - fix(0.714_14) * cr + HALF) >> 16);
    let blue = y + ((fix(1.772) * cb + HALF) >> 16);
    [red, green, blue].map(|channel| channel.clamp(0, 255) as u8)
}

/// An inverted ink over inverted black: what black leaves, less the ink's share of it.
///
/// # Source
///
/// Pillow's conversion of `CMYK` to `RGB`.
fn over_black(color: u8, black: u8) -> u8 {
    let share = u32::from(255 - color) * u32::from(black) + 128;
    black - ((share + (share >> 8)) >> 8) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_the_nearest_to_the_formula_of_jfif() {
        for (y, cb, cr) in (0..=255_u8).flat_map(|y| {
            (0..=255_u8).step_by(15).flat_map(move |cb| (0..=255).step_by(15).map(move |cr| (y, cb, cr)))
        }) {
            let [yf, b, r] = [f64::from(y), f64::from(cb) - 128.0, f64::from(cr) - 128.0];
            let exact = [yf + 1.402 * r, yf - 0.344_14 * b - 0.714_14 * r, yf + 1.772 * b];

            for (found, exact) in from_ycbcr(y, cb, cr).iter().zip(exact) {
                // The constants add up to 128 / 2^16 = 0.002 of error.
                assert!((f64::from(*found) - exact.clamp(0.0, 255.0)).abs() <= 0.502, "{y} {cb} {cr}");
            }
        }
    }

    #[test]
    fn ink_is_the_nearest_product_with_what_black_leaves() {
        for color in 0..=255_u8 {
            for black in 0..=255_u8 {
                // 255 is odd, so that no product lies in the middle.
                let ink = (2 * u32::from(255 - color) * u32::from(black) + 255) / 510;
                assert_eq!(u32::from(over_black(color, black)), u32::from(black) - ink);
            }
        }
    }

    #[test]
    fn the_model_follows_the_segments_before_the_identifiers() {
        let model = ColorModel::of;

        assert_eq!(model(&[1, 2, 3], true, Some(0)), ColorModel::YCbCr);
        assert_eq!(model(&[1, 2, 3], false, Some(0)), ColorModel::Rgb);
        assert_eq!(model(b"RGB", false, Some(1)), ColorModel::YCbCr);
        assert_eq!(model(b"RGB", false, None), ColorModel::Rgb);
        assert_eq!(model(&[0, 1, 2], false, None), ColorModel::YCbCr);
        assert_eq!(model(&[1, 2, 3, 4], true, None), ColorModel::Cmyk);
        assert_eq!(model(&[1, 2, 3, 4], false, Some(2)), ColorModel::Ycck);
        assert_eq!(model(&[1], false, Some(0)), ColorModel::Gray);
    }

    #[test]
    fn rows_become_pixels() {
        let rows: Vec<Vec<u8>> = [&[200_u8, 10][..], &[128, 128], &[128, 128]].map(<[u8]>::to_vec).into();
        let mut pixels = [0; 3];

        ColorModel::YCbCr.convert(&rows, &mut pixels);
        assert_eq!(pixels, [200; 3]);
        ColorModel::Rgb.convert(&rows, &mut pixels);
        assert_eq!(pixels, [200, 128, 128]);
        ColorModel::Gray.convert(&rows[..1], &mut pixels);
        assert_eq!(pixels, [200; 3]);
        let four = [rows, vec![vec![255, 0]]].concat();
        ColorModel::Cmyk.convert(&four, &mut pixels);
        assert_eq!(pixels, [200, 128, 128]);
        ColorModel::Ycck.convert(&four, &mut pixels);
        assert_eq!(pixels, [55; 3]);
    }
}
