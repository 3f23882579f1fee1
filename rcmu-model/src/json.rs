//! JSON files of a checkpoint: read within limits, repeated keys refused.

use std::{
    cell::Cell,
    fmt,
    fs::File,
    io::{ErrorKind, Read},
    path::Path,
};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::Error;

/// Reads a regular file of at most `max` bytes.
pub(crate) fn read_capped(path: &Path, max: u64) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::ReadFile { path: path.to_owned(), source };
    let refused = |problem: String| Error::CheckpointFile { path: path.to_owned(), problem };
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(refused("is not a regular file".into()));
    }
    if metadata.len() > max {
        return Err(refused(format!("has {} bytes, the limit is {max}", metadata.len())));
    }
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(max + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > max {
        return Err(refused(format!("grew over the limit of {max} bytes while it was read")));
    }
    Ok(bytes)
}

/// Whether there is something at `path`; a broken link counts, so that reading it fails instead of skipping it.
pub(crate) fn is_there(path: &Path) -> bool {
    !path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

/// What a settings file may cost to hold; a published one costs less than 200.
const MAX_COST: usize = 1 << 16;

/// Parses a settings file; an object that repeats a key is an error.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    parse_within(bytes, MAX_COST)
}

/// Parses a JSON value that costs at most `max_cost`; an object that repeats a key is an error.
///
/// A value costs 1, a key, a list and an object 2, 2 and 12 more: some 50 bytes of memory for each 1. A byte of JSON
/// can take 50 in memory, so that a limit of bytes is not enough.
pub(crate) fn parse_within(bytes: &[u8], max_cost: usize) -> Result<Value, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let left = Cell::new(max_cost);
    let value = Strict { left: &left }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Reads a value whose objects have unique keys.
#[derive(Clone, Copy)]
struct Strict<'a> {
    /// What the rest of the file may cost.
    left: &'a Cell<usize>,
}

impl Strict<'_> {
    fn pay<E: serde::de::Error>(self, cost: usize) -> Result<(), E> {
        let left = self.left.get().checked_sub(cost);
        self.left.set(left.ok_or_else(|| E::custom("more values than a file of this kind may have"))?);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.pay(1)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
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

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::from(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        self.pay(2)?;
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(self)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        self.pay(12)?;
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            self.pay(2)?;
            let value = map.next_value_seed(self)?;
            if object.contains_key(&key) {
                let shown: String = key.chars().take(80).flat_map(char::escape_debug).collect();
                return Err(A::Error::custom(format!("key \"{shown}\" is given twice")));
            }
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_key_at_any_depth_is_an_error() {
        assert!(parse(br#"{"a": 1, "b": {"c": [1, 2.5, null, true, "x"]}}"#).is_ok());
        assert!(parse(br#"{"a": 1, "a": 1}"#).is_err());
        assert!(parse(br#"{"b": [{"c": 1, "c": 2}]}"#).is_err());
    }

    #[test]
    fn rest_after_the_value_and_deep_nesting_are_errors() {
        assert!(parse(b"{} x").is_err());
        assert!(parse("[".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn a_file_of_too_many_values_is_an_error() {
        // 13 for the object, 2 for the key, 3 for the list, 2 for its values.
        let file = br#"{"a": [1, 2]}"#;

        assert!(parse_within(file, 20).is_ok());
        assert!(parse_within(file, 19).is_err());
        assert!(parse(format!("[{}0]", "0,".repeat(MAX_COST)).as_bytes()).is_err());
    }
}
