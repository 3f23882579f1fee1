//! Evaluation of region-level context-aware answers, measured honestly.
//!
//! ```text
//! dataset ─► run (Generator, journal) ─► scorers (judge) ─► metrics ─► report
//! ```

pub mod dataset;
mod error;
mod hex;
pub mod journal;
pub mod judge;
pub mod metrics;
mod outcome;
pub mod report;
pub mod run;
pub mod scorers;

pub use error::Error;
pub use outcome::{Interval, IntervalMethod, ItemScore, Outcome, Reply, SummaryRow, finish_name};
