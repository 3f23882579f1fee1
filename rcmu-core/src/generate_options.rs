use std::collections::BTreeMap;

use crate::{Error, Grammar};

/// Settings of one generation. `None` means: as the checkpoint's `generation_config.json` says, and greedy where
/// that says nothing.
///
/// `temperature`, `top_k`, `top_p` and `min_p` go together: where one of them is set, the file's values of the other
/// three do not count, and tokens are drawn unless `sample` says otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerateOptions {
    /// The most tokens to make; at least 1.
    pub max_new_tokens: u32,
    /// Draws instead of taking the likeliest token. `Some(false)` is greedy whatever the other settings say.
    pub sample: Option<bool>,
    /// Divides the logits; from [`GenerateOptions::MIN_DIVISOR`] to [`GenerateOptions::MAX_DIVISOR`].
    pub temperature: Option<f32>,
    /// Keeps the k likeliest tokens; at least 1.
    pub top_k: Option<u32>,
    /// Keeps the likeliest tokens whose probabilities reach p; in (0, 1].
    pub top_p: Option<f32>,
    /// Drops tokens less likely than p times the likeliest; in [0, 1].
    pub min_p: Option<f32>,
    /// Divides positive and multiplies negative logits of tokens already seen; as the temperature.
    pub repetition_penalty: Option<f32>,
    /// Taken from the logits of tokens that the answer has already; in [-2, 2]. `None` is 0 here and in the next two,
    /// whatever the checkpoint says: they are no settings of its file.
    pub presence_penalty: Option<f32>,
    /// Taken from the logits of tokens for each time that the answer has them already; in [-2, 2].
    pub frequency_penalty: Option<f32>,
    /// Added to the logits of tokens, by id; each in [-100, 100], where -100 is as good as never.
    pub logit_bias: BTreeMap<u32, f32>,
    /// Start of the random sequence; the same seed gives the same text on the same device.
    pub seed: u64,
    /// The text ends before the one of these that is complete first, in whatever pieces it comes.
    pub stop: Vec<String>,
    /// Tells how likely each token was, and so many of the likeliest beside it; at most 20.
    pub logprobs: Option<u32>,
    /// What the text may consist of; anything, if there is none. A text that is cut, by `max_new_tokens`, a stop string or
    /// from outside, is the beginning of one that follows the grammar. A generator that cannot obey refuses the request.
    pub grammar: Option<Grammar>,
}

impl Default for GenerateOptions {
    fn default() -> Self {
        Self {
            max_new_tokens: 512,
            sample: None,
            temperature: None,
            top_k: None,
            top_p: None,
            min_p: None,
            repetition_penalty: None,
            presence_penalty: None,
            frequency_penalty: None,
            logit_bias: BTreeMap::new(),
            seed: 0,
            stop: Vec::new(),
            logprobs: None,
            grammar: None,
        }
    }
}

impl GenerateOptions {
    /// The most tokens that one generation may be asked for.
    pub const MAX_NEW_TOKENS: u32 = 1 << 20;
    /// The most stop strings.
    pub const MAX_STOPS: usize = 64;
    /// The most tokens of a bias.
    pub const MAX_BIASES: usize = 1024;
    /// The most likeliest tokens that are told.
    pub const MAX_LOGPROBS: u32 = 20;
    /// The most bytes of a stop string.
    pub const MAX_STOP_BYTES: usize = 1024;
    /// The least number that logits may be divided by, as in a `generation_config.json`: far below what is of use
    /// (a temperature of 0.001 is as good as greedy), and far from where quotients of finite logits become infinite.
    pub const MIN_DIVISOR: f32 = 1e-6;
    /// The largest number that logits may be divided or multiplied by, as in a `generation_config.json`.
    pub const MAX_DIVISOR: f32 = 1e6;

    /// Greedy decoding of at most `max_new_tokens` tokens.
    pub fn greedy(max_new_tokens: u32) -> Self {
        Self { max_new_tokens, sample: Some(false), ..Self::default() }
    }

    /// Checks every setting against its range.
    ///
    /// # Errors
    ///
    /// [`Error::GenerateOption`] naming the first setting that is NaN, infinite or out of its range.
    pub fn check(&self) -> Result<(), Error> {
        fn test<T: ToString + Copy>(
            option: &'static str,
            value: Option<T>,
            expected: &'static str,
            good: impl Fn(T) -> bool,
        ) -> Result<(), Error> {
            match value {
                Some(value) if !good(value) => {
                    Err(Error::GenerateOption { option, value: value.to_string(), expected })
                }
                _ => Ok(()),
            }
        }
        let divides = |v: f32| (Self::MIN_DIVISOR..=Self::MAX_DIVISOR).contains(&v);
        test("max_new_tokens", Some(self.max_new_tokens), "1..=1048576", |v| {
            (1..=Self::MAX_NEW_TOKENS).contains(&v)
        })?;
        test("temperature", self.temperature, "[0.000001, 1000000]", divides)?;
        test("top_k", self.top_k, "1 and above", |v| v >= 1)?;
        test("top_p", self.top_p, "(0, 1]", |v| v > 0.0 && v <= 1.0)?;
        test("min_p", self.min_p, "[0, 1]", |v| (0.0..=1.0).contains(&v))?;
        test("repetition_penalty", self.repetition_penalty, "[0.000001, 1000000]", divides)?;
        let takes = |v: f32| (-2.0..=2.0).contains(&v);
        test("presence_penalty", self.presence_penalty, "[-2, 2]", takes)?;
        test("frequency_penalty", self.frequency_penalty, "[-2, 2]", takes)?;
        test("logprobs", self.logprobs, "0..=20", |v| v <= Self::MAX_LOGPROBS)?;
        test("logit_bias", Some(self.logit_bias.len()), "at most 1024 tokens", |v| v <= Self::MAX_BIASES)?;
        for &bias in self.logit_bias.values() {
            test("logit_bias", Some(bias), "[-100, 100]", |v| (-100.0..=100.0).contains(&v))?;
        }
        let good = |stop: &String| (1..=Self::MAX_STOP_BYTES).contains(&stop.len());
        if self.stop.len() > Self::MAX_STOPS || !self.stop.iter().all(good) {
            let longest = self.stop.iter().map(String::len).max().unwrap_or(0);
            return Err(Error::GenerateOption {
                option: "stop",
                value: format!("{} strings of up to {longest} bytes", self.stop.len()),
                expected: "up to 64 strings of 1 to 1024 bytes",
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_out_of_range_are_refused_by_name() {
        let bad = |set: fn(&mut GenerateOptions)| {
            let mut options = GenerateOptions::default();
            set(&mut options);
            match options.check() {
                Err(Error::GenerateOption { option, .. }) => option,
                other => panic!("expected an error, found {other:?}"),
            }
        };

        assert_eq!(bad(|o| o.max_new_tokens = 0), "max_new_tokens");
        assert_eq!(bad(|o| o.max_new_tokens = u32::MAX), "max_new_tokens");
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1.0, 0.0] {
            for option in ["temperature", "repetition_penalty", "top_p"] {
                let mut options = GenerateOptions::default();
                match option {
                    "temperature" => options.temperature = Some(value),
                    "top_p" => options.top_p = Some(value),
                    _ => options.repetition_penalty = Some(value),
                }
                assert!(options.check().is_err(), "{option} = {value}");
            }
        }
        for value in [1e-40, 9e-7, 1.1e6, f32::MAX] {
            let options = GenerateOptions { temperature: Some(value), ..GenerateOptions::default() };
            assert!(options.check().is_err(), "temperature = {value}");
            let options = GenerateOptions { repetition_penalty: Some(value), ..GenerateOptions::default() };
            assert!(options.check().is_err(), "repetition_penalty = {value}");
        }
        assert_eq!(bad(|o| o.top_p = Some(1.5)), "top_p");
        assert_eq!(bad(|o| o.min_p = Some(f32::NAN)), "min_p");
        assert_eq!(bad(|o| o.top_k = Some(0)), "top_k");
        for value in [f32::NAN, f32::INFINITY, 2.1, -2.1] {
            let presence = GenerateOptions { presence_penalty: Some(value), ..GenerateOptions::default() };
            let frequency = GenerateOptions { frequency_penalty: Some(value), ..GenerateOptions::default() };
            assert!(presence.check().is_err() && frequency.check().is_err(), "{value}");
        }
        for value in [f32::NAN, f32::NEG_INFINITY, 100.5, -101.0] {
            let biased = GenerateOptions { logit_bias: [(7, value)].into(), ..GenerateOptions::default() };
            assert!(biased.check().is_err(), "{value}");
        }
        assert_eq!(bad(|o| o.logit_bias = (0..1025).map(|id| (id, 1.0)).collect()), "logit_bias");
        assert_eq!(bad(|o| o.logprobs = Some(21)), "logprobs");
        assert_eq!(bad(|o| o.stop = vec![String::new()]), "stop");
        assert_eq!(bad(|o| o.stop = vec!["x".repeat(1025)]), "stop");
        assert_eq!(bad(|o| o.stop = vec!["x".into(); 65]), "stop");
        assert_eq!(GenerateOptions::default().check(), Ok(()));
        for value in [GenerateOptions::MIN_DIVISOR, 0.001, 1.0, GenerateOptions::MAX_DIVISOR] {
            let options = GenerateOptions {
                temperature: Some(value),
                repetition_penalty: Some(value),
                ..GenerateOptions::default()
            };
            assert_eq!(options.check(), Ok(()), "{value}");
        }
        for value in [-2.0, 0.0, 2.0] {
            let options = GenerateOptions {
                presence_penalty: Some(value),
                frequency_penalty: Some(value),
                logit_bias: [(0, 50.0 * value)].into(),
                logprobs: Some(20),
                ..GenerateOptions::default()
            };
            assert_eq!(options.check(), Ok(()), "{value}");
        }
    }
}
