use std::{ops::Range, time::Instant};

use burn::tensor::Tensor;
use rcmu_core::{Control, FinishReason, GenerateError, Generation, Request, Stats};

use super::{
    EncodedRequest, Row, Session,
    session::{StopCheck, past_tokens, unless_stopped},
};
use crate::{
    Error,
    layers::{Attender, AttentionMask, Observer, Pads},
    model::{Model, to_host},
    pool::awake,
    position::Positions,
    qwen2_vl::{TokenBatch, axes},
    text::KvCache,
};

impl Model {
    /// Answers several requests at once; each gets the answer that it would get alone, but for rounding: more rows are added
    /// up in another order, and with `LoadOptions::bf16_activations` those of more than eight answers are rounded to bf16.
    ///
    /// As [`Session::generate_batch`] of a new session.
    ///
    /// # Errors
    ///
    /// As [`Session::generate_batch`].
    pub fn generate_batch(
        &self,
        requests: &[Request],
        control: &Control,
    ) -> Result<Vec<Generation>, GenerateError> {
        self.session().generate_batch(requests, control)
    }
}

impl Session {
    /// Answers several requests at once; each gets the answer that it would get alone, but for rounding: more rows are added
    /// up in another order, and with `LoadOptions::bf16_activations` those of more than eight answers are rounded to bf16.
    ///
    /// What all prompts begin with runs once, as long as it is, and not at all where an earlier question of this session
    /// has left it: several questions about one picture read picture and context a single time. The rests are padded on
    /// the left; pads are never looked at and take no positions. All requests run until the last has ended.
    ///
    /// # Errors
    ///
    /// As [`Session::generate`]; one bad request fails the batch. The budget counts what all rows need as long as the longest.
    pub fn generate_batch(
        &mut self,
        requests: &[Request],
        control: &Control,
    ) -> Result<Vec<Generation>, GenerateError> {
        let model = self.model().clone();
        let result = model.guarded(|| self.run_batch(requests, control));
        if result.is_err() {
            // Whatever was half done must not be taken for a known beginning.
            self.forget_from(0);
        }
        result
    }

    fn run_batch(&mut self, requests: &[Request], control: &Control) -> Result<Vec<Generation>, Error> {
        let (model, started) = (self.model().clone(), Instant::now());
        let mut outlines = Vec::with_capacity(requests.len());
        let mut constraints = Vec::with_capacity(requests.len());
        let mut stats: Vec<Stats> = Vec::with_capacity(requests.len());
        let mut new = 0;
        for request in requests {
            model.check_options(&request.options)?;
            constraints.push(model.constraint(&request.options)?);
            let outline = model.outline(&request.prompt, &request.visuals)?;
            let plan = model.plan_outline(&outline, &request.options)?;
            plan.check(model.memory_budget())?;
            new = new.max(plan.max_new_tokens);
            stats.push(plan.stats());
            outlines.push(outline);
        }
        let needed = model.batch_bytes(&outlines, new);
        if let Some(budget) = model.memory_budget().filter(|&budget| needed > budget) {
            return Err(Error::MemoryBudget { needed, budget });
        }
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        // Of several rows the session's own cache has what they begin with; of one it is read and kept as it is.
        let own = if let [_] = &*outlines { 0 } else { model.cache_bytes(&outlines, new) };
        self.make_room(needed, own);
        let mut rows: Vec<Row<'_>> = requests
            .iter()
            .zip(&outlines)
            .zip(constraints)
            .map(|((request, outline), constraint)| {
                let (config, tokenizer) = (model.generation_config(), model.tokenizer());
                Row::new(&outline.input_ids, &request.options, config, tokenizer, constraint)
            })
            .collect();
        let encoded = outlines
            .into_iter()
            .zip(requests)
            .map(|(outline, request)| model.encode_outline(outline, &request.visuals, control));
        let encoded = unless_stopped(encoded.collect::<Result<Vec<_>, _>>())?;
        for row in &mut stats {
            row.process_time = started.elapsed();
        }
        let Some(encoded) = encoded else {
            end_all(&mut rows, control.stop_reason().unwrap_or(FinishReason::Cancelled));
            return Ok(ended(rows, stats));
        };

        let started = Instant::now();
        let first = || self.prefill_batch(&encoded, new, control, &mut stats);
        if let Some((mut batch, mut logits)) = awake(model.device(), first)? {
            let prefill_time =
                started.elapsed().saturating_sub(stats.iter().map(|row| row.vision_time).sum());
            for row in &mut stats {
                row.prefill_time = prefill_time;
            }
            let started = Instant::now();
            loop {
                let mut ids = vec![model.generation_config().pad_token_id; rows.len()];
                for ((row, id), logits) in rows.iter_mut().zip(&mut ids).zip(logits) {
                    if row.finish().is_none() {
                        *id = row.step(logits, &mut |_| {})?;
                    }
                }
                if let Some(reason) = control.stop_reason() {
                    end_all(&mut rows, reason);
                }
                if rows.iter().all(|row| row.finish().is_some()) {
                    break;
                }
                logits = awake(model.device(), || batch.decode(&ids))?;
            }
            let decode_time = started.elapsed();
            for row in &mut stats {
                row.decode_time = decode_time;
            }
        } else {
            end_all(&mut rows, control.stop_reason().unwrap_or(FinishReason::Cancelled));
        }
        Ok(ended(rows, stats))
    }

    /// Runs all prompts, what they begin with once; returns the logits after the last token of each.
    ///
    /// `None` when it was stopped from outside.
    fn prefill_batch(
        &mut self,
        encoded: &[EncodedRequest],
        new_tokens: usize,
        control: &Control,
        stats: &mut [Stats],
    ) -> Result<Option<Prefilled>, Error> {
        let mut prefix = None;
        let shared = match encoded {
            // What is known of a single prompt; a pass of its own for a part of it would bring nothing.
            [only] => self.known_tokens(&past_tokens(only)),
            _ => shared_tokens(encoded),
        };
        if encoded.len() > 1 && shared > 0 {
            let stats = prefix.insert(Stats::default());
            if self.run_prefix(&encoded[0], shared, shared, control, stats).is_none() {
                return Ok(None);
            }
        }
        let cache = self.forked(encoded.len(), shared, new_tokens + longest(encoded));
        let mut batch = PaddedBatch::with_cache(self.model().clone(), encoded, cache);
        let seq = longest(encoded) - shared;
        let mut features = Vec::new();
        for (at, (row, stats)) in encoded.iter().zip(stats.iter_mut()).enumerate() {
            let Some(found) = self.features_after(shared..row.input_ids.len(), row, control, stats) else {
                return Ok(None);
            };
            stats.reused_tokens = shared;
            let start = at * seq + batch.pads()[at];
            features.extend(found.into_iter().map(|(place, rows)| (start + place, rows)));
        }
        if let Some(prefix) = prefix {
            // The first row has run what all of them share, as far as the session did not have it.
            let first = &mut stats[0];
            first.reused_tokens = prefix.reused_tokens;
            first.vision_time += prefix.vision_time;
            first.reused_pictures += prefix.reused_pictures;
            first.reused_pictures -=
                encoded[0].visuals.iter().filter(|visual| visual.tokens.end <= shared).count();
        }
        let Some(hidden) = batch.forward(encoded, features, &mut StopCheck(control)) else { return Ok(None) };
        let logits = batch.last_logits(hidden)?;
        Ok(Some((batch, logits)))
    }
}

/// Prompts that have run, and the logits after the last token of each.
type Prefilled = (PaddedBatch, Vec<Vec<f32>>);

/// Tokens that all prompts begin with, so that each has one left and no picture is cut.
fn shared_tokens(encoded: &[EncodedRequest]) -> usize {
    let Some((first, others)) = encoded.split_first() else { return 0 };
    let tokens = past_tokens(first);
    let common = others.iter().map(past_tokens).fold(tokens.len().saturating_sub(1), |common, other| {
        let alike = tokens.iter().zip(&other).take_while(|(one, other)| one == other).count();
        common.min(alike).min(other.len().saturating_sub(1))
    });
    let cut = first.visuals.iter().find(|visual| visual.tokens.start < common && common < visual.tokens.end);
    cut.map_or(common, |visual| visual.tokens.start)
}

fn longest(encoded: &[EncodedRequest]) -> usize {
    encoded.iter().map(|row| row.input_ids.len()).max().unwrap_or(0)
}

fn ended(rows: Vec<Row<'_>>, stats: Vec<Stats>) -> Vec<Generation> {
    rows.into_iter().zip(stats).map(|(row, stats)| row.into_generation(stats)).collect()
}

fn end_all(rows: &mut [Row<'_>], reason: FinishReason) {
    for row in rows.iter_mut().filter(|row| row.finish().is_none()) {
        row.end(reason, &mut |_| {});
    }
}

/// Prompts of several lengths in one cache: columns that all begin with, pads, and the rest of each, which ends in the same
/// column.
pub(crate) struct PaddedBatch {
    model: Model,
    cache: KvCache,
    /// Columns that all rows have in common.
    shared: usize,
    /// Pads of each row, behind the shared columns.
    pads: Vec<usize>,
    /// Difference between position and number of real tokens, for each row.
    deltas: Vec<i64>,
}

impl PaddedBatch {
    pub(crate) fn new(model: &Model, encoded: &[EncodedRequest], new_tokens: usize) -> Self {
        let (dtype, capacity) = (model.network().dtype(), longest(encoded) + new_tokens);
        let cache = KvCache::new(&model.config().text, encoded.len(), capacity, model.device(), dtype);
        Self::with_cache(model.clone(), encoded, cache)
    }

    /// A batch whose cache has what all rows begin with.
    fn with_cache(model: Model, encoded: &[EncodedRequest], cache: KvCache) -> Self {
        let longest = longest(encoded);
        Self {
            model,
            shared: cache.len(),
            cache,
            pads: encoded.iter().map(|row| longest - row.input_ids.len()).collect(),
            deltas: encoded.iter().map(|row| row.positions.rope_delta).collect(),
        }
    }

    /// Pads of each row.
    pub(crate) fn pads(&self) -> &[usize] {
        &self.pads
    }

    /// The logits after the last token of each row.
    ///
    /// # Shapes
    ///
    /// - `hidden`: `[batch * seq, hidden]`
    pub(crate) fn last_logits(&self, hidden: Tensor<2>) -> Result<Vec<Vec<f32>>, Error> {
        let batch = self.pads.len();
        let [rows, width] = hidden.dims();
        let seq = rows / batch;
        let last = hidden.reshape([batch, seq, width]).slice([0..batch, seq - 1..seq, 0..width]);
        split_rows(self.model.network().logits(last.reshape([batch, width])), batch)
    }

    /// Runs what is not shared of all prompts; returns the hidden states of its tokens, pads included,
    /// `[batch * seq, hidden]`. `None` when the observer stops it.
    ///
    /// `features` stand at their first row in the padded batch.
    pub(crate) fn forward(
        &mut self,
        encoded: &[EncodedRequest],
        features: Vec<(usize, Tensor<2>)>,
        observer: &mut dyn Observer,
    ) -> Option<Tensor<2>> {
        let (model, shared) = (&self.model, self.shared);
        let seq = longest(encoded) - shared;
        let mut ids = Vec::with_capacity(seq * encoded.len());
        let mut positions: Vec<Positions> = Vec::with_capacity(encoded.len());
        for (row, &pads) in encoded.iter().zip(&self.pads) {
            ids.extend(std::iter::repeat_n(model.generation_config().pad_token_id, pads));
            ids.extend(&row.input_ids[shared..]);
            // Pads are never looked at; any position will do.
            positions.push(padded(&row.positions, shared, pads));
        }
        let tokens = TokenBatch {
            embeds: model.network().embed(&ids, features, model.device()),
            positions: positions.iter().map(|row| axes(row, 0..seq)).collect(),
            mask: self.mask(shared..shared + seq),
        };
        model.network().decode(tokens, model.config(), &mut self.cache, observer)
    }

    /// Runs one new token for each row; returns the logits after it.
    pub(crate) fn decode(&mut self, ids: &[u32]) -> Result<Vec<Vec<f32>>, Error> {
        let (model, at) = (&self.model, self.cache.len());
        let positions: Vec<[u32; 1]> = self
            .pads
            .iter()
            .zip(&self.deltas)
            .map(|(pads, &delta)| [Positions::of_generated(delta, at - pads)])
            .collect();
        let tokens = TokenBatch {
            embeds: model.network().embed(ids, Vec::new(), model.device()),
            positions: positions.iter().map(|row| [&row[..]; 3]).collect(),
            mask: self.mask(at..at + 1),
        };
        let hidden = model.network().decode(tokens, model.config(), &mut self.cache, &mut ());
        let hidden = hidden.ok_or(Error::Stopped)?;
        split_rows(model.network().logits(hidden), ids.len())
    }

    /// Hides later tokens and pads.
    fn mask(&self, queries: Range<usize>) -> AttentionMask {
        let pads = Pads { start: self.shared, counts: self.pads.as_slice().into() };
        let device = self.model.device();
        if pads.are_none() {
            AttentionMask::Causal
        } else if queries.start > self.shared && Attender::is_fused(device) {
            // New tokens, for which pads are left out where the cache lies.
            AttentionMask::Padded(pads)
        } else {
            // Once for all layers.
            AttentionMask::Marked(pads.marks([self.pads.len(), queries.len(), queries.end], device))
        }
    }
}

/// The positions after the shared ones, with `pads` entries before them.
fn padded(positions: &Positions, shared: usize, pads: usize) -> Positions {
    let pad = |axis: &Vec<u32>| std::iter::repeat_n(0, pads).chain(axis[shared..].iter().copied()).collect();
    let [t, h, w] = &positions.position_ids;
    Positions { position_ids: [pad(t), pad(h), pad(w)], rope_delta: positions.rope_delta }
}

/// One vector per row.
fn split_rows(logits: Tensor<2>, rows: usize) -> Result<Vec<Vec<f32>>, Error> {
    let values = to_host(logits)?;
    let width = values.len() / rows.max(1);
    Ok(values.chunks(width.max(1)).map(<[f32]>::to_vec).collect())
}
