use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor},
};
use rcmu_core::BBox;

use super::{
    TrainError,
    likelihood::{ints, negative_log_likelihood},
};
use crate::{config::ModelConfig, fused::Word, qwen2_vl::Qwen2Vl, tokenizer::Tokenizer, vision::PatchGrid};

/// What a picture shows where, to be told from each of its features alone.
///
/// Ours: a model that is trained from nothing learns to see in minutes when every merged patch is asked what covers
/// it, and in hours when only answers tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sights {
    /// The things and their boxes.
    pub things: Vec<Sight>,
    /// The word for a place where there is none of them.
    pub nothing: String,
}

/// One thing in a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Where it is.
    pub bbox: BBox,
    /// Words for it, such as its colour and its kind; of a word of several tokens the first is asked for.
    pub words: Vec<String>,
}

impl Sights {
    /// The words for the thing in this box, as tokens.
    pub(crate) fn words_at(
        &self,
        bbox: BBox,
        tokenizer: &Tokenizer,
    ) -> Result<Option<Vec<u32>>, Box<dyn std::error::Error + Send + Sync>> {
        let thing = self.things.iter().find(|sight| sight.bbox == bbox);
        thing.map(|sight| sight.words.iter().map(|word| token(word, tokenizer)).collect()).transpose()
    }
}

/// The hundreds of a box's coordinates; 1000 counts as 9.
pub(crate) fn hundreds(bbox: BBox) -> [u8; 4] {
    bbox.xyxy().map(|v| (v / 100).min(9) as u8)
}

/// The first token of a word after a space.
fn token(word: &str, tokenizer: &Tokenizer) -> Result<u32, Box<dyn std::error::Error + Send + Sync>> {
    let ids = tokenizer.encode_text(&format!(" {word}"))?;
    ids.first().copied().ok_or_else(|| "a sight word has no tokens".into())
}

/// Share of a merged patch that a thing has to cover.
const COVERED: f64 = 0.4;
/// Weight of places without a thing, next to 1 for those with one.
const NOTHING_WEIGHT: f64 = 0.5;
/// Weight of the box's digits, next to 1 for the words.
const DIGITS_WEIGHT: f64 = 0.5;

/// What each feature of a picture has to tell.
#[derive(Clone, Debug, Default)]
pub(crate) struct SightTargets {
    /// Feature, token, and the share of the feature's words that the token is.
    words: Vec<(usize, u32, f32)>,
    /// Features where there is nothing, with the token that says so.
    nothing: Vec<(usize, u32)>,
    /// Features with a thing, with the hundreds of its box's coordinates.
    digits: Vec<(usize, [u8; 4])>,
}

impl SightTargets {
    /// Finds what covers each merged patch.
    pub(crate) fn new(
        sights: &Sights,
        grid: PatchGrid,
        tokenizer: &Tokenizer,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let [_, rows, columns] = grid.merged();
        let nothing = token(&sights.nothing, tokenizer)?;
        let mut targets = Self::default();
        for row in 0..rows {
            for column in 0..columns {
                let place = row * columns + column;
                let covers = |sight: &Sight| share(sight.bbox, [row, column], [rows, columns]);
                let best = sights.things.iter().max_by(|a, b| covers(a).total_cmp(&covers(b)));
                match best.filter(|sight| covers(sight) > COVERED) {
                    Some(sight) => {
                        let share = 1.0 / sight.words.len().max(1) as f32;
                        for word in &sight.words {
                            targets.words.push((place, token(word, tokenizer)?, share));
                        }
                        targets.digits.push((place, hundreds(sight.bbox)));
                    }
                    None => targets.nothing.push((place, nothing)),
                }
            }
        }
        Ok(targets)
    }

    /// Adds the targets of another picture, whose features begin at `first`.
    pub(crate) fn append(&mut self, other: &Self, first: usize) {
        self.words.extend(other.words.iter().map(|&(at, token, share)| (first + at, token, share)));
        self.nothing.extend(other.nothing.iter().map(|&(at, token)| (first + at, token)));
        self.digits.extend(other.digits.iter().map(|&(at, digits)| (first + at, digits)));
    }

    /// How many features tell of a thing, and of nothing.
    pub(crate) fn counts(&self) -> [usize; 2] {
        [self.digits.len(), self.nothing.len()]
    }

    /// The loss of these features, `[1]`; `totals` are the counts of the whole step.
    ///
    /// # Shapes
    ///
    /// - `features`: `[merged_patches, hidden]`
    pub(crate) fn loss(
        &self,
        network: &Qwen2Vl,
        head: &SightHead,
        features: &Tensor<2>,
        totals: [usize; 2],
    ) -> Tensor<1> {
        let device = features.device();
        let [things, empty] = totals.map(|total| 1.0 / total.max(1) as f64);
        let asked = self.words.iter().map(|&(at, token, share)| (at as u32, token, share * things as f32));
        let silence = (NOTHING_WEIGHT * empty) as f32;
        let silent = self.nothing.iter().map(|&(at, token)| (at as u32, token, silence));
        let asked: Vec<Word> = asked.chain(silent).collect();
        let words = negative_log_likelihood(network.logits(features.clone()), &asked);
        if self.digits.is_empty() {
            return words;
        }
        let rows = ints(self.digits.iter().map(|entry| entry.0 as i32).collect(), &device);
        let digits: Vec<_> = self.digits.iter().map(|entry| entry.1).collect();
        words + head.loss(features.clone().select(0, rows), &digits) * (DIGITS_WEIGHT * things)
    }
}

/// Reads the hundreds of a box's coordinates from a feature or a hidden state; helps in training and is no part of the model.
#[derive(Module, Debug)]
pub(crate) struct SightHead {
    /// `[4 * 10, hidden]`
    weight: Param<Tensor<2>>,
    /// `[4 * 10]`
    bias: Param<Tensor<1>>,
}

impl SightHead {
    pub(crate) fn new(config: &ModelConfig, device: &Device) -> Self {
        Self {
            weight: Param::from_tensor(Tensor::zeros([40, config.text.hidden_size], device)),
            bias: Param::from_tensor(Tensor::zeros([40], device)),
        }
    }

    /// Mean over four coordinates, summed over rows, of the negative log-likelihood of their hundreds, `[1]`.
    ///
    /// # Shapes
    ///
    /// - `rows`: `[boxes, hidden]`
    pub(crate) fn loss(&self, rows: Tensor<2>, digits: &[[u8; 4]]) -> Tensor<1> {
        let [boxes, _] = rows.dims();
        let logits = rows.matmul(self.weight.val().transpose()) + self.bias.val().unsqueeze::<2>();
        let digits = digits.iter().flatten().enumerate();
        let digits: Vec<Word> = digits.map(|(row, &digit)| (row as u32, digit.into(), 0.25)).collect();
        negative_log_likelihood(logits.reshape([4 * boxes, 10]), &digits)
    }
}

/// Reads words for the subject of a text from its hidden states; helps in training and is no part of the model.
///
/// Not the model's own head: through that one a token could tell its subject only by forgetting what it is itself, and then
/// no answer could copy it.
#[derive(Module, Debug)]
pub(crate) struct SubjectHead {
    /// `[words, hidden]`
    weight: Param<Tensor<2>>,
}

impl SubjectHead {
    /// A head for so many words.
    pub(crate) fn new(words: usize, config: &ModelConfig, device: &Device) -> Self {
        Self { weight: Param::from_tensor(Tensor::zeros([words, config.text.hidden_size], device)) }
    }

    /// Logits of words, `[rows, words]`.
    ///
    /// # Shapes
    ///
    /// - `rows`: `[rows, hidden]`
    pub(crate) fn logits(&self, rows: Tensor<2>) -> Tensor<2> {
        rows.matmul(self.weight.val().transpose())
    }
}

/// Share of the cell of a grid that a box covers.
fn share(bbox: BBox, [row, column]: [usize; 2], [rows, columns]: [usize; 2]) -> f64 {
    let [x1, y1, x2, y2] = bbox.xyxy().map(f64::from);
    let overlap = |low: f64, high: f64, at: usize, count: usize| {
        let cell = 1000.0 / count as f64;
        let start = at as f64 * cell;
        (high.min(start + cell) - low.max(start)).max(0.0) / cell
    };
    overlap(x1, x2, column, columns) * overlap(y1, y2, row, rows)
}

/// A sight that cannot be told makes the item unusable.
pub(crate) fn item_error(index: u64) -> impl FnOnce(Box<dyn std::error::Error + Send + Sync>) -> TrainError {
    move |source| TrainError::Item { index, source }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn of_a_word_of_several_tokens_the_first_is_asked_for()
    -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/golden/tiny");
        let tokenizer = Tokenizer::from_dir(&dir, 1024)?;
        let tokens = tokenizer.encode_text(" pinkish")?;
        assert!(tokens.len() > 1, "{tokens:?}");

        let bbox = BBox::new(100, 200, 300, 400)?;
        let things = vec![Sight { bbox, words: vec!["pinkish".into()] }];
        let sights = Sights { things, nothing: "none".into() };

        assert_eq!(sights.words_at(bbox, &tokenizer)?, Some(vec![tokens[0]]));
        Ok(())
    }

    #[test]
    fn a_box_covers_its_share_of_a_cell() -> Result<(), rcmu_core::Error> {
        // Cells of 200; the box reaches over half the width and all the height of cell (1, 0) ...
        let bbox = BBox::new(100, 200, 300, 400)?;

        assert!((share(bbox, [1, 0], [5, 5]) - 0.5).abs() < 1e-12);
        assert!((share(bbox, [1, 1], [5, 5]) - 0.5).abs() < 1e-12);
        // ... and none of the row above.
        assert!(share(bbox, [0, 0], [5, 5]).abs() < 1e-12);
        Ok(())
    }
}
