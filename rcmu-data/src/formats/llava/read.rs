use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use serde_json::Value;

use crate::{
    Error, Sample,
    formats::{
        SampleReader,
        dialogue::{
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
    user: "human",
    assistant: "gpt",
    from_markup: None,
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
