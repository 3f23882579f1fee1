use serde_json::{Value, error::Category};

use super::RemoteError;

/// Longest name of an error or a finish reason that is kept, in bytes.
const MAX_NAME: usize = 64;

/// Why the model stopped.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChatFinish {
    /// It was done, or met a stop text.
    Stop,
    /// It reached the most tokens; the answer is cut.
    Length,
    /// Another reason, by the endpoint's name; empty when it gives none.
    Other(String),
}

/// The answer of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatReply {
    /// What it says; never blank.
    pub text: String,
    /// Why it stopped.
    pub finish_reason: ChatFinish,
}

/// Reads the body of a reply with status 200.
pub(super) fn read_reply(body: &[u8]) -> Result<ChatReply, RemoteError> {
    let json = |problem, truncated| RemoteError::Json { problem, truncated };
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body).trim_ascii();
    if body.first() == Some(&b'<') {
        return Err(RemoteError::Html);
    }
    if body.is_empty() {
        return Err(json("it is empty", true));
    }
    let value: Value = serde_json::from_slice(body).map_err(|error| match error.classify() {
        Category::Eof => json("it ends too early", true),
        _ => json("it is no JSON", false),
    })?;
    if !value.is_object() {
        return Err(json("it is no object", false));
    }
    if !value["error"].is_null() {
        return Err(RemoteError::Status { status: 200, code: error_code(&value), retry_after: None });
    }
    let Value::Array(choices) = &value["choices"] else { return Err(RemoteError::NoChoices) };
    let Some(choice) = choices.first() else { return Err(RemoteError::NoChoices) };
    let message = &choice["message"];
    if !message.is_object() {
        return Err(json("its choice has no message", false));
    }
    let finish_reason = match choice["finish_reason"].as_str().unwrap_or_default() {
        "stop" => ChatFinish::Stop,
        "length" => ChatFinish::Length,
        "content_filter" => return Err(RemoteError::Refused),
        other => ChatFinish::Other(other[..other.floor_char_boundary(MAX_NAME)].to_owned()),
    };
    if message["refusal"].as_str().is_some_and(|refusal| !refusal.trim().is_empty()) {
        return Err(RemoteError::Refused);
    }
    let text = match &message["content"] {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        Value::Null => String::new(),
        _ => return Err(json("its content is no text", false)),
    };
    if text.trim().is_empty() {
        return Err(RemoteError::NoText { finish: finish_reason });
    }
    Ok(ChatReply { text, finish_reason })
}

/// The short name of an error in a body, if it has one that cannot be anything else.
pub(super) fn error_code(body: &Value) -> Option<String> {
    let error = &body["error"];
    let name = [&error["code"], &error["type"]].into_iter().find_map(Value::as_str)?;
    let is_name =
        name.len() <= MAX_NAME && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    is_name.then(|| name.to_owned())
}
