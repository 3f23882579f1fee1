use std::ops::ControlFlow;

use burn::tensor::{Device, Tensor};

use super::{
    conversation::Example,
    likelihood::{ints, negative_log_likelihood},
    matches::Matches,
    sights::SightTargets,
    student::Student,
};
use crate::{
    config::ModelConfig,
    fused::Word,
    layers::{AttentionMask, Observer, Step},
    qwen2_vl::{Qwen2Vl, TokenBatch},
    text::{KvCache, text_rotary},
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
    /// Features of all pictures where they were seen in advance, `[merged_patches, hidden]` each; else empty.
    known: Vec<Tensor<2>>,
    /// Places in `[rows * seq]` whose next token is predicted.
    places: Vec<i32>,
    /// Those next tokens.
    expected: Vec<i32>,
    /// What the features of the pictures have to tell.
    sights: SightTargets,
    /// Places in `[rows * seq]` where a box ends, a word for what is in it, and its share of those words.
    boxes: Vec<(i32, i32, f32)>,
    /// Places in `[rows * seq]` where a box ends, with the hundreds of its coordinates.
    box_digits: Vec<(i32, [u8; 4])>,
    /// Places in `[rows * seq]` of texts that are about one region, its number, and the share of that place in the text.
    numbered: Vec<(i32, i32, f32)>,
    /// The same places, a word for what is in the region's box, and the share of that word in all words of that text.
    about: Vec<(i32, i32, f32)>,
    /// Places of questions and answers that are about one region, with both.
    asked: Vec<(i32, i32, f32)>,
    /// What is asked of texts, questions and answers that are about one region.
    subjects: usize,
    /// Tokens of questions that have to look at the same tokens of texts.
    matches: Matches,
}

/// What the losses of a step are divided by.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Totals {
    /// Tokens to predict.
    pub(crate) targets: usize,
    /// Features that tell of a thing, and of nothing.
    pub(crate) sights: [usize; 2],
    /// Boxes of context lines with words.
    pub(crate) boxes: usize,
    /// What is asked of texts, questions and answers that are about one region.
    pub(crate) subjects: usize,
    /// Tokens of questions that have to look at the same tokens of texts.
    pub(crate) matches: usize,
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
            totals.boxes += batch.box_digits.len();
            totals.subjects += batch.subjects;
            totals.matches += batch.matches.count();
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
            known: Vec::new(),
            places: Vec::new(),
            expected: Vec::new(),
            sights: SightTargets::default(),
            boxes: Vec::new(),
            box_digits: Vec::new(),
            numbered: Vec::new(),
            about: Vec::new(),
            asked: Vec::new(),
            subjects: 0,
            matches: Matches::default(),
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
            batch.matches.push(&example.matches);
            batch.known.extend(example.features.iter().cloned());
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
            for end in &example.boxes {
                let (place, share) = ((start + end.place) as i32, 1.0 / end.words.len().max(1) as f32);
                batch.boxes.extend(end.words.iter().map(|&word| (place, word as i32, share)));
                batch.box_digits.push((place, end.digits));
            }
            for (from, to) in [
                (&example.numbered, &mut batch.numbered),
                (&example.about, &mut batch.about),
                (&example.asked, &mut batch.asked),
            ] {
                for about in from {
                    let share = 1.0 / (about.words.len() * about.places.len()).max(1) as f32;
                    for place in about.places.clone() {
                        let words = about.words.iter();
                        to.extend(words.map(|&word| ((start + place) as i32, word as i32, share)));
                    }
                }
                batch.subjects += from.len();
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
        let told = |loss: Option<Tensor<1>>| loss.unwrap_or_else(|| Tensor::zeros([1], device));
        if self.places.is_empty() {
            return told(sights);
        }
        let (hidden, within) = self.decode(&student.network, config, features, device);
        let answers = self.answers(&student.network, &hidden, device) / totals.targets.max(1) as f64;
        let mut all = answers + told(sights);
        if totals.sight_weight == 0.0 {
            return all;
        }
        let [digits, boxes, about, asked] = within;
        let network = &student.network;
        let logits = |rows| student.subject.logits(network.normed(rows));
        let share = totals.sight_weight / totals.subjects.max(1) as f64;
        let early = digits.clone();
        let layer = Within::new(config.text.num_hidden_layers).layers[0] + 1;
        // A model of one layer has no layer to look with after the first.
        if self.matches.count() > 0 && layer < config.text.num_hidden_layers {
            let rotary = text_rotary(&self.axes(), &config.text, device, network.dtype());
            let found = self.matches.loss(network, layer, early.clone(), &rotary, device);
            all = all + found * (totals.sight_weight / totals.matches.max(1) as f64);
        }
        for (told, hidden) in [(&self.numbered, early), (&self.about, about), (&self.asked, asked)] {
            if !told.is_empty() {
                all = all + words(told, hidden, &logits, device) * share;
            }
        }
        if !self.box_digits.is_empty() {
            let share = totals.sight_weight / totals.boxes.max(1) as f64;
            let rows = self.box_digits.iter().map(|entry| entry.0).collect();
            let hundreds: Vec<_> = self.box_digits.iter().map(|entry| entry.1).collect();
            let digits = student.gather.loss(digits.select(0, ints(rows, device)), &hundreds);
            let known = digits + words(&self.boxes, boxes, &|rows| network.logits_within(rows), device);
            all = all + known * share;
        }
        all
    }

    /// For each row `[3][seq]`: positions in time, height, width.
    fn axes(&self) -> Vec<[&[u32]; 3]> {
        self.positions.iter().map(|[t, h, w]| [t.as_slice(), h, w]).collect()
    }

    /// The sum of the negative log-likelihoods of all tokens to predict, `[1]`.
    fn answers(&self, network: &Qwen2Vl, hidden: &Tensor<2>, device: &Device) -> Tensor<1> {
        let logits = network.logits(hidden.clone().select(0, ints(self.places.clone(), device)));
        let words: Vec<Word> =
            self.expected.iter().enumerate().map(|(row, &word)| (row as u32, word as u32, 1.0)).collect();
        negative_log_likelihood(logits, &words)
    }

    /// Hidden states of all tokens after the last norm, and within the decoder: where the digits of a box have to be known,
    /// what is in it, what the text about it is about, and what a question is about; `[rows * seq, hidden]` each.
    fn decode(
        &self,
        network: &Qwen2Vl,
        config: &ModelConfig,
        features: Option<Tensor<2>>,
        device: &Device,
    ) -> (Tensor<2>, [Tensor<2>; 4]) {
        let ids: Vec<u32> = self.ids.iter().map(|&id| id as u32).collect();
        let words = network.embed(&ids, Vec::new(), device);
        let embeds = match features {
            // One gather: its way back is one scatter, however many pictures there are.
            Some(features) => {
                Tensor::cat(vec![words, features], 0).select(0, ints(self.sources.clone(), device))
            }
            None => words,
        };
        let mut cache = KvCache::passing(config.text.num_hidden_layers);
        let tokens = TokenBatch { embeds, positions: self.axes(), mask: AttentionMask::Causal };
        let mut within = Within::new(config.text.num_hidden_layers);
        let hidden = network.decode(tokens, config, &mut cache, &mut within);
        let hidden = hidden.expect("this observer lets the pass run to its end");
        (hidden, within.hidden.map(|hidden| hidden.expect("the pass went through all layers")))
    }

    /// Features of all pictures, `[merged_patches, hidden]`.
    fn features(&self, network: &Qwen2Vl, device: &Device) -> Option<Tensor<2>> {
        if self.grids.is_empty() {
            return None;
        }
        if !self.known.is_empty() {
            let known = Tensor::cat(self.known.clone(), 0).cast(network.dtype());
            return Some(if device.is_autodiff() { Tensor::from_inner(known) } else { known });
        }
        let features = network.see(self.pixel_values.clone(), &self.grids, device, &mut ());
        Some(features.expect("the silent observer lets the pass run to its end"))
    }
}

/// The sum of the negative log-likelihoods of words that hidden states have to tell, `[1]`.
///
/// Ours: to know what is in a box where the box has just been read, and which box a text is about where the text is read, is
/// what every later answer rests on.
fn words(
    told: &[(i32, i32, f32)],
    hidden: Tensor<2>,
    logits: &dyn Fn(Tensor<2>) -> Tensor<2>,
    device: &Device,
) -> Tensor<1> {
    // The words of one place stand next to each other.
    let mut places: Vec<i32> = Vec::new();
    let mut words: Vec<Word> = Vec::with_capacity(told.len());
    for &(place, word, weight) in told {
        if places.last() != Some(&place) {
            places.push(place);
        }
        words.push((places.len() as u32 - 1, word as u32, weight));
    }
    negative_log_likelihood(logits(hidden.select(0, ints(places, device))), &words)
}

/// Keeps the hidden states after four of the layers.
///
/// First a box's digits are gathered, and a text learns its number, then what is in the box is looked up in the picture, then
/// the text about it learns of that,
/// then a question finds the one that it is about; the last layers remain to carry its words to an answer.
struct Within {
    layers: [usize; 4],
    hidden: [Option<Tensor<2>>; 4],
}

impl Within {
    fn new(layers: usize) -> Self {
        let digits = layers.div_ceil(3) - 1;
        let boxes = layers.div_ceil(2) - 1;
        let subjects = (2 * layers).div_ceil(3) - 1;
        let questions = (5 * layers).div_ceil(6) - 1;
        Self { layers: [digits, boxes, subjects, questions], hidden: [None, None, None, None] }
    }
}

impl Observer for Within {
    fn observe(&mut self, step: Step, output: &Tensor<2>) -> ControlFlow<()> {
        for (layer, hidden) in self.layers.iter().zip(&mut self.hidden) {
            if step == Step::TextLayer(*layer) {
                *hidden = Some(output.clone());
            }
        }
        ControlFlow::Continue(())
    }
}
