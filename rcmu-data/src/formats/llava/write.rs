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
    image: Images<'a>,
    conversations: [Turn<'a>; 2],
    #[serde(skip_serializing_if = "Option::is_none")]
    rcmu: Option<Extra>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Images<'a> {
    One(&'a str),
    Several(Vec<&'a str>),
}

#[derive(Serialize)]
struct Turn<'a> {
    from: &'a str,
    value: &'a str,
}

fn encode(sample: &Sample, extras: Extras) -> Result<String, Error> {
    let parts = parts(sample, extras)?;
    let question = format!("{}{}", parts.markers("<image>\n"), parts.question);
    let record = Record {
        id: &sample.id,
        image: match parts.images[..] {
            [one] => Images::One(one),
            _ => Images::Several(parts.images),
        },
        conversations: [
            Turn { from: "human", value: &question },
            Turn { from: "gpt", value: &sample.answer },
        ],
        rcmu: parts.extra,
    };
    checked_text(sample, &record, extras, decode)
}
