//! Turns token ids into text, one by one.

use std::{fmt, sync::Arc};

use super::vocabulary::Vocabulary;

/// What becomes of control tokens in decoded text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Specials {
    /// They are written out: boxes are read from such text.
    Keep,
    /// They are left out, as `skip_special_tokens` of the reference does.
    Skip,
}

/// Decodes ids as they come, never half a character.
///
/// All pieces together are the text that [`Tokenizer::decode`](super::Tokenizer::decode) gives for all ids.
pub struct StreamDecoder {
    vocabulary: Arc<Vocabulary>,
    specials: Specials,
    /// The beginning of a character, or nothing.
    pending: Vec<u8>,
}

impl StreamDecoder {
    pub(super) fn new(vocabulary: Arc<Vocabulary>, specials: Specials) -> Self {
        Self { vocabulary, specials, pending: Vec::new() }
    }

    /// Takes one id; gives the text that is settled by it, if any.
    pub fn push(&mut self, id: u32) -> Option<String> {
        self.pending.extend_from_slice(self.vocabulary.bytes(id, self.specials));
        let settled = self.pending.len() - unfinished_len(&self.pending);
        let rest = self.pending.split_off(settled);
        let bytes = std::mem::replace(&mut self.pending, rest);
        (!bytes.is_empty()).then(|| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Ends the stream; gives U+FFFD when a character is left unfinished.
    ///
    /// The decoder is then as new.
    pub fn finish(&mut self) -> Option<String> {
        let bytes = std::mem::take(&mut self.pending);
        (!bytes.is_empty()).then(|| String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl fmt::Debug for StreamDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamDecoder")
            .field("specials", &self.specials)
            .field("pending", &self.pending)
            .finish_non_exhaustive()
    }
}

/// Bytes at the end that begin a character and do not finish it.
fn unfinished_len(bytes: &[u8]) -> usize {
    let last = bytes.utf8_chunks().last().map_or(&[][..], |chunk| chunk.invalid());
    match str::from_utf8(last) {
        // "More bytes are needed", rather than "no byte can follow".
        Err(error) if error.error_len().is_none() => last.len(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_beginning_of_a_character_waits() {
        let cases: [(&[u8], usize); 7] = [
            (b"", 0),
            (b"a", 0),
            ("é".as_bytes(), 0),
            (b"a\xc3", 1),
            (b"\xf0\x9f\x98", 3),
            // No character begins like this.
            (b"a\xff", 0),
            (b"\xed\xa0", 0),
        ];

        for (bytes, unfinished) in cases {
            assert_eq!(unfinished_len(bytes), unfinished, "{bytes:?}");
        }
    }
}
