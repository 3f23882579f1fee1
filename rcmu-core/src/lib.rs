//! The nouns of region-level context-aware multimodal understanding (RCMU).
//!
//! ```text
//! Picture ─┐
//! Region ──┴─► Scene ── Question ──► Prompt ──► Generator ──► Answer
//! (box, label, info)    (task)      (typed pieces)            (statements, citations, boxes)
//! ```
//!
//! No I/O, no tensors, no model text: this crate builds in seconds and is all that a program needs which
//! talks to a remote engine, together with `rcmu-prompt`.

#![forbid(unsafe_code)]

mod answer;
mod bbox;
mod error;
mod generate_options;
mod generator;
mod geometry;
mod grammar;
mod image_size;
pub mod import;
mod picture;
mod pixel_box;
mod prompt;
mod region;
mod region_set;
mod scene;
mod scripted;
mod stream;
mod task;

pub use answer::{Answer, BoxMention, Citation, CitationTarget, Refusal, Repair, RepairKind, Statement};
pub use bbox::BBox;
pub use error::Error;
pub use generate_options::GenerateOptions;
pub use generator::{
    CancelToken, Control, Event, FinishReason, GenerateError, Generation, Generator, Request, Stats,
    TokenLogprob, TokenLogprobs,
};
pub use geometry::{Geometry, Orientation};
pub use grammar::Grammar;
pub use image_size::ImageSize;
pub use picture::{Picture, PictureKey, Visual};
pub use pixel_box::PixelBox;
pub use prompt::{Piece, Prompt, SpecialToken, Trust};
pub use region::{Region, RegionBox};
pub use region_set::{RegionId, RegionSet};
pub use scene::{Reference, Scene};
pub use scripted::ScriptedGenerator;
pub use stream::{EventStream, stream};
pub use task::{Question, Task};
