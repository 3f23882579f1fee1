//! Reads `tokenizer.json`.

use std::{cell::Cell, collections::BTreeSet, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::{
    json::{Json, JsonSeed, MergesSeed, Object, VocabSeed, insert, shorten},
    shape::{self, Fields, Parts, Place},
};
use crate::Error;

/// Name of the file.
pub(super) const NAME: &str = "tokenizer.json";

/// Settings that are read over: they would cut or fill sequences behind the caller's back.
const IGNORED: [&str; 2] = ["truncation", "padding"];

/// Reads the file and checks its settings.
pub(super) fn parse(bytes: &[u8]) -> Result<Parts, Error> {
    let budget = JsonSeed::budget();
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let file = FileSeed(&budget)
        .deserialize(&mut reader)
        .and_then(|file| reader.end().map(|()| file))
        .map_err(|source| Error::TokenizerSyntax { file: NAME, source })?;

    let root = Place { file: NAME, field: "" };
    let mut fields = Fields::new(root, file.settings);
    fields.expect_text("version", "1.0")?;
    shape::check_normalizer(NAME, fields.take("normalizer"))?;
    shape::check_pre_tokenizer(NAME, fields.take("pre_tokenizer"))?;
    match fields.take("post_processor") {
        None | Some(Json::Null) => {}
        value => shape::check_byte_level(NAME, "post_processor", value)?,
    }
    shape::check_byte_level(NAME, "decoder", fields.take("decoder"))?;
    let tokens = match fields.take("added_tokens") {
        Some(Json::List(tokens)) => tokens,
        other => return Err(root.refuse("added_tokens", other.as_ref(), "a list")),
    };
    fields.finish()?;
    let model = file.model.ok_or_else(|| root.refuse("model", None, "an object"))?;
    shape::check_model(NAME, model.settings)?;
    let place = Place { file: NAME, field: "model" };

    let added = tokens.into_iter().enumerate().map(|(index, token)| {
        let field = format!("added_tokens[{index}]");
        shape::added_token(Place { file: NAME, field: &field }, None, token)
    });
    Ok(Parts {
        file: NAME,
        vocab: model.vocab.ok_or_else(|| place.refuse("vocab", None, "an object"))?,
        merges: model.merges.ok_or_else(|| place.refuse("merges", None, "a list"))?,
        added: added.collect::<Result<_, _>>()?,
        notes: file.notes,
    })
}

/// The file, with the large parts apart.
#[derive(Default)]
struct File {
    settings: Object,
    model: Option<Model>,
    notes: Vec<String>,
}

/// The field `model`.
#[derive(Default)]
struct Model {
    settings: Object,
    vocab: Option<Vec<(String, u32)>>,
    merges: Option<Vec<(String, String)>>,
}

struct FileSeed<'a>(&'a Cell<usize>);

impl<'de> DeserializeSeed<'de> for FileSeed<'_> {
    type Value = File;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<File, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for FileSeed<'_> {
    type Value = File;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<File, E> {
        Err(E::custom("an object was expected, not text"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<File, A::Error> {
        let mut file = File::default();
        let mut ignored = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if let Some(&name) = IGNORED.iter().find(|name| **name == key) {
                if !ignored.insert(name) {
                    return Err(A::Error::custom(format_args!("the key \"{name}\" stands twice")));
                }
                if map.next_value::<Option<IgnoredAny>>()?.is_some() {
                    file.notes.push(format!("{NAME}: {name} is set and ignored"));
                }
            } else if key == "model" {
                let model = map.next_value_seed(ModelSeed(self.0))?;
                set(&mut file.model, &key, model)?;
            } else {
                let value = map.next_value_seed(JsonSeed::new(self.0))?;
                insert(&mut file.settings, key, value)?;
            }
        }
        Ok(file)
    }
}

struct ModelSeed<'a>(&'a Cell<usize>);

impl<'de> DeserializeSeed<'de> for ModelSeed<'_> {
    type Value = Model;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Model, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ModelSeed<'_> {
    type Value = Model;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<Model, E> {
        Err(E::custom("an object was expected, not text"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Model, A::Error> {
        let mut model = Model::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "vocab" => {
                    let vocab = map.next_value_seed(VocabSeed)?;
                    set(&mut model.vocab, &key, vocab)?;
                }
                "merges" => {
                    let merges = map.next_value_seed(MergesSeed)?;
                    set(&mut model.merges, &key, merges)?;
                }
                _ => {
                    let value = map.next_value_seed(JsonSeed::new(self.0))?;
                    insert(&mut model.settings, key, value)?;
                }
            }
        }
        Ok(model)
    }
}

/// Fills a field that must be empty.
fn set<V, E: serde::de::Error>(field: &mut Option<V>, key: &str, value: V) -> Result<(), E> {
    match field.replace(value) {
        Some(_) => Err(E::custom(format_args!("the key \"{}\" stands twice", shorten(key)))),
        None => Ok(()),
    }
}
