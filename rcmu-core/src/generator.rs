use std::{
    error::Error as StdError,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{GenerateOptions, Prompt, Visual};

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
    /// How likely each token of `token_ids` was, where [`GenerateOptions::logprobs`] asked for it.
    pub logprobs: Vec<TokenLogprobs>,
}

/// How likely one token of an answer was, by the model's own logits: before penalties, bias, temperature, filters and
/// grammar.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenLogprobs {
    /// The token that was taken.
    pub chosen: TokenLogprob,
    /// The likeliest tokens, likeliest first, whether or not the one that was taken is among them.
    pub likeliest: Vec<TokenLogprob>,
}

/// A token and the natural logarithm of its probability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenLogprob {
    /// The token.
    pub id: u32,
    /// At most 0.
    pub logprob: f32,
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
    fn a_passed_deadline_and_a_cancelled_token_stop_the_work() {
        let control = Control::with_timeout(Duration::ZERO);
        assert_eq!(control.stop_reason(), Some(FinishReason::Deadline));

        let control = Control::default();
        assert_eq!(control.stop_reason(), None);
        control.cancel.clone().cancel();
        assert_eq!(control.stop_reason(), Some(FinishReason::Cancelled));
    }
}
