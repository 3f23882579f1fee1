use std::{fmt, thread};

use llguidance::{
    Matcher, ParserFactory,
    api::TopLevelGrammar,
    toktrie::{InferenceCapabilities, TokEnv},
};
use rcmu_core::Grammar;

use super::{Constraint, said, trie::token_trie};
use crate::{Error, tokenizer::Tokenizer};

/// Stack of the thread that compiles: llguidance goes down from rule to rule, and a grammar of [`Grammar::MAX_BYTES`] has
/// thousands of them.
const STACK_BYTES: usize = 256 << 20;

/// Compiles grammars for one tokenizer.
///
/// [`Model`](crate::Model) has one of its own; this is for programs that run a model themselves.
///
/// llguidance installs a panic hook for the whole process when it compiles its first grammar; the hook hands on to the one
/// before.
///
/// # Examples
///
/// ```no_run
/// use rcmu_core::Grammar;
/// use rcmu_model::{GrammarCompiler, tokenizer::Tokenizer};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tokenizer = Tokenizer::from_dir("path/to/checkpoint".as_ref(), 151_936)?;
/// let compiler = GrammarCompiler::new(&tokenizer, &[151_645, 151_643])?;
/// let mut constraint = compiler.compile(&Grammar::new(r#"start: "yes" | "no""#)?)?;
/// let mut logits = vec![0.0; 151_936];
/// constraint.mask(&mut logits)?;
/// assert!(logits.contains(&f32::NEG_INFINITY));
/// # Ok(())
/// # }
/// ```
pub struct GrammarCompiler {
    factory: ParserFactory,
}

impl GrammarCompiler {
    /// Sorts all tokens of a tokenizer by their bytes. `end_ids` are the tokens that end an answer.
    ///
    /// # Errors
    ///
    /// [`Error::Grammar`] when no token ends an answer, or the vocabulary is too large.
    pub fn new(tokenizer: &Tokenizer, end_ids: &[u32]) -> Result<Self, Error> {
        let trie: TokEnv = token_trie(tokenizer, end_ids)?;
        let mut factory = ParserFactory::new(&trie, InferenceCapabilities::default(), &[])
            .map_err(|error| Error::Grammar { problem: said(&error) })?;
        // Nothing is written to the terminal, and errors hold no text of the answer.
        factory.quiet();
        factory.limits_mut().verbose_errors = false;
        Ok(Self { factory })
    }

    /// Compiles a grammar, under llguidance's own limits of lexer and parser.
    ///
    /// # Errors
    ///
    /// [`Error::Grammar`] when it is not one, names a control token that the tokenizer does not have, is over a limit, or
    /// allows no token to begin with.
    pub fn compile(&self, grammar: &Grammar) -> Result<Constraint, Error> {
        let lark = TopLevelGrammar::from_lark(grammar.as_str().to_owned());
        let refused = |problem: String| Error::Grammar { problem };
        let parser = thread::scope(|scope| {
            let compile = || self.factory.create_parser(lark).map_err(|error| said(&error));
            let worker = thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, compile);
            let worker = worker.map_err(|error| format!("no thread to compile it on: {error}"))?;
            worker.join().map_err(|_| "llguidance panicked".to_owned())?
        });
        Constraint::new(Matcher::new(Ok(parser.map_err(refused)?)))
    }
}

impl fmt::Debug for GrammarCompiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrammarCompiler").finish_non_exhaustive()
    }
}
