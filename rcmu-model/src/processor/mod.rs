//! From the bytes of a picture to `pixel_values`.
//!
//! ```text
//! bytes ─ inspect ─ decode ─► RGB ─ smart_resize + resize ─► whole blocks ─ patchify ─► pixel_values
//! ```
//!
//! For one dialect, the bytes of a PNG or a JPEG give the reference's numbers bit for bit, but for frames of videos in
//! `QwenVlUtils`, which the reference resizes in floats (see [`Dialect`]).

mod config;
mod decode;
mod dialect;
mod frames;
mod header;
mod jpeg;
mod limits;
mod normalize;
mod parallel;
mod patches;
mod plan;
mod png;
mod process;
mod resample;
mod rgb;
mod smart_resize;
mod webp;

pub use config::ProcessorConfig;
pub use decode::{DecodedPicture, decode};
pub use dialect::{
    AlphaRule, Dialect, ExifRule, FrameRule, Gray16Rule, Normalization, PositionRule, Resampler, SizeRule,
};
pub use frames::{FrameOptions, sample_frames};
pub use header::{PictureFormat, PictureHeader, Transparency, inspect};
pub use limits::{PictureLimits, read_picture};
pub use normalize::NormalizeTable;
pub use patches::{PatchLayout, patchify};
pub use plan::{PictureOptions, PicturePlan};
pub use process::{ProcessedVisual, Processor};
pub use resample::resize;
pub use rgb::RgbPixels;
pub use smart_resize::{PixelBounds, smart_resize};
