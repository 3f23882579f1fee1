//! JSON from outside, read within limits and without repeated keys.

use std::{cell::Cell, collections::BTreeMap, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// Values that the small parts of a file hold at most: 4096 added tokens have 32 thousand.
const MAX_VALUES: usize = 1 << 17;
/// The most entries of a vocabulary, and the most merges.
const MAX_ENTRIES: usize = 1 << 20;
/// The most bytes of a token; the longest published one has 256.
const MAX_TOKEN_BYTES: usize = 1024;

/// A JSON object; keys are unique.
pub(super) type Object = BTreeMap<String, Json>;

/// A JSON value of a small part.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    /// A whole number that is not negative.
    Count(u64),
    /// Any other number.
    Number(f64),
    Text(String),
    List(Vec<Json>),
    Object(Object),
}

impl fmt::Display for Json {
    /// The value in a few characters, for messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Count(value) => write!(f, "{value}"),
            Self::Number(value) => write!(f, "{value}"),
            Self::Text(text) => write!(f, "\"{}\"", shorten(text)),
            Self::List(_) => f.write_str("a list"),
            Self::Object(_) => f.write_str("an object"),
        }
    }
}

/// The beginning of a text from outside, with control characters made visible.
pub(super) fn shorten(text: &str) -> String {
    const MAX_CHARS: usize = 40;
    text.chars().take(MAX_CHARS).flat_map(char::escape_debug).collect()
}

/// Reads a [`Json`], counting its values.
#[derive(Clone, Copy)]
pub(super) struct JsonSeed<'a> {
    left: &'a Cell<usize>,
}

impl<'a> JsonSeed<'a> {
    /// Values that may still be read; shared by all parts of one file.
    pub(super) fn budget() -> Cell<usize> {
        Cell::new(MAX_VALUES)
    }

    pub(super) fn new(left: &'a Cell<usize>) -> Self {
        Self { left }
    }
}

impl<'de> DeserializeSeed<'de> for JsonSeed<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        let left = self.left.get().checked_sub(1).ok_or_else(|| D::Error::custom("too many values"))?;
        self.left.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for JsonSeed<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Count(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Number(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(self)? {
            values.push(value);
        }
        Ok(Json::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut object = Object::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(self)?;
            insert(&mut object, key, value)?;
        }
        Ok(Json::Object(object))
    }
}

/// Adds a field to an object that must not have it yet.
pub(super) fn insert<V, E: serde::de::Error>(
    object: &mut BTreeMap<String, V>,
    key: String,
    value: V,
) -> Result<(), E> {
    if object.contains_key(&key) {
        return Err(E::custom(format_args!("the key \"{}\" stands twice", shorten(&key))));
    }
    object.insert(key, value);
    Ok(())
}

/// Text is refused without being quoted: it may be as long as the file.
macro_rules! refuse_text {
    () => {
        fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<Self::Value, E> {
            Err(E::invalid_type(serde::de::Unexpected::Other("text"), &self))
        }
    };
}

/// A token of the vocabulary, not too long.
struct Token;

impl<'de> DeserializeSeed<'de> for Token {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Token {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a token")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<String, E> {
        if text.is_empty() || text.len() > MAX_TOKEN_BYTES {
            return Err(E::custom("a token of 1 to 1024 bytes was expected"));
        }
        Ok(text.to_owned())
    }
}

/// The id of a token.
struct Id;

impl<'de> DeserializeSeed<'de> for Id {
    type Value = u32;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u32, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Id {
    type Value = u32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a token id below 2^32")
    }

    refuse_text!();

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<u32, E> {
        u32::try_from(value).map_err(|_| E::invalid_value(serde::de::Unexpected::Unsigned(value), &self))
    }
}

/// Reads `{"token": id, …}`, in the order of the file.
pub(super) struct VocabSeed;

impl<'de> DeserializeSeed<'de> for VocabSeed {
    type Value = Vec<(String, u32)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for VocabSeed {
    type Value = Vec<(String, u32)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tokens and ids")
    }

    refuse_text!();

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut vocab = Vec::new();
        while let Some(token) = map.next_key_seed(Token)? {
            check_count::<A::Error>(vocab.len())?;
            vocab.push((token, map.next_value_seed(Id)?));
        }
        Ok(vocab)
    }
}

/// Reads a list of merges, each `"a b"` or `["a", "b"]`.
pub(super) struct MergesSeed;

impl<'de> DeserializeSeed<'de> for MergesSeed {
    type Value = Vec<(String, String)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for MergesSeed {
    type Value = Vec<(String, String)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of merges")
    }

    refuse_text!();

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut merges = Vec::new();
        while let Some(merge) = list.next_element_seed(Merge)? {
            check_count::<A::Error>(merges.len())?;
            merges.push(merge);
        }
        Ok(merges)
    }
}

/// One merge.
struct Merge;

impl<'de> DeserializeSeed<'de> for Merge {
    type Value = (String, String);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Merge {
    type Value = (String, String);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("two tokens with a space between, or a list of two tokens")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        let (left, right) = text
            .split_once(' ')
            .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Other("text without a space"), &self))?;
        Ok((Token.visit_str(left)?, Token.visit_str(right)?))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut next = || {
            list.next_element_seed(Token)?
                .ok_or_else(|| A::Error::custom("a merge of two tokens was expected"))
        };
        let merge = (next()?, next()?);
        if list.next_element_seed(Token)?.is_some() {
            return Err(A::Error::custom("a merge of two tokens was expected"));
        }
        Ok(merge)
    }
}

/// Refuses one entry too many.
pub(super) fn check_count<E: serde::de::Error>(entries: usize) -> Result<(), E> {
    if entries >= MAX_ENTRIES {
        return Err(E::custom("more than 1,048,576 entries"));
    }
    Ok(())
}
