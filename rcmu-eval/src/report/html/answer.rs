use std::ops::Range;

use rcmu_core::{CitationTarget, FinishReason};
use rcmu_data::Sample;
use rcmu_prompt::{Targets, parse};

use crate::report::{number, targets, visible};

/// Colours that boxes and marks take in turn.
const COLOURS: u32 = 12;

/// A piece of a text: plain, or a mark in the colour of what it cites.
pub(super) struct Segment {
    /// Empty for plain text.
    pub(super) class: String,
    pub(super) text: String,
}

/// The style class of a region's or reference picture's colour.
pub(super) fn colour(number: u32) -> String {
    let round = if number > COLOURS { " again" } else { "" };
    format!("c{}{round}", (number.max(1) - 1) % COLOURS + 1)
}

/// Cuts a text at its marks and boxes, as the parser of answers reads them.
pub(super) fn segments(text: &str, sample: &Sample) -> Vec<Segment> {
    let targets = targets(sample);
    let answer = parse(text, targets, FinishReason::EndOfText);
    let marks = answer.statements.iter().flat_map(|statement| &statement.citations);
    let mut found: Vec<(Range<usize>, Option<CitationTarget>)> =
        marks.map(|mark| (mark.span.clone(), Some(mark.target))).collect();
    found.extend(answer.boxes.iter().map(|named| (named.span.clone(), None)));
    found.sort_by_key(|(span, _)| span.start);

    let mut segments = Vec::new();
    let mut at = 0;
    for (span, target) in found {
        // Numbers of one mark share its span.
        if span.start >= at {
            repeats(&text[at..span.start], targets, sample, &mut segments);
            at = span.end;
        }
        segments.push(match target {
            Some(target) => mark(target, sample),
            None => Segment { class: "named".into(), text: visible(&text[span]) },
        });
    }
    repeats(&text[at..], targets, sample, &mut segments);
    segments
}

/// Finds the marks that repeat a number of their statement, which the parser does not list again.
fn repeats(text: &str, targets: Targets, sample: &Sample, segments: &mut Vec<Segment>) {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('[') {
        let inner = &rest[start + 1..];
        let digits = inner.len() - inner.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let cited = inner[..digits].parse().ok().filter(|_| inner[digits..].starts_with(']'));
        if let Some(cited) = cited {
            plain.push_str(&rest[..start]);
            push_plain(&mut plain, segments);
            segments.push(mark(targets.resolve(cited), sample));
            rest = &inner[digits + 1..];
        } else {
            plain.push_str(&rest[..=start]);
            rest = inner;
        }
    }
    plain.push_str(rest);
    push_plain(&mut plain, segments);
}

fn push_plain(plain: &mut String, segments: &mut Vec<Segment>) {
    if !plain.is_empty() {
        segments.push(Segment { class: String::new(), text: visible(plain) });
        plain.clear();
    }
}

fn mark(target: CitationTarget, sample: &Sample) -> Segment {
    match (number(target, sample), target) {
        (Some(number), _) => Segment { class: format!("mark {}", colour(number)), text: number.to_string() },
        (None, CitationTarget::Unresolved(number)) => {
            Segment { class: "mark nothing".into(), text: format!("{number}?") }
        }
        (None, _) => Segment { class: "mark nothing".into(), text: "?".into() },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rcmu_data::{Kind, PictureSource, Provenance, SampleRegion};

    use super::*;

    fn cut(text: &str) -> Vec<(String, String)> {
        let region = rcmu_core::Region::new("dog", None, "text").expect("a label");
        let region = SampleRegion { region, facts: BTreeMap::new(), visual: BTreeMap::new() };
        let sample = Sample {
            id: "s".into(),
            picture: PictureSource::File("a.png".into()),
            references: vec![],
            regions: vec![region; 14],
            kind: Kind::Open,
            question: "Who?".into(),
            options: vec![],
            cited: true,
            answer: "Lily.".into(),
            accepted: vec![],
            citations: vec![],
            answerable: true,
            provenance: Provenance::default(),
        };
        segments(text, &sample).into_iter().map(|segment| (segment.class, segment.text)).collect()
    }

    fn expected(pieces: &[(&str, &str)]) -> Vec<(String, String)> {
        pieces.iter().map(|(class, text)| ((*class).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn marks_take_the_colour_of_their_number() {
        assert_eq!(
            cut("Lily [2] and Max [1, 13]."),
            expected(&[
                ("", "Lily "),
                ("mark c2", "2"),
                ("", " and Max "),
                ("mark c1", "1"),
                ("mark c1 again", "13"),
                ("", ".")
            ])
        );
    }

    #[test]
    fn repeated_marks_are_coloured_and_marks_of_nothing_are_told() {
        assert_eq!(
            cut("A [1] b [1] c [99] [x]"),
            expected(&[
                ("", "A "),
                ("mark c1", "1"),
                ("", " b "),
                ("mark c1", "1"),
                ("", " c "),
                ("mark nothing", "99?"),
                ("", " [x]")
            ])
        );
    }

    #[test]
    fn boxes_are_told_from_words() {
        let pieces = cut("<|box_start|>(10,20),(30,40)<|box_end|>");
        assert_eq!(pieces, expected(&[("named", "<|box_start|>(10,20),(30,40)<|box_end|>")]));
    }
}
