//! From a request to text: plan, vision, prefill, then token by token.
//!
//! ```text
//! Request ─ encode ─► ids, positions, patches ─ plan ─► budget ─ vision ─ prefill ─► logits ─ sampler ─► token ─ text
//!                                                                              └────────── decode ◄─────┘
//! ```

mod batch;
mod encode;
mod features;
mod plan;
mod row;
mod sampler;
mod session;
mod stop;

pub use encode::EncodedRequest;
pub use plan::{Hint, Plan, VisualPlan};
pub use sampler::{Candidate, SamplerSettings};
pub use session::Session;
pub(crate) use batch::PaddedBatch;
pub(crate) use encode::EncodedVisual;
pub(crate) use row::Row;
pub(crate) use sampler::argmax;
