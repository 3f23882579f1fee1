use super::HubError;

/// Longest name of an owner, a repository or a part of a revision, in bytes.
const MAX_NAME: usize = 96;

/// A repository at a revision, both checked, so that they are safe in addresses and paths.
///
/// # Source
///
/// `validate_repo_id` of the hub's Python client: names of at most 96 letters, digits, `-`, `_` and `.`; neither
/// `--` nor `..`; no `-` or `.` at the ends; no `.git` at the end.
#[derive(Clone, Debug)]
pub(super) struct Repo {
    id: String,
    revision: String,
}

impl Repo {
    pub(super) fn new(id: &str, revision: &str) -> Result<Self, HubError> {
        let problem = |problem| HubError::RepoId { repo_id: id.to_owned(), problem };
        if id.len() > MAX_NAME {
            return Err(problem("longer than 96 bytes"));
        }
        if id.split('/').count() > 2 {
            return Err(problem("expected name or owner/name"));
        }
        for name in id.split('/') {
            if !is_plain(name) || name.starts_with(['-', '.']) || name.ends_with(['-', '.']) {
                return Err(problem("a name has letters, digits, '-', '_' and '.', the last three inside"));
            }
            if name.contains("--") || name.contains("..") || name.strip_suffix(".git").is_some() {
                return Err(problem("a name has no \"--\", no \"..\" and no \".git\" at its end"));
            }
        }
        let parts_are_plain = revision.split('/').all(|part| is_plain(part) && !part.starts_with('.'));
        if !parts_are_plain || revision.contains("..") || revision.len() > 2 * MAX_NAME {
            return Err(HubError::Revision { revision: revision.to_owned() });
        }
        Ok(Self { id: id.to_owned(), revision: revision.to_owned() })
    }

    /// `owner/name`, as it stands in addresses.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Branch, tag or commit.
    pub(super) fn revision(&self) -> &str {
        &self.revision
    }

    /// Whether the revision is a commit, which cannot change.
    pub(super) fn is_pinned(&self) -> bool {
        is_commit(&self.revision)
    }

    /// The revision as one part of an address.
    pub(super) fn revision_in_url(&self) -> String {
        self.revision.replace('/', "%2F")
    }

    /// Name of the repository's folder in the cache.
    pub(super) fn folder(&self) -> String {
        format!("models--{}", self.id.replace('/', "--"))
    }
}

/// Whether a text is a commit: 40 lower-case hexadecimal digits.
pub(super) fn is_commit(text: &str) -> bool {
    is_hex(text, 40)
}

/// Whether a text has this many lower-case hexadecimal digits and nothing else.
pub(super) fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether a text is safe as one part of a path and of an address.
pub(super) fn is_plain(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !text.is_empty() && text.len() <= 255 && text.bytes().all(known) && !matches!(text, "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_ids_and_revisions_are_accepted() -> Result<(), HubError> {
        for id in ["gpt2", "Qwen/Qwen2-VL-2B-Instruct", "a_b/c.d"] {
            Repo::new(id, "main")?;
        }
        let repo = Repo::new("Qwen/Qwen2-VL-2B", "refs/pr/1")?;
        assert_eq!(repo.folder(), "models--Qwen--Qwen2-VL-2B");
        assert_eq!(repo.revision_in_url(), "refs%2Fpr%2F1");
        assert!(!repo.is_pinned());
        assert!(Repo::new("gpt2", &"0a".repeat(20))?.is_pinned());
        Ok(())
    }

    #[test]
    fn ids_that_could_leave_the_cache_or_the_address_are_refused() {
        for id in [
            "", "/", "a/", "/a", "a/b/c", "..", "../a", "a/..", ".a", "a.", "-a", "a-", "a--b", "a..b",
            "a.git", "a b", "a\\b", "a?b", "a#b", "a%2e", "a\nb", "é", "C:/a",
        ] {
            assert!(matches!(Repo::new(id, "main"), Err(HubError::RepoId { .. })), "{id:?}");
        }
        assert!(Repo::new(&"a".repeat(97), "main").is_err());
    }

    #[test]
    fn revisions_that_could_leave_the_cache_are_refused() {
        for revision in ["", "..", "a/../b", "/a", "a/", "a//b", ".hidden", "a b", "a?b", "a\\b", "a%2fb"] {
            assert!(matches!(Repo::new("a", revision), Err(HubError::Revision { .. })), "{revision:?}");
        }
    }
}
