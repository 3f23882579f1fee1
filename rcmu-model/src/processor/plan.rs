use rcmu_core::{Geometry, ImageSize, Orientation};

use super::{Dialect, PatchLayout, PixelBounds, Processor, Resampler, SizeRule, smart_resize};
use crate::Error;

/// Blocks of a picture in qwen-vl-utils, unless a caller says otherwise.
const UTILS_IMAGE_BLOCKS: [u64; 2] = [4, 16_384];
/// Blocks of a video frame in qwen-vl-utils.
const UTILS_FRAME_BLOCKS: [u64; 2] = [128, 768];
/// Blocks that all frames of a video share in qwen-vl-utils: nine tenths of its sequence length.
const UTILS_VIDEO_BLOCKS: f64 = 128_000.0 * 0.9;
/// Frames in a patch, for qwen-vl-utils.
const UTILS_FRAME_FACTOR: f64 = 2.0;

/// How large one picture, or the frames of one video, may be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PictureOptions {
    /// The fewest pixels after resizing, instead of the processor's.
    pub min_pixels: Option<u64>,
    /// The most pixels after resizing, instead of the processor's.
    pub max_pixels: Option<u64>,
    /// Resizes to this size, rounded to whole blocks, whatever the picture's own size and shape.
    pub resized: Option<ImageSize>,
    /// Pixels that the frames of a video share; only [`Dialect::QwenVlUtils`] has such a budget.
    pub total_pixels: Option<u64>,
}

impl PictureOptions {
    /// Sets the fewest pixels.
    pub const fn with_min_pixels(mut self, pixels: u64) -> Self {
        self.min_pixels = Some(pixels);
        self
    }

    /// Sets the most pixels.
    pub const fn with_max_pixels(mut self, pixels: u64) -> Self {
        self.max_pixels = Some(pixels);
        self
    }

    /// Sets the size to resize to.
    pub const fn with_resized(mut self, size: ImageSize) -> Self {
        self.resized = Some(size);
        self
    }

    /// Sets the pixels that the frames of a video share.
    pub const fn with_total_pixels(mut self, pixels: u64) -> Self {
        self.total_pixels = Some(pixels);
        self
    }

    /// Bounds of so many blocks of `factor` pixels, where the options do not say otherwise.
    fn bounds_or_blocks(&self, [min, max]: [u64; 2], factor: u32) -> Result<PixelBounds, Error> {
        let [min, max] = pixels_of_blocks([min, max], factor);
        PixelBounds::new(self.min_pixels.unwrap_or(min), self.max_pixels.unwrap_or(max))
    }
}

/// What one picture or video will become; known from its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PicturePlan {
    /// Patches in time, height and width.
    pub grid_thw: [usize; 3],
    /// Tokens in the prompt.
    pub tokens: usize,
    /// Pictures: 1, or the frames of a video.
    pub frames: usize,
    /// Width and height as stored in the file.
    pub file_size: ImageSize,
    /// How the stored pixels are turned; upright where the dialect ignores EXIF.
    pub orientation: Orientation,
    /// Width and height after turning.
    pub upright_size: ImageSize,
    /// Width and height after resizing.
    pub model_size: ImageSize,
}

impl PicturePlan {
    /// The frames of coordinates from the file to the model.
    pub const fn geometry(&self) -> Geometry {
        Geometry::new(self.file_size, self.orientation, self.model_size)
    }
}

/// One resizing: the size after it, and whose filter.
pub(super) type ResizeStep = (ImageSize, Resampler);

impl Processor {
    /// The resizings from the upright size to the model's, in order.
    ///
    /// `frames` is the number of frames of a video, `None` for a picture.
    ///
    /// # Source
    ///
    /// `fetch_image` and `fetch_video` of qwen-vl-utils 0.0.14. Given a list of frames, the latter takes the block
    /// for the patch, so that each frame is resized to multiples of two blocks first. The processor of
    /// transformers then resizes by its own bounds, which usually changes nothing.
    pub(super) fn resize_steps(
        &self,
        upright: ImageSize,
        frames: Option<usize>,
        options: &PictureOptions,
    ) -> Result<Vec<ResizeStep>, Error> {
        let factor = self.config().layout().factor() as u32;
        let first = if frames.is_some() { Resampler::Torchvision } else { self.resampler() };
        let own = if frames.is_some() { self.config().video_bounds() } else { self.config().bounds() };
        if self.dialect() != Dialect::QwenVlUtils {
            let max = options.max_pixels.unwrap_or(own.max());
            // A most that is asked for wins over a least that is not.
            let bounds = PixelBounds::new(options.min_pixels.unwrap_or(own.min().min(max)), max)?;
            let size = match options.resized {
                Some(wanted) => requested_size(wanted, factor, SizeRule::Transformers)?,
                None => smart_resize(upright, factor, bounds, SizeRule::Transformers)?,
            };
            return Ok(vec![(size, first)]);
        }
        let mut steps = Vec::with_capacity(3);
        let step = |from: ImageSize, factor: u32, bounds: PixelBounds| match options.resized {
            Some(wanted) => requested_size(wanted, factor, SizeRule::QwenVlUtils),
            None => smart_resize(from, factor, bounds, SizeRule::QwenVlUtils),
        };
        let mut size = upright;
        if let Some(frames) = frames {
            let bounds = options.bounds_or_blocks(UTILS_IMAGE_BLOCKS, factor * 2)?;
            size = step(size, factor * 2, bounds)?;
            steps.push((size, self.resampler()));
            size = step(size, factor, frame_bounds(frames, factor, options)?)?;
            steps.push((size, Resampler::TorchvisionFloat));
        } else {
            size = step(size, factor, options.bounds_or_blocks(UTILS_IMAGE_BLOCKS, factor)?)?;
            steps.push((size, self.resampler()));
        }
        size = smart_resize(size, factor, own, SizeRule::Transformers)?;
        steps.push((size, Resampler::Torchvision));
        Ok(steps)
    }

    /// Works out grid and tokens, and refuses more tokens than the limit.
    pub(super) fn plan_of(
        &self,
        (file_size, orientation): (ImageSize, Orientation),
        frames: Option<usize>,
        steps: &[ResizeStep],
    ) -> Result<PicturePlan, Error> {
        let layout: PatchLayout = self.config().layout();
        let upright_size = orientation.turn_size(file_size);
        let model_size = steps.last().map_or(upright_size, |&(size, _)| size);
        let frames = frames.unwrap_or(1);
        let grid_thw = layout.grid_thw(frames, model_size);
        let tokens = layout.tokens(grid_thw);
        super::limits::check("number of tokens", tokens as u64, self.limits().max_tokens)?;
        Ok(PicturePlan { grid_thw, tokens, frames, file_size, orientation, upright_size, model_size })
    }
}

/// The bounds of one frame, as frames share the budget of their video.
fn frame_bounds(frames: usize, factor: u32, options: &PictureOptions) -> Result<PixelBounds, Error> {
    let [min, most] = pixels_of_blocks(UTILS_FRAME_BLOCKS, factor);
    let min = options.min_pixels.unwrap_or(min);
    let block = f64::from(factor) * f64::from(factor);
    let total = options.total_pixels.map_or(UTILS_VIDEO_BLOCKS * block, |pixels| pixels as f64);
    let frames = frames.next_multiple_of(2) as f64;
    let share = total / frames * UTILS_FRAME_FACTOR;
    let max = share.min(most as f64).max((min as f64 * 1.05).floor());
    let max = options.max_pixels.map_or(max, |pixels| max.min(pixels as f64));
    PixelBounds::with_fraction(min, max)
}

/// A size asked for, rounded to whole blocks.
fn requested_size(wanted: ImageSize, factor: u32, rule: SizeRule) -> Result<ImageSize, Error> {
    let [min, max] = pixels_of_blocks(UTILS_IMAGE_BLOCKS, factor);
    smart_resize(wanted, factor, PixelBounds::new(min, max)?, rule)
}

/// Blocks in pixels, within what bounds can hold.
fn pixels_of_blocks(blocks: [u64; 2], factor: u32) -> [u64; 2] {
    blocks.map(|blocks| (blocks * u64::from(factor) * u64::from(factor)).min(PixelBounds::LIMIT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processor::ProcessorConfig;

    fn size(width: u32, height: u32) -> ImageSize {
        ImageSize::new(width, height).unwrap()
    }

    fn sizes(
        dialect: Dialect,
        upright: ImageSize,
        frames: Option<usize>,
        options: &PictureOptions,
    ) -> Vec<ImageSize> {
        let processor = Processor::new(ProcessorConfig::default()).with_dialect(dialect);
        let steps = processor.resize_steps(upright, frames, options).unwrap();
        steps.into_iter().map(|(size, _)| size).collect()
    }

    #[test]
    fn a_picture_has_its_own_bounds() {
        let options = PictureOptions::default().with_max_pixels(16 * 784);

        // beta = sqrt(640 * 480 / 12544) = 4.949; 480 / beta / 28 = 3.46, 640 / beta / 28 = 4.62.
        assert_eq!(sizes(Dialect::Visible, size(640, 480), None, &options), [size(112, 84)]);
    }

    #[test]
    fn a_requested_size_is_rounded_to_blocks() {
        let options = PictureOptions::default().with_resized(size(300, 70));

        // 300 / 28 = 10.7 -> 11, 70 / 28 = 2.5 -> 2.
        assert_eq!(sizes(Dialect::Visible, size(640, 480), None, &options), [size(308, 56)]);
        assert_eq!(sizes(Dialect::QwenVlUtils, size(640, 480), None, &options), [size(308, 56); 2]);
    }

    #[test]
    fn the_readme_pipeline_resizes_again_when_bounds_disagree() {
        // One block is fewer pixels than the processor's 3136, so that it doubles both sides.
        let options = PictureOptions::default().with_min_pixels(784).with_max_pixels(784);

        let steps = sizes(Dialect::QwenVlUtils, size(28, 28), None, &options);

        assert_eq!(steps, [size(28, 28), size(56, 56)]);
    }

    #[test]
    fn frames_share_the_budget_of_their_video() {
        // 1536 frames: 128000 * 784 * 0.9 / 1536 * 2 = 117600 pixels each, less than 768 blocks.
        let bounds = frame_bounds(1536, 28, &PictureOptions::default()).unwrap();
        let few = frame_bounds(2, 28, &PictureOptions::default()).unwrap();

        assert_eq!((bounds.min(), bounds.max()), (100_352, 117_600));
        assert_eq!(few.max(), 768 * 784);
    }
}
