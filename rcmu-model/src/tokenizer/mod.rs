//! Text to token ids and back, behind a gate.
//!
//! ```text
//! tokenizer.json ─ json_file ┐
//! vocab.json, …  ─ vocab_files ┴─► shape ─► vocabulary ─► Tokenizer
//! Prompt ─ run (NFC ─ split ─ BPE) ─► prompt ─► input_ids        token ids ─ decode ─► text
//! ```
//!
//! A tokenizer file comes from outside, like a picture. It is read here, field by field, and only the Qwen2 shape is
//! accepted; the `tokenizers` crate never sees the file. It is handed a checked vocabulary and checked merges, and
//! **no control token**: so no text, however it is written, can become one. Control tokens enter a sequence by id,
//! from the typed pieces of a [`Prompt`].

mod byte_level;
mod controls;
mod decode;
mod json;
mod json_file;
#[cfg(feature = "train")]
pub(crate) mod learn;
mod prompt;
mod read;
mod run;
mod shape;
mod split;
mod vocab_files;
mod vocabulary;

use std::{fmt, path::Path, sync::Arc};

use rcmu_core::{Prompt, SpecialToken};

pub use decode::{Specials, StreamDecoder};
pub use prompt::{EncodedPrompt, Slot, SlotKind, Span};

use self::vocabulary::Vocabulary;
use crate::Error;

/// Bytes of text that one call encodes at most, unless [`Tokenizer::with_max_text_bytes`] says otherwise: 1 MiB.
pub const DEFAULT_MAX_TEXT_BYTES: usize = 1 << 20;

/// The byte-level BPE tokenizer of Qwen2-VL.
///
/// Cloning is cheap, and clones may be used from several threads.
///
/// # Source
///
/// The ids and texts are those of Hugging Face `tokenizers`, with one difference: control tokens written in a text
/// stay text, except in [`Tokenizer::encode_reference`].
#[derive(Clone)]
pub struct Tokenizer {
    vocabulary: Arc<Vocabulary>,
    max_text_bytes: usize,
}

impl Tokenizer {
    /// Reads the tokenizer of a model directory.
    ///
    /// Takes `tokenizer.json`; where there is none, `vocab.json`, `merges.txt` and `tokenizer_config.json`. Files of
    /// more than 64 MiB are refused. `vocab_rows` is the number of rows of the embedding table, `vocab_size` in
    /// `config.json`: every id must be below it.
    ///
    /// # Errors
    ///
    /// - [`Error::ReadFile`], [`Error::TokenizerFile`] when a file cannot be read, is not a regular file or is too
    ///   large;
    /// - [`Error::TokenizerSyntax`] when it is not JSON of the expected form;
    /// - [`Error::TokenizerSetting`] when a setting is not that of Qwen2;
    /// - [`Error::TokenizerEntry`] when an entry of the vocabulary, a merge or an added token is not valid;
    /// - [`Error::MissingSpecials`] when control tokens are missing.
    pub fn from_dir(dir: &Path, vocab_rows: usize) -> Result<Self, Error> {
        let json = dir.join(json_file::NAME);
        let parts = match read::optional_file(&json)? {
            Some(bytes) => json_file::parse(&bytes)?,
            None => vocab_files::read(dir)?,
        };
        Ok(Self::new(Vocabulary::new(parts, vocab_rows)?))
    }

    /// Reads the bytes of a `tokenizer.json`.
    ///
    /// # Errors
    ///
    /// As [`Tokenizer::from_dir`], but for the errors of reading files.
    pub fn from_json(json: &[u8], vocab_rows: usize) -> Result<Self, Error> {
        read::check_len(Path::new(json_file::NAME), json.len() as u64)?;
        Ok(Self::new(Vocabulary::new(json_file::parse(json)?, vocab_rows)?))
    }

    fn new(vocabulary: Vocabulary) -> Self {
        Self { vocabulary: Arc::new(vocabulary), max_text_bytes: DEFAULT_MAX_TEXT_BYTES }
    }

    /// Sets how many bytes of text one call encodes at most; for a prompt, all its texts together.
    ///
    /// Encoding holds about 150 bytes of memory per byte of text.
    pub fn with_max_text_bytes(mut self, max: usize) -> Self {
        self.max_text_bytes = max;
        self
    }

    /// What the files say and this tokenizer ignores, in words.
    pub fn notes(&self) -> &[String] {
        &self.vocabulary.notes
    }

    /// Different for tokenizers that differ.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        self.vocabulary.fingerprint
    }

    /// The highest known id plus one; never more than the rows of the embedding table.
    #[expect(clippy::len_without_is_empty, reason = "a vocabulary is never empty")]
    pub fn len(&self) -> usize {
        self.vocabulary.len()
    }

    /// The id of a control token.
    pub fn id(&self, token: SpecialToken) -> u32 {
        self.vocabulary.controls.id(token)
    }

    /// The control token of Qwen2-VL with this id.
    pub fn special(&self, id: u32) -> Option<SpecialToken> {
        self.vocabulary.controls.special(id)
    }

    /// Whether the id is that of an added token: one of the 14 of Qwen2-VL, or any other that the file names.
    pub fn is_control(&self, id: u32) -> bool {
        self.vocabulary.controls.get(id).is_some()
    }

    /// All added tokens of the file, by id.
    pub fn control_tokens(&self) -> impl Iterator<Item = (u32, &str)> {
        self.vocabulary.controls.iter()
    }

    /// The bytes that a token of the vocabulary stands for; none for a control token, and for an id without a token.
    pub fn token_bytes(&self, id: u32) -> &[u8] {
        if self.is_control(id) { &[] } else { self.vocabulary.bytes(id, Specials::Skip) }
    }

    /// Encodes text; a control token written in it stays text.
    ///
    /// # Errors
    ///
    /// - [`Error::TextTooLong`] when the text is longer than the limit;
    /// - [`Error::ControlInText`], [`Error::Bpe`] when the encoder breaks its promise, which no known input causes.
    pub fn encode_text(&self, text: &str) -> Result<Vec<u32>, Error> {
        self.check_len(text.len())?;
        let mut ids = Vec::new();
        self.vocabulary.encode_run(text, &mut ids)?;
        Ok(ids)
    }

    /// Encodes text as the reference does: control tokens written in it count.
    ///
    /// For text of your own and for comparison only; text from outside belongs into
    /// [`Prompt::push_untrusted`].
    ///
    /// # Errors
    ///
    /// As [`Tokenizer::encode_text`].
    pub fn encode_reference(&self, text: &str) -> Result<Vec<u32>, Error> {
        self.check_len(text.len())?;
        let mut ids = Vec::new();
        let mut rest = text;
        while let Some((range, id)) = self.vocabulary.controls.find(rest) {
            self.vocabulary.encode_run(&rest[..range.start], &mut ids)?;
            ids.push(id);
            rest = &rest[range.end..];
        }
        self.vocabulary.encode_run(rest, &mut ids)?;
        Ok(ids)
    }

    /// Encodes a prompt piece by piece: control tokens by id, text with control tokens switched off, one pad token
    /// for each picture.
    ///
    /// Neighbouring texts are encoded as one, whatever their trust. So the ids of a prompt without written control
    /// tokens are exactly the reference's for [`Prompt::to_reference_text`].
    ///
    /// # Errors
    ///
    /// As [`Tokenizer::encode_text`]; [`Error::UnknownPiece`] when the prompt holds a piece that this version does
    /// not know.
    pub fn encode(&self, prompt: &Prompt) -> Result<EncodedPrompt, Error> {
        prompt::encode(self, prompt)
    }

    /// Turns ids back into text.
    ///
    /// Bytes that are not UTF-8 become U+FFFD. Ids without a token, such as those of the padding rows of the
    /// embedding table, give nothing, as in the reference.
    pub fn decode(&self, ids: &[u32], specials: Specials) -> String {
        let mut bytes = Vec::new();
        for &id in ids {
            bytes.extend_from_slice(self.vocabulary.bytes(id, specials));
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Decodes ids one by one, as they are generated.
    pub fn stream(&self, specials: Specials) -> StreamDecoder {
        StreamDecoder::new(self.vocabulary.clone(), specials)
    }

    fn check_len(&self, bytes: usize) -> Result<(), Error> {
        if bytes > self.max_text_bytes {
            return Err(Error::TextTooLong { bytes, max: self.max_text_bytes });
        }
        Ok(())
    }
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokenizer")
            .field("len", &self.len())
            .field("max_text_bytes", &self.max_text_bytes)
            .finish_non_exhaustive()
    }
}
