//! A run: every item of a dataset is asked, every answer is journalled, and a run that was cut goes on where it was.
//!
//! ```text
//! Sample ─ Mode ─ picture, prompt ─► Request ─ Answerer ─► Reply ─► Journal
//!                                       └─ RecordKey: already there? ─┘
//! ```

mod answerer;
#[cfg(feature = "remote")]
mod chat;
mod mode;
mod options;
mod predictions;
mod prepare;
mod progress;
#[cfg(feature = "remote")]
mod remote;
mod replay;
mod runner;

pub use answerer::{Answerer, Asked};
pub use mode::{Mode, ModeSample};
pub use options::{RunOptions, Shard};
pub use predictions::write_predictions;
pub(crate) use prepare::grey;
pub use progress::Progress;
#[cfg(feature = "remote")]
pub use remote::RemoteGenerator;
pub use replay::Replay;
pub use runner::{Run, RunSummary};
