use rcmu_core::{Event, FinishReason, GenerateOptions, Generation, Stats, TokenLogprobs};

use super::{
    logprobs::Odds,
    sampler::{Sampler, SamplerSettings},
    stop::StopMatcher,
};
use crate::{
    Error,
    config::GenerationConfig,
    grammar::Constraint,
    tokenizer::{Specials, StreamDecoder, Tokenizer},
};

/// One answer while it is made: chooses tokens, turns them into text, knows when to stop.
pub(crate) struct Row<'a> {
    sampler: Sampler,
    constraint: Option<Constraint>,
    decoder: StreamDecoder,
    stop: StopMatcher,
    eos: &'a [u32],
    max_new_tokens: usize,
    /// Ids that the repetition penalty counts: prompt, then generated.
    seen: Vec<u32>,
    prompt_len: usize,
    /// How many of the likeliest tokens are told of each step, if any.
    likeliest: Option<u32>,
    logprobs: Vec<TokenLogprobs>,
    text: String,
    finish: Option<FinishReason>,
}

impl<'a> Row<'a> {
    /// Starts an answer to the prompt `ids`, which follows the constraint if there is one.
    pub(crate) fn new(
        ids: &[u32],
        options: &GenerateOptions,
        config: &'a GenerationConfig,
        tokenizer: &Tokenizer,
        constraint: Option<Constraint>,
    ) -> Self {
        Self {
            sampler: Sampler::new(SamplerSettings::resolve(options, config), options.seed),
            constraint,
            decoder: tokenizer.stream(Specials::Keep),
            stop: StopMatcher::new(&options.stop),
            eos: &config.eos_token_ids,
            max_new_tokens: options.max_new_tokens as usize,
            seen: ids.to_vec(),
            prompt_len: ids.len(),
            likeliest: options.logprobs,
            logprobs: Vec::new(),
            text: String::new(),
            finish: None,
        }
    }

    /// Why the answer ended, once it has.
    pub(crate) const fn finish(&self) -> Option<FinishReason> {
        self.finish
    }

    /// Ids made so far.
    pub(crate) fn new_ids(&self) -> &[u32] {
        &self.seen[self.prompt_len..]
    }

    /// Chooses the next token and tells its text; returns the token.
    ///
    /// # Errors
    ///
    /// [`Error::NonFiniteLogits`], [`Error::GrammarStep`].
    pub(crate) fn step(&mut self, logits: Vec<f32>, on_event: &mut dyn FnMut(Event)) -> Result<u32, Error> {
        let odds = self.likeliest.map(|likeliest| Odds::new(&logits, likeliest));
        let made = &self.seen[self.prompt_len..];
        let id = self.sampler.choose(logits, &self.seen, made, self.constraint.as_mut())?;
        self.logprobs.extend(odds.map(|odds| odds.of(id)));
        if let Some(constraint) = &mut self.constraint {
            constraint.advance(id)?;
        }
        self.seen.push(id);
        if self.eos.contains(&id) {
            self.end(FinishReason::EndOfText, on_event);
            return Ok(id);
        }
        if let Some(text) = self.decoder.push(id) {
            let step = self.stop.push(&text);
            self.tell(step.text, on_event);
            if step.stopped {
                self.finish = Some(FinishReason::StopString);
                return Ok(id);
            }
        }
        if self.new_ids().len() >= self.max_new_tokens {
            self.end(FinishReason::MaxTokens, on_event);
        }
        Ok(id)
    }

    /// Ends the answer from outside or because the model did; tells the text held back.
    pub(crate) fn end(&mut self, reason: FinishReason, on_event: &mut dyn FnMut(Event)) {
        let last = self.decoder.finish().unwrap_or_default();
        let step = self.stop.push(&last);
        let mut text = step.text;
        if step.stopped {
            self.finish = Some(FinishReason::StopString);
        } else {
            text.push_str(&self.stop.finish());
            self.finish = Some(reason);
        }
        self.tell(text, on_event);
    }

    fn tell(&mut self, text: String, on_event: &mut dyn FnMut(Event)) {
        if !text.is_empty() {
            self.text.push_str(&text);
            on_event(Event::Text(text));
        }
    }

    /// The finished answer.
    pub(crate) fn into_generation(self, mut stats: Stats) -> Generation {
        stats.new_tokens = self.seen.len() - self.prompt_len;
        Generation {
            text: self.text,
            token_ids: self.seen[self.prompt_len..].to_vec(),
            finish: self.finish.unwrap_or(FinishReason::MaxTokens),
            stats,
            logprobs: self.logprobs,
        }
    }
}
