use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::RecordKey;
use crate::Reply;

/// One answer to one item, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What the answer rests on.
    pub key: RecordKey,
    /// The item's place in the dataset, from 0.
    pub place: u64,
    /// The item's id.
    pub item: String,
    /// Which of the answers to this item it is, from 0.
    pub repeat: u32,
    /// Whose text each region and then each reference picture had in the prompt, by number from 1; empty unless
    /// contexts were permuted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub permutation: Vec<u32>,
    /// What the generator said.
    pub reply: Reply,
}

impl Record {
    /// Where the record stands in a canonical journal.
    pub(super) const fn order(&self) -> (u64, u32) {
        (self.place, self.repeat)
    }
}

/// What a frame of a journal with manifests `M` and records `R` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Entry<M, R> {
    /// What the journal is of.
    Manifest(Box<M>),
    /// One thing that is kept.
    Record(R),
}

impl<M: Serialize, R: Serialize> Entry<M, R> {
    /// The payload of its frame.
    pub(super) fn to_payload(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("an entry has text keys only")
    }
}

impl<M: DeserializeOwned, R: DeserializeOwned> Entry<M, R> {
    /// The entry that a payload holds; `None` when it holds none that this program knows.
    pub(super) fn from_payload(payload: &[u8]) -> Option<Self> {
        serde_json::from_slice(payload).ok()
    }
}
