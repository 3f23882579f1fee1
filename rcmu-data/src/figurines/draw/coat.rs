//! The colours of painted parts.

use crate::figurines::{Colour, Stand};

/// An opaque colour of 8 bits per channel.
pub(super) type Rgb = [u8; 3];

/// The shades of a painted part.
#[derive(Clone, Copy)]
pub(super) struct Coat {
    /// Where the light falls.
    pub(super) light: Rgb,
    /// The colour itself.
    pub(super) base: Rgb,
    /// Away from the light.
    pub(super) dark: Rgb,
    /// The outline.
    pub(super) line: Rgb,
    /// Bellies and muzzles.
    pub(super) pale: Rgb,
}

impl Coat {
    /// The coat of a body.
    pub(super) const fn of(colour: Colour) -> Self {
        let [light, base, dark, line, pale] = match colour {
            Colour::Red => [[255, 112, 98], [222, 36, 40], [152, 14, 38], [78, 6, 22], [255, 208, 190]],
            Colour::Orange => [[255, 192, 96], [248, 134, 20], [204, 88, 6], [98, 40, 4], [255, 232, 198]],
            Colour::Yellow => {
                [[255, 246, 150], [252, 216, 36], [236, 188, 20], [108, 76, 6], [255, 251, 222]]
            }
            Colour::Green => [[142, 220, 122], [48, 160, 62], [18, 106, 50], [6, 54, 28], [222, 246, 204]],
            Colour::Blue => [[116, 172, 255], [42, 94, 220], [20, 46, 150], [8, 20, 76], [208, 228, 255]],
            Colour::Purple => [[210, 152, 240], [146, 66, 190], [88, 28, 130], [44, 10, 70], [238, 218, 252]],
            Colour::White => {
                [[255, 255, 255], [248, 248, 252], [196, 206, 226], [84, 92, 118], [255, 236, 228]]
            }
            Colour::Black => [[108, 112, 130], [38, 38, 46], [14, 14, 20], [6, 6, 10], [112, 116, 132]],
            Colour::Pink => {
                [[255, 206, 230], [252, 138, 192], [216, 84, 148], [106, 28, 70], [255, 236, 244]]
            }
        };
        Self { light, base, dark, line, pale }
    }

    /// The coat of a display box.
    pub(super) const fn of_stand(stand: Stand) -> Self {
        Self::plain(match stand {
            Stand::Red => [224, 52, 56],
            Stand::Yellow => [248, 204, 48],
            Stand::Blue => [54, 110, 226],
            Stand::Green => [56, 168, 78],
        })
    }

    /// The coat of anything else.
    pub(super) const fn plain(base: Rgb) -> Self {
        Self {
            light: mix(base, [255, 255, 255], 40),
            base,
            dark: mix(base, [20, 10, 50], 30),
            line: mix(base, [20, 8, 24], 74),
            pale: mix(base, [255, 255, 255], 75),
        }
    }

    /// The same with a darker body, for wings and fins.
    pub(super) const fn shaded(self) -> Self {
        Self { light: mix(self.light, self.base, 60), base: mix(self.base, self.dark, 40), ..self }
    }
}

/// A colour between two others, by the percentage of the second.
pub(super) const fn mix(a: Rgb, b: Rgb, percent: u32) -> Rgb {
    let mut out = [0; 3];
    let mut at = 0;
    while at < 3 {
        out[at] = ((a[at] as u32 * (100 - percent) + b[at] as u32 * percent + 50) / 100) as u8;
        at += 1;
    }
    out
}
