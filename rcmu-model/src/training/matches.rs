use std::ops::Range;

use burn::tensor::{Bool, DType, Device, Tensor, TensorData, activation::softmax};

use super::likelihood::ints;
use crate::{layers::Rotary, qwen2_vl::Qwen2Vl};

/// What keeps the logarithm of a weight finite.
const LEAST_WEIGHT: f64 = 1e-9;

/// A token of a question by which it names what it is about, and the same token in the text that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Match {
    /// The token of the question.
    pub(crate) place: usize,
    /// The tokens that it has to look at.
    pub(crate) same: Vec<usize>,
}

impl Match {
    /// Finds words of a question in the text of the region that it is about, `texts[subject]`.
    ///
    /// Of the words' tokens those count that no other text has, or else the last one, which can be told by those before it.
    pub(crate) fn find(
        ids: &[u32],
        words: &[u32],
        question: &Range<usize>,
        texts: &[Range<usize>],
        subject: usize,
    ) -> Vec<Self> {
        let runs = |range: &Range<usize>| -> Vec<usize> {
            let tokens = ids.get(range.clone()).unwrap_or_default();
            let found = tokens.windows(words.len().max(1)).enumerate();
            found.filter(|(_, run)| *run == words).map(|(at, _)| range.start + at).collect()
        };
        let there = texts.get(subject).map(runs).unwrap_or_default();
        let Some(&here) = runs(question).last().filter(|_| !there.is_empty()) else { return Vec::new() };
        let elsewhere = |word: u32| {
            let others = texts.iter().enumerate().filter(|(at, _)| *at != subject);
            others.flat_map(|(_, text)| &ids[text.clone()]).any(|&id| id == word)
        };
        let at = |token: usize| Self {
            place: here + token,
            same: there.iter().map(|start| start + token).collect(),
        };
        let telling: Vec<_> = (0..words.len()).filter(|&token| !elsewhere(words[token])).map(at).collect();
        if telling.is_empty() { vec![at(words.len() - 1)] } else { telling }
    }
}

/// The matches of a batch of sequences of one length, those of each row for itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Matches(Vec<Vec<Match>>);

impl Matches {
    /// Adds those of the next row.
    pub(crate) fn push(&mut self, row: &[Match]) {
        self.0.push(row.to_vec());
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    /// The sum over all matches of `-ln` of the weight that a layer gives to the same tokens, on the mean of its heads, `[1]`.
    ///
    /// Ours: attention starts out even over hundreds of tokens, so that the answers tell a hundredth part of what this loss tells
    /// about where to look.
    ///
    /// # Shapes
    ///
    /// - `hidden`: `[batch * seq, hidden]`, what the layer reads
    pub(crate) fn loss(
        &self,
        network: &Qwen2Vl,
        layer: usize,
        hidden: Tensor<2>,
        rotary: &Rotary,
        device: &Device,
    ) -> Tensor<1> {
        let [batch, seq] = rotary.tokens_per_row();
        let queries = self.0.iter().map(Vec::len).max().unwrap_or(0);
        let mut places = vec![0; batch * queries];
        let mut hidden_keys = vec![true; batch * queries * seq];
        let mut same = vec![0.0_f32; batch * queries * seq];
        let mut counts = vec![0.0_f32; batch * queries];
        for (row, matches) in self.0.iter().enumerate() {
            for at in 0..queries {
                let query = row * queries + at;
                places[query] = (row * seq) as i32;
                let keys = query * seq..(query + 1) * seq;
                let found = matches.get(at);
                let last = found.map_or(0, |found| found.place);
                hidden_keys[keys.clone()][..=last].fill(false);
                if let Some(found) = found {
                    places[query] = (row * seq + found.place) as i32;
                    counts[query] = 1.0;
                    for &place in &found.same {
                        same[keys.start + place] = 1.0;
                    }
                }
            }
        }
        let shape = [batch, 1, queries, seq];
        let hidden_keys = Tensor::<4, Bool>::from_data(TensorData::new(hidden_keys, shape), device);
        let same = Tensor::<4>::from_data(TensorData::new(same, shape), device);
        let counts = Tensor::<4>::from_data(TensorData::new(counts, [batch, 1, queries, 1]), device);
        let scores = network.scores(layer, hidden, rotary, ints(places, device));
        let [_, heads, ..] = scores.dims();
        let scores =
            scores.cast(DType::F32).mask_fill(hidden_keys.expand([batch, heads, queries, seq]), -1e9);
        let weight = (softmax(scores, 3) * same).sum_dim(3).mean_dim(1);
        ((weight + LEAST_WEIGHT).log() * counts).sum().neg()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Texts of 4 tokens each, then a question of 5.
    const IDS: [u32; 13] = [1, 34, 35, 2, 1, 35, 34, 2, 9, 8, 34, 35, 7];

    fn find(words: &[u32], subject: usize) -> Vec<Match> {
        Match::find(&IDS, words, &(8..13), &[0..4, 4..8], subject)
    }

    #[test]
    fn a_word_of_one_text_is_found() {
        let ids = [5, 6, 7, 6, 9, 5];

        let found = Match::find(&ids, &[5], &(4..6), &[0..2, 2..4], 0);

        assert_eq!(found, [Match { place: 5, same: vec![0] }]);
    }

    #[test]
    fn of_tokens_that_another_text_has_too_the_last_counts() {
        assert_eq!(find(&[34, 35], 0), [Match { place: 11, same: vec![2] }]);
    }

    #[test]
    fn what_question_or_text_do_not_say_is_no_match() {
        assert_eq!(find(&[34, 35], 1), []);
        assert_eq!(find(&[35, 34], 1), []);
        assert_eq!(find(&[], 0), []);
        assert_eq!(find(&[34], 5), []);
    }
}
