//! Answers that follow a grammar: which tokens may come next.
//!
//! ```text
//! Tokenizer ─ trie ─► GrammarCompiler (one per model)
//!                        │ compile                     ┌───────── advance ◄─ token ─┐
//! Grammar ───────────────┴─────────────► Constraint ───┴─► mask ─► logits ─ sampler ┘
//! ```
//!
//! Which tokens a grammar allows is worked out by llguidance. A control token is allowed where the grammar names it, such as
//! `<|box_start|>`, and nowhere else; its name written in ordinary characters is text like any other.

mod compiler;
mod constraint;
mod trie;

use std::sync::{Arc, OnceLock};

use rcmu_core::Grammar;

pub use compiler::GrammarCompiler;
pub use constraint::Constraint;

use crate::{Error, tokenizer::Tokenizer};

/// The compiler of a model, made when the first grammar comes; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grammars(Arc<OnceLock<GrammarCompiler>>);

impl Grammars {
    /// Compiles a grammar for this tokenizer, the same in every call.
    pub(crate) fn compile(
        &self,
        grammar: &Grammar,
        tokenizer: &Tokenizer,
        end_ids: &[u32],
    ) -> Result<Constraint, Error> {
        if let Some(compiler) = self.0.get() {
            return compiler.compile(grammar);
        }
        // Two threads may both make one; it is the same, and one is kept.
        let compiler = GrammarCompiler::new(tokenizer, end_ids)?;
        self.0.get_or_init(|| compiler).compile(grammar)
    }
}

/// Characters of a message that are kept: llguidance shows whole lines of a grammar.
const MAX_MESSAGE: usize = 500;

/// The message of an error of llguidance, without what it adds for its own developers.
fn said(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    let ends = ["<non-verbose/>", "<backtrace>", "<state>"].map(|mark| text.find(mark).unwrap_or(text.len()));
    let end = ends.into_iter().min().unwrap_or(text.len());
    let message: String = text[..end].trim_end().chars().take(MAX_MESSAGE).collect();
    if message.starts_with("NoExtension") { "no token may follow".into() } else { message }
}
