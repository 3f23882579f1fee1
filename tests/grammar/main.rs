//! Answers within a grammar: whatever the logits are, what is read as a citation or a box is one.
#![allow(clippy::unwrap_used, reason = "a broken fixture should stop the test")]

mod answers;
mod walks;

use rcmu::core::{Answer, CitationTarget, ImageSize, RepairKind};

pub(crate) type TestResult = Result<(), Box<dyn std::error::Error>>;

pub(crate) fn size() -> ImageSize {
    ImageSize::new(640, 480).unwrap()
}

/// What is wrong with an answer.
pub(crate) fn faults(answer: &Answer) -> Vec<String> {
    let citations = answer.statements().iter().flat_map(|statement| &statement.citations);
    let lost = citations
        .filter(|citation| matches!(citation.target, CitationTarget::Unresolved(_)))
        .map(|citation| format!("{citation:?}"));
    let repairs = answer.repairs.iter().filter(|repair| repair.kind != RepairKind::BoxCornersSwapped);
    lost.chain(repairs.map(|repair| format!("{repair:?}"))).collect()
}
