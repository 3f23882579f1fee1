use std::path::Path;

use rcmu_core::{Geometry, ImageSize, Orientation, Picture, Visual};
use sha2::{Digest, Sha256};

use super::{
    Dialect, ExifRule, Normalization, NormalizeTable, PictureLimits, PictureOptions, PicturePlan,
    ProcessorConfig, Resampler, RgbPixels, decode, inspect, limits::check, patchify, plan::ResizeStep,
    resize, rgb::check_len,
};
use crate::Error;

/// Turns pictures and videos into the patches that the vision tower reads.
///
/// # Examples
///
/// ```
/// # use rcmu_model::processor::{PictureOptions, Processor};
/// # use rcmu_core::{ImageSize, Picture, Visual};
/// let size = ImageSize::new(60, 40)?;
/// let grey = Visual::Image(Picture::Rgb { size, pixels: vec![128; 60 * 40 * 3].into() });
///
/// let processed = Processor::default().process(&grey, &PictureOptions::default())?;
///
/// assert_eq!(processed.grid_thw, [1, 4, 6]);
/// assert_eq!(processed.pixel_values.len(), 24 * 1176);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Processor {
    config: ProcessorConfig,
    dialect: Dialect,
    resampler: Resampler,
    normalization: Normalization,
    limits: PictureLimits,
}

/// The patches of one picture or video.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ProcessedVisual {
    /// `[patches, patch_dim]`, row by row.
    pub pixel_values: Vec<f32>,
    /// Patches in time, height and width.
    pub grid_thw: [usize; 3],
    /// The frames of coordinates from the file to the model.
    pub geometry: Geometry,
    /// SHA-256 of the resized pixels, their size and the settings that follow: equal keys mean equal patches.
    pub key: [u8; 32],
    /// What was known from the header.
    pub plan: PicturePlan,
}

impl Default for Processor {
    fn default() -> Self {
        Self::new(ProcessorConfig::default())
    }
}

impl Processor {
    /// Makes a processor that shows the model what a person sees, with the default limits.
    pub fn new(config: ProcessorConfig) -> Self {
        let dialect = Dialect::default();
        Self {
            config,
            dialect,
            resampler: dialect.resampler(),
            normalization: dialect.normalization(),
            limits: PictureLimits::default(),
        }
    }

    /// Makes a processor with the settings of a checkpoint folder, or the published ones if it has none.
    ///
    /// # Errors
    ///
    /// As [`ProcessorConfig::load`].
    pub fn from_dir(folder: &Path, dialect: Dialect, limits: PictureLimits) -> Result<Self, Error> {
        Ok(Self::new(ProcessorConfig::load(folder)?).with_dialect(dialect).with_limits(limits))
    }

    /// Follows a dialect in everything, resampler and normalisation included.
    pub fn with_dialect(self, dialect: Dialect) -> Self {
        let (resampler, normalization) = (dialect.resampler(), dialect.normalization());
        Self { dialect, resampler, normalization, ..self }
    }

    /// Resizes pictures with this filter instead of the dialect's.
    pub fn with_resampler(mut self, resampler: Resampler) -> Self {
        self.resampler = resampler;
        self
    }

    /// Normalises with this arithmetic instead of the dialect's.
    pub fn with_normalization(mut self, normalization: Normalization) -> Self {
        self.normalization = normalization;
        self
    }

    /// Sets what pictures may cost.
    pub fn with_limits(mut self, limits: PictureLimits) -> Self {
        self.limits = limits;
        self
    }

    /// The settings of `preprocessor_config.json`.
    pub const fn config(&self) -> &ProcessorConfig {
        &self.config
    }

    /// Whose preprocessing is followed.
    pub const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The filter that resizes pictures.
    pub const fn resampler(&self) -> Resampler {
        self.resampler
    }

    /// The arithmetic that normalises.
    pub const fn normalization(&self) -> Normalization {
        self.normalization
    }

    /// What pictures may cost.
    pub const fn limits(&self) -> &PictureLimits {
        &self.limits
    }

    /// Tells size, grid and tokens from the headers, without decoding a pixel.
    ///
    /// # Errors
    ///
    /// As [`Processor::process`], but for what only decoding shows.
    pub fn plan(&self, visual: &Visual, options: &PictureOptions) -> Result<PicturePlan, Error> {
        self.outline(visual, options).map(|(plan, _, _)| plan)
    }

    /// Decodes, turns, resizes, normalises and cuts into patches.
    ///
    /// # Errors
    ///
    /// - every error of [`inspect`] and [`decode`], and [`Error::PixelCount`] for pixels that are not their size's;
    /// - [`Error::AspectRatio`], [`Error::EmptyResize`], [`Error::PixelBounds`] when no size fits the options;
    /// - [`Error::PictureLimit`] when the result would have more tokens, or the video more frames, than the limits;
    /// - [`Error::EmptyVideo`], [`Error::FrameSize`]; [`Error::Frame`] names the frame whose error it carries.
    pub fn process(&self, visual: &Visual, options: &PictureOptions) -> Result<ProcessedVisual, Error> {
        self.process_until(visual, options, &|| false)
    }

    /// The same, which ends with [`Error::Stopped`] before the next picture or frame once it has to stop.
    pub(crate) fn process_until(
        &self,
        visual: &Visual,
        options: &PictureOptions,
        stops: &dyn Fn() -> bool,
    ) -> Result<ProcessedVisual, Error> {
        let (plan, pictures, steps) = self.outline(visual, options)?;
        let mut frames = Vec::with_capacity(pictures.len());
        for (frame, picture) in pictures.iter().enumerate() {
            if stops() {
                return Err(Error::Stopped);
            }
            let name_frame = |error| name_frame(visual, frame, error);
            frames.push(self.resized(picture, &steps).map_err(name_frame)?);
        }
        let table =
            NormalizeTable::new(self.config.image_mean(), self.config.image_std(), self.normalization);
        Ok(ProcessedVisual {
            pixel_values: patchify(&frames, &table, self.config.layout()),
            grid_thw: plan.grid_thw,
            geometry: plan.geometry(),
            key: self.key(&frames),
            plan,
        })
    }

    /// The plan, the pictures and how they are resized.
    fn outline<'a>(
        &self,
        visual: &'a Visual,
        options: &PictureOptions,
    ) -> Result<(PicturePlan, &'a [Picture], Vec<ResizeStep>), Error> {
        let (pictures, frames) = match visual {
            Visual::Image(picture) => (std::slice::from_ref(picture), None),
            Visual::Video(frames) => (&frames[..], Some(frames.len())),
            _ => return Err(Error::UnknownVisual),
        };
        check("number of frames", pictures.len() as u64, self.limits.max_frames)?;
        let mut first = None;
        for (frame, picture) in pictures.iter().enumerate() {
            let (size, orientation) =
                self.stored(picture).map_err(|error| name_frame(visual, frame, error))?;
            let &mut (first_size, first_orientation) = first.get_or_insert((size, orientation));
            let (found, expected) = (orientation.turn_size(size), first_orientation.turn_size(first_size));
            if found != expected {
                return Err(Error::FrameSize { frame, found, expected });
            }
        }
        let (size, orientation) = first.ok_or(Error::EmptyVideo)?;
        let steps = self.resize_steps(orientation.turn_size(size), frames, options)?;
        let plan = self.plan_of((size, orientation), frames, &steps)?;
        Ok((plan, pictures, steps))
    }

    /// Size as stored, and how the pixels will be turned.
    fn stored(&self, picture: &Picture) -> Result<(ImageSize, Orientation), Error> {
        match picture {
            Picture::Encoded(bytes) => {
                let header = inspect(bytes, &self.limits)?;
                let orientation = match self.dialect.exif_rule() {
                    ExifRule::Apply => header.orientation,
                    ExifRule::Ignore => Orientation::Upright,
                };
                Ok((header.file_size, orientation))
            }
            Picture::Rgb { size, pixels } => {
                check_len(*size, pixels.len())?;
                self.limits.check_size(*size)?;
                Ok((*size, Orientation::Upright))
            }
            _ => Err(Error::UnknownVisual),
        }
    }

    /// The pixels of one picture after all resizings.
    fn resized(&self, picture: &Picture, steps: &[ResizeStep]) -> Result<RgbPixels, Error> {
        let mut pixels = match picture {
            Picture::Encoded(bytes) => decode(bytes, self.dialect, &self.limits)?.pixels,
            Picture::Rgb { size, pixels } => RgbPixels::new(*size, pixels.to_vec())?,
            _ => return Err(Error::UnknownVisual),
        };
        for &(size, resampler) in steps {
            if pixels.size() != size {
                pixels = resize(&pixels, size, resampler);
            }
        }
        Ok(pixels)
    }

    /// Hashes what decides the patches.
    fn key(&self, frames: &[RgbPixels]) -> [u8; 32] {
        let layout = self.config.layout();
        let mut hash = Sha256::new();
        hash.update(b"rcmu patches 1\0");
        hash.update([self.normalization as u8]);
        for number in [layout.patch_size, layout.temporal_patch_size, layout.merge_size, frames.len()] {
            hash.update((number as u64).to_le_bytes());
        }
        for number in self.config.image_mean().into_iter().chain(self.config.image_std()) {
            hash.update(number.to_le_bytes());
        }
        for frame in frames {
            hash.update(frame.size().width().to_le_bytes());
            hash.update(frame.size().height().to_le_bytes());
            hash.update(frame.pixels());
        }
        hash.finalize().into()
    }
}

/// Says which frame of a video an error belongs to.
fn name_frame(visual: &Visual, frame: usize, error: Error) -> Error {
    match visual {
        Visual::Video(_) => Error::Frame { frame, source: Box::new(error) },
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(width: u32, height: u32, value: u8) -> Picture {
        let size = ImageSize::new(width, height).unwrap();
        Picture::Rgb { size, pixels: vec![value; (width * height * 3) as usize].into() }
    }

    fn process(visual: &Visual) -> Result<ProcessedVisual, Error> {
        Processor::default().process(visual, &PictureOptions::default())
    }

    #[test]
    fn the_plan_is_what_processing_gives() {
        let visual = Visual::Video(vec![flat(60, 100, 0), flat(60, 100, 9), flat(60, 100, 99)]);

        let plan = Processor::default().plan(&visual, &PictureOptions::default()).unwrap();
        let processed = process(&visual).unwrap();

        assert_eq!(plan, processed.plan);
        assert_eq!(plan.grid_thw, [2, 8, 4]); // 100 / 28 = 3.6 -> 4 blocks, 60 / 28 = 2.1 -> 2
        assert_eq!(plan.tokens, 16);
        assert_eq!(processed.pixel_values.len(), 64 * 1176);
    }

    #[test]
    fn keys_tell_pixels_sizes_and_settings_apart() {
        let visual = |width, height, value| Visual::Image(flat(width, height, value));
        let key = |processor: &Processor, visual: &Visual| {
            processor.process(visual, &PictureOptions::default()).unwrap().key
        };
        let processor = Processor::default();
        let pil = Processor::default().with_normalization(Normalization::Pil);

        let wide = key(&processor, &visual(112, 56, 7));

        assert_eq!(wide, key(&processor, &visual(112, 56, 7)));
        assert_ne!(wide, key(&processor, &visual(56, 112, 7)));
        assert_ne!(wide, key(&processor, &visual(112, 56, 8)));
        assert_ne!(wide, key(&pil, &visual(112, 56, 7)));
    }

    #[test]
    fn frames_of_other_sizes_and_empty_videos_are_refused() {
        let uneven = process(&Visual::Video(vec![flat(60, 60, 0), flat(60, 61, 0)]));
        let empty = process(&Visual::Video(Vec::new()));

        assert!(matches!(uneven, Err(Error::FrameSize { frame: 1, .. })), "{uneven:?}");
        assert!(matches!(empty, Err(Error::EmptyVideo)), "{empty:?}");
    }

    #[test]
    fn a_bad_frame_is_named() {
        let refused = process(&Visual::Video(vec![flat(60, 60, 0), Picture::from_bytes(*b"no picture")]));

        assert!(matches!(refused, Err(Error::Frame { frame: 1, .. })), "{refused:?}");
    }

    #[test]
    fn more_tokens_than_the_limit_are_refused_before_any_pixel() {
        let limits = PictureLimits { max_tokens: 15, ..PictureLimits::default() };
        let processor = Processor::default().with_limits(limits);

        let fits = processor.plan(&Visual::Image(flat(84, 140, 0)), &PictureOptions::default());
        let large = processor.plan(&Visual::Image(flat(112, 112, 0)), &PictureOptions::default());

        assert_eq!(fits.unwrap().tokens, 15);
        assert!(matches!(large, Err(Error::PictureLimit { found: 16, max: 15, .. })), "{large:?}");
    }

    #[test]
    fn pixels_that_are_not_their_size_are_refused() {
        let size = ImageSize::new(4, 4).unwrap();

        let refused = process(&Visual::Image(Picture::Rgb { size, pixels: vec![0; 47].into() }));

        assert!(matches!(refused, Err(Error::PixelCount { len: 47, .. })), "{refused:?}");
    }
}
