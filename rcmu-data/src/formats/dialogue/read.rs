use serde_json::Value;

use super::{Dialogue, Extra, SCHEMA, Turn};
use crate::{
    Error,
    formats::{
        json::{Fields, kind, shorten, tell_unknown, typed, wrong},
        read::Context,
        repair::Repair,
    },
};

/// The words of a conversation format. The words of the other formats are understood too, and told.
#[derive(Clone, Copy, Debug)]
pub(in crate::formats) struct Words {
    /// The field with the pictures.
    pub(in crate::formats) images: &'static str,
    /// The field with the turns.
    pub(in crate::formats) turns: &'static str,
    /// The field of a turn that says whose it is.
    pub(in crate::formats) role: &'static str,
    /// The field of a turn with its text.
    pub(in crate::formats) text: &'static str,
    /// Who asks.
    pub(in crate::formats) user: &'static str,
    /// Who answers.
    pub(in crate::formats) assistant: &'static str,
    /// Turns a text of the format into one with markers; gives the pictures named in it.
    pub(in crate::formats) from_markup: Option<FromMarkup>,
}

type FromMarkup = fn(&str) -> Result<(String, Vec<String>), String>;

const IMAGES: [&str; 2] = ["image", "images"];
const TURNS: [&str; 2] = ["conversations", "messages"];
const ROLE: [&str; 2] = ["from", "role"];
const TEXT: [&str; 2] = ["value", "content"];
const USERS: [&str; 2] = ["human", "user"];
const ASSISTANTS: [&str; 2] = ["gpt", "assistant"];

/// Reads a record.
pub(in crate::formats) fn read_dialogue(
    value: Value,
    words: &Words,
    context: &mut Context<'_>,
) -> Result<Dialogue, Error> {
    let mut fields = Fields::of(value, "")?;
    let id = take_id(&mut fields, context)?;
    let (images_field, mut images) = take_images(&mut fields, words, context)?;
    let (turns_field, turns) = take_spelled(&mut fields, words.turns, TURNS, context)?;
    let Some(Value::Array(turns)) = turns else {
        let found = turns.map_or("missing", |found| kind(&found));
        return Err(wrong(turns_field, format!("is {found}, expected a list of turns")));
    };
    if fields.take("system").is_some_and(|system| system.as_str() != Some("")) {
        context.repairs.tell(context.line, Repair::SystemTurn);
    }
    let extra = take_extra(&mut fields, context)?;
    fields.finish(context.line, context.repairs);

    let mut exchanges = Vec::new();
    let mut asked: Option<Turn> = None;
    let listed = images.len();
    for (at, turn) in turns.into_iter().enumerate() {
        let path = format!("{turns_field}[{at}]");
        let (speaker, mut turn) = read_turn(turn, &path, words, context)?;
        if let Some(from_markup) = words.from_markup {
            let (text, named) = from_markup(&turn.text).map_err(|problem| wrong(&turn.field, problem))?;
            if listed > 0 && !named.is_empty() {
                let problem = format!("names a picture, and the field `{images_field}` does too");
                return Err(wrong(turn.field, problem));
            }
            turn.text = text;
            images.extend(named);
        }
        match (speaker, asked.take()) {
            (Speaker::System, None) if at == 0 => context.repairs.tell(context.line, Repair::SystemTurn),
            (Speaker::User, None) => asked = Some(turn),
            (Speaker::Assistant, Some(question)) => exchanges.push((question, turn)),
            (Speaker::User, Some(_)) => return Err(wrong(path, "is a question, expected an answer")),
            (Speaker::Assistant, None) => return Err(wrong(path, "is an answer, expected a question")),
            (Speaker::System, _) => return Err(wrong(path, "is a system turn after the first turn")),
        }
    }
    if exchanges.is_empty() {
        return Err(wrong(turns_field, "has no question with an answer"));
    }
    if asked.is_some() {
        context.repairs.tell(context.line, Repair::UnansweredQuestion);
    }
    Ok(Dialogue { id, images_field, images, exchanges, extra })
}

#[derive(Clone, Copy)]
enum Speaker {
    System,
    User,
    Assistant,
}

fn read_turn(
    value: Value,
    path: &str,
    words: &Words,
    context: &mut Context<'_>,
) -> Result<(Speaker, Turn), Error> {
    let mut fields = Fields::of(value, path)?;
    let (role_field, role) = take_spelled(&mut fields, words.role, ROLE, context)?;
    let role: String = typed(role.ok_or_else(|| wrong(&role_field, "is missing"))?, &role_field)?;
    let (speaker, own) = match role.as_str() {
        "system" => (Speaker::System, "system"),
        name if USERS.contains(&name) => (Speaker::User, words.user),
        name if ASSISTANTS.contains(&name) => (Speaker::Assistant, words.assistant),
        other => return Err(wrong(role_field, format!("is `{}`, which is no known role", shorten(other)))),
    };
    if role != own {
        context.repairs.tell(context.line, Repair::Spelling(role));
    }
    let (field, text) = take_spelled(&mut fields, words.text, TEXT, context)?;
    let text: String = typed(text.ok_or_else(|| wrong(&field, "is missing"))?, &field)?;
    fields.finish(context.line, context.repairs);
    Ok((speaker, Turn { field, text }))
}

/// Takes a field under the format's own name or under that of another format; gives its path too.
fn take_spelled(
    fields: &mut Fields,
    own: &'static str,
    names: [&'static str; 2],
    context: &mut Context<'_>,
) -> Result<(String, Option<Value>), Error> {
    let other = if own == names[0] { names[1] } else { names[0] };
    match (fields.take(own), fields.take(other)) {
        (Some(_), Some(_)) => Err(wrong(fields.path(other), format!("stands beside `{own}`"))),
        (None, Some(value)) => {
            context.repairs.tell(context.line, Repair::Spelling(other.to_owned()));
            Ok((fields.path(other), Some(value)))
        }
        (value, None) => Ok((fields.path(own), value)),
    }
}

fn take_id(fields: &mut Fields, context: &mut Context<'_>) -> Result<String, Error> {
    match fields.take("id") {
        Some(Value::String(id)) => Ok(id),
        Some(Value::Number(number)) => {
            context.repairs.tell(context.line, Repair::NumericId);
            Ok(number.to_string())
        }
        Some(other) => Err(wrong("id", format!("is {}, expected a text", kind(&other)))),
        None => {
            context.repairs.tell(context.line, Repair::MissingId);
            Ok(format!("record-{}", context.number))
        }
    }
}

/// One file or a list of files; either is right under either name.
fn take_images(
    fields: &mut Fields,
    words: &Words,
    context: &mut Context<'_>,
) -> Result<(String, Vec<String>), Error> {
    let (path, value) = take_spelled(fields, words.images, IMAGES, context)?;
    let images = match value {
        None => Vec::new(),
        Some(Value::Array(values)) => (0..)
            .zip(values)
            .map(|(at, value)| typed(value, &format!("{path}[{at}]")))
            .collect::<Result<_, _>>()?,
        Some(value) => vec![typed(value, &path)?],
    };
    Ok((path, images))
}

fn take_extra(fields: &mut Fields, context: &mut Context<'_>) -> Result<Option<Extra>, Error> {
    let Some(value) = fields.take("rcmu") else { return Ok(None) };
    let extra: Extra = typed(value.clone(), "rcmu")?;
    if extra.schema != SCHEMA {
        return Err(wrong("rcmu.schema", format!("is {}, this program reads {SCHEMA}", extra.schema)));
    }
    if let Ok(known) = serde_json::to_value(&extra) {
        tell_unknown(&value, &known, "rcmu", context.line, context.repairs);
    }
    Ok(Some(extra))
}
