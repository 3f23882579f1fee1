//! Evaluation: benchmarks, citations, metrics and reports.
//!
//! Nothing is here yet.
