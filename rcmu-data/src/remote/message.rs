use rcmu_core::Picture;
use serde::Serialize;

use super::{RemoteError, data_url::data_url};

/// Who speaks in a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChatRole {
    /// Sets the rules.
    System,
    /// Asks.
    User,
    /// Answers.
    Assistant,
}

/// One part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Words.
    Text(String),
    /// A picture, sent inside the request.
    Picture(Picture),
}

/// One message of a chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatMessage {
    /// Who speaks.
    pub role: ChatRole,
    /// What is said and shown, in order.
    pub parts: Vec<Part>,
}

impl ChatMessage {
    /// A message of words only.
    pub fn text(role: ChatRole, text: impl Into<String>) -> Self {
        Self { role, parts: vec![Part::Text(text.into())] }
    }
}

/// How the model writes; what is left out is up to the endpoint.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChatOptions {
    /// 0 for the likeliest words, up to 2.
    pub temperature: Option<f64>,
    /// Most tokens of the answer, at least 1.
    pub max_tokens: Option<u32>,
    /// Start of the random sequence, for endpoints that can repeat an answer.
    pub seed: Option<u64>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop: &'a [String],
}

#[derive(Serialize)]
struct Message<'a> {
    role: ChatRole,
    content: Content<'a>,
}

/// A plain text where that is enough: not every endpoint takes lists.
#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(&'a str),
    Parts(Vec<SentPart<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum SentPart<'a> {
    Text { text: &'a str },
    ImageUrl { image_url: ImageUrl },
}

#[derive(Serialize)]
struct ImageUrl {
    url: String,
}

/// Makes the body of a request.
pub(super) fn request_body(
    model: &str,
    messages: &[ChatMessage],
    options: &ChatOptions,
) -> Result<Vec<u8>, RemoteError> {
    let bad = |field: String, problem: &str| RemoteError::Request { field, problem: problem.to_owned() };
    if messages.is_empty() {
        return Err(bad("messages".into(), "is empty"));
    }
    if options.temperature.is_some_and(|value| !(0.0..=2.0).contains(&value)) {
        return Err(bad("temperature".into(), "is outside 0..=2"));
    }
    if options.max_tokens == Some(0) {
        return Err(bad("max_tokens".into(), "is zero"));
    }
    let mut sent = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        let content = match &message.parts[..] {
            [] => return Err(bad(format!("messages[{at}].parts"), "is empty")),
            [Part::Text(text)] => Content::Text(text),
            parts => Content::Parts(
                (0..)
                    .zip(parts)
                    .map(|(part, content)| match content {
                        Part::Text(text) => Ok(SentPart::Text { text }),
                        Part::Picture(picture) => {
                            let place = || format!("messages[{at}].parts[{part}]");
                            let url = data_url(picture).map_err(|problem| bad(place(), problem))?;
                            Ok(SentPart::ImageUrl { image_url: ImageUrl { url } })
                        }
                    })
                    .collect::<Result<_, RemoteError>>()?,
            ),
        };
        sent.push(Message { role: message.role, content });
    }
    let ChatOptions { temperature, max_tokens, seed, ref stop } = *options;
    let request = Request { model, messages: sent, stream: false, temperature, max_tokens, seed, stop };
    serde_json::to_vec(&request).map_err(|_| bad("messages".into(), "cannot be written as JSON"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn body(messages: &[ChatMessage], options: &ChatOptions) -> Result<Value, RemoteError> {
        request_body("m", messages, options).map(|bytes| serde_json::from_slice(&bytes).unwrap())
    }

    #[test]
    fn texts_are_sent_plain_and_pictures_in_lists() {
        let picture = Part::Picture(Picture::from_bytes(*b"\xFF\xD8\xFF"));
        let messages = [
            ChatMessage::text(ChatRole::System, "Be brief."),
            ChatMessage { role: ChatRole::User, parts: vec![picture, Part::Text("Who?".into())] },
        ];
        let options = ChatOptions {
            temperature: Some(0.0),
            seed: Some(7),
            stop: vec!["\n".into()],
            ..Default::default()
        };

        let expected = json!({
            "model": "m", "stream": false, "temperature": 0.0, "seed": 7, "stop": ["\n"],
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": [
                    {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,/9j/"}},
                    {"type": "text", "text": "Who?"},
                ]},
            ],
        });
        assert_eq!(body(&messages, &options).unwrap(), expected);
    }

    #[test]
    fn what_cannot_be_sent_is_named() {
        let text = ChatMessage::text(ChatRole::User, "x");
        let parts = |parts| ChatMessage { role: ChatRole::User, parts };
        let picture = Part::Picture(Picture::from_bytes(*b"GIF8"));
        let hot = |temperature| ChatOptions { temperature: Some(temperature), ..Default::default() };
        let field = |messages: &[ChatMessage], options: &ChatOptions| match body(messages, options) {
            Err(RemoteError::Request { field, .. }) => field,
            other => panic!("{other:?}"),
        };

        assert_eq!(field(&[], &ChatOptions::default()), "messages");
        assert_eq!(field(&[text.clone(), parts(vec![])], &ChatOptions::default()), "messages[1].parts");
        assert_eq!(field(&[parts(vec![picture])], &ChatOptions::default()), "messages[0].parts[0]");
        for temperature in [f64::NAN, f64::INFINITY, -0.1, 2.1] {
            assert_eq!(field(std::slice::from_ref(&text), &hot(temperature)), "temperature");
        }
        let none = ChatOptions { max_tokens: Some(0), ..Default::default() };
        assert_eq!(field(&[text], &none), "max_tokens");
    }
}
