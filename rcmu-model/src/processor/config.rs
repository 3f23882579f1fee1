use std::{fs::File, io::Read, path::Path};

use serde::{Deserialize, de::DeserializeOwned};

use super::{PatchLayout, PixelBounds};
use crate::{Error, json::is_there};

/// Name of the settings file in a checkpoint folder.
const FILE_NAME: &str = "preprocessor_config.json";
/// The one file that transformers 5 writes, with the same settings under `image_processor`, those of videos under
/// `video_processor`.
const WHOLE_FILE_NAME: &str = "processor_config.json";
/// The settings of videos, as transformers 4.52 to 4.57 write them.
const VIDEO_FILE_NAME: &str = "video_preprocessor_config.json";
/// Far more than any settings file has.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// The only rescaling that the tables of the reference know: one step of a byte.
const RESCALE_FACTOR: f64 = 1.0 / 255.0;
/// Pillow's number of the filter that the model was trained with.
const BICUBIC: i64 = 3;
/// Used by the reference for a file without bounds; a folder without a file has the published ones.
const CLASS_MAX_PIXELS: u64 = 1280 * 28 * 28;
/// Those of the class that reads settings of videos.
const VIDEO_BOUNDS: [u64; 2] = [128 * 28 * 28, 768 * 28 * 28];

/// The settings of `preprocessor_config.json`, checked.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "RawConfig")]
pub struct ProcessorConfig {
    bounds: PixelBounds,
    /// Of the frames of a video, where a file says so.
    video_bounds: Option<PixelBounds>,
    layout: PatchLayout,
    image_mean: [f64; 3],
    image_std: [f64; 3],
}

impl Default for ProcessorConfig {
    /// The published settings of Qwen2-VL: 4 to 16,384 tokens a picture.
    fn default() -> Self {
        Self {
            bounds: PixelBounds::new(4 * 784, 16_384 * 784).expect("4 blocks are fewer than 16384"),
            video_bounds: None,
            layout: PatchLayout { patch_size: 14, temporal_patch_size: 2, merge_size: 2 },
            image_mean: [0.481_454_66, 0.457_827_5, 0.408_210_73],
            image_std: [0.268_629_54, 0.261_302_58, 0.275_777_11],
        }
    }
}

impl ProcessorConfig {
    /// Reads the settings from a checkpoint folder: those under `image_processor` of `processor_config.json`, or where there
    /// are none those of `preprocessor_config.json`; a folder with neither gives the defaults.
    ///
    /// Videos have the bounds under `video_processor`, or of `video_preprocessor_config.json`, or else those of pictures.
    ///
    /// # Errors
    ///
    /// As [`ProcessorConfig::from_json`]; [`Error::ReadFile`] when a file exists and cannot be read;
    /// [`Error::ProcessorSetting`] when one is longer than a mebibyte.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        let whole: WholeConfig = read(folder, WHOLE_FILE_NAME)?.unwrap_or_default();
        let mut config = match whole.image_processor {
            Some(config) => config,
            None => read(folder, FILE_NAME)?.unwrap_or_default(),
        };
        let video = match whole.video_processor {
            Some(video) => Some(video),
            None => read(folder, VIDEO_FILE_NAME)?,
        };
        config.video_bounds = video.map(|VideoConfig(bounds)| bounds);
        Ok(config)
    }

    /// Reads the settings from the text of the file.
    ///
    /// `min_pixels` and `max_pixels` win over `size.shortest_edge` and `size.longest_edge`, which are numbers of
    /// pixels too, whatever their names say. Unknown fields are ignored.
    ///
    /// # Errors
    ///
    /// [`Error::ConfigSyntax`] when it is not such JSON, or a setting is out of its range; the cause names
    /// the field.
    pub fn from_json(text: &[u8]) -> Result<Self, Error> {
        serde_json::from_slice(text).map_err(|source| Error::ConfigSyntax { file: FILE_NAME, source })
    }

    /// Sets the fewest and the most pixels of a resized picture, and of a resized frame of a video.
    pub fn with_bounds(mut self, bounds: PixelBounds) -> Self {
        (self.bounds, self.video_bounds) = (bounds, None);
        self
    }

    /// The fewest and the most pixels of a resized picture.
    pub const fn bounds(&self) -> PixelBounds {
        self.bounds
    }

    /// The fewest and the most pixels of a resized frame of a video.
    pub fn video_bounds(&self) -> PixelBounds {
        self.video_bounds.unwrap_or(self.bounds)
    }

    /// How pixels are cut into patches.
    pub const fn layout(&self) -> PatchLayout {
        self.layout
    }

    /// Mean of each channel, in units of a whole channel.
    pub const fn image_mean(&self) -> [f64; 3] {
        self.image_mean
    }

    /// Standard deviation of each channel, in units of a whole channel.
    pub const fn image_std(&self) -> [f64; 3] {
        self.image_std
    }
}

/// Reads a file of settings, if it is there.
fn read<T: DeserializeOwned>(folder: &Path, name: &'static str) -> Result<Option<T>, Error> {
    let path = folder.join(name);
    if !is_there(&path) {
        return Ok(None);
    }
    let failed = |source| Error::ReadFile { path: path.clone(), source };
    if !path.metadata().map_err(failed)?.is_file() {
        return Err(Error::PictureFile { path, problem: "is not a regular file" });
    }
    let mut text = Vec::new();
    let file = File::open(&path).map_err(failed)?;
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut text).map_err(failed)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(setting(name, "longer", "at most 1 MiB"));
    }
    serde_json::from_slice(&text).map(Some).map_err(|source| Error::ConfigSyntax { file: name, source })
}

/// All settings of a processor in one file.
#[derive(Default, Deserialize)]
struct WholeConfig {
    image_processor: Option<ProcessorConfig>,
    video_processor: Option<VideoConfig>,
}

/// The bounds among the settings of videos; how frames are cut and normalised is that of pictures.
#[derive(Deserialize)]
#[serde(try_from = "RawBounds")]
struct VideoConfig(PixelBounds);

/// The file as published.
#[derive(Deserialize)]
struct RawConfig {
    #[serde(flatten)]
    bounds: RawBounds,
    patch_size: Option<usize>,
    temporal_patch_size: Option<usize>,
    merge_size: Option<usize>,
    image_mean: Option<[f64; 3]>,
    image_std: Option<[f64; 3]>,
    rescale_factor: Option<f64>,
    resample: Option<i64>,
    do_resize: Option<bool>,
    do_rescale: Option<bool>,
    do_normalize: Option<bool>,
}

/// Bounds as published.
#[derive(Deserialize)]
struct RawBounds {
    min_pixels: Option<u64>,
    max_pixels: Option<u64>,
    size: Option<RawSize>,
}

/// Bounds as the reference stores them since they became a `size`.
#[derive(Deserialize)]
struct RawSize {
    shortest_edge: Option<u64>,
    longest_edge: Option<u64>,
}

impl TryFrom<RawBounds> for VideoConfig {
    type Error = Error;

    fn try_from(raw: RawBounds) -> Result<Self, Error> {
        raw.check(VIDEO_BOUNDS).map(Self)
    }
}

impl RawBounds {
    /// The bounds, those that are missing as the class has them.
    fn check(self, [least, most]: [u64; 2]) -> Result<PixelBounds, Error> {
        let (shortest, longest) =
            self.size.map_or((None, None), |size| (size.shortest_edge, size.longest_edge));
        let max = self.max_pixels.or(longest);
        // The reference lets the most win over a least that nobody has named.
        let min = self.min_pixels.or(shortest).unwrap_or(max.map_or(least, |max| least.min(max)));
        PixelBounds::new(min, max.unwrap_or(most))
    }
}

impl TryFrom<RawConfig> for ProcessorConfig {
    type Error = Error;

    fn try_from(raw: RawConfig) -> Result<Self, Error> {
        let default = Self::default();
        let layout = PatchLayout {
            patch_size: raw.patch_size.unwrap_or(default.layout.patch_size),
            temporal_patch_size: raw.temporal_patch_size.unwrap_or(default.layout.temporal_patch_size),
            merge_size: raw.merge_size.unwrap_or(default.layout.merge_size),
        };
        check_count("patch_size", layout.patch_size)?;
        check_count("temporal_patch_size", layout.temporal_patch_size)?;
        check_count("merge_size", layout.merge_size)?;
        let image_mean = raw.image_mean.unwrap_or(default.image_mean);
        let image_std = raw.image_std.unwrap_or(default.image_std);
        if !image_mean.iter().all(|mean| (-10.0..=10.0).contains(mean)) {
            return Err(setting("image_mean", image_mean, "numbers from -10 to 10"));
        }
        if !image_std.iter().all(|std| (1e-3..=1e3).contains(std)) {
            return Err(setting("image_std", image_std, "numbers from 0.001 to 1000"));
        }
        if let Some(factor) = raw.rescale_factor
            && (factor - RESCALE_FACTOR).abs() > 1e-9
        {
            return Err(setting("rescale_factor", factor, "1/255"));
        }
        if raw.resample.is_some_and(|filter| filter != BICUBIC) {
            return Err(setting("resample", raw.resample, "3, which is bicubic"));
        }
        for (field, step) in
            [("do_resize", raw.do_resize), ("do_rescale", raw.do_rescale), ("do_normalize", raw.do_normalize)]
        {
            if step == Some(false) {
                return Err(setting(field, false, "true, as the model was trained"));
            }
        }
        Ok(Self {
            bounds: raw.bounds.check([default.bounds.min(), CLASS_MAX_PIXELS])?,
            video_bounds: None,
            layout,
            image_mean,
            image_std,
        })
    }
}

fn check_count(field: &'static str, count: usize) -> Result<(), Error> {
    if (1..=64).contains(&count) {
        return Ok(());
    }
    Err(setting(field, count, "1 to 64"))
}

fn setting(field: &'static str, found: impl std::fmt::Debug, expected: &'static str) -> Error {
    Error::ProcessorSetting { field, found: format!("{found:?}"), expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixel_counts_win_over_the_sizes_that_hold_them_too() {
        let text = br#"{"min_pixels": 784, "size": {"shortest_edge": 3136, "longest_edge": 100352}}"#;

        let config = ProcessorConfig::from_json(text).unwrap();

        assert_eq!((config.bounds().min(), config.bounds().max()), (784, 100_352));
    }

    #[test]
    fn a_file_without_bounds_gets_those_of_the_class() {
        let config = ProcessorConfig::from_json(b"{}").unwrap();

        assert_eq!(config.bounds().max(), 1_003_520);
        assert_eq!(ProcessorConfig::default().bounds().max(), 12_845_056);
    }

    #[test]
    fn a_folder_without_the_file_gives_the_published_settings() {
        let config = ProcessorConfig::load(Path::new("no/such/folder")).unwrap();

        assert_eq!(config, ProcessorConfig::default());
    }

    #[test]
    fn the_settings_may_stand_in_the_file_of_the_whole_processor() {
        let folder = std::env::temp_dir().join(format!("rcmu-processor-config-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let put = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
        let bounds =
            || ProcessorConfig::load(&folder).map(|config| (config.bounds().min(), config.bounds().max()));

        put(
            WHOLE_FILE_NAME,
            r#"{"image_processor": {"size": {"shortest_edge": 784, "longest_edge": 7840}}}"#,
        );
        assert_eq!(bounds().unwrap(), (784, 7840));
        // transformers 5 writes it beside an older file, and reads it first.
        put(FILE_NAME, r#"{"min_pixels": 1568, "max_pixels": 3136}"#);
        assert_eq!(bounds().unwrap(), (784, 7840));
        put(WHOLE_FILE_NAME, r#"{"processor_class": "Qwen2VLProcessor"}"#);
        assert_eq!(bounds().unwrap(), (1568, 3136));
        std::fs::remove_file(folder.join(FILE_NAME)).unwrap();
        put(WHOLE_FILE_NAME, r#"{"processor_class": "Qwen2VLProcessor"}"#);
        assert_eq!(ProcessorConfig::load(&folder).unwrap(), ProcessorConfig::default());
        put(WHOLE_FILE_NAME, r#"{"image_processor": {"patch_size": 0}}"#);
        assert!(matches!(bounds(), Err(Error::ConfigSyntax { file: WHOLE_FILE_NAME, .. })));
        // A link into a cache that is gone is no folder without the file.
        put(WHOLE_FILE_NAME, "{}");
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(folder.join("gone"), folder.join(FILE_NAME)).unwrap();
            assert!(matches!(bounds(), Err(Error::ReadFile { .. })));
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn videos_may_have_bounds_of_their_own() {
        let folder = std::env::temp_dir().join(format!("rcmu-video-config-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let put = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
        let bounds = || {
            let config = ProcessorConfig::load(&folder).unwrap();
            [config.bounds(), config.video_bounds()].map(|bounds| [bounds.min(), bounds.max()])
        };

        put(FILE_NAME, r#"{"min_pixels": 1568, "max_pixels": 3136}"#);
        assert_eq!(bounds(), [[1568, 3136]; 2]);
        put(VIDEO_FILE_NAME, r#"{"size": {"shortest_edge": 784, "longest_edge": 1568}, "fps": 2}"#);
        assert_eq!(bounds(), [[1568, 3136], [784, 1568]]);
        // What is missing there is what the class of videos has.
        put(VIDEO_FILE_NAME, r#"{"fps": 2}"#);
        assert_eq!(bounds(), [[1568, 3136], [100_352, 602_112]]);
        put(
            WHOLE_FILE_NAME,
            r#"{"video_processor": {"size": {"shortest_edge": 3136, "longest_edge": 602112}}}"#,
        );
        assert_eq!(bounds(), [[1568, 3136], [3136, 602_112]]);
        let set = ProcessorConfig::load(&folder).unwrap();
        let set = set.with_bounds(PixelBounds::new(784, 7840).unwrap());
        assert_eq!(
            [set.bounds(), set.video_bounds()].map(|bounds| (bounds.min(), bounds.max())),
            [(784, 7840); 2]
        );
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_most_below_the_least_of_the_class_wins() {
        let config = ProcessorConfig::from_json(br#"{"max_pixels": 784}"#).unwrap();

        assert_eq!((config.bounds().min(), config.bounds().max()), (784, 784));
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let bad: [&[u8]; 12] = [
            br#"{"resample": 2}"#,
            br#"{"do_normalize": false}"#,
            br#"{"patch_size": 0}"#,
            br#"{"merge_size": 65}"#,
            br#"{"temporal_patch_size": 18446744073709551615}"#,
            br#"{"min_pixels": 10, "max_pixels": 9}"#,
            br#"{"max_pixels": 99999999999}"#,
            br#"{"min_pixels": -1}"#,
            br#"{"image_std": [0.5, 0.5, 0.0]}"#,
            br#"{"image_mean": [0.5, 0.5]}"#,
            br#"{"rescale_factor": 1.0}"#,
            b"[1, 2",
        ];
        for text in bad {
            let refused = ProcessorConfig::from_json(text);
            assert!(matches!(refused, Err(Error::ConfigSyntax { .. })), "{refused:?}");
        }
    }
}
