//! Weight files: checked in full before a byte of them is loaded, then read tensor by tensor.
//!
//! ```text
//! config.json ─► table of expected tensors ─┐
//! *.safetensors headers ─ gate ─► index ────┴─ compare ─► Checkpoint ─ read ─► values of one tensor
//! ```

mod checkpoint;
mod header;
mod index;
mod read;
mod table;

pub use checkpoint::{Checkpoint, CheckpointLimits, Scan};
pub use header::{HeaderLimits, TensorDtype, TensorEntry, WeightHeader};
pub use table::{ExpectedTensor, expected_tensors};
