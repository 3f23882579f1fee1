use std::path::{Path, PathBuf};

use crate::Error;

/// The directory of a checkpoint that is given by its path or, with the feature `hub`, by its repository id, with a
/// revision after an `@` if it is to be pinned.
pub(crate) fn checkpoint_dir(source: &str) -> Result<PathBuf, Error> {
    let path = Path::new(source);
    if path.is_dir() {
        return Ok(path.to_owned());
    }
    // What is on this machine is not asked for elsewhere, not even where a link leads nowhere.
    if path.symlink_metadata().is_ok() {
        let (path, problem) = (path.to_owned(), "is no directory".into());
        return Err(rcmu_model::Error::CheckpointFile { path, problem }.into());
    }
    fetch(source)
}

#[cfg(feature = "hub")]
fn fetch(source: &str) -> Result<PathBuf, Error> {
    let mut options = crate::hub::HubOptions::from_env();
    let repo_id = match source.split_once('@') {
        Some((repo_id, revision)) => {
            revision.clone_into(&mut options.revision);
            repo_id
        }
        None => source,
    };
    // An id has one slash, and nothing that only paths have.
    if Path::new(repo_id).components().count() > 2 || repo_id.starts_with(['/', '.', '~', '\\']) {
        let (path, problem) = (PathBuf::from(source), "is no directory, nor the id of a repository".into());
        return Err(rcmu_model::Error::CheckpointFile { path, problem }.into());
    }
    Ok(crate::hub::fetch(repo_id, &options)?)
}

#[cfg(not(feature = "hub"))]
fn fetch(source: &str) -> Result<PathBuf, Error> {
    let problem = "is no directory; enable the feature `hub` to download a repository by its id";
    let path = PathBuf::from(source);
    Err(rcmu_model::Error::CheckpointFile { path, problem: problem.into() }.into())
}

#[cfg(all(test, feature = "hub"))]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_not_there_is_no_repository() {
        for source in ["/data/qwen", "./qwen", "../qwen", "~/qwen", "models/qwen/2b"] {
            let error = checkpoint_dir(source).expect_err("no such directory");
            assert!(
                matches!(error, Error::Model(rcmu_model::Error::CheckpointFile { .. })),
                "{source}: {error}"
            );
        }
    }

    #[test]
    fn a_file_is_no_repository() {
        // Tests run in the folder of the crate; both would pass for ids.
        for source in ["Cargo.toml", "src/source.rs"] {
            let error = checkpoint_dir(source).expect_err("a file");

            let Error::Model(rcmu_model::Error::CheckpointFile { path, problem }) = error else {
                panic!("{source}: {error}");
            };
            assert_eq!((path, problem.as_str()), (PathBuf::from(source), "is no directory"));
        }
    }
}

#[cfg(all(test, not(feature = "hub")))]
mod tests {
    use super::*;

    #[test]
    fn a_repository_id_without_the_feature_names_the_feature() {
        let error = checkpoint_dir("someone/no-such-model").expect_err("no such directory");

        assert!(error.to_string().contains("hub"), "{error}");
    }
}
