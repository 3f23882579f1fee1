//! Checks this build, on a device of your choice, against a directory of golden data.
//!
//! ```text
//! directory ─ golden (files, tensors, JSON leaves) ─► ledger: what has not been checked yet
//!                │                                        ▲
//!                └─► resize · frames · images · checkpoints · tokenizer · chats · rope · sampling
//!                    · model (forward ─ decode) · errors · bf16 ─► Report
//! ```
//!
//! Golden data are numbers of the published implementation: `tests/fixtures/golden` holds some, and the scripts beside
//! it make more. [`run`] compares every number that can be reproduced, finds data that contradict themselves, and
//! names all that it did not check.

mod bf16;
mod chats;
mod checkpoints;
mod decode;
mod errors;
mod forward;
mod frames;
mod golden;
mod images;
mod json;
mod ledger;
mod model;
mod pictures;
mod refusal;
mod render;
mod report;
mod resize;
mod rope;
mod sampling;
mod tensors;
mod tokenizer;
mod tolerance;

use std::{
    io,
    path::{Path, PathBuf},
};

pub use rcmu_model::{Device, WeightFormats};
pub use report::{Report, Stage, Verdict};
pub use tolerance::Tolerance;

use golden::Golden;
use tolerance::Tolerances;

/// Why a directory could not be verified at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The directory of golden data cannot be listed.
    #[error("cannot list {path}")]
    List {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The directory holds more than any set of golden data.
    #[error("{path} holds more than {max} files or folders")]
    TooManyFiles {
        /// The directory.
        path: PathBuf,
        /// The limit.
        max: usize,
    },
    /// The kind of device is not known or not compiled in.
    #[error("no device {name:?}: this build has {}", rcmu_model::backends().join(", "))]
    Device {
        /// The name that was asked for.
        name: String,
    },
}

/// Where and how to verify.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct VerifyOptions {
    /// Name of the kind of device, for the report.
    pub device_name: String,
    /// The device that the model runs on.
    pub device: Device,
    /// The published tokenizer of Qwen2-VL: needed for `tokenizer_qwen.json`, which is unchecked without it.
    pub tokenizer: Option<PathBuf>,
    /// Keeps the weights packed where the model computes in f32, to verify the CPU's own kernels.
    pub weights: Option<WeightFormats>,
    tolerances: Tolerances,
}

impl VerifyOptions {
    /// Verifies on the first device of a kind: `flex`, `cuda`, `metal`, `vulkan` or `wgpu`.
    ///
    /// # Errors
    ///
    /// [`Error::Device`] when the kind is not compiled in.
    pub fn new(device_name: &str) -> Result<Self, Error> {
        let device =
            rcmu_model::device(device_name).ok_or_else(|| Error::Device { name: device_name.to_owned() })?;
        let tolerances = if device_name == "flex" { Tolerances::CPU } else { Tolerances::GPU };
        Ok(Self { device_name: device_name.to_owned(), device, tokenizer: None, weights: None, tolerances })
    }

    /// Keeps the weights packed. Formats that round weights move results by more than the tolerances.
    pub fn with_weights(mut self, weights: Option<WeightFormats>) -> Self {
        self.weights = weights;
        self
    }

    /// Names the directory of the published tokenizer.
    pub fn with_tokenizer(mut self, dir: Option<PathBuf>) -> Self {
        self.tokenizer = dir;
        self
    }
}

/// Checks every section of a directory of golden data.
///
/// A difference, a file that cannot be read and data that contradict themselves are misses in the [`Report`], not
/// errors.
///
/// # Errors
///
/// [`Error::List`] and [`Error::TooManyFiles`] when the directory cannot be listed.
pub fn run(dir: &Path, options: &VerifyOptions) -> Result<Report, Error> {
    let mut report = Report::new(dir, &options.device_name);
    let golden = Golden::open(dir, &mut report)?;
    resize::check(&golden, &mut report);
    frames::check(&golden, &mut report);
    images::check(&golden, &mut report);
    checkpoints::check(&golden, &mut report);
    tokenizer::check(&golden, options, &mut report);
    rope::check(&golden, options, &mut report);
    sampling::check(&golden, &mut report);
    model::check(&golden, options, &mut report);
    errors::check(&golden, options, &mut report);
    bf16::check(&golden, options, &mut report);
    report.finish(golden.unchecked(), golden.left_out());
    Ok(report)
}
