use std::{io, path::PathBuf};

/// What can go wrong with datasets.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A field of a sample does not agree with the others.
    #[error("`{field}` {message}")]
    Field {
        /// Path of the field, such as `citations[0]`.
        field: String,
        /// What is wrong with it.
        message: String,
    },
    /// A line of a file is at fault.
    #[error("{path}:{line}: {place}{message}", path = path.display(), place = place(field))]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// Path of the field; empty when the line as a whole is at fault.
        field: String,
        /// What is wrong with it.
        message: String,
    },
    /// A file cannot be read or written.
    #[error("cannot use {path}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A value is outside its limits.
    #[error(transparent)]
    Core(#[from] rcmu_core::Error),
}

/// The field as a message names it: nothing when the line as a whole is at fault.
fn place(field: &str) -> String {
    if field.is_empty() { String::new() } else { format!("`{field}` ") }
}
