//! The parts that the vision tower and the decoder are built of.
//!
//! Field names are the checkpoint's. Layers own weights and nothing else: caches, positions and settings are
//! arguments.

mod attention;
mod in_f32;
mod linear;
mod mlp;
mod multiplier;
mod norm;
mod observer;
mod quantised;
mod rotary;
mod weight;

pub(crate) use attention::{Attender, AttentionMask, Pads};
pub(crate) use linear::{Bias, Linear};
pub(crate) use mlp::{GeluMlp, QuickGeluMlp, SwiGluMlp};
pub(crate) use multiplier::Multiplier;
pub(crate) use norm::{LayerNorm, RmsNorm};
pub(crate) use observer::{Observer, Step};
pub(crate) use quantised::{Quantised, Ways};
pub(crate) use rotary::Rotary;
pub(crate) use weight::Weight;
