use std::sync::Arc;

use llguidance::toktrie::{ApproximateTokEnv, TokEnv, TokRxInfo, TokTrie};

use crate::{Error, tokenizer::Tokenizer};

/// Longer tokens are never allowed; the longest of Qwen2 has 128 bytes.
const MAX_TOKEN_BYTES: usize = 512; // the trie of llguidance is at most 1,024 bytes deep
/// The most bytes of all tokens; those of Qwen2 have 1.0 million.
const MAX_BYTES: usize = 4 << 20; // the trie of llguidance has less than 4,194,304 nodes

/// All tokens of a tokenizer by their bytes, in the form of llguidance.
///
/// Control tokens begin with the byte 255, which no text has, so that no text can stand for one: ordinary tokens with that
/// byte are left out.
pub(super) fn token_trie(tokenizer: &Tokenizer, end_ids: &[u32]) -> Result<TokEnv, Error> {
    let last_end = end_ids.iter().max().map_or(0, |&id| id as usize + 1);
    let mut words = vec![Vec::new(); tokenizer.len().max(last_end)];
    for (id, word) in words.iter_mut().enumerate() {
        let bytes = tokenizer.token_bytes(id as u32);
        if bytes.len() <= MAX_TOKEN_BYTES && !bytes.contains(&TokTrie::SPECIAL_TOKEN_MARKER) {
            bytes.clone_into(word);
        }
    }
    for (id, name) in tokenizer.control_tokens() {
        // Others have no name in a grammar.
        if name.starts_with('<') && name.ends_with('>') {
            words[id as usize] = [&[TokTrie::SPECIAL_TOKEN_MARKER], name.as_bytes()].concat();
        }
    }
    let refuse = |problem: &str| Err(Error::Grammar { problem: problem.to_owned() });
    let Some(&end) = end_ids.first() else {
        return refuse("the model has no token that ends an answer");
    };
    if words.iter().map(Vec::len).sum::<usize>() >= MAX_BYTES {
        return refuse("the model's vocabulary is too large for grammars");
    }
    let trie = TokTrie::from(&TokRxInfo::new(words.len() as u32, end), &words).with_eos_tokens(end_ids);
    Ok(Arc::new(ApproximateTokEnv::new(trie)))
}
