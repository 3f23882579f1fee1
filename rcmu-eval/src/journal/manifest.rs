use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use rcmu_core::{GenerateOptions, Grammar};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::run::{Mode, Shard};

/// What a run is: the first entry of its journal. Two runs with the same manifest give the same journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The generator's own name of its weights and settings.
    pub model: String,
    /// What is asked.
    pub dataset: DatasetIdentity,
    /// What is left out or changed of each item.
    pub mode: Mode,
    /// How answers are generated.
    pub options: Settings,
    /// The most seconds for one answer; none for no limit.
    pub timeout_secs: Option<f64>,
    /// How often each item is asked.
    pub repeats: u32,
    /// Which part of the dataset is asked.
    pub shard: Shard,
    /// The version of the chain that reads answers.
    pub chain: String,
    /// The version of this crate.
    pub version: String,
}

/// What tells one dataset from another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetIdentity {
    /// Its name.
    pub name: String,
    /// SHA-256 of its items, in hexadecimal digits.
    pub hash: String,
    /// How many items it has.
    pub items: u64,
}

/// The settings of a [`GenerateOptions`], as they stand in files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The most tokens to make.
    pub max_new_tokens: u32,
    /// Draws instead of taking the likeliest token.
    pub sample: Option<bool>,
    /// Divides the logits.
    pub temperature: Option<f32>,
    /// Keeps the k likeliest tokens.
    pub top_k: Option<u32>,
    /// Keeps the likeliest tokens whose probabilities reach p.
    pub top_p: Option<f32>,
    /// Drops tokens less likely than p times the likeliest.
    pub min_p: Option<f32>,
    /// Divides positive and multiplies negative logits of tokens already seen.
    pub repetition_penalty: Option<f32>,
    /// Taken from the logits of tokens that the answer has already; left out where there is none, as the next two, so that
    /// journals from before stay as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f32>,
    /// Taken from them for each time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f32>,
    /// Added to the logits of tokens.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub logit_bias: BTreeMap<u32, f32>,
    /// Start of the random sequence.
    pub seed: u64,
    /// The text ends before the first of these.
    pub stop: Vec<String>,
    /// What the text may consist of; left out where there is none, so that journals from before stay as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grammar: Option<Grammar>,
}

impl From<&GenerateOptions> for Settings {
    fn from(options: &GenerateOptions) -> Self {
        Self {
            max_new_tokens: options.max_new_tokens,
            sample: options.sample,
            temperature: options.temperature,
            top_k: options.top_k,
            top_p: options.top_p,
            min_p: options.min_p,
            repetition_penalty: options.repetition_penalty,
            presence_penalty: options.presence_penalty,
            frequency_penalty: options.frequency_penalty,
            logit_bias: options.logit_bias.clone(),
            seed: options.seed,
            stop: options.stop.clone(),
            grammar: options.grammar.clone(),
        }
    }
}

/// One field in which two manifests differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Path of the field, such as `options.seed`.
    pub field: String,
    /// Its value in the journal, as JSON; `nothing` when it is missing there.
    pub recorded: String,
    /// Its value in the run that was asked for.
    pub wanted: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is {}, not {}", self.field, self.recorded, self.wanted)
    }
}

impl Manifest {
    /// Everything in which `self`, the manifest of a journal, differs from the one of the run that is wanted.
    pub fn differences(&self, wanted: &Self) -> Vec<Difference> {
        differences(self, wanted)
    }

    /// How many records the finished journal has.
    pub fn records(&self) -> u64 {
        self.shard.len(self.dataset.items).saturating_mul(u64::from(self.repeats))
    }
}

/// Everything in which the manifest of a journal differs from the one that is wanted.
pub(super) fn differences<M: Serialize>(recorded: &M, wanted: &M) -> Vec<Difference> {
    let mut differences = Vec::new();
    let value = |manifest| serde_json::to_value(manifest).expect("a manifest has text keys only");
    compare("", Some(&value(recorded)), Some(&value(wanted)), &mut differences);
    differences
}

fn compare(path: &str, recorded: Option<&Value>, wanted: Option<&Value>, differences: &mut Vec<Difference>) {
    if recorded == wanted {
        return;
    }
    if let (Some(Value::Object(recorded)), Some(Value::Object(wanted))) = (recorded, wanted) {
        let names: BTreeSet<_> = recorded.keys().chain(wanted.keys()).collect();
        for name in names {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            compare(&path, recorded.get(name), wanted.get(name), differences);
        }
        return;
    }
    let shown = |value: Option<&Value>| value.map_or_else(|| "nothing".into(), Value::to_string);
    differences.push(Difference { field: path.into(), recorded: shown(recorded), wanted: shown(wanted) });
}
