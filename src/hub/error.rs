use std::{io, path::PathBuf};

/// Why a checkpoint could not be brought into the cache.
///
/// Addresses are shown without their query, which can hold a signature; the token is never shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// A repository id is not `name` or `owner/name` with plain names.
    #[error("repository id {repo_id:?}: {problem}")]
    RepoId {
        /// The id as given.
        repo_id: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A revision is not a plain branch, tag or commit.
    #[error("revision {revision:?} is not a branch, tag or commit")]
    Revision {
        /// The revision as given.
        revision: String,
    },
    /// The hub's address cannot be used.
    #[error("hub address {endpoint:?}: {problem}")]
    Endpoint {
        /// The address as given.
        endpoint: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The token has blanks or other characters that no token has.
    #[error("the token has characters that no token has")]
    Token,
    /// The cache lacks files and the network may not be used.
    #[error("{repo_id} is not complete in the cache, missing: {}", missing.join(", "))]
    NotCached {
        /// The repository.
        repo_id: String,
        /// The missing files; the revision's name when nothing of it is cached.
        missing: Vec<String>,
    },
    /// The repository lacks a file that a checkpoint needs.
    #[error("{repo_id} at {commit} has no {file}")]
    MissingFile {
        /// The repository.
        repo_id: String,
        /// The commit that was looked at.
        commit: String,
        /// The first missing file.
        file: String,
    },
    /// A file of the repository names another one that is not a plain safetensors file beside it.
    #[error("{file} names the shard {name:?}, which is not a plain .safetensors file name")]
    UnsafeName {
        /// The file that names it.
        file: String,
        /// The name.
        name: String,
    },
    /// The hub answered with an error.
    #[error("{url} answered {status}")]
    Status {
        /// The address without its query.
        url: String,
        /// The HTTP status: 401 and 403 for a missing or wrong token, 404 for an unknown repository or revision.
        status: u16,
    },
    /// The connection failed or went silent.
    #[error("cannot reach {url}")]
    Transport {
        /// The address without its query.
        url: String,
        /// What happened.
        source: io::Error,
    },
    /// The hub's answer is not one that this program understands.
    #[error("{url}: {problem}")]
    Response {
        /// The address without its query.
        url: String,
        /// What was expected and what was found.
        problem: String,
    },
    /// A downloaded file is not the file that the hub announced.
    #[error("{file} is damaged: {problem}")]
    Corrupt {
        /// The file.
        file: String,
        /// What was expected and what was found.
        problem: String,
    },
    /// The cache cannot be read or written.
    #[error("cannot use {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
}

impl HubError {
    /// Names the path of a failed file operation.
    pub(super) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |source| Self::Io { path, source }
    }
}
