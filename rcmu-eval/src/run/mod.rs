//! A run: every item of a dataset is asked, every answer is journalled, and a run that was cut goes on where it was.
//!
//! ```text
//! Sample ─ Mode ─ picture, prompt ─► Request ─ Answerer ─► Reply ─► Journal
//!                                       └─ RecordKey: already there? ─┘
//! ```

mod answerer;
mod mode;
mod options;
mod prepare;
mod progress;
mod replay;
mod runner;

pub use answerer::{Answerer, Asked};
pub use mode::{Mode, ModeSample};
pub use options::{RunOptions, Shard};
pub use progress::Progress;
pub use replay::Replay;
pub use runner::{Run, RunSummary};
