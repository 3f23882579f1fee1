//! RCVIT: fine-tuning on conversations about regions.
//!
//! ```text
//! TrainingData ─ conversation ─► Example (ids, what to predict) ─ order, batch ─► loss ─► gradients ─ clip ─ AdamW
//!                                                                                            │
//!                                     checkpoint ◄─ Trainer ─► export, model to generate with ◄┘
//! ```
//!
//! Only the answers are learnt. Which tokens those are is known from the typed prompt; no text is searched for it.

mod adamw;
mod adapter;
mod average;
mod batch;
mod checkpoint;
mod conversation;
mod curves;
mod error;
mod export;
mod features;
mod figurines;
mod files;
mod likelihood;
mod lora;
mod matches;
mod muon;
mod order;
mod ordered;
mod parameters;
mod peft;
mod recipe;
mod report;
mod samples;
mod settings;
mod sights;
mod starter;
mod student;
#[cfg(all(test, feature = "flex"))]
mod tests;
mod trainer;
mod validation;
mod window;

pub use average::average;
pub use checkpoint::Checkpoints;
pub use conversation::{Conversation, TrainingData};
pub use curves::curves_svg;
pub use error::TrainError;
pub use recipe::Recipe;
pub use report::StepReport;
pub use samples::SampleSet;
pub use settings::{Frozen, LoraSettings, Optimizer, TrainSettings};
pub use sights::{Sight, Sights};
pub use starter::Starter;
pub use trainer::{TrainEvent, Trainer};
pub use validation::{Validation, ValidationAnswer};
