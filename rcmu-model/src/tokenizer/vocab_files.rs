//! Reads `vocab.json`, `merges.txt` and `tokenizer_config.json`, the older form of the same tokenizer.

use std::{fmt, path::Path};

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::{
    json::{Json, JsonSeed, VocabSeed, check_count},
    read,
    shape::{self, AddedToken, Parts, Place},
};
use crate::Error;

const VOCAB: &str = "vocab.json";
const MERGES: &str = "merges.txt";
const CONFIG: &str = "tokenizer_config.json";
/// The field of [`CONFIG`] with the added tokens.
const ADDED: &str = "added_tokens_decoder";

/// Reads the three files of a directory; the settings are those of Qwen2, as these files name none.
pub(super) fn read(dir: &Path) -> Result<Parts, Error> {
    Ok(Parts {
        file: VOCAB,
        vocab: parse(VOCAB, &read::file(&dir.join(VOCAB))?, VocabSeed)?,
        merges: parse_merges(&read::file(&dir.join(MERGES))?)?,
        added: parse_added(&read::file(&dir.join(CONFIG))?)?,
        notes: Vec::new(),
    })
}

fn parse<'de, S: DeserializeSeed<'de>>(
    file: &'static str,
    bytes: &'de [u8],
    seed: S,
) -> Result<S::Value, Error> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    seed.deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|source| Error::TokenizerSyntax { file, source })
}

/// One merge per line, two tokens with a space between; the first line may name the version.
fn parse_merges(bytes: &[u8]) -> Result<Vec<(String, String)>, Error> {
    let refuse = |line: usize, problem| Error::TokenizerEntry {
        file: MERGES,
        entry: format!("line {}", line + 1),
        problem,
    };
    let text = str::from_utf8(bytes).map_err(|error| {
        let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        refuse(valid.matches('\n').count(), "is not UTF-8")
    })?;
    let mut merges = Vec::new();
    for (line, merge) in text.lines().enumerate() {
        if merge.is_empty() || line == 0 && merge.starts_with("#version") {
            continue;
        }
        let (left, right) = merge.split_once(' ').ok_or_else(|| refuse(line, "is not a pair of tokens"))?;
        check_count::<serde::de::value::Error>(merges.len())
            .map_err(|_| refuse(line, "is one of more than 1,048,576 merges"))?;
        merges.push((left.to_owned(), right.to_owned()));
    }
    Ok(merges)
}

/// The added tokens of [`CONFIG`].
fn parse_added(bytes: &[u8]) -> Result<Vec<AddedToken>, Error> {
    let root = Place { file: CONFIG, field: "" };
    let tokens = match parse(CONFIG, bytes, ConfigSeed)? {
        Some(Json::Object(tokens)) => tokens,
        other => return Err(root.refuse(ADDED, other.as_ref(), "an object")),
    };
    let added = tokens.into_iter().map(|(key, token)| {
        let place = Place { file: CONFIG, field: ADDED };
        // "+1" and "01" would be other keys for the same id.
        let id = key.parse::<u32>().ok().filter(|id| id.to_string() == key);
        let id = id.ok_or_else(|| place.refuse(&key, Some(&token), "a token id as the key"))?;
        let field = format!("{ADDED}.{id}");
        shape::added_token(Place { file: CONFIG, field: &field }, Some(id), token)
    });
    added.collect()
}

/// Reads one field of the file and over all others.
struct ConfigSeed;

impl<'de> DeserializeSeed<'de> for ConfigSeed {
    type Value = Option<Json>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ConfigSeed {
    type Value = Option<Json>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<Self::Value, E> {
        Err(E::custom("an object was expected, not text"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let budget = JsonSeed::budget();
        let mut added = None;
        while let Some(key) = map.next_key::<String>()? {
            if key != ADDED {
                map.next_value::<IgnoredAny>()?;
            } else if added.replace(map.next_value_seed(JsonSeed::new(&budget))?).is_some() {
                return Err(A::Error::custom(format_args!("the key \"{ADDED}\" stands twice")));
            }
        }
        Ok(added)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_are_read_in_order() {
        let merges = parse_merges(b"#version: 0.2\n\xc4\xa0 t\r\n\nh e\n").unwrap();

        assert_eq!(merges, [("Ġ".into(), "t".into()), ("h".into(), "e".into())]);
    }

    #[test]
    fn a_line_without_a_pair_is_named() {
        let error = parse_merges(b"a b\nab\n").unwrap_err();

        assert!(matches!(error, Error::TokenizerEntry { ref entry, .. } if entry == "line 2"), "{error}");
    }

    #[test]
    fn two_spellings_of_an_id_are_refused() {
        let error = parse_added(br#"{"added_tokens_decoder": {"07": {"content": "<|a|>"}}}"#).unwrap_err();

        assert!(matches!(error, Error::TokenizerSetting { .. }), "{error}");
    }
}
