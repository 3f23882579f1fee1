use std::path::Path;

use rcmu_data::figurines::Curriculum;
use serde::{Deserialize, Serialize};

use super::{Conversation, Starter, TrainError, TrainSettings, TrainingData};

/// All that makes a model of the figurine world from nothing: what it is at first, what it sees, how it learns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The untrained model.
    pub starter: Starter,
    /// What it is shown.
    pub curriculum: Curriculum,
    /// What its tokenizer is learnt from; the same as it is shown if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vocabulary: Option<Curriculum>,
    /// How it learns.
    pub settings: TrainSettings,
}

/// Conversations of each lesson that the tokenizer is learnt from.
const TOKENIZER_CONVERSATIONS: u64 = 400;

impl Recipe {
    /// Writes the untrained model into a folder, unless it is there.
    ///
    /// # Errors
    ///
    /// [`TrainError::Item`] when the curriculum is not valid, and as [`Starter::write`].
    pub fn start(&self, dir: &Path) -> Result<(), TrainError> {
        // The weights are written last.
        if dir.join("model.safetensors").is_file() {
            return Ok(());
        }
        let mut texts = Vec::new();
        let mut first = 0;
        let vocabulary = self.vocabulary.as_ref().unwrap_or(&self.curriculum);
        for lesson in &vocabulary.lessons {
            let count = match lesson.conversations {
                0 => TOKENIZER_CONVERSATIONS, // it has no end
                count => count.min(TOKENIZER_CONVERSATIONS),
            };
            for index in first..first + count {
                let conversation: Result<Conversation, _> = TrainingData::conversation(vocabulary, index);
                let more = conversation.and_then(|conversation| conversation.texts());
                texts.extend(more.map_err(|source| TrainError::Item { index, source })?);
            }
            first += lesson.conversations;
        }
        self.starter.write(dir, texts.into_iter())
    }
}
