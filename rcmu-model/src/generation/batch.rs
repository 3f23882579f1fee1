use std::time::Instant;

use burn::tensor::{Tensor, TensorData};
use rcmu_core::{Control, FinishReason, GenerateError, Generation, Request, Stats};

use super::{EncodedRequest, Row};
use crate::{
    Error,
    layers::{AttentionMask, Observer},
    model::{Model, to_host},
    position::Positions,
    qwen2_vl::{TokenBatch, axes},
    text::KvCache,
};

impl Model {
    /// Answers several requests at once; each gets the answer that it would get alone.
    ///
    /// Shorter prompts are padded on the left; pads are never looked at and take no positions. All requests run until
    /// the last has ended.
    ///
    /// # Errors
    ///
    /// As [`Session::generate`](crate::Session::generate); one bad request fails the batch. The budget counts all rows.
    pub fn generate_batch(
        &self,
        requests: &[Request],
        control: &Control,
    ) -> Result<Vec<Generation>, GenerateError> {
        self.guarded(|| self.run_batch(requests, control))
    }

    fn run_batch(&self, requests: &[Request], control: &Control) -> Result<Vec<Generation>, Error> {
        let started = Instant::now();
        let mut outlines = Vec::with_capacity(requests.len());
        let (mut needed, mut longest, mut new) = (self.weight_bytes(), 0, 0);
        for request in requests {
            request.options.check()?;
            let outline = self.outline(&request.prompt, &request.visuals)?;
            let plan = self.plan_outline(&outline, &request.options)?;
            plan.check(self.memory_budget())?;
            needed = needed.saturating_add(plan.kv_bytes).saturating_add(plan.activation_bytes);
            longest = longest.max(plan.prompt_tokens());
            new = new.max(plan.max_new_tokens);
            outlines.push(outline);
        }
        if let Some(budget) = self.memory_budget().filter(|&budget| needed > budget) {
            return Err(Error::MemoryBudget { needed, budget });
        }
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let encoded = outlines
            .into_iter()
            .zip(requests)
            .map(|(outline, request)| self.encode_outline(outline, &request.visuals))
            .collect::<Result<Vec<_>, _>>()?;
        let process_time = started.elapsed();

        let started = Instant::now();
        let mut batch = PaddedBatch::new(self, &encoded, longest, new);
        let mut rows: Vec<Row<'_>> = requests
            .iter()
            .zip(&encoded)
            .map(|(request, encoded)| {
                let config = self.generation_config();
                Row::new(&encoded.input_ids, &request.options, config, self.tokenizer())
            })
            .collect();
        let mut logits = batch.prefill(&encoded)?;
        let prefill_time = started.elapsed();

        let started = Instant::now();
        loop {
            let mut ids = vec![self.generation_config().pad_token_id; rows.len()];
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
            logits = batch.decode(&ids)?;
        }
        let decode_time = started.elapsed();
        Ok(rows
            .into_iter()
            .zip(&encoded)
            .map(|(row, encoded)| {
                row.into_generation(Stats {
                    prompt_tokens: encoded.input_ids.len(),
                    image_tokens: encoded.visuals.iter().map(|visual| visual.tokens.len()).sum(),
                    process_time,
                    prefill_time,
                    decode_time,
                    ..Stats::default()
                })
            })
            .collect())
    }
}

fn end_all(rows: &mut [Row<'_>], reason: FinishReason) {
    for row in rows.iter_mut().filter(|row| row.finish().is_none()) {
        row.end(reason, &mut |_| {});
    }
}

/// Prompts of several lengths in one cache, each ending in the same column.
pub(crate) struct PaddedBatch<'a> {
    model: &'a Model,
    cache: KvCache,
    /// Pads before each row.
    pads: Vec<usize>,
    /// Difference between position and number of real tokens, for each row.
    deltas: Vec<i64>,
}

impl<'a> PaddedBatch<'a> {
    pub(crate) fn new(
        model: &'a Model,
        encoded: &[EncodedRequest],
        longest: usize,
        new_tokens: usize,
    ) -> Self {
        let dtype = model.network().dtype();
        let capacity = longest + new_tokens;
        let cache = KvCache::new(&model.config().text, encoded.len(), capacity, model.device(), dtype);
        Self {
            model,
            cache,
            pads: encoded.iter().map(|row| longest - row.input_ids.len()).collect(),
            deltas: encoded.iter().map(|row| row.positions.rope_delta).collect(),
        }
    }

    /// Pads before each row.
    pub(crate) fn pads(&self) -> &[usize] {
        &self.pads
    }

    /// Runs all prompts; returns the logits after the last token of each.
    fn prefill(&mut self, encoded: &[EncodedRequest]) -> Result<Vec<Vec<f32>>, Error> {
        let model = self.model;
        let seq = encoded.iter().map(|row| row.input_ids.len()).max().unwrap_or(0);
        let mut features = Vec::new();
        for (index, (row, pads)) in encoded.iter().zip(&self.pads).enumerate() {
            for visual in &row.visuals {
                let pixels = visual.pixel_values.clone();
                let rows = model.network().see(pixels, &[visual.grid], model.device(), &mut ());
                let start = index * seq + pads + visual.tokens.start;
                features.push((start, rows.ok_or(Error::Stopped)?));
            }
        }
        let hidden = self.forward_prompts(encoded, features, &mut ())?;
        self.last_logits(hidden)
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

    /// Runs all prompts; returns the hidden states of all tokens, pads included, `[batch * seq, hidden]`.
    ///
    /// `features` stand at their first row in the padded batch.
    pub(crate) fn forward_prompts(
        &mut self,
        encoded: &[EncodedRequest],
        features: Vec<(usize, Tensor<2>)>,
        observer: &mut dyn Observer,
    ) -> Result<Tensor<2>, Error> {
        let model = self.model;
        let seq = encoded.iter().map(|row| row.input_ids.len()).max().unwrap_or(0);
        let mut ids = Vec::with_capacity(seq * encoded.len());
        let mut positions: Vec<Positions> = Vec::with_capacity(encoded.len());
        for (row, &pads) in encoded.iter().zip(&self.pads) {
            ids.extend(std::iter::repeat_n(model.generation_config().pad_token_id, pads));
            ids.extend(&row.input_ids);
            // Pads are never looked at; any position will do.
            positions.push(padded(&row.positions, pads));
        }
        let tokens = TokenBatch {
            embeds: model.network().embed(&ids, features, model.device()),
            positions: positions.iter().map(|row| axes(row, 0..seq)).collect(),
            mask: if self.pads.iter().all(|&pads| pads == 0) {
                AttentionMask::Causal
            } else {
                self.mask(0..seq)
            },
        };
        let hidden = model.network().decode(tokens, model.config(), &mut self.cache, observer);
        hidden.ok_or(Error::Stopped)
    }

    /// Runs one new token for each row; returns the logits after it.
    pub(crate) fn decode(&mut self, ids: &[u32]) -> Result<Vec<Vec<f32>>, Error> {
        let model = self.model;
        let at = self.cache.len();
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

    /// Hides later tokens and pads; every query sees itself, so that rows of pads stay finite.
    fn mask(&self, queries: std::ops::Range<usize>) -> AttentionMask {
        let keys = queries.end;
        let mut hidden = Vec::with_capacity(self.pads.len() * queries.len() * keys);
        for &pads in &self.pads {
            for query in queries.clone() {
                hidden.extend((0..keys).map(|key| key > query || (key < pads && key != query)));
            }
        }
        let shape = [self.pads.len(), 1, queries.len(), keys];
        AttentionMask::Marked(Tensor::from_data(TensorData::new(hidden, shape), self.model.device()))
    }
}

/// The positions with `pads` entries before them.
fn padded(positions: &Positions, pads: usize) -> Positions {
    let pad = |axis: &Vec<u32>| std::iter::repeat_n(0, pads).chain(axis.iter().copied()).collect();
    let [t, h, w] = &positions.position_ids;
    Positions { position_ids: [pad(t), pad(h), pad(w)], rope_delta: positions.rope_delta }
}

/// One vector per row.
fn split_rows(logits: Tensor<2>, rows: usize) -> Result<Vec<Vec<f32>>, Error> {
    let values = to_host(logits)?;
    let width = values.len() / rows.max(1);
    Ok(values.chunks(width.max(1)).map(<[f32]>::to_vec).collect())
}
