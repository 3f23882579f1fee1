use std::{borrow::Cow, fs, io::ErrorKind, path::Path};

use rcmu_data::figurines::Curriculum;
use serde::{Deserialize, Serialize};

use super::{Conversation, Starter, TrainError, TrainSettings, TrainingData, files::write_durably};

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

/// What an untrained model was made of; stands beside it.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Origin<'a> {
    starter: Cow<'a, Starter>,
    vocabulary: Cow<'a, Curriculum>,
}

const ORIGIN: &str = "origin.json";

/// Conversations of each lesson that the tokenizer is learnt from.
const TOKENIZER_CONVERSATIONS: u64 = 400;

impl Recipe {
    /// Writes the untrained model into a folder, unless it is there.
    ///
    /// # Errors
    ///
    /// [`TrainError::Item`] when the curriculum is not valid, [`TrainError::Checkpoint`] when the model that is there was made of
    /// another starter or vocabulary, and as [`Starter::write`].
    #[expect(clippy::missing_panics_doc, reason = "plain data can always be written")]
    pub fn start(&self, dir: &Path) -> Result<(), TrainError> {
        let vocabulary = self.vocabulary.as_ref().unwrap_or(&self.curriculum);
        let origin = Origin { starter: Cow::Borrowed(&self.starter), vocabulary: Cow::Borrowed(vocabulary) };
        // The weights are written last.
        if dir.join("model.safetensors").is_file() {
            return origin.check(dir);
        }
        fs::create_dir_all(dir).map_err(TrainError::file(dir))?;
        write_durably(&dir.join(ORIGIN), &serde_json::to_vec_pretty(&origin).expect("plain data"))?;
        let mut texts = Vec::new();
        let mut first = 0;
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

impl Origin<'_> {
    /// Makes sure that the model in a folder was made of this. One that does not tell is taken as it is.
    fn check(&self, dir: &Path) -> Result<(), TrainError> {
        let path = dir.join(ORIGIN);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(TrainError::file(path)(error)),
        };
        if serde_json::from_slice::<Origin<'_>>(&bytes).is_ok_and(|found| found == *self) {
            return Ok(());
        }
        let problem = format!("{ORIGIN} names another starter or vocabulary than the recipe");
        Err(TrainError::Checkpoint { path: dir.to_owned(), problem })
    }
}
