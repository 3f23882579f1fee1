use std::fmt;

use rcmu_core::{Picture, Piece, Request, Trust, Visual};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Settings;

/// A SHA-256 key of everything that an answer or a verdict rests on.
///
/// For an answer it covers the model's identity, the dataset's hash, the item's id, the bytes of each picture, the pieces of the
/// prompt, the settings with their seed, and the repeat.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RecordKey([u8; 32]);

impl RecordKey {
    /// The key of one request for one item; `request.options.seed` is the seed of this repeat.
    #[expect(clippy::missing_panics_doc, reason = "plain numbers can always be written")]
    pub fn new(model: &str, dataset_hash: &str, item: &str, request: &Request, repeat: u32) -> Self {
        let mut hash = Fields(Sha256::new());
        for text in ["rcmu-record-1", model, dataset_hash, item] {
            hash.field(text.as_bytes());
        }
        hash.count(request.visuals.len());
        for visual in &request.visuals {
            match visual {
                Visual::Image(picture) => hash.field(&picture.key().0),
                Visual::Video(frames) => {
                    hash.field(b"video");
                    let keys: Vec<_> = frames.iter().flat_map(|frame: &Picture| frame.key().0).collect();
                    hash.field(&keys);
                }
                other => hash.field(format!("{other:?}").as_bytes()),
            }
        }
        hash.count(request.prompt.pieces().len());
        for piece in request.prompt.pieces() {
            match piece {
                Piece::Special(token) => {
                    hash.field(b"special");
                    hash.field(token.as_str().as_bytes());
                }
                Piece::Text(text, trust) => {
                    hash.field(if *trust == Trust::Template { b"template" } else { b"text" });
                    hash.field(text.as_bytes());
                }
                Piece::Image => hash.field(b"image"),
                Piece::Video => hash.field(b"video"),
                other => hash.field(format!("{other:?}").as_bytes()),
            }
        }
        let settings = Settings::from(&request.options);
        hash.field(&serde_json::to_vec(&settings).expect("settings have text keys only"));
        hash.field(&repeat.to_le_bytes());
        Self(hash.0.finalize().into())
    }

    /// The key of a question to a judge: its identity and all that it goes by, in order.
    pub fn of_question(judge: &str, asked: &[&[u8]]) -> Self {
        let mut hash = Fields(Sha256::new());
        for field in [b"rcmu-question-1".as_slice(), judge.as_bytes()].iter().chain(asked) {
            hash.field(field);
        }
        Self(hash.0.finalize().into())
    }
}

/// Hashes fields with their lengths, so that no two lists of fields are the same bytes.
struct Fields(Sha256);

impl Fields {
    fn field(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.update(bytes);
    }

    fn count(&mut self, count: usize) {
        self.0.update((count as u64).to_le_bytes());
    }
}

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<RecordKey> for String {
    fn from(key: RecordKey) -> Self {
        key.to_string()
    }
}

impl TryFrom<String> for RecordKey {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const EXPECTED: &str = "a key has 64 hexadecimal digits in lower case";
        let mut key = [0; 32];
        let digits = text.as_bytes();
        if digits.len() != 64 || !digits.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(EXPECTED);
        }
        for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
            let value = |digit: u8| if digit <= b'9' { digit - b'0' } else { digit - b'a' + 10 };
            *byte = value(pair[0]) << 4 | value(pair[1]);
        }
        Ok(Self(key))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rcmu_core::{GenerateOptions, Grammar, Prompt, SpecialToken};

    use super::*;

    fn request(text: &str, picture: u8, options: GenerateOptions) -> Request {
        let mut prompt = Prompt::new();
        prompt.push_special(SpecialToken::ImStart).push_untrusted(text).push_image();
        Request { prompt, visuals: vec![Picture::from_bytes(vec![picture]).into()], options }
    }

    #[test]
    fn everything_that_an_answer_rests_on_changes_the_key() {
        let options = GenerateOptions::default;
        let plain = request("Who?", 1, options());
        let mut trusted = Prompt::new();
        trusted.push_special(SpecialToken::ImStart).push_template("Who?").push_image();
        let keys = [
            RecordKey::new("m", "d", "i", &plain, 0),
            RecordKey::new("n", "d", "i", &plain, 0),
            RecordKey::new("m", "e", "i", &plain, 0),
            RecordKey::new("m", "d", "j", &plain, 0),
            RecordKey::new("m", "d", "i", &plain, 1),
            RecordKey::new("md", "", "i", &plain, 0),
            RecordKey::new("m", "d", "i", &request("Who", 1, options()), 0),
            RecordKey::new("m", "d", "i", &request("Who?", 2, options()), 0),
            RecordKey::new("m", "d", "i", &request("Who?", 1, GenerateOptions { seed: 1, ..options() }), 0),
            RecordKey::new(
                "m",
                "d",
                "i",
                &request("Who?", 1, GenerateOptions { top_p: Some(0.5), ..options() }),
                0,
            ),
            RecordKey::new(
                "m",
                "d",
                "i",
                &request(
                    "Who?",
                    1,
                    GenerateOptions { grammar: Grammar::new("start: \"a\"").ok(), ..options() },
                ),
                0,
            ),
            RecordKey::new("m", "d", "i", &Request { prompt: trusted, ..plain.clone() }, 0),
        ];

        assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len());
        assert_eq!(keys[0], RecordKey::new("m", "d", "i", &plain.clone(), 0));
    }

    #[test]
    fn options_without_a_grammar_are_written_as_before_there_were_any() {
        let written =
            serde_json::to_string(&Settings::from(&GenerateOptions::greedy(9))).expect("plain values");

        assert!(!written.contains("grammar"), "{written}");
    }

    #[test]
    fn everything_that_a_verdict_rests_on_changes_the_key() {
        let key = |judge: &str, asked: &[&str]| {
            let asked: Vec<_> = asked.iter().map(|text| text.as_bytes()).collect();
            RecordKey::of_question(judge, &asked)
        };
        let keys = [
            key("m", &["a", "b"]),
            key("n", &["a", "b"]),
            key("m", &["b", "a"]),
            key("m", &["ab", ""]),
            key("m", &["ab"]),
            key("ma", &["b"]),
            key("m", &[]),
        ];

        assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len());
        assert_eq!(keys[0], key("m", &["a", "b"]));
    }

    #[test]
    fn a_key_makes_the_round_trip_through_its_text() {
        let key = RecordKey::new("m", "d", "i", &Request::default(), 0);

        assert_eq!(RecordKey::try_from(key.to_string()), Ok(key));
        assert!(RecordKey::try_from(key.to_string().to_uppercase()).is_err());
        assert!(RecordKey::try_from("é".repeat(32)).is_err());
    }
}
