use serde::{Deserialize, Serialize};

use crate::{BBox, Error, ImageSize, PixelBox};

/// A box as a caller may give it: on the model's grid or in pixels of the upright image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RegionBox {
    /// Thousandths of the image side.
    Grid(BBox),
    /// Pixels of the image after its EXIF orientation.
    Pixels(PixelBox),
}

impl RegionBox {
    /// The box on the model's grid.
    ///
    /// # Errors
    ///
    /// [`Error::BoxOutsideImage`] when a pixel box reaches over the image's edge.
    pub fn to_bbox(self, size: ImageSize) -> Result<BBox, Error> {
        match self {
            Self::Grid(bbox) => Ok(bbox),
            Self::Pixels(pixel_box) => BBox::from_pixels(pixel_box, size),
        }
    }
}

impl From<BBox> for RegionBox {
    fn from(bbox: BBox) -> Self {
        Self::Grid(bbox)
    }
}

impl From<PixelBox> for RegionBox {
    fn from(pixel_box: PixelBox) -> Self {
        Self::Pixels(pixel_box)
    }
}

/// An object of interest: what it is, where it is, and what is known about it.
///
/// # Invariant
///
/// The label is not blank and at most [`Region::MAX_LABEL`] bytes long, the text at most [`Region::MAX_INFO`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "RegionFields")]
pub struct Region {
    label: String,
    bbox: Option<BBox>,
    info: String,
}

/// The unchecked fields of a [`Region`].
#[derive(Deserialize)]
struct RegionFields {
    label: String,
    #[serde(default)]
    bbox: Option<BBox>,
    info: String,
}

impl Region {
    /// Longest label in bytes.
    pub const MAX_LABEL: usize = 1024;
    /// Longest text about a region in bytes.
    pub const MAX_INFO: usize = 64 * 1024;

    /// Makes a region; without a box the object's place in the picture is not known.
    ///
    /// # Errors
    ///
    /// [`Error::EmptyText`] for a blank label, [`Error::TextTooLong`] over the limits.
    pub fn new(label: impl Into<String>, bbox: Option<BBox>, info: impl Into<String>) -> Result<Self, Error> {
        let (label, info) = (label.into(), info.into());
        if label.trim().is_empty() {
            return Err(Error::EmptyText { field: "label" });
        }
        for (field, len, max) in
            [("label", label.len(), Self::MAX_LABEL), ("info", info.len(), Self::MAX_INFO)]
        {
            if len > max {
                return Err(Error::TextTooLong { field, len, max });
            }
        }
        Ok(Self { label, bbox, info })
    }

    /// The class noun, such as `man`.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Where the object is, if it has a place.
    pub const fn bbox(&self) -> Option<BBox> {
        self.bbox
    }

    /// What is known about the object.
    pub fn info(&self) -> &str {
        &self.info
    }
}

impl TryFrom<RegionFields> for Region {
    type Error = Error;

    fn try_from(fields: RegionFields) -> Result<Self, Error> {
        Self::new(fields.label, fields.bbox, fields.info)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_labels_and_oversized_texts_are_refused() {
        assert_eq!(Region::new(" ", None, "x"), Err(Error::EmptyText { field: "label" }));
        let long = "x".repeat(Region::MAX_INFO + 1);
        assert!(matches!(Region::new("man", None, long), Err(Error::TextTooLong { field: "info", .. })));
    }

    #[test]
    fn deserialising_checks_like_the_constructor() {
        assert!(serde_json::from_str::<Region>(r#"{"label": "", "info": "x"}"#).is_err());
        assert!(serde_json::from_str::<Region>(r#"{"label": "man", "info": "x"}"#).is_ok());
    }
}
