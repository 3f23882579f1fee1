use std::{
    error::Error as StdError,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{Error, Grammar, Prompt, Visual};

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
    /// Start of the random sequence; the same seed gives the same text on the same device.
    pub seed: u64,
    /// The text ends before the one of these that is complete first, in whatever pieces it comes.
    pub stop: Vec<String>,
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
            seed: 0,
            stop: Vec::new(),
            grammar: None,
        }
    }
}

impl GenerateOptions {
    /// The most tokens that one generation may be asked for.
    pub const MAX_NEW_TOKENS: u32 = 1 << 20;
    /// The most stop strings.
    pub const MAX_STOPS: usize = 64;
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

/// Stops a generation from any thread. Clones share the flag.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// A token that is not cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the work to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether the work was asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What may end a generation from outside.
#[derive(Clone, Debug, Default)]
pub struct Control {
    /// Stops within one token, one vision layer or one decoder layer of the prefill.
    pub cancel: CancelToken,
    /// Ends the work at this moment.
    pub deadline: Option<Instant>,
}

impl Control {
    /// Ends the work after `timeout` from now.
    pub fn with_timeout(timeout: Duration) -> Self {
        Self { cancel: CancelToken::new(), deadline: Instant::now().checked_add(timeout) }
    }

    /// Why the work has to stop now, if it has to.
    pub fn stop_reason(&self) -> Option<FinishReason> {
        if self.cancel.is_cancelled() {
            Some(FinishReason::Cancelled)
        } else if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            Some(FinishReason::Deadline)
        } else {
            None
        }
    }
}

/// Why a generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FinishReason {
    /// The model ended its turn.
    EndOfText,
    /// One of the stop strings came.
    StopString,
    /// `max_new_tokens` were made.
    MaxTokens,
    /// The cancel token was set or the stream was dropped.
    Cancelled,
    /// The deadline passed.
    Deadline,
}

impl FinishReason {
    /// Whether the text was cut before the model ended it.
    pub const fn is_partial(self) -> bool {
        !matches!(self, Self::EndOfText | Self::StopString)
    }
}

/// What one generation cost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    /// Tokens of the prompt, those of pictures included.
    pub prompt_tokens: usize,
    /// Prompt tokens that stand for pictures.
    pub image_tokens: usize,
    /// Prompt tokens whose keys and values were still there from an earlier question.
    pub reused_tokens: usize,
    /// Pictures whose features were still there.
    pub reused_pictures: usize,
    /// Tokens made.
    pub new_tokens: usize,
    /// Decoding pictures, resizing and encoding the prompt.
    pub process_time: Duration,
    /// The vision tower.
    pub vision_time: Duration,
    /// The prompt through the decoder, up to the first token.
    pub prefill_time: Duration,
    /// All further tokens.
    pub decode_time: Duration,
}

impl Stats {
    /// Time from the request to the first token.
    pub fn time_to_first_token(&self) -> Duration {
        self.process_time + self.vision_time + self.prefill_time
    }

    /// Tokens per second after the first token; 0 when there was only one.
    pub fn tokens_per_second(&self) -> f64 {
        let seconds = self.decode_time.as_secs_f64();
        if self.new_tokens > 1 && seconds > 0.0 { (self.new_tokens - 1) as f64 / seconds } else { 0.0 }
    }
}

/// What happens while an answer is made, in order.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The prompt has been encoded.
    Started {
        /// Tokens of the prompt, those of pictures included.
        prompt_tokens: usize,
        /// Prompt tokens that stand for pictures.
        image_tokens: usize,
    },
    /// More text; whole characters only.
    Text(String),
    /// The end; nothing follows.
    Finished {
        /// Why.
        reason: FinishReason,
        /// What it cost.
        stats: Stats,
    },
}

/// A finished generation.
#[derive(Clone, Debug, PartialEq)]
pub struct Generation {
    /// The text, with box and other control tokens written out, without the end token.
    pub text: String,
    /// The ids made, the end token included; empty for engines that do not tell.
    pub token_ids: Vec<u32>,
    /// Why it ended.
    pub finish: FinishReason,
    /// What it cost.
    pub stats: Stats,
}

/// A prompt with what fills its picture places.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// What the model reads.
    pub prompt: Prompt,
    /// Images and videos, in the order of their places in the prompt.
    pub visuals: Vec<Visual>,
    /// How to generate.
    pub options: GenerateOptions,
}

/// Why a generator gave no text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// The request is at fault; another request may succeed.
    #[error("the request cannot be answered")]
    Request(#[source] Box<dyn StdError + Send + Sync>),
    /// The engine is at fault.
    #[error("the engine failed")]
    Engine(#[source] Box<dyn StdError + Send + Sync>),
    /// A backend broke in the middle of its work; this engine must be loaded anew.
    #[error("the backend failed: {message}")]
    BackendFailed {
        /// What the backend said.
        message: String,
    },
    /// The generator cannot do what an option asks for, and does not pretend to.
    #[error("this generator cannot obey the option `{option}`")]
    Unsupported {
        /// The field of [`GenerateOptions`].
        option: &'static str,
    },
    /// A scripted generator has no answer left.
    #[error("no scripted answer is left")]
    ScriptEnded,
}

/// Anything that continues a prompt: a local model, a remote engine, a recording, a script.
pub trait Generator: Send + Sync {
    /// A stable name of the weights and settings, for keys and reports.
    fn identity(&self) -> String;

    /// Continues the prompt, telling `on_event` what happens.
    ///
    /// Cancellation and deadline are no errors: the text so far is returned with its reason.
    ///
    /// # Errors
    ///
    /// [`GenerateError`] when no text can be made.
    fn generate(
        &self,
        request: &Request,
        control: &Control,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Generation, GenerateError>;
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
    }

    #[test]
    fn a_passed_deadline_and_a_cancelled_token_stop_the_work() {
        let control = Control::with_timeout(Duration::ZERO);
        assert_eq!(control.stop_reason(), Some(FinishReason::Deadline));

        let control = Control::default();
        assert_eq!(control.stop_reason(), None);
        control.cancel.clone().cancel();
        assert_eq!(control.stop_reason(), Some(FinishReason::Cancelled));
    }
}
