use std::{
    io, thread,
    time::{Duration, Instant},
};

use ureq::{
    Agent, Body, Error,
    http::{HeaderValue, Response, header},
    tls::{RootCerts, TlsConfig},
};

use super::{
    ChatFinish, ChatMessage, ChatOptions, ChatReply, Endpoint, RemoteError, Secret,
    message::request_body,
    reply::{error_code, read_reply},
    retry::{retry_after, wait_after},
};

/// Longest body of a reply in bytes.
const MAX_BODY: u64 = 1 << 20; // far above the longest answer of a model

/// Asks an endpoint; may be shared by threads.
///
/// # Examples
///
/// ```no_run
/// use rcmu_data::remote::{ChatClient, ChatMessage, ChatOptions, ChatRole, Endpoint};
///
/// # fn main() -> Result<(), rcmu_data::remote::RemoteError> {
/// let endpoint = Endpoint::new("https://api.openai.com/v1", "gpt-4o-mini").with_key_from_env("OPENAI_API_KEY")?;
/// let client = ChatClient::new(endpoint)?;
/// let reply = client.chat(&[ChatMessage::text(ChatRole::User, "Hello")], &ChatOptions::default())?;
/// println!("{}", reply.text);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ChatClient {
    agent: Agent,
    endpoint: Endpoint,
    url: String,
    authorization: Option<HeaderValue>,
}

impl ChatClient {
    /// Prepares an endpoint; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`RemoteError::Endpoint`] naming the field that is wrong.
    #[allow(clippy::missing_panics_doc, reason = "a secret has visible ASCII characters only")]
    pub fn new(endpoint: Endpoint) -> Result<Self, RemoteError> {
        let (url, here) = endpoint.chat_url()?;
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            // Not followed: neither the key nor the prompt goes to another address.
            .max_redirects(0)
            .max_redirects_will_error(false)
            // The system's certificates, so that a company's own authority is known too.
            .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
            .user_agent(concat!("rcmu/", env!("CARGO_PKG_VERSION")));
        if here {
            config = config.proxy(None);
        }
        let authorization = endpoint.api_key.as_ref().map(|key| {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", key.reveal()))
                .expect("a secret has visible ASCII characters only");
            value.set_sensitive(true);
            value
        });
        Ok(Self { agent: config.build().new_agent(), endpoint, url, authorization })
    }

    /// The endpoint.
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Sends a chat and waits for the model's answer, at most until the deadline.
    ///
    /// Tried again within the deadline: failed connections, status 408, 429 and 500 and above, replies that end too
    /// early. A `Retry-After` in seconds is kept to; one that ends after the deadline fails at once.
    ///
    /// # Errors
    ///
    /// [`RemoteError`], that of the last attempt.
    pub fn chat(&self, messages: &[ChatMessage], options: &ChatOptions) -> Result<ChatReply, RemoteError> {
        let start = Instant::now();
        let body = request_body(&self.endpoint.model, messages, options)?;
        let left = || self.endpoint.deadline.saturating_sub(start.elapsed());
        let mut attempts = 0;
        loop {
            let error = match self.attempt(&body, left()) {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            attempts += 1;
            let asked = match error {
                RemoteError::RateLimited { retry_after } | RemoteError::Status { retry_after, .. } => {
                    retry_after
                }
                _ => None,
            };
            let wait = asked.unwrap_or_default().max(wait_after(attempts, self.endpoint.backoff));
            if !error.is_passing() || attempts > self.endpoint.retries || wait >= left() {
                return Err(error);
            }
            thread::sleep(wait);
        }
    }

    fn attempt(&self, body: &[u8], left: Duration) -> Result<ChatReply, RemoteError> {
        let mut request = self
            .agent
            .post(&self.url)
            .config()
            // From the name's look-up to the body's last byte.
            .timeout_global(Some(left))
            .build()
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let response = request.send(body).map_err(|error| self.failure(error))?;
        let status = response.status();
        let wait = retry_after(response.headers());
        match status.as_u16() {
            200..=299 => {}
            status @ 300..=399 => return Err(RemoteError::Redirect { status }),
            status @ (401 | 403) => return Err(RemoteError::Unauthorized { status }),
            429 => return Err(RemoteError::RateLimited { retry_after: wait }),
            status => {
                // Only its short name is of use; a body that cannot be read has none.
                let body = self.read_body(response).unwrap_or_default();
                let code = serde_json::from_slice(&body).ok().and_then(|body| error_code(&body));
                let code = self.harmless(code);
                return Err(RemoteError::Status { status, code, retry_after: wait });
            }
        }
        let html = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| {
            kind.to_str().is_ok_and(|kind| kind.trim().to_ascii_lowercase().starts_with("text/html"))
        });
        if html {
            return Err(RemoteError::Html);
        }
        let reply = read_reply(&self.read_body(response)?).map_err(|error| match error {
            RemoteError::Status { status, code, retry_after } => {
                RemoteError::Status { status, code: self.harmless(code), retry_after }
            }
            RemoteError::NoText { finish } => RemoteError::NoText { finish: self.harmless_finish(finish) },
            other => other,
        })?;
        let finish_reason = self.harmless_finish(reply.finish_reason);
        let text = match &self.endpoint.api_key {
            Some(key) => key.blot(&reply.text),
            None => reply.text,
        };
        Ok(ChatReply { text, finish_reason })
    }

    fn read_body(&self, response: Response<Body>) -> Result<Vec<u8>, RemoteError> {
        let body = response.into_body().into_with_config().limit(MAX_BODY);
        body.read_to_vec().map_err(|error| self.failure(error))
    }

    /// The name of an error, unless it is a part of the key, however short that is.
    fn harmless(&self, code: Option<String>) -> Option<String> {
        let key = self.endpoint.api_key.as_ref().map_or("", Secret::reveal);
        code.filter(|code| !shows(code, key))
    }

    /// The reason to stop, without a name that is a part of the key.
    fn harmless_finish(&self, finish: ChatFinish) -> ChatFinish {
        match finish {
            ChatFinish::Other(name) => {
                let key = self.endpoint.api_key.as_ref().and_then(Secret::told_apart).unwrap_or_default();
                ChatFinish::Other(if shows(&name, key) { String::new() } else { name })
            }
            known => known,
        }
    }

    fn failure(&self, error: Error) -> RemoteError {
        let source = match error {
            Error::Timeout(_) => return RemoteError::Timeout { deadline: self.endpoint.deadline },
            Error::BodyExceedsLimit(limit) => return RemoteError::BodyTooLarge { limit },
            Error::Io(source) => source,
            other => io::Error::other(other.to_string()),
        };
        RemoteError::Connection { source }
    }
}

/// Whether a name that an endpoint sent shows a part of the key, or all of it.
fn shows(name: &str, key: &str) -> bool {
    key.contains(name) || !key.is_empty() && name.contains(key)
}
