use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use rcmu_core::{Control, GenerateError};
use sha2::{Digest, Sha256};

use super::{Answerer, Asked};
use crate::{
    Error, Reply,
    dataset::{
        Dataset,
        lines::{self, wrong},
    },
    hex::hex,
    journal,
};

/// Answers that were recorded before, by item and repeat.
///
/// An item without one gets [`Reply::Failed`], never an empty text.
#[derive(Clone, Debug)]
pub struct Replay {
    identity: String,
    replies: HashMap<(String, u32), Reply>,
}

impl Replay {
    /// The answers of a journal.
    ///
    /// # Errors
    ///
    /// As [`journal::read`].
    pub fn from_journal(path: impl AsRef<Path>) -> Result<Self, Error> {
        let contents = journal::read(path)?;
        let replies = contents.records.into_iter().map(|record| ((record.item, record.repeat), record.reply));
        let replies: BTreeMap<_, _> = replies.collect();
        Ok(Self::new(&contents.manifest.model, replies))
    }

    /// The answers of a file with one JSON object a line: `{"item": "s-1", "text": "Lily."}`.
    ///
    /// `repeat` may be given besides, 0 if it is not, and `finish`, why the text ended, `end_of_text` if it is not. An item
    /// that got no text may have `failed`, the reason, in their place. The name of the file, without its folder, is part of
    /// the replay's identity, and so are all answers. [`write_predictions`](super::write_predictions) writes such a file.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] naming the file, the line and the field: no JSON, a field that is missing, wrong or unknown, a
    /// second answer to one item and repeat.
    pub fn from_predictions(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let mut replies = BTreeMap::new();
        lines::read(path, |_, mut fields| {
            let item: String = fields.required("item")?;
            let repeat = fields.optional("repeat")?.unwrap_or(0);
            let reply = if let Some(reason) = fields.optional("failed")? {
                Reply::Failed { reason }
            } else {
                let text = fields.required("text")?;
                let finish = fields.optional("finish")?.unwrap_or_else(|| "end_of_text".to_owned());
                Reply::Text { text, finish }
            };
            fields.finish()?;
            let repeated = wrong("item", "has an answer on an earlier line");
            match replies.insert((item, repeat), reply) {
                None => Ok(()),
                Some(_) => Err(repeated),
            }
        })?;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        Ok(Self::new(&name, replies))
    }

    fn new(name: &str, replies: BTreeMap<(String, u32), Reply>) -> Self {
        let text =
            serde_json::to_vec(&replies.iter().collect::<Vec<_>>()).expect("pairs have text keys only");
        let hash = hex(&Sha256::digest(text)[..16]);
        Self { identity: format!("replay of {name} ({hash})"), replies: replies.into_iter().collect() }
    }

    /// Ids of items that have an answer here and are none of the dataset's, in order.
    pub fn strangers(&self, dataset: &Dataset) -> Vec<&str> {
        let known: std::collections::HashSet<_> =
            dataset.items().iter().map(|item| item.id.as_str()).collect();
        let ids = self.replies.keys().map(|(item, _)| item.as_str());
        let ids: std::collections::BTreeSet<_> = ids.filter(|id| !known.contains(id)).collect();
        ids.into_iter().collect()
    }
}

impl Answerer for Replay {
    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn answer(&self, asked: &Asked<'_>, _control: &Control) -> Result<Option<Reply>, GenerateError> {
        let reply = self.replies.get(&(asked.sample.id.clone(), asked.repeat)).cloned();
        let missing = || Reply::Failed { reason: "no answer to this item is recorded".into() };
        Ok(Some(reply.unwrap_or_else(missing)))
    }
}
