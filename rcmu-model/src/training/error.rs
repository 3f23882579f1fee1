use std::{error::Error as StdError, io, path::PathBuf};

use crate::Error;

/// Why a training could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The model, its files or a prompt are at fault.
    #[error(transparent)]
    Model(#[from] Error),
    /// A setting is out of its range.
    #[error("`{setting}` is {found}, expected {expected}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// Its value.
        found: String,
        /// What it can be.
        expected: &'static str,
    },
    /// An item of the training data cannot be used.
    #[error("item {index} of the training data cannot be used")]
    Item {
        /// Which item, counted from 0.
        index: u64,
        /// Why.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// An item has more tokens than [`super::TrainSettings::max_tokens`].
    #[error("item {index} has {tokens} tokens, the limit is {max}")]
    TooLong {
        /// Which item, counted from 0.
        index: u64,
        /// Its tokens.
        tokens: usize,
        /// The limit.
        max: usize,
    },
    /// The data have no items.
    #[error("the training data are empty")]
    NoData,
    /// The loss or a gradient is NaN or infinite; nothing was changed by this step.
    #[error("step {step}: {what} is not finite")]
    NotFinite {
        /// The step, counted from 1.
        step: u64,
        /// What it was.
        what: &'static str,
    },
    /// A file cannot be read or written.
    #[error("cannot use {path}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A checkpoint is not whole, or does not belong to this training, or a model not to those beside it.
    #[error("checkpoint {path}: {problem}", path = path.display())]
    Checkpoint {
        /// Its folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

impl TrainError {
    /// Names the file that an operation failed on.
    pub(super) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |source| Self::File { path, source }
    }
}
