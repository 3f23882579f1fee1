//! Weight files: checked in full before a byte of them is loaded, then read tensor by tensor.
//!
//! ```text
//! config.json ─► table of expected tensors ─┐
//! *.safetensors headers ─ gate ─► index ────┴─ compare ─► Checkpoint ─ read ─► values of one tensor
//! ```

mod checkpoint;
mod companions;
mod header;
mod index;
mod map;
mod pack;
mod packed;
mod read;
mod table;
mod write;

pub use checkpoint::{Checkpoint, CheckpointLimits, Scan};
#[cfg(feature = "train")]
pub(crate) use companions::{COMPANIONS, companions};
pub use header::{HeaderLimits, TensorDtype, TensorEntry, WeightHeader};
pub(crate) use map::Maps;
pub use pack::pack_checkpoint;
#[cfg(feature = "train")]
pub(crate) use table::hub_name;
pub use table::{ExpectedTensor, expected_tensors};
#[cfg(feature = "train")]
pub(crate) use write::{Unwritten, WriteError, write_file};
