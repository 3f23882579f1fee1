use std::{
    collections::HashMap,
    fs::{File, OpenOptions, TryLockError},
    io::{BufRead, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{PipelineError, StepName, Tally};
use crate::Error;

/// What the header calls the file.
const FORMAT: &str = "rcmu-pipeline-journal";
/// The version of the lines that this program reads and writes.
const SCHEMA: u64 = 1;
/// Longest line in bytes.
const MAX_LINE: u64 = 16 << 20;
/// What stands before, between and after checksum and entry.
const FRAME: [&str; 3] = ["{\"sum\":\"", "\",\"entry\":", "}"];
/// Hexadecimal digits of a checksum.
const SUM: usize = 64;

/// The first line: what the file is and how its run was configured.
#[derive(Serialize, Deserialize)]
struct Header {
    format: String,
    schema: u64,
    configuration: Map<String, Value>,
}

/// A step of a picture or class noun.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    /// SHA-256 of everything that the outcome depends on.
    pub(super) key: String,
    /// The picture or class noun.
    pub(super) unit: String,
    pub(super) step: StepName,
    pub(super) outcome: Outcome,
}

/// What became of a step.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// What was kept, and what was dropped.
    Done { output: Value, filtered: Tally },
    /// Why there is nothing; tried again by the next run.
    NotDone { failure: String },
}

/// What a finished step left, and the line where it stands.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) line: u64,
    pub(super) output: Value,
    pub(super) filtered: Tally,
}

/// A file with a line for every step that was tried, synced line by line; locked while it is open.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    path: PathBuf,
    kept: HashMap<String, Kept>,
    /// Bytes of a torn last line that were cut.
    pub(super) torn_bytes: u64,
}

impl Journal {
    /// Opens the journal of a run, or begins it.
    ///
    /// # Errors
    ///
    /// [`PipelineError::Busy`] when another run writes it, [`PipelineError::Configuration`] when the run differs,
    /// [`Error::Line`] for a line that is corrupt and not the torn last one, [`Error::File`] when the file fails.
    pub(super) fn open(path: &Path, configuration: Map<String, Value>) -> Result<Self, PipelineError> {
        let failed = |source| Error::File { path: path.to_owned(), source };
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = file.map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(failed(std::io::Error::other("not a regular file")).into());
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(PipelineError::Busy { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(failed(source).into()),
        }
        let mut journal = Self { file, path: path.to_owned(), kept: HashMap::new(), torn_bytes: 0 };
        let header = Header { format: FORMAT.to_owned(), schema: SCHEMA, configuration };
        journal.resume(&header)?;
        Ok(journal)
    }

    /// What a finished step left.
    pub(super) fn find(&self, key: &str) -> Option<&Kept> {
        self.kept.get(key)
    }

    /// An error about a line.
    pub(super) fn corrupt(&self, line: u64, message: impl Into<String>) -> PipelineError {
        Error::Line { path: self.path.clone(), line, field: String::new(), message: message.into() }.into()
    }

    /// Appends a line and waits until it is stored.
    pub(super) fn append(&mut self, entry: &Entry) -> Result<(), PipelineError> {
        let output =
            |problem: String| PipelineError::Output { step: entry.step, unit: entry.unit.clone(), problem };
        let json = serde_json::to_string(entry).map_err(|error| output(format!("is no JSON: {error}")))?;
        let [before, between, after] = FRAME;
        let line = format!("{before}{}{between}{json}{after}\n", hex(&Sha256::digest(&json)));
        if line.len() as u64 > MAX_LINE {
            return Err(output(format!("has {} bytes, at most {MAX_LINE} are possible", line.len())));
        }
        self.write(line.as_bytes())
    }

    fn write(&mut self, line: &[u8]) -> Result<(), PipelineError> {
        let written = self.file.write_all(line).and_then(|()| self.file.sync_data());
        written.map_err(|source| Error::File { path: self.path.clone(), source }.into())
    }

    /// Reads what is there, cuts a torn last line, and writes the header where there is none.
    fn resume(&mut self, header: &Header) -> Result<(), PipelineError> {
        let path = self.path.clone();
        let failed = |source| Error::File { path: path.clone(), source };
        let expected =
            serde_json::to_string(header).map_err(|error| self.corrupt(1, error.to_string()))? + "\n";
        let mut reader = BufReader::new(self.file.try_clone().map_err(failed)?);
        let (mut number, mut whole) = (0, 0);
        let torn = loop {
            let mut line = Vec::new();
            let mut limited = reader.by_ref().take(MAX_LINE + 1);
            limited.read_until(b'\n', &mut line).map_err(failed)?;
            if line.last() != Some(&b'\n') && line.len() as u64 <= MAX_LINE {
                break line;
            }
            number += 1;
            if line.pop() != Some(b'\n') {
                return Err(self.corrupt(number, format!("has more than {MAX_LINE} bytes")));
            }
            whole += line.len() as u64 + 1;
            if number == 1 {
                self.check_header(&line, header)?;
            } else {
                let entry = read_entry(&line).map_err(|message| self.corrupt(number, message))?;
                if let Outcome::Done { output, filtered } = entry.outcome {
                    self.kept.insert(entry.key, Kept { line: number, output, filtered });
                }
            }
        };
        // Without a header nothing shows that the file is a journal: it is cut only if it is the start of one.
        if number == 0 && !expected.as_bytes().starts_with(&torn) {
            return Err(self.corrupt(1, "is no header of this run's journal"));
        }
        self.torn_bytes = torn.len() as u64;
        if !torn.is_empty() {
            self.file.set_len(whole).and_then(|()| self.file.sync_all()).map_err(failed)?;
        }
        self.file.seek(SeekFrom::Start(whole)).map_err(failed)?;
        if number == 0 {
            self.write(expected.as_bytes())?;
            // The name of a new file is stored with its folder; not every system can open one.
            let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
            if let Ok(folder) = File::open(folder.unwrap_or(Path::new("."))) {
                folder.sync_all().map_err(failed)?;
            }
        }
        Ok(())
    }

    fn check_header(&self, line: &[u8], expected: &Header) -> Result<(), PipelineError> {
        let found: Header = serde_json::from_slice(line)
            .map_err(|_| self.corrupt(1, format!("is no header of a `{FORMAT}`")))?;
        if found.format != FORMAT || found.schema != SCHEMA {
            return Err(self.corrupt(1, format!("is no header of a `{FORMAT}` of schema {SCHEMA}")));
        }
        let names = expected.configuration.keys().chain(found.configuration.keys());
        let differs = |name: &&String| expected.configuration.get(*name) != found.configuration.get(*name);
        let Some(field) = names.into_iter().find(differs) else { return Ok(()) };
        let show = |map: &Map<String, Value>| map.get(field).map_or("none".to_owned(), Value::to_string);
        Err(PipelineError::Configuration {
            path: self.path.clone(),
            field: field.clone(),
            found: show(&found.configuration),
            expected: show(&expected.configuration),
        })
    }
}

/// Reads a line; says what is wrong with it.
fn read_entry(line: &[u8]) -> Result<Entry, &'static str> {
    let line = str::from_utf8(line).map_err(|_| "is not UTF-8")?;
    let [before, between, after] = FRAME;
    let framed = line.strip_prefix(before).and_then(|rest| rest.split_at_checked(SUM));
    let framed = framed.and_then(|(sum, rest)| Some((sum, rest.strip_prefix(between)?.strip_suffix(after)?)));
    let (sum, json) = framed.ok_or("is not of the form {\"sum\":…,\"entry\":…}")?;
    if sum != hex(&Sha256::digest(json)) {
        return Err("does not have its checksum");
    }
    serde_json::from_str(json).map_err(|_| "is no entry of this program")
}

/// The bytes in hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}
