use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use serde::Serialize;

use super::read::{TAGS, decode};
use crate::{
    Error, Sample,
    formats::{
        Extras, Layout, SampleWriter,
        dialogue::{
            Extra,
            write::{checked_text, parts},
        },
        write,
    },
};

/// Creates a file, or empties the one that is there.
///
/// # Errors
///
/// [`Error::File`] when the file cannot be written.
pub fn create(
    path: impl AsRef<Path>,
    layout: Layout,
    extras: Extras,
) -> Result<SampleWriter<BufWriter<File>>, Error> {
    write(write::create(path.as_ref())?, path, layout, extras)
}

/// Writes anywhere; `name` stands for the file in errors.
///
/// # Errors
///
/// [`Error::File`] when nothing can be written.
pub fn write<W: Write>(
    output: W,
    name: impl AsRef<Path>,
    layout: Layout,
    extras: Extras,
) -> Result<SampleWriter<W>, Error> {
    SampleWriter::new(output, name.as_ref(), layout, "", Box::new(move |sample| encode(sample, extras)))
}

#[derive(Serialize)]
struct Record<'a> {
    id: &'a str,
    conversations: [Turn<'a>; 2],
    #[serde(skip_serializing_if = "Option::is_none")]
    rcmu: Option<Extra>,
}

#[derive(Serialize)]
struct Turn<'a> {
    from: &'a str,
    value: &'a str,
}

fn encode(sample: &Sample, extras: Extras) -> Result<String, Error> {
    let parts = parts(sample, extras)?;
    let pictures = (1..).zip(&parts.images).map(|(k, name)| format!("Picture {k}: <img>{name}</img>\n"));
    let question = format!("{}{}", pictures.collect::<String>(), to_markup(&parts.question));
    let answer = to_markup(&sample.answer);
    let record = Record {
        id: &sample.id,
        conversations: [Turn { from: "user", value: &question }, Turn { from: "assistant", value: &answer }],
        rcmu: parts.extra,
    };
    checked_text(sample, &record, extras, decode)
}

/// Writes tags for the tokens of Qwen2-VL.
fn to_markup(text: &str) -> String {
    TAGS.iter().fold(text.to_owned(), |text, (tag, token)| text.replace(token.as_str(), tag))
}
