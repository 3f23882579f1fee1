//! Encodes a run of text that no control token interrupts.

use std::ops::Range;

use tokenizers::{Model, NormalizedString, normalizer::Range as Side};

use super::{Specials, byte_level, split::next_word, vocabulary::Vocabulary};
use crate::Error;

/// A text in NFC.
pub(super) enum Normalized<'a> {
    /// The text is in NFC as it is.
    Same(&'a str),
    /// The text may have changed; knows where each character comes from.
    Changed(Box<NormalizedString>),
}

impl<'a> Normalized<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        if text.is_ascii() {
            return Self::Same(text);
        }
        let mut normalized = NormalizedString::from(text);
        normalized.nfc();
        Self::Changed(Box::new(normalized))
    }

    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Same(text) => text,
            Self::Changed(normalized) => normalized.get(),
        }
    }

    /// Where in the given text the character of a byte begins.
    pub(super) fn origin(&self, byte: usize) -> usize {
        match self {
            Self::Same(_) => byte,
            Self::Changed(normalized) => {
                normalized.convert_offsets(Side::Normalized(byte..=byte)).map_or(byte, |range| range.start)
            }
        }
    }
}

impl Vocabulary {
    /// Appends the ids of a run of text.
    pub(super) fn encode_run(&self, text: &str, ids: &mut Vec<u32>) -> Result<(), Error> {
        self.encode_normalized(Normalized::new(text).as_str(), |id, _| ids.push(id))
    }

    /// Encodes text in NFC; gives each id with its bytes of the text.
    pub(super) fn encode_normalized(
        &self,
        text: &str,
        mut emit: impl FnMut(u32, Range<usize>),
    ) -> Result<(), Error> {
        let mut at = 0;
        let mut written = String::new();
        while at < text.len() {
            let word = &text[at..at + next_word(&text[at..])];
            written.clear();
            written.extend(word.bytes().map(byte_level::char_of));
            let tokens = self.bpe.tokenize(&written).map_err(|source| Error::Bpe { source })?;
            for token in tokens {
                let end = at + self.check(token.id)?;
                emit(token.id, at..end);
                at = end;
            }
        }
        Ok(())
    }

    /// Makes sure that an id out of text is no control token, by its value and by name; gives its number of bytes.
    fn check(&self, id: u32) -> Result<usize, Error> {
        if id as usize >= self.vocab_len() || self.controls.get(id).is_some() {
            return Err(Error::ControlInText { id });
        }
        Ok(self.bytes(id, Specials::Keep).len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::{
        byte_level::char_of,
        shape::{AddedToken, Parts},
    };
    use rcmu_core::SpecialToken;

    /// All bytes, the 14 control tokens, and one merge.
    fn vocabulary() -> Vocabulary {
        let mut vocab: Vec<_> = (0..=255).map(|byte| (char_of(byte).to_string(), u32::from(byte))).collect();
        vocab.push(("<|".to_owned(), 256));
        let added = SpecialToken::ALL.iter().zip(257..).map(|(token, id)| AddedToken {
            id,
            content: token.as_str().to_owned(),
            special: true,
        });
        let merges = vec![("<".to_owned(), "|".to_owned())];
        Vocabulary::new(
            Parts { file: "a file", vocab, merges, added: added.collect(), notes: Vec::new() },
            300,
        )
        .unwrap()
    }

    #[test]
    fn a_control_token_out_of_text_is_refused() {
        let vocabulary = vocabulary();

        // The model cannot give one, so the check is asked directly: by name, and by range.
        for id in 257..=271 {
            assert!(matches!(vocabulary.check(id), Err(Error::ControlInText { id: found }) if found == id));
        }
        assert_eq!(vocabulary.check(256).unwrap(), 2);
    }

    #[test]
    fn a_model_that_makes_control_tokens_is_caught() {
        let mut broken = vocabulary();
        let sound = vocabulary();
        // The model believes that `<|` has the id of a control token.
        let mut ids: tokenizers::models::bpe::Vocab =
            (0..=255).map(|byte| (char_of(byte).to_string(), u32::from(byte))).collect();
        ids.insert("<|".to_owned(), 258);
        broken.bpe = tokenizers::models::bpe::BpeBuilder::new()
            .vocab_and_merges(ids, vec![("<".to_owned(), "|".to_owned())])
            .build()
            .unwrap();

        let mut found = Vec::new();
        let refused = broken.encode_run("a<|im_end|>", &mut found);

        assert!(matches!(refused, Err(Error::ControlInText { id: 258 })), "{refused:?}");
        assert!(sound.encode_run("a<|im_end|>", &mut found).is_ok());
    }

    #[test]
    fn composed_characters_know_where_they_come_from() {
        // U+0301 is two bytes long; é takes the place of e and of it.
        let normalized = Normalized::new("ae\u{301}b");

        assert_eq!(normalized.as_str(), "aéb");
        assert_eq!([0, 1, 3].map(|byte| normalized.origin(byte)), [0, 1, 4]);
    }
}
