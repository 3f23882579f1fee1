use rcmu_core::{BBox, Repair, RepairKind, SpecialToken};

use crate::{
    parse::{bbox::read_corners, chat::TurnText, citation::saturating_number},
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

/// Reads the context line between bytes `from` and `to`; `None` when it is another line.
pub(crate) fn read_line(
    turn: &TurnText,
    from: usize,
    to: usize,
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
    let opens_a_box = |at: usize| {
        let box_start = at + LOCATED_AT.len();
        turn.is_special(box_start) && turn.text[box_start..].starts_with(SpecialToken::BoxStart.as_str())
    };
    if let Some(place) = turn.find(LOCATED_AT, head..to, opens_a_box) {
        let start = place + LOCATED_AT.len() + SpecialToken::BoxStart.as_str().len();
        let end = turn.find(SpecialToken::BoxEnd.as_str(), start..to, |at| turn.is_special(at))?;
        let after = end + SpecialToken::BoxEnd.as_str().len();
        let info = turn.text[after..to].strip_prefix(IN_THE_IMAGE)?;
        let (boxes, mended) = read_corners(&turn.text[start..end]);
        repairs.extend(mended.into_iter().map(|kind| Repair { kind, span: start..end }));
        let bbox = if let [bbox] = boxes[..] {
            Some(bbox)
        } else {
            repairs.push(Repair { kind: RepairKind::BoxTruncated, span: start..end });
            None
        };
        let label = turn.text[head..place].to_owned();
        return Some(ContextLine::Region { number, label, bbox, info: info.to_owned() });
    }
    let place = turn.find(IN_THE_IMAGE, head..to, |_| true)?;
    let label = turn.text[head..place].to_owned();
    let info = turn.text[place + IN_THE_IMAGE.len()..to].to_owned();
    Some(ContextLine::Region { number, label, bbox: None, info })
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
}
