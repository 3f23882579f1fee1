use std::ops::Range;

use rcmu_core::{Question, Scene};
use rcmu_data::Sample;
use rcmu_prompt::PromptBuilder;

use super::TrainError;
use crate::{Error, generation::EncodedRequest, model::Model, tokenizer::EncodedPrompt};

/// Questions about one scene with the answers to learn.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// The picture with its regions.
    pub scene: Scene,
    /// Questions and answers in order; at least one.
    pub turns: Vec<(Question, String)>,
}

impl Conversation {
    /// Joins samples about one picture and one list of regions.
    ///
    /// # Errors
    ///
    /// [`rcmu_data::Error`] when a question is not valid.
    pub fn new(scene: Scene, samples: &[Sample]) -> Result<Self, rcmu_data::Error> {
        let turns = samples
            .iter()
            .map(|sample| Ok((sample.to_question()?, sample.answer.clone())))
            .collect::<Result<_, rcmu_data::Error>>()?;
        Ok(Self { scene, turns })
    }
}

/// Where conversations come from. The same index always gives the same conversation.
pub trait TrainingData: Sync {
    /// Conversations there are; `None` when there is no end.
    fn len(&self) -> Option<u64>;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// A name that changes with the data; a training goes on only with the data it began with.
    fn fingerprint(&self) -> String;

    /// One conversation.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from being made; the trainer adds the index.
    fn conversation(&self, index: u64) -> Result<Conversation, Box<dyn std::error::Error + Send + Sync>>;
}

/// A conversation as the model reads it, with what it has to predict.
#[derive(Clone, Debug)]
pub(crate) struct Example {
    /// Ids, positions and pictures.
    pub(crate) request: EncodedRequest,
    /// Places whose next token has to be predicted: those just before each token of an answer.
    pub(crate) targets: Vec<usize>,
}

impl Example {
    /// Encodes a conversation.
    ///
    /// What has to be predicted is known from the typed pieces of the prompt; no text is searched for it.
    pub(crate) fn new(model: &Model, index: u64, conversation: &Conversation) -> Result<Self, TrainError> {
        let item = |source: Box<dyn std::error::Error + Send + Sync>| TrainError::Item { index, source };
        let Some(((_, answer), earlier)) = conversation.turns.split_last() else {
            return Err(item("it has no question".into()));
        };
        let (first, _) = &conversation.turns[0];
        let mut builder = PromptBuilder::new(&conversation.scene, first);
        for (turn, (_, answer)) in earlier.iter().enumerate() {
            builder = builder.follow_up(answer, &conversation.turns[turn + 1].0);
        }
        let prompt = builder.build_answered(answer).map_err(|error| item(error.into()))?;
        let encode = || -> Result<Self, Error> {
            let encoded = model.tokenizer().encode(&prompt.built.prompt)?;
            let outline = model.outline_encoded(&encoded, &prompt.built.visuals)?;
            let image_tokens: Vec<usize> = outline.visuals.iter().map(|visual| visual.tokens()).collect();
            let targets = target_places(&encoded, &prompt.answers, &image_tokens);
            let request = model.encode_outline(outline, &prompt.built.visuals)?;
            Ok(Self { request, targets })
        };
        encode().map_err(|error| item(error.into()))
    }

    /// Tokens in all.
    pub(crate) fn len(&self) -> usize {
        self.request.input_ids.len()
    }
}

/// Places before the tokens of the answers, counted after the pads of each picture have been repeated.
fn target_places(encoded: &EncodedPrompt, answers: &[Range<usize>], image_tokens: &[usize]) -> Vec<usize> {
    let starts = encoded.piece_starts();
    let first_token = |piece: usize| starts.get(piece).copied().unwrap_or(encoded.ids().len());
    let expanded = |index: usize| {
        let before = encoded.slots().iter().zip(image_tokens).filter(|(slot, _)| slot.index < index);
        index + before.map(|(_, tokens)| tokens - 1).sum::<usize>()
    };
    let tokens = answers.iter().flat_map(|pieces| first_token(pieces.start)..first_token(pieces.end));
    tokens.filter(|&token| token > 0).map(|token| expanded(token) - 1).collect()
}
