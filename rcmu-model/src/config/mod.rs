//! `config.json` and `generation_config.json`: read, checked once, then trusted.

mod agreement;
mod fields;
mod generation;
mod model;

pub use generation::GenerationConfig;
pub use model::{ModelConfig, TextConfig, VisionConfig};

/// The most bytes that a settings file may have; published ones have about one thousand.
pub(crate) const MAX_BYTES: u64 = 1 << 20;
