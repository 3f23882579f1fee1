//! From a request to text: plan, vision, prefill, then token by token.
//!
//! ```text
//! Request ─ encode ─► ids, positions, patches ─ plan ─► budget ─ vision ─ prefill ─► logits ─ sampler ─► token ─ text
//!                                                                              └────────── decode ◄─────┘
//! ```

mod batch;
mod encode;
mod features;
mod logprobs;
mod plan;
mod row;
mod sampler;
mod session;
mod stop;

pub(crate) use batch::PaddedBatch;
pub use encode::EncodedRequest;
pub(crate) use encode::EncodedVisual;
pub use plan::{Hint, Plan, VisualPlan};
pub(crate) use row::Row;
pub(crate) use sampler::argmax;
pub use sampler::{Candidate, SamplerSettings};
pub use session::Session;
