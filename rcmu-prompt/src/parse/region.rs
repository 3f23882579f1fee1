use std::ops::Range;

use rcmu_core::{BBox, Repair, RepairKind, SpecialToken};

use crate::{
    parse::{
        bbox::{is_box_char, read_corners},
        chat::TurnText,
        citation::saturating_number,
    },
    render::region::{IN_THE_IMAGE, INFORMATION_OF_THE, LOCATED_AT, SHOWN_IN_PICTURE},
};

/// A context line as it stands in a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContextLine {
    /// `[k]: The information of the {label} located at {box} in the image: {info}`, or without the box.
    Region {
        /// The number in brackets.
        number: u64,
        /// The class noun.
        label: String,
        /// The box, if there is one that can be read.
        bbox: Option<BBox>,
        /// What is known about the object.
        info: String,
    },
    /// `[k]: The information of the object shown in Picture p: {info}`.
    Reference {
        /// The number in brackets.
        number: u64,
        /// The number of the picture.
        picture: u64,
        /// What is known about the object.
        info: String,
    },
}

/// Reads the context line at these bytes; `None` when it is another line.
pub(crate) fn read_line(
    turn: &TurnText,
    Range { start: from, end: to }: Range<usize>,
    repairs: &mut Vec<Repair>,
) -> Option<ContextLine> {
    let line = &turn.text[from..to];
    let (digits, rest) = line.strip_prefix('[')?.split_once("]: ")?;
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let rest = rest.strip_prefix(INFORMATION_OF_THE)?;
    let head = to - rest.len();
    if !is_number || !turn.is_template(from..head) {
        return None;
    }
    let number = saturating_number(digits);
    if let Some((picture, info)) = rest.strip_prefix(SHOWN_IN_PICTURE).and_then(|rest| rest.split_once(": "))
    {
        let is_number = !picture.is_empty() && picture.bytes().all(|b| b.is_ascii_digit());
        if is_number && turn.is_template(head..to - info.len()) {
            let picture = saturating_number(picture);
            return Some(ContextLine::Reference { number, picture, info: info.to_owned() });
        }
    }
    let boxed = find_box(turn, head..to);
    let after_box = boxed.as_ref().map_or(head, |(_, place)| place.end);
    let place = turn.find(IN_THE_IMAGE, after_box..to, |_| true)?;
    let label = turn.text[head..boxed.as_ref().map_or(place, |&(located_at, _)| located_at)].to_owned();
    let bbox = boxed.and_then(|(_, place)| read_box(turn, place, repairs));
    let info = turn.text[place + IN_THE_IMAGE.len()..to].to_owned();
    Some(ContextLine::Region { number, label, bbox, info })
}

/// Where ` located at ` stands in the rest of a line, and what stands between it and ` in the image: `.
///
/// A label may have the words too; those count before the opening token of a box, and before text that can only be
/// meant for one.
fn find_box(turn: &TurnText, rest: Range<usize>) -> Option<(usize, Range<usize>)> {
    let last = turn.rfind(IN_THE_IMAGE, rest.clone())?;
    let begins_box = |at: usize| {
        let start = at + LOCATED_AT.len();
        start <= last && turn.is_token(SpecialToken::BoxStart, start)
    };
    if let Some(located_at) = turn.find(LOCATED_AT, rest.clone(), begins_box) {
        let start = located_at + LOCATED_AT.len();
        let end = turn.find(IN_THE_IMAGE, start..rest.end, |_| true)?;
        return Some((located_at, start..end));
    }
    let end = turn.find(IN_THE_IMAGE, rest.clone(), |_| true)?;
    let located_at = turn.rfind(LOCATED_AT, rest.start..end)?;
    let place = located_at + LOCATED_AT.len()..end;
    let (_, corners) = corners_of(turn, place.clone());
    let text = &turn.text[corners];
    let is_bare = text.starts_with('(') && text.chars().all(is_box_char) && turn.is_template(place.clone());
    is_bare.then_some((located_at, place))
}

/// The tokens around a box that are there, first and last, and the bytes between them.
fn corners_of(turn: &TurnText, place: Range<usize>) -> ([bool; 2], Range<usize>) {
    let [first, last] = [SpecialToken::BoxStart, SpecialToken::BoxEnd];
    let opened = turn.is_token(first, place.start);
    let start = if opened { place.start + first.as_str().len() } else { place.start };
    let close = place.end.checked_sub(last.as_str().len());
    let close = close.filter(|&at| at >= start && turn.is_token(last, at));
    ([opened, close.is_some()], start..close.unwrap_or(place.end))
}

/// Reads the box of a context line, with or without its tokens.
fn read_box(turn: &TurnText, place: Range<usize>, repairs: &mut Vec<Repair>) -> Option<BBox> {
    let ([opened, closed], span) = corners_of(turn, place);
    let (boxes, mended) = read_corners(&turn.text[span.clone()]);
    let mut repair = |kind| repairs.push(Repair { kind, span: span.clone() });
    if !opened {
        repair(RepairKind::BoxWithoutTokens);
    }
    match boxes[..] {
        [bbox] if closed || !opened => {
            mended.into_iter().for_each(repair);
            Some(bbox)
        }
        _ => {
            repair(RepairKind::BoxTruncated);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use rcmu_core::Prompt;

    use super::*;
    use crate::{UserTurn, parse_user_turn};

    fn read(text: &str) -> UserTurn {
        parse_user_turn(&Prompt::from_reference_text(text))
    }

    fn man(bbox: Option<[u16; 4]>) -> ContextLine {
        let bbox = bbox.map(|xyxy| BBox::try_from(xyxy).expect("the corners are in order"));
        ContextLine::Region { number: 1, label: "man".into(), bbox, info: "Tom.".into() }
    }

    fn kinds(turn: &UserTurn) -> Vec<RepairKind> {
        turn.repairs.iter().map(|repair| repair.kind).collect()
    }

    #[test]
    fn corners_with_signs_points_or_letters_are_no_box() {
        for corners in ["(-5,10),(100,200)", "(12.5,20.5)", "(1e2,5),(6,7)", "[1,2,3,4]", "(x1,y2),(x3,y4)"] {
            let turn = read(&format!(
                "[1]: The information of the man located at <|box_start|>{corners}<|box_end|> in the image: Tom."
            ));

            assert_eq!(turn.context, [man(None)], "{corners}");
            assert_eq!(kinds(&turn), [RepairKind::BoxTruncated], "{corners}");
        }
    }

    #[test]
    fn a_box_without_its_tokens_is_read() {
        for place in ["(755,417),(991,885)", "(755,417),(991,885)<|box_end|>"] {
            let turn =
                read(&format!("[1]: The information of the man located at {place} in the image: Tom.\nWho?"));

            assert_eq!(turn.context, [man(Some([755, 417, 991, 885]))], "{place}");
            assert_eq!(kinds(&turn), [RepairKind::BoxWithoutTokens], "{place}");
            assert_eq!(&turn.question, "Who?");
        }
    }

    #[test]
    fn a_box_that_does_not_end_is_reported_and_reading_goes_on() {
        let second = "[2]: The information of the dog in the image: Bella.";
        let mended = [
            ("<|box_start|>(755,417),(991,885)", vec![RepairKind::BoxTruncated]),
            ("<|box_start|>(755,417),(991", vec![RepairKind::BoxTruncated]),
            ("(755,417),(991", vec![RepairKind::BoxWithoutTokens, RepairKind::BoxTruncated]),
        ];
        for (place, expected) in mended {
            let line = format!("[1]: The information of the man located at {place} in the image: Tom.");

            let turn = read(&format!("{line}\n{second}\nWho?"));

            assert_eq!(turn.context[0], man(None), "{place}");
            assert_eq!((turn.context.len(), turn.question.as_str()), (2, "Who?"), "{place}");
            assert_eq!(kinds(&turn), expected, "{place}");
        }
    }

    #[test]
    fn a_place_in_words_belongs_to_the_label() {
        let turn = read("[1]: The information of the man located at the door in the image: Tom.\nWho?");

        assert!(
            matches!(&turn.context[..], [ContextLine::Region { label, bbox: None, .. }] if label == "man located at the door")
        );
        assert_eq!(turn.repairs, []);
    }
}
