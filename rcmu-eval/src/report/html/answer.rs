use rcmu_core::{CitationTarget, FinishReason};
use rcmu_data::Sample;
use rcmu_prompt::parse;

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
    let answer = parse(text, targets(sample), FinishReason::EndOfText);
    let mut segments = Vec::new();
    let mut at = 0;
    for named in answer.boxes {
        // Boxes in one pair of tokens share its span.
        if named.span.start >= at {
            marks(&text[at..named.span.start], sample, &mut segments);
            at = named.span.end;
        }
        segments.push(Segment { class: "named".into(), text: visible(&text[named.span]) });
    }
    marks(&text[at..], sample, &mut segments);
    segments
}

/// Cuts a text without boxes at its marks, each with all numbers of its own: the parser lists one that its statement has
/// cited before no second time.
fn marks(text: &str, sample: &Sample, segments: &mut Vec<Segment>) {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('[') {
        let inner = &rest[start + 1..];
        let is_inside = |c: char| c.is_ascii_digit() || c.is_whitespace() || ",;-".contains(c);
        let end = inner.find(|c: char| !is_inside(c)).filter(|&end| inner[end..].starts_with(']'));
        let end = end.map_or(start + 1, |end| start + 2 + end);
        let cited = numbers(&rest[start..end], sample);
        if cited.is_empty() {
            plain.push_str(&rest[..end]);
        } else {
            plain.push_str(&rest[..start]);
            push_plain(&mut plain, segments);
            segments.extend(cited.into_iter().map(|target| mark(target, sample)));
        }
        rest = &rest[end..];
    }
    plain.push_str(rest);
    push_plain(&mut plain, segments);
}

/// What a mark cites; nothing where the text is none.
fn numbers(text: &str, sample: &Sample) -> Vec<CitationTarget> {
    let alone = parse(text, targets(sample), FinishReason::EndOfText);
    alone.statements.iter().flat_map(|statement| &statement.citations).map(|mark| mark.target).collect()
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
    fn every_mark_shows_all_of_its_numbers() {
        assert_eq!(
            cut("John [1] and Bella [1, 2], [1-2] [ 1 ; 20 ] [] [,] [x1]"),
            expected(&[
                ("", "John "),
                ("mark c1", "1"),
                ("", " and Bella "),
                ("mark c1", "1"),
                ("mark c2", "2"),
                ("", ", "),
                ("mark c1", "1"),
                ("mark c2", "2"),
                ("", " "),
                ("mark c1", "1"),
                ("mark nothing", "20?"),
                ("", " [] [,] [x1]"),
            ])
        );
    }

    #[test]
    fn boxes_are_told_from_words() {
        let pieces = cut("<|box_start|>(10,20),(30,40)<|box_end|>");
        assert_eq!(pieces, expected(&[("named", "<|box_start|>(10,20),(30,40)<|box_end|>")]));
    }
}
