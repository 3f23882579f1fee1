use std::time::Duration;

use ureq::http::Uri;

use super::{RemoteError, Secret};

/// Where a language model is asked, and how patiently.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The address before `/chat/completions`, such as `https://api.openai.com/v1`.
    pub base_url: String,
    /// The endpoint's name of the model.
    pub model: String,
    /// The key, if the endpoint wants one; it is sent over `https` and to this machine only.
    pub api_key: Option<Secret>,
    /// Longest time for one chat, all attempts and waits together; two minutes by default.
    pub deadline: Duration,
    /// How often a request that failed in passing is tried again; 4 by default.
    pub retries: u32,
    /// Wait before the second attempt, doubled before each further one up to 30 seconds, half of it by chance; half a
    /// second by default.
    pub backoff: Duration,
}

impl Endpoint {
    /// A model at an address, without a key.
    pub fn new(base_url: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            model: model.into(),
            api_key: None,
            deadline: Duration::from_mins(2),
            retries: 4,
            backoff: Duration::from_millis(500),
        }
    }

    /// Takes the key from an environment variable.
    ///
    /// # Errors
    ///
    /// [`RemoteError::Key`] when the variable is not set or holds no key.
    pub fn with_key_from_env(mut self, variable: &str) -> Result<Self, RemoteError> {
        self.api_key = Some(Secret::from_env(variable)?);
        Ok(self)
    }

    /// The address of the chats, checked, and whether it is on this machine.
    pub(super) fn chat_url(&self) -> Result<(String, bool), RemoteError> {
        let bad = |problem| RemoteError::Endpoint { field: "base_url", problem };
        let base = self.base_url.trim_end_matches('/');
        // Blanks and backslashes are refused, as parsers differ there.
        if !base.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
            return Err(bad("has a blank, a backslash or a character that is not ASCII"));
        }
        let uri: Uri = base.parse().map_err(|_| bad("is no address"))?;
        let Some(host) = uri.host().filter(|host| !host.is_empty()) else { return Err(bad("has no host")) };
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(bad("has a user in it: give the key as `api_key`"));
        }
        if base.contains(['?', '#']) {
            return Err(bad("has a query or a fragment"));
        }
        let here = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if here || self.api_key.is_none() => {}
            Some("http") => return Err(bad("is not https: a key is sent over https only")),
            _ => return Err(bad("is neither http nor https")),
        }
        if self.model.trim().is_empty() {
            return Err(RemoteError::Endpoint { field: "model", problem: "is blank" });
        }
        if self.deadline.is_zero() {
            return Err(RemoteError::Endpoint { field: "deadline", problem: "is zero" });
        }
        Ok((format!("{base}/chat/completions"), here))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(url: &str, key: bool) -> Option<String> {
        let mut endpoint = Endpoint::new(url, "m");
        endpoint.api_key = key.then(|| Secret::new("sk-1").unwrap());
        endpoint.chat_url().err().map(|error| error.to_string())
    }

    #[test]
    fn a_key_goes_over_https_or_stays_on_this_machine() {
        assert_eq!(problem("https://api.example/v1/", true), None);
        assert_eq!(problem("http://127.0.0.1:8000/v1", true), None);
        assert_eq!(problem("http://10.0.0.5:8000/v1", false), None);
        assert!(problem("http://10.0.0.5:8000/v1", true).is_some_and(|text| text.contains("https only")));
        assert!(problem("http://localhost.example", true).is_some());
    }

    #[test]
    fn addresses_that_parsers_may_read_differently_are_refused() {
        for url in [
            "",
            "api.example",
            "ftp://a",
            "https://",
            "https://u:p@a",
            "https://a\\@b",
            "https://a b",
            "https://a?k=1",
            "https://é",
        ] {
            assert!(problem(url, false).is_some(), "{url}");
        }
    }
}
