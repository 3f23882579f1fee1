use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IntoDeserializer},
};
use serde_json::error::Category;

use crate::judge::JudgeError;

/// The most bytes of a reply that are read.
const MAX_REPLY: usize = 4096;

/// A reply that repeats the mark of its question.
pub(super) trait Marked: DeserializeOwned {
    /// The mark.
    fn mark(&self) -> &str;
}

/// The reply to a question with named verdicts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "V: DeserializeOwned"))]
pub(super) struct VerdictReply<V> {
    mark: String,
    /// The verdict.
    #[serde(deserialize_with = "by_name")]
    pub(super) verdict: V,
}

/// The reply to a question for a score.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScoreReply {
    mark: String,
    score: serde_json::Number,
}

/// Reads a name; a verdict may otherwise be an object of its name, too.
fn by_name<'de, V: DeserializeOwned, D: Deserializer<'de>>(deserializer: D) -> Result<V, D::Error> {
    V::deserialize(String::deserialize(deserializer)?.into_deserializer())
}

impl<V: DeserializeOwned> Marked for VerdictReply<V> {
    fn mark(&self) -> &str {
        &self.mark
    }
}

impl Marked for ScoreReply {
    fn mark(&self) -> &str {
        &self.mark
    }
}

impl ScoreReply {
    /// The score, a whole number of 0..=10.
    ///
    /// # Errors
    ///
    /// [`JudgeError::Score`].
    pub(super) fn score(&self) -> Result<u8, JudgeError> {
        let whole = self.score.as_u64().filter(|&score| score <= 10);
        whole.map(|score| score as u8).ok_or(JudgeError::Score)
    }
}

/// Reads a reply: one JSON object with the right fields and mark, and nothing else.
///
/// # Errors
///
/// [`JudgeError::Empty`], [`JudgeError::TooLong`], [`JudgeError::Malformed`] or [`JudgeError::Mark`].
pub(super) fn read<R: Marked>(text: &str, mark: &str) -> Result<R, JudgeError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(JudgeError::Empty);
    }
    if text.len() > MAX_REPLY {
        return Err(JudgeError::TooLong { bytes: text.len(), max: MAX_REPLY });
    }
    let reply: R = serde_json::from_str(text).map_err(|error| {
        let problem = match error.classify() {
            Category::Data => "data",
            Category::Eof => "end",
            Category::Syntax | Category::Io => "syntax",
        };
        JudgeError::Malformed { problem, line: error.line(), column: error.column() }
    })?;
    // An array of the fields' values would be read, too.
    if !text.starts_with('{') {
        return Err(JudgeError::Malformed { problem: "data", line: 1, column: 1 });
    }
    if reply.mark() == mark { Ok(reply) } else { Err(JudgeError::Mark) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::Verdict;

    fn score(text: &str) -> Result<u8, JudgeError> {
        read::<ScoreReply>(text, "#m")?.score()
    }

    #[test]
    fn only_the_object_that_was_asked_for_is_a_score() {
        assert_eq!(score(r##" {"mark": "#m", "score": 10} "##).expect("it is well-formed"), 10);
        assert_eq!(score(r##"{"score":0,"mark":"#m"}"##).expect("it is well-formed"), 0);
    }

    #[test]
    fn everything_else_is_an_error_and_no_score() {
        for text in [
            "",
            " \n",
            "10",
            "11/10",
            "NaN",
            "null",
            "The score is 10.",
            "```json\n{\"mark\":\"#m\",\"score\":7}\n```",
            r##"{"mark":"#m","score":11}"##,
            r##"{"mark":"#m","score":-1}"##,
            r##"{"mark":"#m","score":7.5}"##,
            r##"{"mark":"#m","score":1e999}"##,
            r##"{"mark":"#m","score":NaN}"##,
            r##"{"mark":"#m","score":"10"}"##,
            r##"{"mark":"#m","score":"11/10"}"##,
            r##"{"mark":"#m","score":null}"##,
            r##"{"mark":"#m"}"##,
            r#"{"score":10}"#,
            r##"{"mark":"#other","score":10}"##,
            r##"{"mark":"#m","score":10,"score":0}"##,
            r##"{"mark":"#m","score":10,"why":"good"}"##,
            r##"{"mark":"#m","score":10} {"mark":"#m","score":0}"##,
            r##"{"mark":"#m","score":10}."##,
            r##"[{"mark":"#m","score":10}]"##,
            r##"["#m",7]"##,
            r##"{"mark":"#m","score":1"##,
            "<html><body>502 Bad Gateway</body></html>",
        ] {
            assert!(score(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_verdict_is_one_of_its_names() {
        let verdict = |text: &str| read::<VerdictReply<Verdict>>(text, "#m").map(|reply| reply.verdict);

        assert_eq!(verdict(r##"{"mark":"#m","verdict":"entail"}"##).expect("well-formed"), Verdict::Entail);
        for text in [
            r##"{"mark":"#m","verdict":"Entail"}"##,
            r##"{"mark":"#m","verdict":"yes"}"##,
            r##"{"mark":"#m","verdict":{"entail":null}}"##,
            r##"{"mark":"#m","verdict":["entail"]}"##,
            r##"["#m","entail"]"##,
            "entail",
        ] {
            assert!(verdict(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_message_repeats_nothing_of_the_reply() {
        let error = score(r##"{"mark":"#m","score":10,"secret":"sk-123"}"##).expect_err("a field too many");

        assert!(!format!("{error} {error:?}").contains("sk-123"), "{error}");
        assert!(matches!(error, JudgeError::Malformed { problem: "data", line: 1, .. }), "{error}");
    }

    #[test]
    fn an_endless_reply_is_not_read() {
        let text = format!(r##"{{"mark":"#m","score":10}}{}"##, " x".repeat(MAX_REPLY));

        assert!(matches!(score(&text), Err(JudgeError::TooLong { .. })));
    }
}
