//! The tokens outside the vocabulary.

use std::{collections::BTreeMap, ops::Range};

use rcmu_core::SpecialToken;

use super::{byte_level, shape::AddedToken};
use crate::Error;

/// The most added tokens; Qwen2-VL has 14.
const MAX_ADDED: usize = 4096;
/// The most bytes of an added token.
const MAX_CONTENT_BYTES: usize = 128;

/// An added token.
pub(super) struct Control {
    content: String,
    /// What it decodes to.
    pub(super) bytes: Vec<u8>,
    /// Whether decoding may leave it out.
    pub(super) is_special: bool,
    token: Option<SpecialToken>,
}

/// All added tokens, by id and by content.
pub(super) struct Controls {
    by_id: BTreeMap<u32, Control>,
    /// Contents with their ids, in the order of their bytes.
    by_content: Vec<(Vec<u8>, u32)>,
    /// Ids in the order of [`SpecialToken::ALL`].
    special_ids: [u32; SpecialToken::ALL.len()],
}

impl Controls {
    /// Checks added tokens: each has its own id from `vocab_len` to `vocab_rows`, and none is missing.
    pub(super) fn new(
        file: &'static str,
        added: Vec<AddedToken>,
        ids: Range<usize>,
        notes: &mut Vec<String>,
    ) -> Result<Self, Error> {
        let mut by_id = BTreeMap::new();
        let mut by_content = BTreeMap::new();
        for (index, AddedToken { id, content, special }) in added.into_iter().enumerate() {
            let refuse =
                |problem| Err(Error::TokenizerEntry { file, entry: format!("added token {index}"), problem });
            if index >= MAX_ADDED {
                return refuse("is one of more than 4,096");
            }
            if content.is_empty() || content.len() > MAX_CONTENT_BYTES {
                return refuse("has no text, or more than 128 bytes");
            }
            if (id as usize) < ids.start {
                return refuse("has an id of the vocabulary");
            }
            if id as usize >= ids.end {
                return refuse("has an id above the rows of the embedding table");
            }
            if by_content.insert(content.as_bytes().to_vec(), id).is_some() {
                return refuse("has the text of another added token");
            }
            let token = SpecialToken::from_name(&content);
            if token.is_none() && !special {
                notes.push(format!("{file}: {content} is an added token that no text of a prompt becomes"));
            }
            if token.is_some() && !special {
                notes.push(format!("{file}: {content} is not marked as special, and is treated as such"));
            }
            let control = Control {
                // The reference decodes added tokens like any other, if they could be written that way.
                bytes: byte_level::bytes_of(&content).unwrap_or_else(|| content.as_bytes().to_vec()),
                is_special: special || token.is_some(),
                token,
                content,
            };
            if by_id.insert(id, control).is_some() {
                return refuse("has the id of another added token");
            }
        }
        let find = |token: SpecialToken| by_content.get(token.as_str().as_bytes()).copied();
        let names: Vec<_> = SpecialToken::ALL
            .into_iter()
            .filter(|token| find(*token).is_none())
            .map(SpecialToken::as_str)
            .collect();
        if !names.is_empty() {
            return Err(Error::MissingSpecials { file, names });
        }
        let special_ids = SpecialToken::ALL.map(|token| find(token).expect("no token is missing"));
        Ok(Self { by_id, by_content: by_content.into_iter().collect(), special_ids })
    }

    pub(super) fn id(&self, token: SpecialToken) -> u32 {
        let index = SpecialToken::ALL.iter().position(|other| *other == token);
        self.special_ids[index.expect("ALL holds every token")]
    }

    pub(super) fn special(&self, id: u32) -> Option<SpecialToken> {
        self.by_id.get(&id)?.token
    }

    pub(super) fn get(&self, id: u32) -> Option<&Control> {
        self.by_id.get(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &str)> {
        self.by_id.iter().map(|(id, control)| (*id, control.content.as_str()))
    }

    /// The highest id.
    pub(super) fn last_id(&self) -> u32 {
        self.by_id.last_key_value().map_or(0, |(id, _)| *id)
    }

    /// The first added token written in `text`, the longest of those that begin there.
    pub(super) fn find(&self, text: &str) -> Option<(Range<usize>, u32)> {
        let bytes = text.as_bytes();
        (0..bytes.len()).find_map(|at| {
            let (len, id) = self.longest_prefix(&bytes[at..])?;
            Some((at..at + len, id))
        })
    }

    /// The longest added token that `bytes` begin with.
    fn longest_prefix(&self, bytes: &[u8]) -> Option<(usize, u32)> {
        let mut candidates = self.by_content.as_slice();
        let mut longest = None;
        for (depth, byte) in bytes.iter().enumerate() {
            let from = candidates.partition_point(|(content, _)| content.get(depth) < Some(byte));
            let to = candidates.partition_point(|(content, _)| content.get(depth) <= Some(byte));
            candidates = &candidates[from..to];
            // All candidates share `depth + 1` bytes, so the one that ends here comes first.
            match candidates.first() {
                None => break,
                Some((content, id)) if content.len() == depth + 1 => longest = Some((content.len(), *id)),
                Some(_) => {}
            }
        }
        longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn controls(more: &[&str]) -> Controls {
        let names = SpecialToken::ALL.map(SpecialToken::as_str);
        let added = names.iter().chain(more).zip(300..).map(|(name, id)| AddedToken {
            id,
            content: (*name).to_owned(),
            special: true,
        });
        Controls::new("a file", added.collect(), 300..400, &mut Vec::new()).unwrap()
    }

    #[test]
    fn the_leftmost_then_longest_token_is_found() {
        let controls = controls(&["<|im", "<|im_end|>>", "im_end"]);

        assert_eq!(controls.find("a<|im_end|>>b"), Some((1..12, 315)));
        assert_eq!(controls.find("a<|im_end|>b"), Some((1..11, 302)));
        assert_eq!(controls.find("a<|im_end|"), Some((1..5, 314)));
        assert_eq!(controls.find("<| im_end|>"), Some((3..9, 316)));
        assert_eq!(controls.find("<|IM_END|>"), None);
    }

    #[test]
    fn every_token_has_its_own_id() {
        let controls = controls(&[]);

        for token in SpecialToken::ALL {
            assert_eq!(controls.special(controls.id(token)), Some(token));
        }
        assert_eq!(controls.last_id(), 313);
    }
}
