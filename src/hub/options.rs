use std::{env, fmt, fs, path::PathBuf, sync::Arc, time::Duration};

use super::environment::Environment;

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
    /// When the revision is not complete in the cache, optional files included that nobody has looked for; a branch that
    /// moved since is not noticed.
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
    /// The defaults, changed by what the hub's other clients read: the first variable of each row that is set counts.
    ///
    /// | | |
    /// |---|---|
    /// | endpoint | `HF_ENDPOINT` |
    /// | cache | `HF_HUB_CACHE`, `HUGGINGFACE_HUB_CACHE`; `hub` in `HF_HOME`, in `huggingface` in `XDG_CACHE_HOME` |
    /// | token | `HF_TOKEN`, `HUGGING_FACE_HUB_TOKEN`; the file `HF_TOKEN_PATH`, or `token` beside `hub` |
    /// | no token | `HF_HUB_DISABLE_IMPLICIT_TOKEN` |
    /// | [`Network::Never`] | `HF_HUB_OFFLINE`, `TRANSFORMERS_OFFLINE` |
    ///
    /// A `~` that a path begins with is the home folder. A file without a token, or one that cannot be read, is none; a
    /// token in a file is left alone where the endpoint is not `https`.
    pub fn from_env() -> Self {
        let home = env::home_dir().unwrap_or_default();
        Self::of(&Environment { var: |name: &str| env::var(name).ok(), home })
    }

    fn of(environment: &Environment<impl Fn(&str) -> Option<String>>) -> Self {
        let mut options = Self { cache_dir: environment.cache_dir(), ..Self::default() };
        if let Some(endpoint) = environment.endpoint() {
            options.endpoint = endpoint;
        }
        let is_safe = options.endpoint.starts_with("https://");
        let in_file = || fs::read_to_string(environment.token_file()).ok().filter(|_| is_safe);
        let token = if environment.keeps_token() { None } else { environment.token().or_else(in_file) };
        options.token = token.filter(|text| !text.trim().is_empty()).map(|text| Token::new(text.trim()));
        if environment.is_offline() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::environment::of_variables;

    /// The options in an environment whose login has left this in its file.
    fn options(name: &str, file: Option<&[u8]>, variables: &[(&str, &str)]) -> HubOptions {
        let home = env::temp_dir().join(format!("rcmu-options-{}-{name}", std::process::id()));
        let folder = home.join(".cache/huggingface");
        fs::create_dir_all(&folder).expect("a folder for files that pass");
        if let Some(bytes) = file {
            fs::write(folder.join("token"), bytes).expect("a file in a folder of this test");
        }
        let options = HubOptions::of(&of_variables(variables, home.clone()));
        assert_eq!(options.cache_dir, folder.join("hub"));
        let _ = fs::remove_dir_all(home);
        options
    }

    #[test]
    fn the_token_of_a_login_is_used_where_none_is_set() {
        let login = Some(&b"hf_login\n"[..]);
        for (name, file, variables, expected) in [
            ("login", login, &[][..], Some("hf_login")),
            ("set", login, &[("HF_TOKEN", " hf_set ")], Some("hf_set")),
            ("none", None, &[], None),
            ("empty", Some(&b" \n"[..]), &[], None),
            ("no text", Some(&[0xff, 0xfe][..]), &[], None),
            ("kept", login, &[("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1"), ("HF_TOKEN", "hf_set")], None),
            ("clear", login, &[("HF_ENDPOINT", "http://hub.example")], None),
        ] {
            let options = options(name, file, variables);

            assert_eq!(options.token.as_ref().map(Token::reveal), expected, "{name}");
            assert!(!format!("{options:?}").contains("hf_"), "{name}");
        }
    }

    #[test]
    fn a_token_file_that_is_a_folder_is_none() {
        let environment = of_variables(&[("HF_TOKEN_PATH", "/")], "/home/lily".into());

        assert_eq!(HubOptions::of(&environment).token, None);
    }
}
