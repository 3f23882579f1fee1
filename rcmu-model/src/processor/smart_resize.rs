use rcmu_core::ImageSize;

use super::SizeRule;
use crate::Error;

/// Longest over shortest side; the reference refuses what is longer.
const MAX_ASPECT_RATIO: f64 = 200.0;

/// How few and how many pixels a picture may have after resizing.
///
/// # Invariant
///
/// `1 <= min <= max`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PixelBounds {
    min: u64,
    max: f64,
}

impl PixelBounds {
    /// The largest upper bound: 64 Mi pixels.
    pub const LIMIT: u64 = 1 << 26;

    /// Makes bounds from `min` to `max` pixels.
    ///
    /// # Errors
    ///
    /// [`Error::PixelBounds`] when `min` is zero or above `max`, or `max` is above [`Self::LIMIT`].
    pub fn new(min: u64, max: u64) -> Result<Self, Error> {
        if min == 0 || min > max || max > Self::LIMIT {
            return Err(Error::PixelBounds { min, max, limit: Self::LIMIT });
        }
        Ok(Self { min, max: max as f64 })
    }

    /// Bounds whose maximum is a fraction, as the budget of a video shared by its frames is.
    pub(crate) fn with_fraction(min: u64, max: f64) -> Result<Self, Error> {
        if max.is_nan() || max < 1.0 {
            return Err(Error::PixelBounds { min, max: 0, limit: Self::LIMIT });
        }
        Self::new(min, max as u64)?;
        Ok(Self { min, max })
    }

    /// The fewest pixels.
    pub const fn min(self) -> u64 {
        self.min
    }

    /// The most pixels, rounded down.
    pub const fn max(self) -> u64 {
        self.max as u64
    }
}

/// Sizes an image so that it splits into whole blocks of `factor` pixels and keeps its shape and the bounds.
///
/// Both sides of the result are multiples of `factor`, and at least `factor`.
///
/// # Errors
///
/// - [`Error::AspectRatio`] when one side is more than 200 times the other;
/// - [`Error::EmptyResize`] when a side would have no block: never with [`SizeRule::Transformers`] unless `factor`
///   is zero, for thin or tiny images with [`SizeRule::QwenVlUtils`], which returns a side of zero there.
///
/// # Source
///
/// `smart_resize` of the reference image processor and of qwen-vl-utils 0.0.14, in `f64` and in their order of
/// division. Python rounds ties to even: 70 pixels become 56, where rounding away from zero would give 84.
pub fn smart_resize(
    size: ImageSize,
    factor: u32,
    bounds: PixelBounds,
    rule: SizeRule,
) -> Result<ImageSize, Error> {
    let (height, width) = (f64::from(size.height()), f64::from(size.width()));
    if height.max(width) / height.min(width) > MAX_ASPECT_RATIO {
        return Err(Error::AspectRatio { size, max: MAX_ASPECT_RATIO as u32 });
    }
    let factor = f64::from(factor);
    let least = match rule {
        SizeRule::Transformers => 0.0,
        SizeRule::QwenVlUtils => factor,
    };
    let mut sides = [height, width].map(|side| ((side / factor).round_ties_even() * factor).max(least));
    let pixels = sides[0] * sides[1];
    if pixels > bounds.max {
        let beta = (height * width / bounds.max).sqrt();
        let least = match rule {
            SizeRule::Transformers => factor,
            SizeRule::QwenVlUtils => 0.0,
        };
        sides = [height, width].map(|side| ((side / beta / factor).floor() * factor).max(least));
    } else if pixels < bounds.min as f64 {
        let beta = (bounds.min as f64 / (height * width)).sqrt();
        sides = [height, width].map(|side| (side * beta / factor).ceil() * factor);
    }
    // A float above `u32::MAX` saturates and NaN becomes 0; neither is a size that the bounds allow.
    let [height, width] = sides.map(|side| side as u32);
    ImageSize::new(width, height).map_err(|_| Error::EmptyResize { size, max_pixels: bounds.max() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(height: u32, width: u32) -> ImageSize {
        ImageSize::new(width, height).unwrap()
    }

    fn resized(height: u32, width: u32, max: u64) -> ImageSize {
        let bounds = PixelBounds::new(784, max).unwrap();
        smart_resize(size(height, width), 28, bounds, SizeRule::Transformers).unwrap()
    }

    #[test]
    fn ties_round_to_the_even_number_of_blocks() {
        // 70 / 28 = 2.5 -> 2, 98 / 28 = 3.5 -> 4, 42 / 28 = 1.5 -> 2.
        assert_eq!(resized(70, 98, 1_000_000), size(56, 112));
        assert_eq!(resized(42, 42, 1_000_000), size(56, 56));
    }

    #[test]
    fn shrinking_rounds_down_to_blocks() {
        // 100 x 200 at 4 blocks: beta = sqrt(20000 / 3136) = 2.525; 100 / beta / 28 = 1.41, 200 / beta / 28 = 2.83.
        assert_eq!(resized(100, 200, 4 * 784), size(28, 56));
    }

    #[test]
    fn a_side_two_hundred_times_the_other_passes_and_one_more_is_refused() {
        let bounds = PixelBounds::new(3136, 12_845_056).unwrap();
        for rule in [SizeRule::Transformers, SizeRule::QwenVlUtils] {
            assert!(smart_resize(size(1, 200), 28, bounds, rule).is_ok());
            let refused = smart_resize(size(201, 1), 28, bounds, rule);
            assert!(matches!(refused, Err(Error::AspectRatio { .. })), "{refused:?}");
        }
    }

    #[test]
    fn a_thin_picture_with_a_small_budget_keeps_a_block_or_is_an_error() {
        let bounds = PixelBounds::new(784, 20 * 784).unwrap();
        let thin = size(31, 639);

        let kept = smart_resize(thin, 28, bounds, SizeRule::Transformers).unwrap();
        let lost = smart_resize(thin, 28, bounds, SizeRule::QwenVlUtils);

        assert_eq!(kept.height(), 28);
        assert!(matches!(lost, Err(Error::EmptyResize { .. })), "{lost:?}");
    }

    #[test]
    fn every_small_size_gives_whole_blocks() {
        for max in [784, 4 * 784, 20 * 784, 12_845_056] {
            for height in 1..=120 {
                for width in 1..=120 {
                    let got = resized(height, width, max);
                    assert!(got.height() >= 28 && got.width() >= 28);
                    assert!(got.height().is_multiple_of(28) && got.width().is_multiple_of(28));
                }
            }
        }
    }

    #[test]
    fn bounds_out_of_order_are_refused() {
        assert!(PixelBounds::new(10, 9).is_err());
        assert!(PixelBounds::new(0, 9).is_err());
        assert!(PixelBounds::new(1, PixelBounds::LIMIT + 1).is_err());
        assert!(PixelBounds::with_fraction(1, f64::NAN).is_err());
    }
}
