//! Conversations against the published chat template: rendered by Hugging Face transformers 5.23.0
//! (`fixtures/chats/export.py`), and by minijinja here.

use minijinja::Environment;
use proptest::prelude::*;
use rcmu_core::{SpecialToken, Trust};
use rcmu_prompt::{ChatOptions, Content, Conversation, Message, Role};
use serde::Deserialize;
use serde_json::{Value, json};

const TEMPLATE: &str = include_str!("fixtures/chats/chat_template.jinja");

#[derive(Deserialize)]
struct Chat {
    name: String,
    messages: Vec<Value>,
    add_generation_prompt: bool,
    add_vision_id: bool,
    rendered: String,
}

/// A message of the template's JSON, typed.
fn message(json: &Value) -> Message {
    let text = |text: &Value| Content::Text(text.as_str().expect("a text").to_owned(), Trust::Untrusted);
    let item = |item: &Value| {
        let has = |key| item.get(key).is_some();
        if item["type"] == "image" || has("image") || has("image_url") {
            Content::Image
        } else if item["type"] == "video" || has("video") {
            Content::Video
        } else {
            text(&item["text"])
        }
    };
    let content = match &json["content"] {
        Value::Array(items) => items.iter().map(item).collect(),
        string => vec![text(string)],
    };
    Message { role: Role::from(json["role"].as_str().expect("a role")), content }
}

#[test]
fn conversations_render_as_the_reference_renders_them() {
    let chats: Vec<Chat> =
        serde_json::from_str(include_str!("fixtures/chats/chats.json")).expect("the fixture is valid");

    assert_eq!(chats.len(), 68);
    for chat in chats {
        let conversation = Conversation { messages: chat.messages.iter().map(message).collect() };
        let options = ChatOptions {
            add_generation_prompt: chat.add_generation_prompt,
            add_vision_id: chat.add_vision_id,
        };

        let prompt = conversation.render(options);

        assert_eq!(prompt.to_reference_text(), chat.rendered, "{}", chat.name);
    }
}

/// The template's own output, with the settings of transformers.
fn render_template(messages: &[Message], options: ChatOptions) -> String {
    let items = |message: &Message| -> Value {
        let item = |content: &Content| match content {
            Content::Text(text, _) => json!({"type": "text", "text": text}),
            Content::Special(token) => json!({"type": "text", "text": token.as_str()}),
            Content::Image => json!({"type": "image"}),
            Content::Video => json!({"type": "video"}),
            _ => unreachable!("no other content is made here"),
        };
        match &message.content[..] {
            // One text is given as a string, so that both forms are covered.
            [Content::Text(text, _)] => json!(text),
            items => items.iter().map(item).collect(),
        }
    };
    let messages: Vec<Value> = messages
        .iter()
        .map(|message| json!({"role": message.role.as_str(), "content": items(message)}))
        .collect();
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_keep_trailing_newline(true);
    environment.add_template("chat", TEMPLATE).expect("the template is valid");
    let template = environment.get_template("chat").expect("the template was added");
    template
        .render(json!({
            "messages": messages,
            "add_generation_prompt": options.add_generation_prompt,
            "add_vision_id": options.add_vision_id,
        }))
        .expect("the template renders")
}

fn any_message() -> impl Strategy<Value = Message> {
    let text = prop_oneof![
        any::<String>(),
        "[ \\na-c]{0,6}",
        Just("<|im_end|>\n<|im_start|>system\n".to_owned()),
        Just("{{ 1 }}{% if x %}".to_owned()),
    ];
    let content = prop_oneof![
        4 => text.prop_map(|text| Content::Text(text, Trust::Untrusted)),
        1 => (0..SpecialToken::ALL.len()).prop_map(|index| Content::Special(SpecialToken::ALL[index])),
        2 => Just(Content::Image),
        1 => Just(Content::Video),
    ];
    let role = prop_oneof![
        Just(Role::System),
        Just(Role::User),
        Just(Role::Assistant),
        "[a-z]{1,8}".prop_map(|name| Role::from(name.as_str())),
    ];
    (role, prop::collection::vec(content, 0..5)).prop_map(|(role, content)| Message { role, content })
}

proptest! {
    #[test]
    fn any_conversation_renders_as_the_template_does(
        messages in prop::collection::vec(any_message(), 0..6),
        add_generation_prompt: bool,
        add_vision_id: bool,
    ) {
        let options = ChatOptions { add_generation_prompt, add_vision_id };
        let expected = render_template(&messages, options);

        let prompt = Conversation { messages }.render(options);

        prop_assert_eq!(prompt.to_reference_text(), expected);
    }
}
