use rcmu_core::{Piece, Prompt, Trust};
use rcmu_model::tokenizer::Tokenizer;
use rcmu_prompt::{ChatOptions, Content, Conversation, Message, Role};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    json::Node,
    report::{Stage, equal},
};

/// SHA-256 of the published chat template of Qwen2-VL-Instruct, which the renderer reproduces.
const TEMPLATE_SHA256: &str = "a0bc6f6fc7a29a80017a433e8f03a1cc1236e838a944a2d034295a60c4f2fddb";

/// Checks the template's text, and every conversation: its text and its ids.
pub(super) fn check(name: &'static str, root: &Node<'_>, tokenizer: &Tokenizer) -> Stage {
    let mut stage = Stage::exact(name);
    stage.case("chat_template", root.field::<String>("chat_template").and_then(|text| check_template(&text)));
    for row in root.get("chats").map_or_else(Vec::new, |rows| rows.items()) {
        stage.case(row.name(), check_chat(&row, tokenizer));
    }
    stage
}

/// Another template would render other texts than the typed renderer does.
pub(super) fn check_template(text: &str) -> Result<(), String> {
    let hex = format!("{:x}", Sha256::digest(text.as_bytes()));
    equal(&hex.as_str(), &TEMPLATE_SHA256)
}

fn check_chat(row: &Node<'_>, tokenizer: &Tokenizer) -> Result<(), String> {
    let _label: String = row.field("name")?;
    let messages: Vec<Value> = row.field("messages")?;
    let options = ChatOptions {
        add_generation_prompt: row.field("add_generation_prompt")?,
        add_vision_id: row.field("add_vision_id")?,
    };
    let (text, ids): (String, Vec<u32>) = (row.field("rendered")?, row.field("ids")?);

    let prompt = conversation(&messages)?.render(options);
    equal(&prompt.to_reference_text(), &text)?;
    let written = tokenizer.encode_reference(&text).map_err(|error| error.to_string())?;
    equal(&written, &ids)?;
    // Where no message has a control token written in it, typed pieces give the same ids; elsewhere they must not.
    let typed = tokenizer.encode(&prompt).map_err(|error| error.to_string())?;
    let is_clean = control_pieces(&prompt) == control_pieces(&Prompt::from_reference_text(&text));
    if (typed.ids() == ids) == is_clean {
        Ok(())
    } else {
        Err("a control token written in a message became one".to_owned())
    }
}

fn control_pieces(prompt: &Prompt) -> usize {
    prompt.pieces().iter().filter(|piece| !matches!(piece, Piece::Text(..))).count()
}

/// Messages as the template takes them, typed.
pub(super) fn conversation(messages: &[Value]) -> Result<Conversation, String> {
    let messages = messages.iter().map(message).collect::<Result<_, _>>()?;
    Ok(Conversation { messages })
}

fn message(json: &Value) -> Result<Message, String> {
    let role = json.get("role").and_then(Value::as_str).ok_or("a message has no role")?;
    let content = match json.get("content") {
        Some(Value::Array(items)) => items.iter().filter_map(item).collect(),
        Some(Value::String(text)) => vec![Content::Text(text.clone(), Trust::Untrusted)],
        _ => return Err("a message has no content".to_owned()),
    };
    Ok(Message { role: Role::from(role), content })
}

/// One item of a message; the template writes nothing for kinds that it does not know.
fn item(json: &Value) -> Option<Content> {
    let has = |key| json.get(key).is_some();
    let kind = json.get("type").and_then(Value::as_str).unwrap_or_default();
    if kind == "image" || has("image") || has("image_url") {
        Some(Content::Image)
    } else if kind == "video" || has("video") {
        Some(Content::Video)
    } else {
        let text = json.get("text")?.as_str()?;
        Some(Content::Text(text.to_owned(), Trust::Untrusted))
    }
}
