//! The dataset of region-level context-aware multimodal understanding, and how it is made.
//!
//! Nothing is here yet.
