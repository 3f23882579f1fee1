use burn::tensor::{Device, Int, Tensor, TensorData, activation::log_softmax};

use super::{conversation::Example, sights::SightTargets, student::Student};
use crate::{
    config::ModelConfig,
    layers::AttentionMask,
    qwen2_vl::{Qwen2Vl, TokenBatch},
    text::KvCache,
    vision::PatchGrid,
};

/// Conversations of similar length, padded on the right to one length.
pub(crate) struct Batch {
    rows: usize,
    seq: usize,
    /// `[rows * seq]`
    ids: Vec<i32>,
    /// For each row `[3][seq]`.
    positions: Vec<[Vec<u32>; 3]>,
    /// Where each row of `[rows * seq tokens; merged patches]` takes its embedding from.
    sources: Vec<i32>,
    /// `patches * patch_dim` values of all pictures.
    pixel_values: Vec<f32>,
    grids: Vec<PatchGrid>,
    /// Places in `[rows * seq]` whose next token is predicted.
    places: Vec<i32>,
    /// Those next tokens.
    expected: Vec<i32>,
    /// What the features of the pictures have to tell.
    sights: SightTargets,
}

/// What the losses of a step are divided by.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    /// Tokens to predict.
    pub(crate) targets: usize,
    /// Features that tell of a thing, and of nothing.
    pub(crate) sights: [usize; 2],
    /// Weight of the sights next to the answers.
    pub(crate) sight_weight: f64,
}

impl Totals {
    pub(crate) fn new<'a>(batches: impl IntoIterator<Item = &'a Batch>, sight_weight: f64) -> Self {
        batches.into_iter().fold(Self { sight_weight, ..Self::default() }, |mut totals, batch| {
            totals.targets += batch.targets();
            let [things, nothing] = batch.sights.counts();
            totals.sights[0] += things;
            totals.sights[1] += nothing;
            totals
        })
    }
}

impl Batch {
    /// Joins conversations.
    pub(crate) fn new(examples: &[&Example]) -> Self {
        let rows = examples.len();
        let seq = examples.iter().map(|example| example.len()).max().unwrap_or(0);
        let mut batch = Self {
            rows,
            seq,
            ids: Vec::with_capacity(rows * seq),
            positions: Vec::with_capacity(rows),
            sources: (0..(rows * seq) as i32).collect(),
            pixel_values: Vec::new(),
            grids: Vec::new(),
            places: Vec::new(),
            expected: Vec::new(),
            sights: SightTargets::default(),
        };
        let words = rows * seq;
        let mut features = words;
        for (row, example) in examples.iter().enumerate() {
            let start = row * seq;
            let ids = &example.request.input_ids;
            batch.ids.extend(ids.iter().map(|&id| id as i32));
            batch.ids.resize(start + seq, 0); // what follows a row is seen by no token of it
            batch.positions.push(example.request.positions.position_ids.clone().map(|mut axis| {
                axis.resize(seq, 0);
                axis
            }));
            for (at, visual) in example.request.visuals.iter().enumerate() {
                if let Some(sights) =
                    example.sights.as_ref().filter(|_| at + 1 == example.request.visuals.len())
                {
                    batch.sights.append(sights, features - words);
                }
                batch.pixel_values.extend_from_slice(&visual.pixel_values);
                batch.grids.push(visual.grid);
                for token in visual.tokens.clone() {
                    batch.sources[start + token] = features as i32;
                    features += 1;
                }
            }
            for &place in &example.targets {
                batch.places.push((start + place) as i32);
                batch.expected.push(ids[place + 1] as i32);
            }
        }
        batch
    }

    /// Tokens to predict.
    pub(crate) fn targets(&self) -> usize {
        self.places.len()
    }

    /// Tokens that the model works on, padding included.
    pub(crate) fn tokens(&self) -> usize {
        self.rows * self.seq
    }

    /// Mean negative log-likelihood of the tokens to predict plus the weighted loss of the sights, `[1]`; this batch's
    /// share of a step with these totals.
    pub(crate) fn loss(
        &self,
        student: &Student,
        config: &ModelConfig,
        totals: Totals,
        device: &Device,
    ) -> Tensor<1> {
        let features = self.features(&student.network, device);
        let sights = features.as_ref().filter(|_| totals.sight_weight > 0.0).and_then(|features| {
            let counts = self.sights.counts();
            let loss = || self.sights.loss(&student.network, &student.sight, features, totals.sights);
            (counts != [0, 0]).then(|| loss() * totals.sight_weight)
        });
        if self.places.is_empty() {
            return sights.unwrap_or_else(|| Tensor::zeros([1], device));
        }
        let answers = self.answers(&student.network, config, features, device) / totals.targets.max(1) as f64;
        match sights {
            Some(sights) => answers + sights,
            None => answers,
        }
    }

    /// The sum of the negative log-likelihoods of all tokens to predict, `[1]`.
    fn answers(
        &self,
        network: &Qwen2Vl,
        config: &ModelConfig,
        features: Option<Tensor<2>>,
        device: &Device,
    ) -> Tensor<1> {
        let ids: Vec<u32> = self.ids.iter().map(|&id| id as u32).collect();
        let words = network.embed(&ids, Vec::new(), device);
        let embeds = match features {
            // One gather: its way back is one scatter, however many pictures there are.
            Some(features) => Tensor::cat(vec![words, features], 0).select(0, ints(&self.sources, device)),
            None => words,
        };
        let mut cache = KvCache::passing(config.text.num_hidden_layers);
        let positions = self.positions.iter().map(|[t, h, w]| [t.as_slice(), h, w]).collect();
        let tokens = TokenBatch { embeds, positions, mask: AttentionMask::Causal };
        let hidden = network
            .decode(tokens, config, &mut cache, &mut ())
            .expect("the silent observer lets the pass run to its end");
        let logits = network.logits(hidden.select(0, ints(&self.places, device)));
        let expected = ints(&self.expected, device).unsqueeze_dim::<2>(1);
        log_softmax(logits, 1).gather(1, expected).sum().neg()
    }

    /// Features of all pictures, `[merged_patches, hidden]`.
    fn features(&self, network: &Qwen2Vl, device: &Device) -> Option<Tensor<2>> {
        if self.grids.is_empty() {
            return None;
        }
        let features = network.see(self.pixel_values.clone(), &self.grids, device, &mut ());
        Some(features.expect("the silent observer lets the pass run to its end"))
    }
}

fn ints(values: &[i32], device: &Device) -> Tensor<1, Int> {
    let data = TensorData::new(values.to_vec(), [values.len()]);
    Tensor::from_data(data, (device, burn::tensor::DType::I32))
}
