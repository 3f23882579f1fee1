use std::{
    collections::HashMap,
    fs::File,
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use crate::{
    Error, Sample,
    formats::{
        json::{shorten, wrong},
        records::{Layout, MAX_RECORD},
    },
};

/// Makes the JSON text of a sample.
pub(super) type Encode = Box<dyn Fn(&Sample) -> Result<String, Error> + Send>;

/// Writes samples one at a time; [`SampleWriter::finish`] ends the file.
///
/// A sample that is refused leaves the file as it was, so that the next one can be written.
pub struct SampleWriter<W> {
    output: W,
    path: PathBuf,
    layout: Layout,
    encode: Encode,
    numbers_of_ids: HashMap<String, u64>,
}

/// Creates the file that a writer writes into.
pub(super) fn create(path: &Path) -> Result<BufWriter<File>, Error> {
    let file = File::create(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
    Ok(BufWriter::new(file))
}

impl<W: Write> SampleWriter<W> {
    /// Begins a file with its header, if its format has one.
    pub(super) fn new(
        output: W,
        name: &Path,
        layout: Layout,
        header: &str,
        encode: Encode,
    ) -> Result<Self, Error> {
        let path = name.to_owned();
        let mut writer = Self { output, path, layout, encode, numbers_of_ids: HashMap::new() };
        writer.put(header)?;
        Ok(writer)
    }

    /// Writes a sample.
    ///
    /// # Errors
    ///
    /// [`Error::Field`] naming the field that this format's reader would not give back, or the id that was written
    /// before; [`Error::File`] when the file cannot be written.
    pub fn write(&mut self, sample: &Sample) -> Result<(), Error> {
        super::check(sample)?;
        if let Some(first) = self.numbers_of_ids.get(&sample.id) {
            return Err(wrong("id", format!("`{}` is the id of sample {first} too", shorten(&sample.id))));
        }
        let text = (self.encode)(sample)?;
        if text.len() > MAX_RECORD {
            return Err(wrong("", format!("the sample has {} bytes, the limit is {MAX_RECORD}", text.len())));
        }
        let number = self.numbers_of_ids.len() as u64 + 1;
        match (self.layout, number) {
            (Layout::Lines, _) => self.put(&format!("{text}\n"))?,
            (Layout::Array, 1) => self.put(&format!("[\n{text}"))?,
            (Layout::Array, _) => self.put(&format!(",\n{text}"))?,
        }
        self.numbers_of_ids.insert(sample.id.clone(), number);
        Ok(())
    }

    /// Ends the file and gives back what it was written to.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when the rest cannot be written.
    pub fn finish(mut self) -> Result<W, Error> {
        if self.layout == Layout::Array {
            let empty = self.numbers_of_ids.is_empty();
            self.put(if empty { "[]\n" } else { "\n]\n" })?;
        }
        self.output.flush().map_err(|source| Error::File { path: self.path, source })?;
        Ok(self.output)
    }

    fn put(&mut self, text: &str) -> Result<(), Error> {
        let path = &self.path;
        self.output.write_all(text.as_bytes()).map_err(|source| Error::File { path: path.clone(), source })
    }
}
