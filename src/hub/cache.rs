use std::{
    fs,
    hash::{BuildHasher, Hasher, RandomState},
    io,
    path::{Path, PathBuf},
};

use super::{HubError, Repo, repo};

/// One repository's folder in the cache.
///
/// ```text
/// models--owner--name/
/// ├── refs/main                  the commit that the branch had
/// ├── blobs/{etag}               the files, by their hash
/// ├── snapshots/{commit}/{file}  links to the blobs
/// └── .no_exist/{commit}/{file}  empty: the commit is known not to have this file
/// ```
#[derive(Debug)]
pub(super) struct RepoCache {
    folder: PathBuf,
    revision: String,
}

impl RepoCache {
    pub(super) fn new(cache_dir: &Path, repo: &Repo) -> Self {
        Self { folder: cache_dir.join(repo.folder()), revision: repo.revision().to_owned() }
    }

    /// The folder with the files of a commit.
    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit)
    }

    /// The commit that the revision is, or was when it was last looked up.
    pub(super) fn commit(&self) -> Result<Option<String>, HubError> {
        if repo::is_commit(&self.revision) {
            return Ok(Some(self.revision.clone()));
        }
        let path = self.ref_path();
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text.trim().to_owned()).filter(|commit| repo::is_commit(commit))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(HubError::io(path)(error)),
        }
    }

    /// Remembers the commit of a branch or tag.
    pub(super) fn write_ref(&self, commit: &str) -> Result<(), HubError> {
        if repo::is_commit(&self.revision) {
            return Ok(());
        }
        let path = self.ref_path();
        create_parent(&path)?;
        // Written beside and renamed: another program never reads half a commit.
        let beside = beside(&path);
        fs::write(&beside, commit).map_err(HubError::io(&beside))?;
        fs::rename(&beside, &path).map_err(HubError::io(&path))
    }

    /// Where the blob with this hash is or will be; its folder is made.
    pub(super) fn blob(&self, etag: &str) -> Result<PathBuf, HubError> {
        let path = self.folder.join("blobs").join(etag);
        create_parent(&path)?;
        Ok(path)
    }

    /// Whether a commit's file is there.
    pub(super) fn has(&self, commit: &str, file: &str) -> bool {
        self.snapshot(commit).join(file).is_file()
    }

    /// Whether a commit is known not to have a file.
    pub(super) fn lacks(&self, commit: &str, file: &str) -> bool {
        self.absence(commit, file).is_file()
    }

    /// Remembers that a commit does not have a file; where the cache cannot be written the hub is asked again.
    pub(super) fn remember_lack(&self, commit: &str, file: &str) {
        let path = self.absence(commit, file);
        let _ = create_parent(&path).map(|()| fs::write(path, []));
    }

    /// Makes a blob the file of a commit.
    pub(super) fn link(&self, commit: &str, file: &str, etag: &str) -> Result<(), HubError> {
        let path = self.snapshot(commit).join(file);
        create_parent(&path)?;
        // Renamed into its place: another call that reads the file meanwhile always finds one.
        let beside = beside(&path);
        link_or_copy(&self.folder.join("blobs").join(etag), etag, &beside).map_err(HubError::io(&beside))?;
        fs::rename(&beside, &path).map_err(HubError::io(&path))?;
        // Two hard links to one file stay when one is renamed to the other.
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(HubError::io(beside)(error)),
            _ => Ok(()),
        }
    }

    fn absence(&self, commit: &str, file: &str) -> PathBuf {
        self.folder.join(".no_exist").join(commit).join(file)
    }

    fn ref_path(&self) -> PathBuf {
        self.folder.join("refs").join(&self.revision)
    }
}

#[cfg(unix)]
fn link_or_copy(_blob: &Path, etag: &str, path: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(Path::new("../../blobs").join(etag), path)
}

/// Symbolic links need a privilege here.
#[cfg(not(unix))]
fn link_or_copy(blob: &Path, _etag: &str, path: &Path) -> io::Result<()> {
    fs::hard_link(blob, path).or_else(|_| fs::copy(blob, path).map(|_| ()))
}

/// A path next to this one that no other call uses, in this program or another, on this machine or another that shares
/// the cache: containers have the same process numbers, and one that was killed leaves its file behind.
fn beside(path: &Path) -> PathBuf {
    let random = RandomState::new().build_hasher().finish();
    path.with_added_extension(format!("{random:016x}.tmp"))
}

fn create_parent(path: &Path) -> Result<(), HubError> {
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent).map_err(HubError::io(parent))
}
