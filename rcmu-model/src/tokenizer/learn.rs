//! Learns a small tokenizer of the Qwen2 shape from texts.

use std::collections::{BTreeMap, HashSet};

use rcmu_core::SpecialToken;
use serde_json::{Value, json};
use tokenizers::{
    Trainer,
    models::bpe::{BPE, BpeTrainer},
};

use super::{
    byte_level::char_of,
    split::{PATTERN, next_word},
};
use crate::Error;

/// The bytes of a `tokenizer.json` learnt from texts: 256 bytes, then merges by frequency up to `size` tokens, then
/// the 14 control tokens of Qwen2-VL.
///
/// The same texts give the same file.
///
/// # Errors
///
/// [`Error::Bpe`] when the learning fails.
pub(crate) fn learn<S: AsRef<str> + Send>(
    texts: impl Iterator<Item = S> + Send,
    size: usize,
) -> Result<Vec<u8>, Error> {
    let failed = |error: tokenizers::Error| Error::Bpe { source: error };
    let alphabet: HashSet<char> = (0..=255).map(char_of).collect();
    let mut trainer = BpeTrainer::builder()
        .vocab_size(size)
        .min_frequency(2)
        .show_progress(false)
        .initial_alphabet(alphabet)
        .build();
    let words = |text: &str| {
        let (mut words, mut rest) = (Vec::new(), text);
        while !rest.is_empty() {
            let (word, after) = rest.split_at(next_word(rest));
            words.push(word.bytes().map(char_of).collect());
            rest = after;
        }
        Ok(words)
    };
    trainer.feed(texts, words).map_err(failed)?;
    let mut bpe = BPE::default();
    trainer.train(&mut bpe).map_err(failed)?;
    let learnt = serde_json::to_value(&bpe).map_err(|error| failed(error.into()))?;
    let vocab: BTreeMap<String, u64> =
        serde_json::from_value(learnt["vocab"].clone()).map_err(|error| failed(error.into()))?;
    let text = serde_json::to_vec_pretty(&tokenizer_json(&vocab, &learnt["merges"]));
    text.map_err(|error| failed(error.into()))
}

fn tokenizer_json(vocab: &BTreeMap<String, u64>, merges: &Value) -> Value {
    let added: Vec<Value> = (vocab.len()..)
        .zip(SpecialToken::ALL)
        .map(|(id, token)| {
            json!({
                "id": id, "content": token.as_str(), "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true,
            })
        })
        .collect();
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": { "type": "NFC" },
        "pre_tokenizer": { "type": "Sequence", "pretokenizers": [
            { "type": "Split", "pattern": { "Regex": PATTERN }, "behavior": "Isolated", "invert": false },
            { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false },
        ] },
        "post_processor":
            { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false },
        "decoder": { "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true },
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
            "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": vocab, "merges": merges,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::{Specials, Tokenizer};

    #[test]
    fn frequent_words_become_tokens_and_rare_ones_stay_readable() {
        let texts = vec!["the red robot sees the red robot"; 5];

        let file = learn(texts.into_iter(), 300).expect("the texts are clean");
        let tokenizer = Tokenizer::from_json(&file, 1000).expect("the file has the shape of Qwen2");

        assert_eq!(tokenizer.encode_text(" robot").map(|ids| ids.len()).ok(), Some(1));
        let ids = tokenizer.encode_text("Ünsäen wörds 12").expect("any text can be encoded");
        assert_eq!(tokenizer.decode(&ids, Specials::Keep), "Ünsäen wörds 12");
        let file_again = learn(vec!["the red robot sees the red robot"; 5].into_iter(), 300).ok();
        assert_eq!(file_again, Some(file));
    }
}
