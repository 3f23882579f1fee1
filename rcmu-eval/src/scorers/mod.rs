//! From the reply to one item to its measures.
//!
//! ```text
//! reply ─ parse ─► Answer ─┬─ choice (rotation) ──────────────┐
//!                          ├─ open_answer (squad), grounding  ├─ item ─► ItemScore
//!                          ├─ abstention, citation            │
//!                          ├─ description                     │
//!                          └─ clause ─ mention ─ claim ─┬─ rcid
//!                                    (subject)          └─ alce
//! ```

#![allow(clippy::float_cmp, reason = "0 and 1 are exact, and hand calculations in tests are meant to be")]

mod abstention;
mod alce;
mod choice;
mod citation;
mod claim;
mod clause;
mod description;
mod grounding;
mod item;
mod mention;
mod open_answer;
mod questions;
mod rcid;
mod rotation;
mod squad;
mod subject;

pub use alce::{AlceScore, CitedStatement, alce};
pub use choice::{CHOICE_CHAIN, Choice, MatchedBy, Unread, choose, right_option};
pub(crate) use citation::are_citations_known;
pub use citation::{citation_counts, invalid_citations};
pub use claim::JudgedClaim;
pub use description::objects_named;
pub use item::{cluster_of, score_item, score_reply};
pub use open_answer::{OpenScore, score_open};
pub use rcid::{Checks, RcidScore, rcid_score};
pub(crate) use rotation::{RotatedQuestion, question_of};
pub use rotation::{Rotation, rotated_questions, rotation_accuracy};
pub use squad::{exact_match, normalise, token_f1};
