use std::collections::BTreeMap;

use rcmu_core::{Answer, BBox};

use crate::metrics::{BoxMatch, match_boxes, names};

/// Compares the boxes that an answer names with those of the right answer; `None` when the right answer names none.
pub(super) fn boxes(right: &Answer, answer: &Answer) -> Option<BoxMatch> {
    let of = |answer: &Answer| -> Vec<BBox> { answer.boxes.iter().map(|mention| mention.bbox).collect() };
    let wanted = of(right);
    (!wanted.is_empty()).then(|| match_boxes(&of(answer), &wanted))
}

/// Whether an answer is a box and nothing else.
pub(super) fn is_box_alone(answer: &Answer) -> bool {
    let has_words = |text: &str| text.chars().any(char::is_alphanumeric);
    answer.boxes.len() == 1 && !answer.statements.iter().any(|statement| has_words(&statement.text))
}

/// Writes the measures of boxes.
pub(super) fn measure(measures: &mut BTreeMap<String, f64>, found: BoxMatch) {
    measures.insert(names::BOX_IOU.to_owned(), found.iou);
    measures.insert(names::BOX_HIT.to_owned(), found.hits);
}
