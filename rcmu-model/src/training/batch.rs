use burn::tensor::{Device, Int, Tensor, TensorData, activation::log_softmax};

use super::conversation::Example;
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
        };
        let mut features = (rows * seq) as i32;
        for (row, example) in examples.iter().enumerate() {
            let start = row * seq;
            let ids = &example.request.input_ids;
            batch.ids.extend(ids.iter().map(|&id| id as i32));
            batch.ids.resize(start + seq, 0); // what follows a row is seen by no token of it
            batch.positions.push(example.request.positions.position_ids.clone().map(|mut axis| {
                axis.resize(seq, 0);
                axis
            }));
            for visual in &example.request.visuals {
                batch.pixel_values.extend_from_slice(&visual.pixel_values);
                batch.grids.push(visual.grid);
                for token in visual.tokens.clone() {
                    batch.sources[start + token] = features;
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

    /// The sum of the negative log-likelihoods of all tokens to predict, `[1]`.
    pub(crate) fn loss(&self, network: &Qwen2Vl, config: &ModelConfig, device: &Device) -> Tensor<1> {
        let embeds = self.embed(network, device);
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

    /// Embeddings with the features of pictures put in, `[rows * seq, hidden]`.
    fn embed(&self, network: &Qwen2Vl, device: &Device) -> Tensor<2> {
        let ids: Vec<u32> = self.ids.iter().map(|&id| id as u32).collect();
        let words = network.embed(&ids, Vec::new(), device);
        if self.grids.is_empty() {
            return words;
        }
        let features = network
            .see(self.pixel_values.clone(), &self.grids, device, &mut ())
            .expect("the silent observer lets the pass run to its end");
        // One gather: its way back is one scatter, however many pictures there are.
        Tensor::cat(vec![words, features], 0).select(0, ints(&self.sources, device))
    }
}

fn ints(values: &[i32], device: &Device) -> Tensor<1, Int> {
    let data = TensorData::new(values.to_vec(), [values.len()]);
    Tensor::from_data(data, (device, burn::tensor::DType::I32))
}
