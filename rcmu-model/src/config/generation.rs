use std::path::Path;

use serde_json::Value;

use super::{
    ModelConfig,
    fields::{Fields, Problems},
};
use crate::{Error, json};

/// The checkpoint's defaults for generation.
///
/// # Source
///
/// `generation_config.json`. Without the file, decoding is greedy and ends at the ids of `config.json`, which are those
/// that the published files name. Where nothing is said about `top_k`, drawing keeps 50, as in the reference.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct GenerationConfig {
    /// Draws instead of taking the likeliest token.
    pub do_sample: bool,
    /// Divides the logits. A file that says 0 means the likeliest token, so that `do_sample` is off then (ours; the
    /// reference refuses to draw with 0, and reads the file).
    pub temperature: Option<f32>,
    /// Keeps the k likeliest tokens.
    pub top_k: Option<u32>,
    /// Keeps the likeliest tokens whose probabilities reach p.
    pub top_p: Option<f32>,
    /// Drops tokens less likely than p times the likeliest.
    pub min_p: Option<f32>,
    /// Divides positive and multiplies negative logits of tokens already seen.
    pub repetition_penalty: Option<f32>,
    /// Any of these ends the answer.
    pub eos_token_ids: Vec<u32>,
    /// Fills the rows of a batch.
    pub pad_token_id: u32,
}

impl GenerationConfig {
    /// Reads the file of a checkpoint directory, if it is there.
    ///
    /// # Errors
    ///
    /// [`Error::ReadFile`], [`Error::CheckpointFile`], [`Error::ConfigSyntax`], or [`Error::Config`] with everything that
    /// is wrong.
    pub fn from_dir(dir: &Path, config: &ModelConfig) -> Result<Self, Error> {
        let path = dir.join("generation_config.json");
        if json::is_there(&path) {
            Self::from_json(&json::read_capped(&path, super::MAX_BYTES)?, config)
        } else {
            Self::from_json(b"{}", config)
        }
    }

    /// Reads the bytes of a `generation_config.json`.
    ///
    /// # Errors
    ///
    /// [`Error::ConfigSyntax`], or [`Error::Config`] with everything that is wrong.
    pub fn from_json(bytes: &[u8], config: &ModelConfig) -> Result<Self, Error> {
        let file = "generation_config.json";
        let root = json::parse(bytes).map_err(|source| Error::ConfigSyntax { file, source })?;
        let mut problems = Problems::new();
        if !root.is_object() {
            problems.push("the file is not an object".into());
        }
        let fields = Fields::new("", [Some(&root)]);
        let number = |name: &str, range: std::ops::RangeInclusive<f64>, problems: &mut Problems| {
            fields.value(name).map(|_| fields.number(name, range, problems) as f32)
        };
        let likeliest = fields.value("temperature").and_then(Value::as_f64) == Some(0.0);
        let last = config.text.vocab_size.saturating_sub(1) as u64;
        let generation = Self {
            do_sample: fields.flag("do_sample", false, &mut problems) && !likeliest,
            temperature: if likeliest { None } else { number("temperature", LEAST..=1e6, &mut problems) },
            // 0 switches the filter off in the reference.
            top_k: Some(fields.count("top_k", 0..=u64::from(u32::MAX), Some(DEFAULT_TOP_K), &mut problems))
                .map(|k| k as u32)
                .filter(|&k| k > 0),
            top_p: number("top_p", LEAST..=1.0, &mut problems),
            min_p: number("min_p", 0.0..=1.0, &mut problems),
            repetition_penalty: number("repetition_penalty", LEAST..=1e6, &mut problems),
            eos_token_ids: read_ends(&fields, config, &mut problems),
            pad_token_id: fields.count(
                "pad_token_id",
                0..=last,
                Some(u64::from(config.bos_token_id.unwrap_or(0))),
                &mut problems,
            ) as u32,
        };
        if problems.is_empty() { Ok(generation) } else { Err(Error::Config { file, problems }) }
    }
}

/// What the reference keeps where neither a file nor a caller says.
const DEFAULT_TOP_K: u64 = 50;
/// Least number that logits are divided by; the published files have 0.001 at least. Much less makes them infinite.
const LEAST: f64 = 1e-6;

/// The ids of the file, or else those of `config.json`.
fn read_ends(fields: &Fields<'_>, config: &ModelConfig, problems: &mut Problems) -> Vec<u32> {
    let found = fields.tokens("eos_token_id", config.text.vocab_size, problems);
    found.unwrap_or_else(|| {
        let mut ends = config.eos_token_ids.clone();
        ends.extend(config.bos_token_id.filter(|id| !ends.contains(id)));
        if config.eos_token_ids.is_empty() {
            problems.push(
                "eos_token_id is missing, here and in config.json, expected ids of the vocabulary".into(),
            );
        }
        ends
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ModelConfig;

    #[test]
    fn a_temperature_of_zero_means_the_likeliest_token() {
        let config =
            ModelConfig::from_json(include_bytes!("../../../tests/fixtures/golden/tiny_bf16/config.json"))
                .expect("the fixture is a model");
        let read = |text: &str| GenerationConfig::from_json(text.as_bytes(), &config);

        let zero = read(r#"{"do_sample": true, "temperature": 0.0, "top_k": 5}"#).expect("zero is read");
        let small = read(r#"{"do_sample": true, "temperature": 0.01}"#).expect("a small one is read");

        assert_eq!((zero.do_sample, zero.temperature, zero.top_k), (false, None, Some(5)));
        assert_eq!((small.do_sample, small.temperature), (true, Some(0.01)));
        assert!(read(r#"{"temperature": -1}"#).is_err());
    }

    #[test]
    fn fifty_tokens_are_kept_unless_the_file_says_otherwise() {
        let config =
            ModelConfig::from_json(include_bytes!("../../../tests/fixtures/golden/tiny_bf16/config.json"))
                .expect("the fixture is a model");
        let top_k = |text: &str| {
            GenerationConfig::from_json(text.as_bytes(), &config).expect("the settings are right").top_k
        };

        assert_eq!(top_k(r#"{"do_sample": true, "temperature": 0.7}"#), Some(50));
        assert_eq!(top_k(r#"{"do_sample": true, "top_k": null}"#), Some(50));
        assert_eq!(top_k(r#"{"do_sample": true, "top_k": 0}"#), None);
        assert_eq!(top_k(r#"{"do_sample": true, "top_k": 7}"#), Some(7));
        assert_eq!(top_k("{}"), Some(50));
    }

    #[test]
    fn one_of_the_files_says_what_ends_an_answer() {
        let mut config =
            ModelConfig::from_json(include_bytes!("../../../tests/fixtures/golden/tiny_bf16/config.json"))
                .expect("the fixture is a model");
        let ends = |text: &str, config: &ModelConfig| {
            GenerationConfig::from_json(text.as_bytes(), config).map(|read| read.eos_token_ids)
        };
        (config.eos_token_ids, config.bos_token_id) = (vec![7, 5], Some(5));

        assert_eq!(ends("{}", &config).expect("config.json says it"), [7, 5]);
        assert_eq!(ends(r#"{"eos_token_id": [3, 4]}"#, &config).expect("the file says it"), [3, 4]);
        (config.eos_token_ids, config.bos_token_id) = (Vec::new(), None);
        assert_eq!(ends(r#"{"eos_token_id": 3}"#, &config).expect("the file says it"), [3]);
        let error = ends("{}", &config).expect_err("no file says it");
        assert!(error.to_string().contains("eos_token_id is missing"), "{error}");
    }
}
