use std::{fs, path::Path};

use serde_json::Value;

use crate::{Error, config::ModelConfig, json};

/// Files that describe a model beside its weights.
pub(crate) const COMPANIONS: [&str; 13] = [
    CONFIG,
    "generation_config.json",
    "preprocessor_config.json",
    "video_preprocessor_config.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
    "chat_template.json",
    "chat_template.jinja",
    "special_tokens_map.json",
];

const CONFIG: &str = "config.json";
/// Says that the embedding table is the head.
const TIE: &str = "tie_word_embeddings";

/// The files that describe a model, as they have to stand beside weights that are written for these settings of it: where the
/// head was missing and the table serves as head, they say so.
pub(crate) fn companions(dir: &Path, config: &ModelConfig) -> Result<Vec<(&'static str, Vec<u8>)>, Error> {
    let mut files = Vec::new();
    for name in COMPANIONS {
        let path = dir.join(name);
        if !path.is_file() {
            continue;
        }
        let mut bytes = fs::read(&path).map_err(|source| Error::ReadFile { path: path.clone(), source })?;
        if name == CONFIG && config.tie_word_embeddings {
            bytes = tied(bytes)?;
        }
        files.push((name, bytes));
    }
    Ok(files)
}

/// The settings with a head that is tied.
fn tied(bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
    let syntax = |source| Error::ConfigSyntax { file: CONFIG, source };
    let mut root = json::parse(&bytes).map_err(syntax)?;
    let is_tied = |root: &Value| root.get(TIE) == Some(&Value::Bool(true));
    let nested = root.get("text_config").filter(|nested| nested.get(TIE).is_some());
    if is_tied(&root) && nested.is_none_or(is_tied) {
        return Ok(bytes);
    }
    if nested.is_some() {
        root["text_config"][TIE] = true.into();
    }
    root[TIE] = true.into();
    serde_json::to_vec_pretty(&root).map_err(syntax)
}
