use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use rcmu_core::SpecialToken;
use serde_json::Value;

use crate::{
    Error, Sample,
    formats::{
        SampleReader,
        dialogue::{
            MARKER,
            read::{Words, read_dialogue},
            samples::to_samples,
        },
        read::{Context, Form},
    },
};

const FORM: Form = Form { layout: None, header: None, decode, renames: true };

const WORDS: Words = Words {
    images: "image",
    turns: "conversations",
    role: "from",
    text: "value",
    user: "user",
    assistant: "assistant",
    from_markup: Some(from_markup),
};

/// Opens a file of either layout; its samples come one at a time.
///
/// A conversation of several questions becomes as many samples, `id/1`, `id/2`, …, with the same pictures and
/// regions. Mended and counted: all that JSONL mends, names of the sibling formats, ids that are missing, numbers or
/// used before, system turns, a last question without an answer, missing or misplaced `<image>` marks, boxes that are
/// written carelessly. An error of the reader names the line, the place in the list and the field.
///
/// # Errors
///
/// [`Error::File`] when the file cannot be opened or is no regular file.
pub fn open(path: impl AsRef<Path>) -> Result<SampleReader<BufReader<File>>, Error> {
    SampleReader::open(path.as_ref(), FORM)
}

/// Reads from anywhere; `name` stands for the file in errors.
pub fn read<R: BufRead>(input: R, name: impl AsRef<Path>) -> SampleReader<R> {
    SampleReader::new(input, name.as_ref(), FORM)
}

pub(super) fn decode(value: Value, context: &mut Context<'_>) -> Result<Vec<Sample>, Error> {
    let dialogue = read_dialogue(value, &WORDS, context)?;
    to_samples(dialogue, context)
}

/// The tags of Qwen-VL and the tokens of Qwen2-VL.
pub(super) const TAGS: [(&str, SpecialToken); 4] = [
    ("<box>", SpecialToken::BoxStart),
    ("</box>", SpecialToken::BoxEnd),
    ("<ref>", SpecialToken::ObjectRefStart),
    ("</ref>", SpecialToken::ObjectRefEnd),
];

/// Puts markers for pictures and tokens for tags; gives the pictures.
fn from_markup(text: &str) -> Result<(String, Vec<String>), String> {
    let (mut marked, mut images, mut rest) = (String::with_capacity(text.len()), Vec::new(), text);
    while let Some((before, after)) = rest.split_once("<img>") {
        let (name, after) = after.split_once("</img>").ok_or("has `<img>` without `</img>`")?;
        marked.push_str(before);
        marked.push_str(MARKER);
        images.push(name.to_owned());
        rest = after;
    }
    marked.push_str(rest);
    let text = TAGS.iter().fold(marked, |text, (tag, token)| text.replace(tag, token.as_str()));
    Ok((text, images))
}
