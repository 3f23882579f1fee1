use std::path::PathBuf;

use crate::{Error, pipeline::StepName};

/// Why a run of the pipeline stops.
///
/// A step that fails does not stop the run: it is a [`Failure`](super::Failure) in the [`Report`](super::Report).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// An annotated picture cannot be used.
    #[error("picture `{id}` cannot be used")]
    Picture {
        /// Its id, shortened when it is long.
        id: String,
        /// The field at fault.
        source: Error,
    },
    /// Two pictures have the same id.
    #[error("the id `{id}` stands twice")]
    DuplicateId {
        /// The id.
        id: String,
    },
    /// An option is outside its limits.
    #[error("option `{field}` is {found}, expected {expected}")]
    Option {
        /// The field of [`PipelineOptions`](super::PipelineOptions).
        field: &'static str,
        /// What it is.
        found: u64,
        /// What it may be.
        expected: &'static str,
    },
    /// The journal belongs to a run that was configured in another way.
    #[error("{path}: the journal's run had `{field}` {found}, this one has {expected}", path = path.display())]
    Configuration {
        /// The journal.
        path: PathBuf,
        /// What differs.
        field: String,
        /// Its value in the journal.
        found: String,
        /// Its value in this run.
        expected: String,
    },
    /// Another run writes the journal.
    #[error("{path}: another run writes this journal", path = path.display())]
    Busy {
        /// The journal.
        path: PathBuf,
    },
    /// The output of a step cannot be written as JSON, or is too long for the journal.
    #[error("the output of step {step} of `{unit}` {problem}")]
    Output {
        /// The step.
        step: StepName,
        /// What it was asked for.
        unit: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The journal cannot be used or has a corrupt line, or a sample is at fault.
    #[error(transparent)]
    Data(#[from] Error),
}
