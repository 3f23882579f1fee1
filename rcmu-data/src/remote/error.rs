use std::{io, time::Duration};

/// Why an endpoint gave no reply that can be used.
///
/// None of these holds the key, the prompt or a text that the endpoint sent, but for short names of errors.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// The endpoint as it is configured cannot be asked.
    #[error("the endpoint's `{field}` {problem}")]
    Endpoint {
        /// The field of [`Endpoint`](super::Endpoint).
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The key cannot be used.
    #[error("the key {problem}")]
    Key {
        /// What is wrong with it.
        problem: String,
    },
    /// The messages or the options cannot be sent.
    #[error("`{field}` {problem}")]
    Request {
        /// The field at fault, such as `messages[0].parts[1]`.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The deadline passed.
    #[error("no reply within {} seconds", deadline.as_secs_f64())]
    Timeout {
        /// The deadline of all attempts together.
        deadline: Duration,
    },
    /// The connection failed or was cut.
    #[error("the connection failed")]
    Connection {
        /// Why.
        source: io::Error,
    },
    /// The endpoint does not accept the key.
    #[error("the endpoint refuses the key (status {status})")]
    Unauthorized {
        /// 401 or 403.
        status: u16,
    },
    /// The endpoint asks for fewer requests.
    #[error("the endpoint asks to wait (status 429)")]
    RateLimited {
        /// How long, if it says so.
        retry_after: Option<Duration>,
    },
    /// The endpoint sends elsewhere, which is not followed.
    #[error("the endpoint redirects (status {status}), which is not followed")]
    Redirect {
        /// The status.
        status: u16,
    },
    /// The endpoint reports another failure.
    #[error("the endpoint fails with status {status} {}", code.as_deref().unwrap_or_default())]
    Status {
        /// The status; 200 when the body alone reports a failure.
        status: u16,
        /// The endpoint's short name of it.
        code: Option<String>,
        /// How long the endpoint asks to wait, if it says so.
        retry_after: Option<Duration>,
    },
    /// The reply is too long.
    #[error("the reply has more than {limit} bytes")]
    BodyTooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The reply is a web page.
    #[error("the reply is HTML, expected JSON: is the address right?")]
    Html,
    /// The reply is not the JSON of a chat.
    #[error("the reply is no chat JSON: {problem}")]
    Json {
        /// What is wrong with it.
        problem: &'static str,
        /// Whether it ended too early.
        truncated: bool,
    },
    /// The reply has no answer in it.
    #[error("the reply has no choices")]
    NoChoices,
    /// The answer has no text.
    #[error("the answer has no text (finish reason {finish:?})")]
    NoText {
        /// Why the model stopped, as the endpoint says.
        finish: super::ChatFinish,
    },
    /// The model or the endpoint's filter refused to answer.
    #[error("the model refused to answer")]
    Refused,
}

impl RemoteError {
    /// Whether another attempt may do better.
    pub(super) const fn is_passing(&self) -> bool {
        match self {
            Self::Connection { .. } | Self::RateLimited { .. } | Self::Json { truncated: true, .. } => true,
            Self::Status { status, .. } => *status >= 500 || *status == 408,
            _ => false,
        }
    }
}
