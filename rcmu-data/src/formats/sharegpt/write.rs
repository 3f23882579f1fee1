use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use serde::Serialize;

use super::read::decode;
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
    messages: [Message<'a>; 2],
    images: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rcmu: Option<Extra>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'a str,
    content: &'a str,
}

fn encode(sample: &Sample, extras: Extras) -> Result<String, Error> {
    let parts = parts(sample, extras)?;
    let question = format!("{}{}", parts.markers("<image>"), parts.question);
    let record = Record {
        id: &sample.id,
        messages: [
            Message { role: "user", content: &question },
            Message { role: "assistant", content: &sample.answer },
        ],
        images: parts.images,
        rcmu: parts.extra,
    };
    checked_text(sample, &record, extras, decode)
}
