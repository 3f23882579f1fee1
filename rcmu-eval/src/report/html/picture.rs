use std::collections::HashMap;

use rcmu_core::BBox;

use crate::report::text::to_base64;

/// The widest and highest picture that is shown, in pixels.
const MAX_SIDE: u32 = 16_384;

/// The pictures of a page, each once.
#[derive(Default)]
pub(super) struct Pictures {
    /// Where those of the report stand in the page.
    places: HashMap<usize, Option<usize>>,
    pub(super) embedded: Vec<Embedded>,
}

/// A picture that items refer to.
pub(super) struct Embedded {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) url: String,
}

impl Pictures {
    /// The place in the page of the report's picture `at`, which is `png`; none for what does not begin as a PNG file.
    pub(super) fn place(&mut self, at: usize, png: &[u8]) -> Option<usize> {
        let embedded = &mut self.embedded;
        *self.places.entry(at).or_insert_with(|| {
            let (width, height) = png_size(png)?;
            embedded.push(Embedded {
                width,
                height,
                url: format!("data:image/png;base64,{}", to_base64(png)),
            });
            Some(embedded.len() - 1)
        })
    }
}

/// Width and height of a PNG file.
///
/// # Source
///
/// Portable Network Graphics Specification, sections 5.2 and 11.2.2.
fn png_size(png: &[u8]) -> Option<(u32, u32)> {
    let header = png.strip_prefix(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR")?;
    let side = |at: usize| {
        let bytes = header.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_be_bytes(bytes)).filter(|side| (1..=MAX_SIDE).contains(side))
    };
    Some((side(0)?, side(4)?))
}

/// A box over a picture, in its pixels, with its number on a tag.
pub(super) struct BoxView {
    pub(super) class: String,
    pub(super) tag: String,
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) tag_y: f64,
    pub(super) tag_width: f64,
    pub(super) tag_height: f64,
}

impl BoxView {
    /// Places a box over a picture of this width and height.
    pub(super) fn new(bbox: BBox, (width, height): (f64, f64), class: String, tag: String) -> Self {
        let [x1, y1, x2, y2] = bbox.xyxy().map(f64::from);
        let round = |value: f64| (value * 10.0).round() / 10.0;
        let tag_height = round(width.max(height) / 20.0);
        let y = round(y1 * height / 1000.0);
        Self {
            x: round(x1 * width / 1000.0),
            y,
            width: round((x2 - x1) * width / 1000.0),
            height: round((y2 - y1) * height / 1000.0),
            tag_y: if y >= tag_height { round(y - tag_height) } else { y },
            tag_width: round(tag_height * (0.5 + 0.58 * tag.chars().count() as f64)),
            tag_height,
            class,
            tag,
        }
    }

    /// The middle of the tag.
    pub(super) fn text_x(&self) -> f64 {
        ((self.x + self.tag_width / 2.0) * 10.0).round() / 10.0
    }

    /// The base line of the tag's text.
    pub(super) fn text_y(&self) -> f64 {
        ((self.tag_y + 0.78 * self.tag_height) * 10.0).round() / 10.0
    }

    /// The size of the tag's text.
    pub(super) fn text_size(&self) -> f64 {
        (8.0 * self.tag_height).round() / 10.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_read_from_the_header_alone() {
        let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x02\x80\0\0\x01\xe0".to_vec();
        assert_eq!(png_size(&png), Some((640, 480)));
        assert_eq!(png_size(&png[..22]), None);
        png[16..20].fill(0);
        assert_eq!(png_size(&png), None);
    }

    #[test]
    fn boxes_are_thousandths_of_the_sides_and_tags_stay_inside() {
        let bbox = BBox::new(100, 10, 600, 500).expect("corners ascend");
        let view = BoxView::new(bbox, (640.0, 480.0), String::new(), "1".into());

        assert_eq!((view.x, view.y, view.width, view.height), (64.0, 4.8, 320.0, 235.2));
        // A tag of 32 pixels has no room above 4.8.
        assert_eq!((view.tag_height, view.tag_y), (32.0, 4.8));
    }
}
