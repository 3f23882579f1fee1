use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

use super::ledger::Ledger;

/// A JSON value in which no object names a key twice.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
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
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Strict(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Map::new();
        while let Some((key, Strict(value))) = map.next_entry::<String, Strict>()? {
            if entries.contains_key(&key) {
                return Err(A::Error::custom(format!("key {key:?} stands twice in one object")));
            }
            entries.insert(key, value);
        }
        Ok(Value::Object(entries))
    }
}

/// Reads JSON; a key that stands twice in one object is an error.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, String> {
    serde_json::from_slice::<Strict>(bytes).map(|strict| strict.0).map_err(|error| error.to_string())
}

/// Enters every leaf of a document: scalars, and lists that hold no object.
pub(super) fn enter_leaves(ledger: &Ledger, name: &str, value: &Value) {
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            for (key, value) in entries {
                enter_leaves(ledger, &child(name, key), value);
            }
        }
        Value::Array(items) if items.iter().any(holds_object) => {
            for (index, item) in items.iter().enumerate() {
                enter_leaves(ledger, &format!("{name}[{index}]"), item);
            }
        }
        _ => ledger.add(name.to_owned()),
    }
}

fn holds_object(value: &Value) -> bool {
    match value {
        Value::Object(_) => true,
        Value::Array(items) => items.iter().any(holds_object),
        _ => false,
    }
}

fn child(name: &str, key: &str) -> String {
    if name.ends_with(": ") { format!("{name}{key}") } else { format!("{name}.{key}") }
}

/// A value of a document that knows its name; taking it strikes it out in the ledger.
#[derive(Clone)]
pub(super) struct Node<'a> {
    ledger: &'a Ledger,
    value: &'a Value,
    name: String,
}

impl<'a> Node<'a> {
    pub(super) fn root(ledger: &'a Ledger, file: &str, value: &'a Value) -> Self {
        Self { ledger, value, name: format!("{file}: ") }
    }

    /// `file: path`.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn is_null(&self) -> bool {
        self.value.is_null()
    }

    /// The value of a key, if there is one.
    pub(super) fn get(&self, key: &str) -> Option<Node<'a>> {
        let value = self.value.get(key)?;
        Some(Node { ledger: self.ledger, value, name: child(&self.name, key) })
    }

    /// The value of a key.
    pub(super) fn need(&self, key: &str) -> Result<Node<'a>, String> {
        self.get(key).ok_or_else(|| format!("{key} is missing"))
    }

    /// The entries of a list; none of anything else.
    pub(super) fn items(&self) -> Vec<Node<'a>> {
        let items = self.value.as_array().map_or(&[][..], Vec::as_slice);
        let node =
            |(index, value)| Node { ledger: self.ledger, value, name: format!("{}[{index}]", self.name) };
        items.iter().enumerate().map(node).collect()
    }

    /// Keys and values of an object; none of anything else.
    pub(super) fn entries(&self) -> Vec<(&'a str, Node<'a>)> {
        let Some(entries) = self.value.as_object() else { return Vec::new() };
        let node = |(key, value): (&'a String, &'a Value)| {
            (key.as_str(), Node { ledger: self.ledger, value, name: child(&self.name, key) })
        };
        entries.iter().map(node).collect()
    }

    /// The value as a type, without striking it out.
    pub(super) fn peek<T: DeserializeOwned>(&self) -> Result<T, String> {
        T::deserialize(self.value).map_err(|error| format!("{}: {error}", self.name))
    }

    /// The value as a type; it and all below it count as checked.
    pub(super) fn take<T: DeserializeOwned>(&self) -> Result<T, String> {
        self.strike();
        self.peek()
    }

    /// The value of a key as a type; it counts as checked.
    pub(super) fn field<T: DeserializeOwned>(&self, key: &str) -> Result<T, String> {
        self.need(key)?.take()
    }

    /// Counts the value and all below it as checked.
    pub(super) fn strike(&self) {
        self.ledger.strike(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_stands_twice_is_refused() {
        assert!(parse(br#"{"a": {"b": 1, "c": 2}}"#).is_ok());
        assert!(parse(br#"{"a": {"b": 1, "b": 2}}"#).is_err_and(|error| error.contains("twice")));
        assert!(parse(b"[NaN]").is_err());
    }

    #[test]
    fn taking_a_value_leaves_its_neighbours_unchecked() -> Result<(), String> {
        let ledger = Ledger::default();
        let value = parse(br#"{"rows": [{"a": [[1], [2]], "b": 3}, {"a": [], "b": 4}]}"#)?;
        enter_leaves(&ledger, "x.json: ", &value);
        let root = Node::root(&ledger, "x.json", &value);

        for row in root.need("rows")?.items() {
            row.field::<Vec<Vec<u8>>>("a")?;
        }

        assert_eq!(ledger.rest(), [("x.json: rows[*].b".to_owned(), 2)]);
        Ok(())
    }
}
