use serde::{Deserialize, Serialize};

use crate::figurines::SceneSpec;

/// Where the picture of a sample comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PictureSource {
    /// An image file, relative to the dataset's folder.
    File(String),
    /// A scene of the figurine world, drawn when it is needed.
    Figurines(Box<SceneSpec>),
}
