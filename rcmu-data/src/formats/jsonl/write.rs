use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use super::{FORMAT, SCHEMA};
use crate::{
    Error, Sample,
    formats::{Layout, SampleWriter, json::wrong, write},
};

/// Creates a file, or empties the one that is there, and writes its header.
///
/// # Errors
///
/// [`Error::File`] when the file cannot be written.
pub fn create(path: impl AsRef<Path>) -> Result<SampleWriter<BufWriter<File>>, Error> {
    write(write::create(path.as_ref())?, path)
}

/// Writes anywhere, the header first; `name` stands for the file in errors.
///
/// # Errors
///
/// [`Error::File`] when the header cannot be written.
///
/// # Examples
///
/// ```
/// use rcmu_data::{Kind, PictureSource, Provenance, Sample, formats::jsonl};
///
/// # fn main() -> Result<(), rcmu_data::Error> {
/// let sample = Sample {
///     id: "s-1".into(),
///     picture: PictureSource::File("a.png".into()),
///     references: vec![],
///     regions: vec![],
///     kind: Kind::Open,
///     question: "Who is this?".into(),
///     options: vec![],
///     cited: false,
///     answer: "Lily.".into(),
///     accepted: vec![],
///     citations: vec![],
///     answerable: true,
///     provenance: Provenance::default(),
/// };
/// let mut writer = jsonl::write(Vec::new(), "people.jsonl")?;
/// writer.write(&sample)?;
/// let bytes = writer.finish()?;
///
/// let read = jsonl::read(&bytes[..], "people.jsonl").next().expect("one sample")?;
/// assert_eq!(read, sample);
/// # Ok(())
/// # }
/// ```
pub fn write<W: Write>(output: W, name: impl AsRef<Path>) -> Result<SampleWriter<W>, Error> {
    let header = format!("{{\"format\":\"{FORMAT}\",\"schema\":{SCHEMA}}}\n");
    SampleWriter::new(output, name.as_ref(), Layout::Lines, &header, Box::new(encode))
}

fn encode(sample: &Sample) -> Result<String, Error> {
    serde_json::to_string(sample).map_err(|error| wrong("", format!("cannot be written: {error}")))
}
