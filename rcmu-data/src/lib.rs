//! The dataset of region-level context-aware multimodal understanding, and how it is made.
//!
//! ```text
//! figurines (drawn scenes) ─┬─► Sample ─ formats ─► JSONL, LLaVA, ShareGPT, Qwen
//! pipeline (real pictures) ─┘
//! ```
//!
//! No tensors: this crate builds in seconds.

#![forbid(unsafe_code)]

mod error;
pub mod figurines;
pub mod formats;
mod open;
mod picture_source;
pub mod pipeline;
#[cfg(feature = "remote")]
pub mod remote;
mod right_option;
mod sample;

pub use error::Error;
pub use picture_source::PictureSource;
pub use sample::{Kind, Provenance, Sample, SampleReference, SampleRegion};
