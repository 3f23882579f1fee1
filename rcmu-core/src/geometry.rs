use crate::{Error, ImageSize, PixelBox};

/// The EXIF orientation of an image file: how its pixels are turned before a person sees them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Orientation {
    /// 1
    #[default]
    Upright,
}

/// How the pixels of a file became the pixels of the model.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Geometry {
    file_size: ImageSize,
}
