use std::{env, fmt};

use super::RemoteError;

/// Shortest key in bytes that is looked for in what an endpoint sends.
const MIN_TOLD_APART: usize = 16; // servers of one's own take `none` or `x`, which are words of answers, too

/// A key that is sent to its endpoint and never printed.
///
/// Where an endpoint sends it back it is blotted out, unless it is shorter than 16 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a key.
    ///
    /// # Errors
    ///
    /// [`RemoteError::Key`] when it is empty or holds blanks, control or non-ASCII characters.
    pub fn new(key: impl Into<String>) -> Result<Self, RemoteError> {
        let key = key.into();
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(RemoteError::Key {
                problem: "is empty or has characters that a header cannot hold".into(),
            });
        }
        Ok(Self(key))
    }

    /// Takes the key from an environment variable.
    ///
    /// # Errors
    ///
    /// [`RemoteError::Key`] when the variable is not set, or as [`Secret::new`].
    pub fn from_env(variable: &str) -> Result<Self, RemoteError> {
        let missing = |_| RemoteError::Key { problem: format!("is not in the variable {variable}") };
        Self::new(env::var(variable).map_err(missing)?.trim())
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// The text with the key blotted out: an endpoint may send back what it was sent.
    pub(super) fn blot(&self, text: &str) -> String {
        self.told_apart().map_or_else(|| text.to_owned(), |key| text.replace(key, "***"))
    }

    /// The key, unless it is so short that a text may say the same by chance.
    pub(super) fn told_apart(&self) -> Option<&str> {
        Some(self.reveal()).filter(|key| key.len() >= MIN_TOLD_APART)
    }
}

/// Writes `***`.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
