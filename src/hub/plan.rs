use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde::Deserialize;

use super::{HubError, cache::RepoCache, repo};

/// The file that names the shards of a checkpoint.
pub(super) const INDEX: &str = "model.safetensors.index.json";
const WEIGHTS: &str = "model.safetensors";
/// Small files that a checkpoint may have. A setting in one that is not looked for would be the default's.
pub(super) const OPTIONAL: [&str; 7] = [
    "generation_config.json",
    "preprocessor_config.json",
    "video_preprocessor_config.json",
    "processor_config.json",
    "tokenizer_config.json",
    "chat_template.json",
    "chat_template.jinja",
];

/// Largest file other than weights that is fetched or read, in bytes; a tokenizer has some ten million.
pub(super) const MAX_SMALL: u64 = 64 << 20;
/// Most shards of a checkpoint.
const MAX_SHARDS: usize = 1000;

/// The files of a checkpoint that are there and that are not, the large ones last.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Required and optional files that are there.
    pub(super) files: Vec<String>,
    /// Required files that are not.
    pub(super) missing: Vec<String>,
    /// Optional files of a snapshot that are not there, though nobody has said that the commit does not have them.
    pub(super) unknown: Vec<&'static str>,
}

impl Plan {
    /// Chooses among the files that exist; shards are not looked at.
    pub(super) fn of_names(has: impl Fn(&str) -> bool) -> Self {
        let mut plan = Self::default();
        let mut need = |file: &str| {
            let list = if has(file) { &mut plan.files } else { &mut plan.missing };
            list.push(file.to_owned());
        };
        need("config.json");
        OPTIONAL.iter().filter(|file| has(file)).for_each(|file| need(file));
        if has("tokenizer.json") || !has("vocab.json") {
            need("tokenizer.json");
        } else {
            need("vocab.json");
            need("merges.txt");
        }
        need(if has(INDEX) && !has(WEIGHTS) { INDEX } else { WEIGHTS });
        plan
    }

    /// Looks at a commit in the cache, with its shards.
    pub(super) fn of_snapshot(cache: &RepoCache, commit: &str) -> Result<Self, HubError> {
        let mut plan = Self::of_names(|file| cache.has(commit, file));
        if plan.files.iter().any(|file| file == INDEX) {
            for shard in shards(&cache.snapshot(commit).join(INDEX))? {
                let list = if cache.has(commit, &shard) { &mut plan.files } else { &mut plan.missing };
                list.push(shard);
            }
        }
        let is_unknown = |file: &&str| !cache.has(commit, file) && !cache.lacks(commit, file);
        plan.unknown = OPTIONAL.into_iter().filter(is_unknown).collect();
        Ok(plan)
    }
}

/// The published index of a sharded checkpoint.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// The shards that an index names, each once, all of them plain file names.
pub(super) fn shards(index: &Path) -> Result<BTreeSet<String>, HubError> {
    let corrupt = |problem: String| HubError::Corrupt { file: INDEX.to_owned(), problem };
    let len = fs::metadata(index).map_err(HubError::io(index))?.len();
    if len > MAX_SMALL {
        return Err(corrupt(format!("{len} bytes, the limit is {MAX_SMALL}")));
    }
    let bytes = fs::read(index).map_err(HubError::io(index))?;
    let parsed: Index = serde_json::from_slice(&bytes).map_err(|error| corrupt(error.to_string()))?;
    let shards: BTreeSet<String> = parsed.weight_map.into_values().collect();
    let safe = |name: &String| {
        repo::is_plain(name) && !name.starts_with('.') && name.strip_suffix(".safetensors").is_some()
    };
    if let Some(name) = shards.iter().find(|name| !safe(name)) {
        return Err(HubError::UnsafeName { file: INDEX.to_owned(), name: name.clone() });
    }
    if shards.is_empty() || shards.len() > MAX_SHARDS {
        return Err(corrupt(format!("{} shards, expected 1 to {MAX_SHARDS}", shards.len())));
    }
    Ok(shards)
}
