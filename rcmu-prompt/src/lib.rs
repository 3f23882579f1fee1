//! Writes the text that the model reads and reads the text that it writes.
//!
//! ```text
//! Scene ─┐
//! Question ┴─ PromptBuilder ─ text policy ─ render ─► Prompt ──► Generator ──► text ─ parse ─► Answer
//!                                              │                                  └ StreamParser ─► events
//!                                              └────── parse_user_turn reads it back
//! Scene ── grammar ─► Grammar: answers whose marks and boxes `parse` reads as they are meant
//! ```
//!
//! A prompt is typed pieces, not a string: control tokens are put in by this crate alone, and whatever a label, a
//! text or a question says stays text. The forms are described in `docs/prompt-format.md`.

#![forbid(unsafe_code)]

mod error;
mod text_policy;

mod builder;
mod grammar;
pub mod parse;
mod render;

pub use builder::{AnsweredPrompt, BuiltPrompt, PromptBuilder};
pub use error::Error;
pub use grammar::{answer_grammar, box_grammar, choice_grammar, grammar_of};
pub use parse::{
    ContextLine, ParseEvent, StreamParser, Targets, UserTurn, is_refusal, parse, parse_bbox, parse_user_turn,
};
pub use render::{
    bbox::push_bbox,
    chat::{ChatOptions, Content, Conversation, Message, Role},
};
pub use text_policy::{Change, ChangeKind, Field, TextPolicy};

/// The examples of `docs/prompt-format.md`.
#[cfg(doctest)]
#[doc = include_str!("../../docs/prompt-format.md")]
pub struct PromptFormat;
