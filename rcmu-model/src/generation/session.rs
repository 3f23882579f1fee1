use std::{
    ops::{ControlFlow, Range},
    time::Instant,
};

use burn::tensor::Tensor;
use rcmu_core::{Control, Event, FinishReason, GenerateError, Generation, Request, Stats};

use super::{EncodedRequest, Row, features::FeatureStore};
use crate::{
    Error,
    layers::{AttentionMask, Observer, Step},
    model::{Model, callers_own, to_host},
    pool::awake,
    position::Positions,
    qwen2_vl::{TokenBatch, axes},
    text::KvCache,
};

/// Bytes of picture features that a session keeps: some 80 large pictures for the 2B model in f32.
const FEATURE_BYTES: usize = 512 << 20;

/// Questions to one model that share work: features of pictures seen before, and keys and values of the longest
/// common beginning of two prompts.
///
/// What is kept is given back by [`Session::clear`], and where a request would not fit `LoadOptions::memory_budget` beside it.
///
/// A prompt whose beginning is known is answered as a new one is, but for rounding: its tokens run in other numbers together
/// and are added up in another order.
///
/// A picture is known by SHA-256 over its pixels, size and preprocessing, so another picture can never stand in for
/// it. Sessions share a model and nothing else.
///
/// On the CPU passes through the model take the threads of rayon's pool, which look for work without falling asleep while a
/// single session generates, as long as they find some now and then. A program that has long tasks of its own in that pool calls from another one
/// (`rayon::ThreadPool::install`).
#[derive(Debug)]
pub struct Session {
    model: Model,
    cache: Option<KvCache>,
    /// What the cache holds, one entry per token.
    past: Vec<PastToken>,
    features: FeatureStore,
}

/// What a cached token was: equal entries have equal keys and values, given that all before them are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PastToken {
    content: PastContent,
    position: [u32; 3],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PastContent {
    Text(u32),
    Patch { picture: [u8; 32], index: u32 },
}

/// Ends a pass when the caller wants it to end.
pub(super) struct StopCheck<'a>(pub(super) &'a Control);

impl Observer for StopCheck<'_> {
    fn observe(&mut self, _: Step, _: &Tensor<2>) -> ControlFlow<()> {
        if self.0.stop_reason().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl Session {
    pub(crate) fn new(model: Model) -> Self {
        Self { model, cache: None, past: Vec::new(), features: FeatureStore::new(FEATURE_BYTES) }
    }

    /// The model that answers.
    pub const fn model(&self) -> &Model {
        &self.model
    }

    /// Tokens whose keys and values are kept.
    pub const fn cached_tokens(&self) -> usize {
        self.past.len()
    }

    /// Bytes that are kept on the model's device: keys and values, with the room set aside for more of them, and features
    /// of pictures.
    pub fn held_bytes(&self) -> u64 {
        self.cache.as_ref().map_or(0, KvCache::held_bytes) + self.features.bytes() as u64
    }

    /// Gives back all that is kept, so that the next request begins anew.
    pub fn clear(&mut self) {
        self.features.clear();
        self.past.clear();
        self.cache = None;
    }

    /// Continues the prompt of a request; reuses what an earlier request of this session left.
    ///
    /// # Errors
    ///
    /// [`GenerateError::Request`] when the request cannot be answered (its source is an [`Error`]),
    /// [`GenerateError::Engine`] when the logits are not finite, [`GenerateError::BackendFailed`] when the backend broke; the
    /// session can be used again after the first two. A panic of `on_event` goes on to the caller.
    pub fn generate(
        &mut self,
        request: &Request,
        control: &Control,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Generation, GenerateError> {
        let model = self.model.clone();
        let mut on_event = |event| callers_own(|| on_event(event));
        let result = model.guarded(|| self.run(request, control, &mut on_event));
        if result.is_err() {
            // Whatever was half done must not be taken for a known beginning.
            self.forget_from(0);
        }
        result
    }

    fn run(
        &mut self,
        request: &Request,
        control: &Control,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Generation, Error> {
        let model = self.model.clone();
        let started = Instant::now();
        model.check_options(&request.options)?;
        let constraint = model.constraint(&request.options)?;
        let outline = model.outline(&request.prompt, &request.visuals)?;
        let plan = model.plan_outline(&outline, &request.options)?;
        plan.check(model.memory_budget())?;
        self.make_room(plan.total_bytes(), plan.kv_bytes);
        let mut stats = plan.stats();
        let (prompt_tokens, image_tokens) = (stats.prompt_tokens, stats.image_tokens);
        let _entered = tracing::info_span!("generate", prompt_tokens, image_tokens).entered();
        let (config, tokenizer) = (model.generation_config(), model.tokenizer());
        let mut row = Row::new(&outline.input_ids, &request.options, config, tokenizer, constraint);
        let encoded = unless_stopped(model.encode_outline(outline, &request.visuals, control))?;
        stats.process_time = started.elapsed();
        on_event(Event::Started { prompt_tokens: stats.prompt_tokens, image_tokens: stats.image_tokens });
        let Some(encoded) = encoded else {
            row.end(control.stop_reason().unwrap_or(FinishReason::Cancelled), on_event);
            return Ok(finished(row, stats, on_event));
        };
        let first = || self.prefill(&encoded, &request.options, control, &mut stats);
        let Some(mut logits) = awake(model.device(), first)? else {
            row.end(control.stop_reason().unwrap_or(FinishReason::Cancelled), on_event);
            return Ok(finished(row, stats, on_event));
        };

        let started = Instant::now();
        loop {
            let id = row.step(logits, on_event)?;
            if row.finish().is_some() {
                break;
            }
            if let Some(reason) = control.stop_reason() {
                row.end(reason, on_event);
                break;
            }
            let Some(next) = awake(model.device(), || self.decode(id, control))? else {
                row.end(control.stop_reason().unwrap_or(FinishReason::Cancelled), on_event);
                break;
            };
            logits = next;
        }
        stats.decode_time = started.elapsed();
        Ok(finished(row, stats, on_event))
    }

    /// Runs the part of the prompt that is not in the cache; returns the logits after its last token.
    ///
    /// `None` when it was stopped from outside.
    fn prefill(
        &mut self,
        encoded: &EncodedRequest,
        options: &rcmu_core::GenerateOptions,
        control: &Control,
        stats: &mut Stats,
    ) -> Result<Option<Vec<f32>>, Error> {
        let started = Instant::now();
        let (model, tokens) = (self.model.clone(), encoded.input_ids.len());
        let room = tokens + options.max_new_tokens as usize;
        let Some(hidden) = self.run_prefix(encoded, tokens, room, control, stats) else { return Ok(None) };
        let [rows, width] = hidden.dims();
        let logits = model.network().logits(hidden.slice([rows - 1..rows, 0..width]));
        let logits = to_host(logits)?;
        stats.prefill_time = started.elapsed().saturating_sub(stats.vision_time);
        Ok(Some(logits))
    }

    /// Runs the first tokens of a prompt, up to `end`, of which the cache may have some; returns the hidden states of those
    /// that ran, the last one at least, `[tokens, hidden]`. The cache gets room for `room` tokens.
    ///
    /// `None` when it was stopped from outside.
    pub(super) fn run_prefix(
        &mut self,
        encoded: &EncodedRequest,
        end: usize,
        room: usize,
        control: &Control,
        stats: &mut Stats,
    ) -> Option<Tensor<2>> {
        let model = self.model.clone();
        let mut past = past_tokens(encoded);
        past.truncate(end);
        let reused = self.known_tokens(&past);
        self.forget_from(reused);
        stats.reused_tokens = reused;

        let features = self.features_after(reused..end, encoded, control, stats)?;
        self.reserve(room);
        let tokens = TokenBatch {
            embeds: model.network().embed(&encoded.input_ids[reused..end], features, model.device()),
            positions: vec![axes(&encoded.positions, reused..end)],
            mask: AttentionMask::Causal,
        };
        let Some(hidden) = self.forward(tokens, control) else {
            self.forget_from(reused);
            return None;
        };
        self.past = past;
        Some(hidden)
    }

    /// How many of the first tokens are in the cache. One token at least must run, for what comes after it.
    pub(super) fn known_tokens(&self, tokens: &[PastToken]) -> usize {
        let common = tokens.iter().zip(&self.past).take_while(|(new, old)| new == old).count();
        common.min(tokens.len().saturating_sub(1))
    }

    /// A cache of `rows` rows that all begin with the first `tokens` tokens of this session's.
    pub(super) fn forked(&self, rows: usize, tokens: usize, capacity: usize) -> KvCache {
        match &self.cache {
            Some(cache) if tokens > 0 => cache.forked(rows, tokens, capacity),
            _ => {
                let model = &self.model;
                KvCache::new(&model.config().text, rows, capacity, model.device(), model.network().dtype())
            }
        }
    }

    /// Features of the pictures whose tokens are among those that will run, with the place of their first row there.
    ///
    /// `None` when it was stopped from outside.
    pub(super) fn features_after(
        &mut self,
        tokens: Range<usize>,
        encoded: &EncodedRequest,
        control: &Control,
        stats: &mut Stats,
    ) -> Option<Vec<(usize, Tensor<2>)>> {
        let model = self.model.clone();
        let mut features = Vec::new();
        let reused = tokens.start;
        for visual in encoded.visuals.iter().filter(|visual| visual.tokens.start < tokens.end) {
            if visual.tokens.end <= reused {
                stats.reused_pictures += 1;
                continue;
            }
            let rows = if let Some(rows) = self.features.find(&visual.key) {
                stats.reused_pictures += 1;
                rows
            } else {
                let started = Instant::now();
                let pixels = visual.pixel_values.clone();
                let grids = [visual.grid];
                let rows = model.network().see(pixels, &grids, model.device(), &mut StopCheck(control))?;
                model.settle();
                stats.vision_time += started.elapsed();
                self.features.insert(visual.key, rows.clone());
                rows
            };
            let [count, width] = rows.dims();
            let skipped = reused.saturating_sub(visual.tokens.start);
            let rows = if skipped == 0 { rows } else { rows.slice([skipped..count, 0..width]) };
            features.push((visual.tokens.start.max(reused) - reused, rows));
        }
        Some(features)
    }

    /// Runs one generated token; `None` when it was stopped from outside.
    fn decode(&mut self, id: u32, control: &Control) -> Result<Option<Vec<f32>>, Error> {
        let model = self.model.clone();
        // All axes go on together after the largest position so far, as after a prompt.
        let next = self.past.iter().flat_map(|token| token.position).max().map_or(0, |last| last + 1);
        let position = [next];
        let tokens = TokenBatch {
            embeds: model.network().embed(&[id], Vec::new(), model.device()),
            positions: vec![[&position; 3]],
            mask: AttentionMask::Causal,
        };
        let len = self.past.len();
        let Some(hidden) = self.forward(tokens, control) else {
            self.forget_from(len);
            return Ok(None);
        };
        self.past.push(PastToken { content: PastContent::Text(id), position: [next; 3] });
        to_host(model.network().logits(hidden)).map(Some)
    }

    fn forward(&mut self, tokens: TokenBatch<'_>, control: &Control) -> Option<Tensor<2>> {
        let model = self.model.clone();
        let cache = self.cache.as_mut().expect("`reserve` has made a cache before any pass");
        model.network().decode(tokens, model.config(), cache, &mut StopCheck(control))
    }

    /// Gives back what is kept, features of pictures first, where `needed` bytes would not fit the budget beside it. Of these
    /// the session's own cache, which never shrinks, will be `own`.
    pub(super) fn make_room(&mut self, needed: u64, own: u64) {
        let Some(budget) = self.model.memory_budget() else { return };
        let cache = self.cache.as_ref().map_or(0, KvCache::held_bytes);
        let beside = needed.saturating_add(cache.saturating_sub(own));
        if beside.saturating_add(self.features.bytes() as u64) > budget {
            self.features.clear();
        }
        if beside > budget {
            self.clear();
        }
    }

    /// Makes room for `tokens` tokens in all.
    fn reserve(&mut self, tokens: usize) {
        let model = &self.model;
        if let Some(cache) = &mut self.cache {
            cache.reserve(tokens);
        } else {
            let (device, dtype) = (model.device(), model.network().dtype());
            self.cache = Some(KvCache::new(&model.config().text, 1, tokens, device, dtype));
        }
    }

    /// Forgets all tokens from `len` on.
    pub(super) fn forget_from(&mut self, len: usize) {
        self.past.truncate(len);
        if let Some(cache) = &mut self.cache {
            cache.truncate(len);
        }
    }
}

/// The outcome, or none where it was stopped from outside.
pub(super) fn unless_stopped<T>(outcome: Result<T, Error>) -> Result<Option<T>, Error> {
    match outcome {
        Err(Error::Stopped) => Ok(None),
        other => other.map(Some),
    }
}

fn finished(row: Row<'_>, stats: Stats, on_event: &mut dyn FnMut(Event)) -> Generation {
    let generation = row.into_generation(stats);
    let Stats { new_tokens, reused_tokens, vision_time, prefill_time, decode_time, .. } = generation.stats;
    tracing::debug!(
        new_tokens,
        reused_tokens,
        ?vision_time,
        ?prefill_time,
        ?decode_time,
        "{:?}",
        generation.finish
    );
    on_event(Event::Finished { reason: generation.finish, stats: generation.stats.clone() });
    generation
}

/// One entry per token of the prompt.
pub(super) fn past_tokens(encoded: &EncodedRequest) -> Vec<PastToken> {
    let Positions { position_ids: [t, h, w], .. } = &encoded.positions;
    let mut past: Vec<PastToken> = encoded
        .input_ids
        .iter()
        .enumerate()
        .map(|(i, &id)| PastToken { content: PastContent::Text(id), position: [t[i], h[i], w[i]] })
        .collect();
    for visual in &encoded.visuals {
        for (index, token) in past[visual.tokens.clone()].iter_mut().enumerate() {
            token.content = PastContent::Patch { picture: visual.key, index: index as u32 };
        }
    }
    past
}

const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<Session>();
};
