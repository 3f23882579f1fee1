//! Evaluation of region-level context-aware answers, measured honestly.
//!
//! ```text
//! dataset ─► run (Generator, journal) ─► scorers (judge) ─► metrics ─► report
//! ```

#![forbid(unsafe_code)]

// The unit tests share code with those in `tests/`, which name the crate.
#[cfg(test)]
extern crate self as rcmu_eval;

pub mod dataset;
mod error;
mod hex;
pub mod journal;
pub mod judge;
pub mod metrics;
mod outcome;
pub mod report;
pub mod run;
#[cfg(test)]
#[path = "../tests/runs/mod.rs"]
mod runs;
pub mod scorers;

pub use error::Error;
pub use outcome::{Interval, IntervalMethod, ItemScore, Outcome, Reply, SummaryRow, finish_name};
