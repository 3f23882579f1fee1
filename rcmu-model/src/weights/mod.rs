//! Weight files: checked in full before a byte of them is loaded, then read tensor by tensor.
//!
//! ```text
//! config.json ─► table of expected tensors ─┐
//! *.safetensors headers ─ gate ─► index ────┴─ compare ─► Checkpoint ─ read ─► values of one tensor
//! ```

mod checkpoint;
mod header;
mod index;
mod map;
mod pack;
mod packed;
mod read;
mod table;

pub use checkpoint::{Checkpoint, CheckpointLimits, Scan};
pub use header::{HeaderLimits, TensorDtype, TensorEntry, WeightHeader};
pub(crate) use map::Maps;
pub use pack::pack_checkpoint;
#[cfg(feature = "train")]
pub(crate) use table::hub_name;
pub use table::{ExpectedTensor, expected_tensors};

/// Files that describe a model beside its weights.
pub(crate) const COMPANIONS: [&str; 12] = [
    "config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
    "chat_template.json",
    "chat_template.jinja",
    "special_tokens_map.json",
];
