use std::{io, path::PathBuf};

/// Why a question could not be answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A scene, a region, a question or an option is not valid.
    #[error("the input is not valid")]
    Input(#[from] rcmu_core::Error),
    /// The prompt could not be written.
    #[error("the prompt cannot be written")]
    Prompt(#[from] rcmu_prompt::Error),
    /// The model could not be loaded, or a picture not be read.
    #[error("the model or a picture cannot be used")]
    Model(#[from] rcmu_model::Error),
    /// The answer could not be made.
    #[error("no answer could be made")]
    Generate(#[from] rcmu_core::GenerateError),
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
    #[error("the repository cannot be fetched")]
    Hub(#[from] crate::hub::HubError),
    /// The generation ended without a last event.
    #[error("the stream ended early")]
    StreamEnded,
}
