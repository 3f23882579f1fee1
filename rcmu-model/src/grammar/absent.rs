//! In place of grammars where the feature `grammar` is off: none can be compiled, so that none is ever followed.

use rcmu_core::Grammar;

use crate::{Error, tokenizer::Tokenizer};

/// Knows no grammar.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grammars(());

impl Grammars {
    #[expect(clippy::unused_self, reason = "as with the feature")]
    pub(crate) fn compile(&self, _: &Grammar, _: &Tokenizer, _: &[u32]) -> Result<Constraint, Error> {
        Err(Error::GrammarFeature)
    }
}

/// Exists nowhere.
#[derive(Debug)]
pub(crate) enum Constraint {}

impl Constraint {
    pub(crate) fn mask(&mut self, _: &mut [f32]) -> Result<(), Error> {
        match *self {}
    }

    pub(crate) fn advance(&mut self, _: u32) -> Result<(), Error> {
        match *self {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_grammar_is_refused() -> Result<(), Box<dyn std::error::Error>> {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/golden/tokenizer_small");
        let tokenizer = Tokenizer::from_dir(dir.as_ref(), 1024)?;

        let result = Grammars::default().compile(&Grammar::new("start: \"a\"")?, &tokenizer, &[0]);

        assert!(matches!(result, Err(Error::GrammarFeature)));
        Ok(())
    }
}
