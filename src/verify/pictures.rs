use rcmu_core::{ImageSize, Picture};
use rcmu_model::processor::{PictureLimits, RgbPixels, read_picture};

use super::{golden::Golden, tensors::Tensor};

/// A picture file of the directory.
pub(super) struct PictureFile {
    pub(super) bytes: Vec<u8>,
    /// Whether two decoders must agree on every pixel.
    pub(super) is_lossless: bool,
}

impl PictureFile {
    /// Reads a picture file, which then counts as checked.
    pub(super) fn read(golden: &Golden, file: &str) -> Result<Self, String> {
        let inside = golden.has(file);
        if !inside {
            return Err(format!("{file} is missing"));
        }
        golden.ledger().strike(file);
        let picture = read_picture(&golden.path(file), &PictureLimits::default());
        match picture.map_err(|error| format!("{file}: {error}"))? {
            Picture::Encoded(bytes) => {
                let bytes = bytes.to_vec();
                let is_lossless = bytes.starts_with(b"\x89PNG");
                Ok(Self { bytes, is_lossless })
            }
            _ => Err(format!("{file} is no picture file")),
        }
    }

    pub(super) fn picture(&self) -> Picture {
        Picture::from_bytes(self.bytes.clone())
    }
}

/// A picture stored as `[height, width, 3]` bytes.
pub(super) fn rgb(tensor: &Tensor) -> Result<RgbPixels, String> {
    let [height, width, channels] = tensor.dims()?;
    if channels != 3 {
        return Err(format!("{} has {channels} channels", tensor.name));
    }
    RgbPixels::new(image_size(height, width)?, tensor.bytes()?.to_vec()).map_err(|error| error.to_string())
}

pub(super) fn image_size(height: usize, width: usize) -> Result<ImageSize, String> {
    let side = |side: usize| u32::try_from(side).map_err(|_| format!("{side} is no side of a picture"));
    ImageSize::new(side(width)?, side(height)?).map_err(|error| error.to_string())
}

/// Pixels that were decoded before.
pub(super) fn raw(pixels: &RgbPixels) -> Picture {
    Picture::Rgb { size: pixels.size(), pixels: pixels.pixels().into() }
}

/// The bytes of a picture as numbers, for comparison.
pub(super) fn levels(pixels: &RgbPixels) -> Vec<f32> {
    pixels.pixels().iter().copied().map(f32::from).collect()
}

/// Height and width, as the reference writes sizes.
pub(super) fn height_width(size: ImageSize) -> [u32; 2] {
    [size.height(), size.width()]
}

/// The largest difference of two pictures of one size.
pub(super) fn largest_difference(a: &RgbPixels, b: &RgbPixels) -> u8 {
    a.pixels().iter().zip(b.pixels()).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
}
