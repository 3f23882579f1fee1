//! JSON lines with errors that name the file, the line and the field.

use std::{
    fmt,
    fs::{self, File},
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use rcmu_data::Error;
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeOwned, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

/// Longest line in bytes.
pub(crate) const MAX_LINE: usize = 4 << 20;
/// Longest message about a value, in bytes: it may hold the value itself.
const MAX_MESSAGE: usize = 200;

/// Reads every line of a file that is not blank.
///
/// # Errors
///
/// [`Error::File`] when it cannot be read; [`Error::Line`] for a line that is no JSON object, is over 4 MiB, or at which
/// `take` finds fault.
pub(crate) fn read(path: &Path, mut take: impl FnMut(u64, Fields) -> Result<(), Error>) -> Result<(), Error> {
    let failed = |source| Error::File { path: path.to_owned(), source };
    // Asked before opening: opening a pipe would wait for its writer.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(failed(io::Error::other("is not a regular file")));
    }
    let mut input = BufReader::new(File::open(path).map_err(failed)?);
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        let limit = MAX_LINE as u64 + 1;
        if input.by_ref().take(limit).read_until(b'\n', &mut bytes).map_err(failed)? == 0 {
            break;
        }
        let result = object(&bytes).and_then(|fields| fields.map_or(Ok(()), |fields| take(line, fields)));
        result.map_err(|error| on_line(path, line, error))?;
    }
    Ok(())
}

/// Puts a field's error on its line.
pub(crate) fn on_line(path: &Path, line: u64, error: Error) -> Error {
    let path = PathBuf::from(path);
    match error {
        Error::Field { field, message } => Error::Line { path, line, field, message },
        Error::Core(error) => Error::Line { path, line, field: String::new(), message: error.to_string() },
        other => other,
    }
}

/// An error about one field.
pub(crate) fn wrong(field: impl Into<String>, message: impl Into<String>) -> Error {
    Error::Field { field: field.into(), message: message.into() }
}

/// The object on a line; `None` for a blank one.
fn object(bytes: &[u8]) -> Result<Option<Fields>, Error> {
    if bytes.len() > MAX_LINE {
        return Err(wrong("", format!("is longer than {MAX_LINE} bytes")));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| wrong("", "is not UTF-8"))?;
    if text.trim().is_empty() {
        return Ok(None);
    }
    let value = serde_json::from_str::<Unique>(text).map_err(|error| {
        let message = error.to_string();
        let what = message.split(" at line ").next().unwrap_or_default();
        wrong("", format!("is no JSON at column {}: {}", error.column(), shorten(what)))
    })?;
    Fields::of(value.0, "").map(Some)
}

/// The beginning of a text that may be of any length.
fn shorten(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_MESSAGE)]
}

/// The fields of an object, taken one by one; one that nobody takes is an error.
#[derive(Debug)]
pub(crate) struct Fields {
    path: String,
    map: Map<String, Value>,
}

impl Fields {
    /// The fields of the object at `path`.
    pub(crate) fn of(value: Value, path: impl Into<String>) -> Result<Self, Error> {
        let path = path.into();
        match value {
            Value::Object(map) => Ok(Self { path, map }),
            _ => Err(wrong(path, "is no object")),
        }
    }

    /// The path of a field.
    pub(crate) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Takes a field, if it is there; `null` counts as missing.
    pub(crate) fn optional<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, Error> {
        let value = self.map.remove(name).filter(|value| !value.is_null());
        let typed = |value| {
            serde_json::from_value(value).map_err(|error| {
                wrong(self.path(name), format!("is not valid: {}", shorten(&error.to_string())))
            })
        };
        value.map(typed).transpose()
    }

    /// Takes a field.
    pub(crate) fn required<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, Error> {
        self.optional(name)?.ok_or_else(|| wrong(self.path(name), "is missing"))
    }

    /// Ends with an error when there is a field that nobody took.
    pub(crate) fn finish(self) -> Result<(), Error> {
        match self.map.keys().next() {
            Some(name) => Err(wrong(self.path(shorten(name)), "is no field of this format")),
            None => Ok(()),
        }
    }
}

/// A JSON value in which no key stands twice.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Self)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Unique(value)) = seq.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some((key, Unique(value))) = map.next_entry::<String, Unique>()? {
            if values.contains_key(&key) {
                return Err(de::Error::custom(format!("the key `{}` stands twice", shorten(&key))));
            }
            values.insert(key, value);
        }
        Ok(Value::Object(values))
    }
}
