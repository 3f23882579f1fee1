use std::{io, path::PathBuf};

use rcmu_core::GenerateError;

/// Why a question could not be answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A scene, a region, a question or an option is not valid.
    #[error(transparent)]
    Input(#[from] rcmu_core::Error),
    /// The prompt could not be written.
    #[error(transparent)]
    Prompt(#[from] rcmu_prompt::Error),
    /// The model could not be loaded, a picture not be read, or a question not be asked: over the context window, say.
    #[error(transparent)]
    Model(#[from] rcmu_model::Error),
    /// The answer could not be made, through no fault of the question's.
    #[error(transparent)]
    Generate(GenerateError),
    /// No backend is compiled in, or the one asked for is not.
    #[error("no device: {reason}")]
    Device {
        /// What is missing and how to get it.
        reason: String,
    },
    /// A file of regions cannot be used.
    #[error("{path} {problem}")]
    RegionFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A scene has not the size in which the model sees its picture, so that boxes would be elsewhere.
    #[error(
        "the scene is {scene}, the model sees its picture as {seen}; `open_as` makes a scene for a model's dialect"
    )]
    SceneSize {
        /// Size of the scene.
        scene: rcmu_core::ImageSize,
        /// Size of the picture, turned as the model's dialect turns it.
        seen: rcmu_core::ImageSize,
    },
    /// A file cannot be written.
    #[error("cannot write {path}")]
    WriteFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An annotated picture cannot be made.
    #[error("the picture cannot be drawn")]
    Draw(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A repository could not be downloaded.
    #[cfg(feature = "hub")]
    #[error(transparent)]
    Hub(#[from] crate::hub::HubError),
    /// The generation ended without a last event.
    #[error("the stream ended early")]
    StreamEnded,
}

/// What the model refuses stands by itself, whenever it is refused.
impl From<GenerateError> for Error {
    fn from(error: GenerateError) -> Self {
        match error {
            GenerateError::Request(source) => match source.downcast() {
                Ok(error) => Self::Model(*error),
                Err(source) => Self::Generate(GenerateError::Request(source)),
            },
            error => Self::Generate(error),
        }
    }
}
