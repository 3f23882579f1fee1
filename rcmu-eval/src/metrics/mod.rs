//! From the scores of items to numbers with intervals.
//!
//! ```text
//! ItemScore ─┬─ summary (binary, wilson, bootstrap) ─► SummaryRow
//!            └─ compare (mcnemar, paired, counts)   ─► Comparison of two runs
//! ```
//!
//! Every metric states its formula, an example that can be checked by hand, its source, and whether the definition is
//! ours or theirs. All of them give the same result, bit for bit, for the same items in any order.

#![allow(clippy::float_cmp, reason = "0 and 1 are exact, and hand calculations in tests are meant to be")]

mod binary;
mod bootstrap;
mod citations;
mod compare;
mod invalid;
mod iou;
mod mcnemar;
mod measure;
mod paired;
mod paired_counts;
mod power;
mod summary;
mod wilson;

pub use binary::Confusion;
pub use bootstrap::{BootstrapOptions, bootstrap, cluster_bootstrap};
pub(crate) use citations::citation_sum_rows;
pub use citations::{CitationAverages, CitationCounts, CitedItem, citation_rows};
pub(crate) use compare::{CitedAnswer, Side, compare_row};
pub use compare::{Comparison, compare};
pub(crate) use invalid::invalid_sum_row;
pub use invalid::{InvalidCitations, invalid_citation_row};
pub use iou::{BoxMatch, match_boxes};
pub use mcnemar::{McNemar, mcnemar};
pub use measure::{Better, MEASURES, Measure, names};
pub use paired::{PairedDifference, PairedItem, paired_bootstrap};
pub use paired_counts::{PairedCounts, paired_counts};
pub use power::{paired_sample_size, unpaired_sample_size};
pub use summary::{Tally, summarise};
pub use wilson::wilson;

/// The sum of the values in ascending order, so that the order in which they came does not change a bit of it.
fn ordered_sum(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.iter().sum()
}

/// The quantile of the standard normal distribution at `1 - tail`.
fn normal_quantile(tail: f64) -> f64 {
    use statrs::distribution::{ContinuousCDF, Normal};
    -Normal::standard().inverse_cdf(tail)
}
