use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::Error;

/// What an answer may consist of: a grammar in the Lark dialect of llguidance.
///
/// Nothing is known here about what it means; a model compiles it before it does anything else. A grammar is part of a
/// program, like its code: small texts can ask for more work than any limit foresees, so take none from strangers.
/// Cloning is cheap.
///
/// # Invariant
///
/// The text is not blank and at most [`Grammar::MAX_BYTES`] bytes long.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Grammar(Arc<str>);

impl Grammar {
    /// The most bytes of a grammar's text.
    pub const MAX_BYTES: usize = 32 * 1024; // bounds how deep the rules of a grammar can stand in each other

    /// Takes the text of a grammar; an answer is what its rule `start` stands for.
    ///
    /// # Errors
    ///
    /// [`Error::EmptyText`] or [`Error::TextTooLong`].
    pub fn new(lark: impl Into<String>) -> Result<Self, Error> {
        let lark: String = lark.into();
        let field = "grammar";
        if lark.trim().is_empty() {
            return Err(Error::EmptyText { field });
        }
        if lark.len() > Self::MAX_BYTES {
            return Err(Error::TextTooLong { field, len: lark.len(), max: Self::MAX_BYTES });
        }
        Ok(Self(lark.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Grammar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Grammar").field(&self.as_str()).finish()
    }
}

impl TryFrom<String> for Grammar {
    type Error = Error;

    fn try_from(lark: String) -> Result<Self, Error> {
        Self::new(lark)
    }
}

impl From<Grammar> for String {
    fn from(grammar: Grammar) -> Self {
        grammar.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blank_and_an_endless_text_are_refused() {
        assert_eq!(Grammar::new(" \n"), Err(Error::EmptyText { field: "grammar" }));
        assert!(Grammar::new("x".repeat(Grammar::MAX_BYTES)).is_ok());
        assert!(matches!(
            Grammar::new("x".repeat(Grammar::MAX_BYTES + 1)),
            Err(Error::TextTooLong { len: 32_769, .. })
        ));
    }

    #[test]
    fn files_are_checked_too() {
        assert!(serde_json::from_str::<Grammar>("\"\"").is_err());
        assert_eq!(
            serde_json::from_str::<Grammar>(r#""start: \"a\"""#).ok(),
            Grammar::new(r#"start: "a""#).ok()
        );
    }
}
