use std::{
    collections::{HashMap, VecDeque},
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    Error, Sample,
    formats::{
        json::{self, shorten, wrong},
        records::{Layout, Record, Records},
        repair::{Repair, Repairs},
    },
};

/// Where a record stands, and what is told about it.
pub(super) struct Context<'a> {
    /// The name of the file, without its folder.
    pub(super) file: &'a str,
    /// The line where the record begins.
    pub(super) line: u64,
    /// The record's number, counted from 1.
    pub(super) number: u64,
    /// What was mended.
    pub(super) repairs: &'a mut Repairs,
}

/// Checks the header of a file.
type Header = fn(Value, &mut Context<'_>) -> Result<(), Error>;
/// Makes the samples of a record.
pub(super) type Decode = fn(Value, &mut Context<'_>) -> Result<Vec<Sample>, Error>;

/// How the records of a format are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    /// How the records stand; `None` when either way is allowed.
    pub(super) layout: Option<Layout>,
    /// Checks the first record, in a format that begins with a header.
    pub(super) header: Option<Header>,
    /// The samples of a record.
    pub(super) decode: Decode,
    /// Whether an id that was used before is changed instead of refused.
    pub(super) renames: bool,
}

/// Gives the samples of a file one at a time.
///
/// After an [`Error::Line`] about one record the reader goes on with the next one, if it is asked to; after any other
/// error, and after a fault of the file's own structure, it ends.
#[derive(Debug)]
pub struct SampleReader<R> {
    records: Records<R>,
    form: Form,
    file: String,
    repairs: Repairs,
    lines_of_ids: HashMap<[u8; 16], u64>,
    ready: VecDeque<Sample>,
    started: bool,
}

impl SampleReader<BufReader<File>> {
    /// Opens a file.
    pub(super) fn open(path: &Path, form: Form) -> Result<Self, Error> {
        let failed = |source| Error::File { path: path.to_owned(), source };
        // Asked before opening: opening a pipe would wait for its writer.
        if !std::fs::metadata(path).map_err(failed)?.is_file() {
            return Err(failed(std::io::Error::other("is not a regular file")));
        }
        Ok(Self::new(BufReader::new(File::open(path).map_err(failed)?), path, form))
    }
}

impl<R: BufRead> SampleReader<R> {
    /// Reads from anywhere; `name` stands for the file in errors.
    pub(super) fn new(input: R, name: &Path, form: Form) -> Self {
        Self {
            records: Records::new(input, name, form.layout),
            form,
            file: name.file_name().unwrap_or(name.as_os_str()).to_string_lossy().into_owned(),
            repairs: Repairs::default(),
            lines_of_ids: HashMap::new(),
            ready: VecDeque::new(),
            started: false,
        }
    }

    /// What was mended so far.
    pub const fn repairs(&self) -> &Repairs {
        &self.repairs
    }

    fn header(&mut self) -> Result<(), Error> {
        let Some(check) = self.form.header else { return Ok(()) };
        let result = match self.records.next(&mut self.repairs) {
            None => Err(self.at(1, wrong("", "the file is empty, expected a header"))),
            Some(record) => record.and_then(|record| self.on(&record, check)),
        };
        if result.is_err() {
            self.records.stop();
        }
        result
    }

    fn record(&mut self, record: &Record) -> Result<(), Error> {
        let mut samples = self.on(record, self.form.decode)?;
        for sample in &mut samples {
            while let Some(first) = self.lines_of_ids.get(&key(&sample.id)) {
                if !self.form.renames {
                    let message = format!("`{}` is the id of line {first} too", shorten(&sample.id));
                    return Err(self.in_record(record, wrong("id", message)));
                }
                self.repairs.tell(record.line, Repair::RepeatedId);
                sample.id = format!("{}#{}", sample.id, record.number);
            }
            self.lines_of_ids.insert(key(&sample.id), record.line);
        }
        self.ready.extend(samples);
        Ok(())
    }

    /// Parses a record and does something with it.
    fn on<T>(
        &mut self,
        record: &Record,
        read: fn(Value, &mut Context<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let value = json::parse(&record.text).map_err(|error| {
            let message = error.to_string();
            let what = message.split(" at line ").next().unwrap_or_default();
            let line = record.line + (error.line() as u64).saturating_sub(1);
            let found = format!("is no JSON at column {}: {}", error.column(), shorten(what));
            self.at(line, wrong(self.place(record), found))
        })?;
        let (line, number) = (record.line, record.number);
        let mut context = Context { file: &self.file, line, number, repairs: &mut self.repairs };
        read(value, &mut context).map_err(|error| self.in_record(record, error))
    }

    /// The record's place in the list of a file that is one list.
    fn place(&self, record: &Record) -> String {
        if self.records.is_array() { format!("[{}]", record.number - 1) } else { String::new() }
    }

    fn in_record(&self, record: &Record, error: Error) -> Error {
        match error {
            Error::Field { field, message } => {
                let dot = if field.is_empty() || !self.records.is_array() { "" } else { "." };
                self.at(record.line, wrong(format!("{}{dot}{field}", self.place(record)), message))
            }
            other => self.at(record.line, wrong(self.place(record), other.to_string())),
        }
    }

    fn at(&self, line: u64, error: Error) -> Error {
        match error {
            Error::Field { field, message } => {
                Error::Line { path: self.records.path().to_owned(), line, field, message }
            }
            other => other,
        }
    }
}

impl<R: BufRead> Iterator for SampleReader<R> {
    type Item = Result<Sample, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if !std::mem::replace(&mut self.started, true)
            && let Err(error) = self.header()
        {
            return Some(Err(error));
        }
        loop {
            if let Some(sample) = self.ready.pop_front() {
                return Some(Ok(sample));
            }
            let record = self.records.next(&mut self.repairs)?;
            if let Err(error) = record.and_then(|record| self.record(&record)) {
                return Some(Err(error));
            }
        }
    }
}

/// A short key of an id, so that the ids of millions of samples fit into memory.
fn key(id: &str) -> [u8; 16] {
    let digest = Sha256::digest(id.as_bytes());
    *digest.first_chunk().expect("a digest has 32 bytes")
}
