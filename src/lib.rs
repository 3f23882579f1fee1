//! Region-level context-aware multimodal understanding (RCMU).
//!
//! You give a picture, boxes in it, and what you know about each box; you get an answer that uses both what can be seen
//! and what you told, and that cites which box each statement rests on. The model is Qwen2-VL on burn.
//!
//! ```no_run
//! use rcmu::prelude::*;
//!
//! # fn main() -> Result<(), rcmu::Error> {
//! let model = Rcmu::load("path/to/checkpoint", &LoadOptions::default())?;
//! let scene = rcmu::open("park.jpg")?
//!     .region("man", PixelBox::new(412, 160, 540, 340)?, "Lily's brother Sam, 34, a marketing executive.")?
//!     .region("dog", BBox::new(214, 424, 583, 884)?, "Bella is a 2-year-old dog owned by Lily.")?;
//! let answer = model.ask(&scene, &Question::describe().with_citations())?;
//! for statement in answer.statements() {
//!     println!("{} {:?}", statement.text, statement.regions().collect::<Vec<_>>());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The parts can be used alone: [`core`] are the nouns, [`prompt`] writes and reads the text, [`model`] runs it.

#![forbid(unsafe_code)]

mod annotate;
mod assistant;
mod chat;
pub mod device;
mod error;
#[cfg(feature = "hub")]
pub mod hub;
mod open;
pub mod prelude;
mod source;
mod stream;
#[cfg(feature = "verify")]
pub mod verify;

pub use rcmu_core as core;
pub use rcmu_model as model;
pub use rcmu_prompt as prompt;

pub use annotate::{annotate, annotate_to};
pub use assistant::{LoadOptions, Rcmu};
pub use chat::Chat;
pub use device::{Backend, Device, default_device};
pub use error::Error;
pub use open::{open, open_as, open_picture, open_regions, scene, scene_as};
pub use rcmu_core::{
    Answer, BBox, CancelToken, Control, Event, FinishReason, GenerateOptions, Picture, PixelBox, Question,
    RegionId, Scene, Stats,
};
pub use rcmu_model::{ComputeDtype, Hint, LoadProgress, Plan, WeightFormat, WeightFormats};
pub use rcmu_prompt::{ParseEvent, TextPolicy};
pub use stream::{AnswerEvent, AnswerStream};

const _: fn() = || {
    fn is_shared<T: Send + Sync>() {}
    fn is_sent<T: Send>() {}
    is_shared::<Rcmu>();
    is_sent::<Chat>();
    is_sent::<AnswerStream>();
};

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
