use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeOwned, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

use crate::{
    Error,
    formats::repair::{Repair, Repairs},
};

/// Longest message about a value, in bytes: it may hold the value itself.
const MAX_MESSAGE: usize = 200;

/// Reads JSON; a key that stands twice in an object is an error.
pub(super) fn parse(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str::<Unique>(text).map(|unique| unique.0)
}

/// An error about one field.
pub(super) fn wrong(field: impl Into<String>, message: impl Into<String>) -> Error {
    Error::Field { field: field.into(), message: message.into() }
}

/// The beginning of a text that may be of any length.
pub(super) fn shorten(text: &str) -> String {
    if text.len() <= MAX_MESSAGE {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(MAX_MESSAGE)])
}

/// The fields of an object, taken one by one; those nobody takes are told.
pub(super) struct Fields {
    path: String,
    map: Map<String, Value>,
}

impl Fields {
    /// The fields of the object at `path`.
    pub(super) fn of(value: Value, path: impl Into<String>) -> Result<Self, Error> {
        let path = path.into();
        match value {
            Value::Object(map) => Ok(Self { path, map }),
            other => Err(wrong(path, format!("is {}, expected an object", kind(&other)))),
        }
    }

    /// The path of a field.
    pub(super) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Takes a field as it is; `null` counts as missing.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name).filter(|value| !value.is_null())
    }

    /// Takes a field of a type, if it is there.
    pub(super) fn optional<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, Error> {
        self.take(name).map(|value| typed(value, &self.path(name))).transpose()
    }

    /// Takes a field of a type.
    pub(super) fn required<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, Error> {
        self.optional(name)?.ok_or_else(|| wrong(self.path(name), "is missing"))
    }

    /// Takes a list, if it is there; empty otherwise.
    pub(super) fn list(&mut self, name: &str) -> Result<Vec<Value>, Error> {
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(values)) => Ok(values),
            Some(other) => Err(wrong(self.path(name), format!("is {}, expected a list", kind(&other)))),
        }
    }

    /// Tells the fields that nobody took.
    pub(super) fn finish(self, line: u64, repairs: &mut Repairs) {
        for name in self.map.keys() {
            repairs.tell(line, Repair::UnknownField(pattern(&self.path(name))));
        }
    }
}

/// A value of a type.
pub(super) fn typed<T: DeserializeOwned>(value: Value, path: &str) -> Result<T, Error> {
    serde_json::from_value(value).map_err(|error| wrong(path, shorten(&format!("is not valid: {error}"))))
}

/// Tells the fields of `given` that are not among those of `known`, at any depth.
pub(super) fn tell_unknown(given: &Value, known: &Value, path: &str, line: u64, repairs: &mut Repairs) {
    match (given, known) {
        (Value::Object(given), Value::Object(known)) => {
            for (name, value) in given {
                let path = format!("{path}.{name}");
                match known.get(name) {
                    Some(known) => tell_unknown(value, known, &path, line, repairs),
                    None if value.is_null() => {}
                    None => repairs.tell(line, Repair::UnknownField(pattern(&path))),
                }
            }
        }
        (Value::Array(given), Value::Array(known)) => {
            for (given, known) in given.iter().zip(known) {
                tell_unknown(given, known, &format!("{path}[]"), line, repairs);
            }
        }
        _ => {}
    }
}

/// A path without its numbers, so that the same field of many entries is told once: `regions[2].x` → `regions[].x`.
fn pattern(path: &str) -> String {
    let mut inside = false;
    let kept = path.chars().filter(|&c| {
        inside = (inside || c == '[') && c != ']';
        !(inside && c.is_ascii_digit())
    });
    shorten(&kept.collect::<String>())
}

/// What a value is, in words.
pub(super) const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
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

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
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
        while let Some(key) = map.next_key::<String>()? {
            if values.contains_key(&key) {
                return Err(de::Error::custom(format!("the key `{}` stands twice", shorten(&key))));
            }
            let Unique(value) = map.next_value()?;
            values.insert(key, value);
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_stands_twice_is_refused_at_any_depth() {
        let error = parse(r#"{"a": [{"b": 1, "b": 2}]}"#).expect_err("`b` stands twice");

        assert!(error.to_string().starts_with("the key `b` stands twice"), "{error}");
        assert_eq!(parse(r#"{"a": [{"b": 1}, {"b": -2.5}]}"#).unwrap()["a"][1]["b"], -2.5);
    }

    #[test]
    fn too_deep_lists_are_refused() {
        assert!(parse(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn the_numbers_of_a_path_are_left_out_of_its_pattern() {
        assert_eq!(pattern("regions[12].x2[3]"), "regions[].x2[]");
    }
}
