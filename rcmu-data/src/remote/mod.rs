//! A client of OpenAI-compatible endpoints.
//!
//! ```text
//! ChatMessage ─ request ─► client ─ (retries, one deadline) ─► reply ─► ChatReply
//! ```
//!
//! Everything that an endpoint can do wrong is a [`RemoteError`] within the deadline: no answer is made up, nothing is
//! followed elsewhere, and the key is in no error.

mod client;
mod data_url;
mod endpoint;
mod error;
mod message;
mod reply;
mod retry;
mod secret;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]
mod tests;

pub use client::ChatClient;
pub use endpoint::Endpoint;
pub use error::RemoteError;
pub use message::{ChatMessage, ChatOptions, ChatRole, Part};
pub use reply::{ChatFinish, ChatReply};
pub use secret::Secret;
