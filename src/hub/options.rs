use std::{env, fmt, path::PathBuf, sync::Arc, time::Duration};

/// A secret that opens private and gated repositories.
///
/// It is sent to the hub's own address only, never to the address of a redirect elsewhere, and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// Wraps a token.
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

/// Writes `Token(…)`.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// When the hub is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Network {
    /// When the revision is not complete in the cache; a branch that moved since is not noticed.
    #[default]
    WhenNeeded,
    /// Whenever the revision is a branch or a tag, which may have moved.
    Always,
    /// Not at all: only the cache is used.
    Never,
}

/// How far the download of one file has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The file's name in the repository.
    pub file: &'a str,
    /// Bytes on disk, with those of an earlier attempt.
    pub bytes_done: u64,
    /// Bytes of the whole file, if the hub says so.
    pub bytes_total: Option<u64>,
}

/// Is told how far a download has come, on the thread that downloads.
pub type ProgressFn = Arc<dyn Fn(Progress<'_>) + Send + Sync>;

/// How a checkpoint is fetched.
#[derive(Clone)]
pub struct HubOptions {
    /// Branch, tag or commit; `main` by default. Only a commit of 40 hexadecimal digits cannot change.
    pub revision: String,
    /// The cache folder, shared with the hub's other clients; `~/.cache/huggingface/hub` by default.
    pub cache_dir: PathBuf,
    /// Address of the hub; `https://huggingface.co` by default.
    pub endpoint: String,
    /// Opens private and gated repositories; needs an `https` address.
    pub token: Option<Token>,
    /// When the hub is asked.
    pub network: Network,
    /// Is told how far the download has come.
    pub progress: Option<ProgressFn>,
    /// How often a request that failed in passing is tried again; 5 by default.
    pub retries: u32,
    /// Wait before the second attempt, doubled before each further one up to 30 seconds; half a second by default.
    pub backoff: Duration,
    /// Longest silence of the hub; 30 seconds by default.
    pub timeout: Duration,
}

impl HubOptions {
    /// The defaults, changed by the environment variables that the hub's other clients read.
    ///
    /// `HF_ENDPOINT`, `HF_TOKEN`, `HF_HUB_CACHE` or else `HF_HOME` (with `hub` inside), and `HF_HUB_OFFLINE`.
    pub fn from_env() -> Self {
        let set = |name: &str| env::var(name).ok().filter(|value| !value.trim().is_empty());
        let mut options = Self::default();
        if let Some(endpoint) = set("HF_ENDPOINT") {
            options.endpoint = endpoint;
        }
        if let Some(token) = set("HF_TOKEN") {
            options.token = Some(Token::new(token.trim()));
        }
        if let Some(folder) = set("HF_HUB_CACHE") {
            options.cache_dir = folder.into();
        } else if let Some(home) = set("HF_HOME") {
            options.cache_dir = PathBuf::from(home).join("hub");
        }
        let yes = |value: String| matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "on");
        if set("HF_HUB_OFFLINE").is_some_and(yes) {
            options.network = Network::Never;
        }
        options
    }
}

impl Default for HubOptions {
    fn default() -> Self {
        let home = env::home_dir().unwrap_or_default();
        Self {
            revision: "main".to_owned(),
            cache_dir: home.join(".cache").join("huggingface").join("hub"),
            endpoint: "https://huggingface.co".to_owned(),
            token: None,
            network: Network::default(),
            progress: None,
            retries: 5,
            backoff: Duration::from_millis(500),
            timeout: Duration::from_secs(30),
        }
    }
}

impl fmt::Debug for HubOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubOptions")
            .field("revision", &self.revision)
            .field("cache_dir", &self.cache_dir)
            .field("endpoint", &self.endpoint)
            .field("token", &self.token)
            .field("network", &self.network)
            .field("retries", &self.retries)
            .field("backoff", &self.backoff)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
