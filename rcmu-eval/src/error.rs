use std::{io, path::PathBuf};

/// What can go wrong with an evaluation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A dataset is at fault.
    #[error(transparent)]
    Data(#[from] rcmu_data::Error),
    /// A value is outside its limits.
    #[error(transparent)]
    Core(#[from] rcmu_core::Error),
    /// A file cannot be read or written.
    #[error("cannot use {path}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
