//! A checked vocabulary, and the BPE model built from it.

use std::collections::HashSet;

use sha2::{Digest, Sha256};
use tokenizers::models::bpe::{BPE, BpeBuilder, Vocab};

use super::{Specials, byte_level, controls::Controls, shape::Parts};
use crate::Error;

/// Everything a tokenizer knows.
///
/// # Invariant
///
/// Ids of the vocabulary are `0..vocab_len()`, ids of added tokens are above; the BPE model knows the former only, so
/// it cannot make a control token. Each of the 256 bytes has a token, so no text is lost.
pub(super) struct Vocabulary {
    pub(super) bpe: BPE,
    pub(super) controls: Controls,
    pub(super) notes: Vec<String>,
    /// SHA-256 over all tokens, merges and added tokens.
    pub(super) fingerprint: [u8; 32],
    /// Bytes of all tokens of the vocabulary, one after the other.
    bytes: Vec<u8>,
    /// Where the bytes of each token begin; one more than tokens.
    starts: Vec<usize>,
}

impl Vocabulary {
    /// Checks the entries and builds the model.
    pub(super) fn new(parts: Parts, vocab_rows: usize) -> Result<Self, Error> {
        let Parts { file, vocab, merges, added, mut notes } = parts;
        let len = vocab.len();
        let (bytes, starts) = token_bytes(file, &vocab)?;
        let mut hash = Sha256::new();
        hash.update(format!("{starts:?}"));
        hash.update(&bytes);
        hash.update(format!("{merges:?}"));
        let mut ids = Vocab::default();
        for (index, (token, id)) in vocab.into_iter().enumerate() {
            if ids.insert(token, id).is_some() {
                return Err(refuse(file, "vocab", index, "is there twice"));
            }
        }
        if (0..=255).any(|byte| !ids.contains_key(byte_level::char_of(byte).encode_utf8(&mut [0; 4]) as &str))
        {
            let entry = "vocab".to_owned();
            return Err(Error::TokenizerEntry { file, entry, problem: "lacks one of the 256 bytes" });
        }
        check_merges(file, &ids, &merges)?;
        let in_vocab = added.iter().position(|token| ids.contains_key(&token.content));
        if let Some(index) = in_vocab {
            return Err(refuse(file, "added_tokens", index, "is a token of the vocabulary as well"));
        }
        let controls = Controls::new(file, added, len..vocab_rows, &mut notes)?;
        controls.iter().for_each(|(id, token)| hash.update(format!("{id} {token:?}")));
        let bpe = BpeBuilder::new()
            .vocab_and_merges(ids, merges)
            // The cache would keep words of the texts for as long as the thread lives.
            .cache_capacity(0)
            .build()
            .map_err(|source| Error::Bpe { source })?;
        Ok(Self { bpe, controls, notes, fingerprint: hash.finalize().into(), bytes, starts })
    }

    /// Tokens of the vocabulary; the id of the first one is 0.
    pub(super) fn vocab_len(&self) -> usize {
        self.starts.len() - 1
    }

    /// The highest id plus one.
    pub(super) fn len(&self) -> usize {
        self.vocab_len().max(self.controls.last_id() as usize + 1)
    }

    /// The bytes that an id stands for; none for an id without a token.
    pub(super) fn bytes(&self, id: u32, specials: Specials) -> &[u8] {
        let id_index = id as usize;
        if id_index < self.vocab_len() {
            return &self.bytes[self.starts[id_index]..self.starts[id_index + 1]];
        }
        match self.controls.get(id) {
            Some(control) if specials == Specials::Keep || !control.is_special => &control.bytes,
            _ => &[],
        }
    }
}

fn refuse(file: &'static str, list: &str, index: usize, problem: &'static str) -> Error {
    Error::TokenizerEntry { file, entry: format!("{list}[{index}]"), problem }
}

/// The bytes of all tokens in the order of their ids, which must be those from 0 on.
fn token_bytes(file: &'static str, vocab: &[(String, u32)]) -> Result<(Vec<u8>, Vec<usize>), Error> {
    let mut by_id = vec![None; vocab.len()];
    for (index, (token, id)) in vocab.iter().enumerate() {
        let Some(entry) = by_id.get_mut(*id as usize) else {
            return Err(refuse(file, "vocab", index, "has an id above the number of tokens"));
        };
        if entry.replace((index, token)).is_some() {
            return Err(refuse(file, "vocab", index, "has the id of another token"));
        }
    }
    let mut bytes = Vec::new();
    let mut starts = vec![0];
    // As many ids as places, none twice: every place is taken.
    for (index, token) in by_id.into_iter().flatten() {
        let token = byte_level::bytes_of(token)
            .ok_or_else(|| refuse(file, "vocab", index, "has a character that stands for no byte"))?;
        bytes.extend(token);
        starts.push(bytes.len());
    }
    Ok((bytes, starts))
}

/// Every merge joins two tokens of the vocabulary to a third, and comes once.
fn check_merges(file: &'static str, ids: &Vocab, merges: &[(String, String)]) -> Result<(), Error> {
    let mut seen = HashSet::new();
    let mut joined = String::new();
    for (index, (left, right)) in merges.iter().enumerate() {
        let refuse = |problem| Err(refuse(file, "merges", index, problem));
        let (Some(left_id), Some(right_id)) = (ids.get(left), ids.get(right)) else {
            return refuse("joins what is not in the vocabulary");
        };
        joined.clear();
        joined.push_str(left);
        joined.push_str(right);
        if !ids.contains_key(&joined) {
            return refuse("makes what is not in the vocabulary");
        }
        if !seen.insert((*left_id, *right_id)) {
            return refuse("is there twice");
        }
    }
    Ok(())
}
