//! Qwen2-VL on burn: processor, vision tower, decoder, weights and generation.
//!
//! ```text
//! Prompt ─ tokenizer ─► input_ids [batch, seq] ───────────────► position ─► position_ids [3, batch, seq]
//! Picture ─ processor ─► pixel_values [patches, patch_dim]          │
//!                           │ vision                                ▼
//!                           └─► image_embeds [merged_patches, hidden] ─► inputs_embeds ─ text ─► logits ─ generation ─► text
//! ```
//!
//! The only crate of the workspace that names burn. It has no backend of its own: enable `flex`, `cuda`, `wgpu`,
//! `vulkan` or `metal`, and hand a device to [`Model::load`].

extern crate burn_core as burn;

pub mod config;
mod error;
mod fused;
pub mod processor;
pub mod tokenizer;
pub mod weights;

mod device;
mod generation;
#[cfg(feature = "grammar")]
mod grammar;
#[cfg(not(feature = "grammar"))]
#[path = "grammar/absent.rs"]
mod grammar;
mod json;
mod kernels;
mod layers;
mod model;
mod panics;
mod params;
mod pool;
pub mod position;
mod probe;
mod qwen2_vl;
mod text;
pub mod trace;
#[cfg(feature = "train")]
pub mod training;
mod vision;

pub use burn::tensor::Device;
pub use device::{backends, device, read_bandwidth, reserved_bytes};
pub use error::Error;
pub use generation::{Candidate, EncodedRequest, Hint, Plan, SamplerSettings, Session, VisualPlan};
#[cfg(feature = "grammar")]
pub use grammar::{Constraint, GrammarCompiler};
pub use kernels::{WeightFormat, WeightFormats};
pub use model::{LoadOptions, Model};
pub use params::{ComputeDtype, LoadProgress};
pub use vision::PatchGrid;
