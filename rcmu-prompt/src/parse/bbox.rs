use rcmu_core::{BBox, RepairKind, SpecialToken};

use crate::parse::citation::{Step, saturating_number};

/// Reads a box without tokens one character at a time: two pairs of numbers in round brackets, with commas or
/// spaces between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PairState {
    second: bool,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// After `(`.
    Opened,
    /// In the first number of the pair.
    First,
    /// Between the numbers of the pair.
    Gap { comma: bool },
    /// In the second number of the pair.
    Second,
    /// Behind the second number.
    Spaced,
    /// Between the pairs.
    Between { comma: bool },
}

impl PairState {
    /// After the first `(`.
    pub(crate) const START: Self = Self { second: false, place: Place::Opened };

    pub(crate) fn next(self, c: char) -> Step<Self> {
        let blank = c == ' ' || c == '\t';
        let place = match (self.place, c) {
            (Place::Opened | Place::First, '0'..='9') => Place::First,
            (Place::Gap { .. } | Place::Second, '0'..='9') => Place::Second,
            (Place::First | Place::Gap { comma: false }, ',') => Place::Gap { comma: true },
            (Place::First, _) if blank => Place::Gap { comma: false },
            (Place::Second, _) if blank => Place::Spaced,
            (place, _) if blank => place,
            (Place::Second | Place::Spaced, ')') if self.second => return Step::Done,
            (Place::Second | Place::Spaced, ')') => Place::Between { comma: false },
            (Place::Between { comma: false }, ',') => Place::Between { comma: true },
            (Place::Between { .. }, '(') => return Step::More(Self { second: true, place: Place::Opened }),
            _ => return Step::Fail,
        };
        Step::More(Self { place, ..self })
    }

    /// Whether so much of it is read that nothing but a box can be meant.
    pub(crate) const fn is_second_pair(self) -> bool {
        self.second
    }
}

/// Whether a character can stand between `<|box_start|>` and `<|box_end|>`. Square brackets cannot: they may be
/// marks.
pub(crate) fn is_box_char(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, '(' | ')' | ',' | ';') || c.is_whitespace()
}

/// The boxes whose corners stand in `text`, and what was mended. Empty unless the numbers come in fours and nothing
/// but numbers and their separators stands there: of `(-5,10)` the sign would get lost, and `12.5` would become two.
pub(crate) fn read_corners(text: &str) -> (Vec<BBox>, Vec<RepairKind>) {
    if !text.chars().all(is_box_char) {
        return (Vec::new(), Vec::new());
    }
    let numbers: Vec<u64> = text
        .split(|c: char| !c.is_ascii_digit())
        .filter(|digits| !digits.is_empty())
        .map(saturating_number)
        .collect();
    let (fours, rest) = numbers.as_chunks::<4>();
    if fours.is_empty() || !rest.is_empty() {
        return (Vec::new(), Vec::new());
    }
    let mut repairs = Vec::new();
    let written = |[x1, y1, x2, y2]: [u64; 4]| format!("({x1},{y1}),({x2},{y2})");
    if fours.len() > 1 || text != written(fours[0]) {
        repairs.push(RepairKind::BoxSeparator);
    }
    let boxes = fours.iter().map(|&four| mend(four, &mut repairs)).collect();
    (boxes, repairs)
}

/// Cuts coordinates to the grid and puts the corners in order.
fn mend(four: [u64; 4], repairs: &mut Vec<RepairKind>) -> BBox {
    let grid = u64::from(BBox::GRID);
    if four.iter().any(|&v| v > grid) {
        repairs.push(RepairKind::BoxClamped);
    }
    let [x1, y1, x2, y2] = four;
    if x1 > x2 || y1 > y2 {
        repairs.push(RepairKind::BoxCornersSwapped);
    }
    let [x1, y1, x2, y2] = four.map(|v| v.min(grid) as u16);
    BBox::new(x1.min(x2), y1.min(y2), x1.max(x2), y1.max(y2))
        .expect("the corners are on the grid and in order")
}

/// Reads one box, with or without its tokens, and tells what had to be mended.
///
/// `None` when the text is anything but the four numbers of a box with brackets, commas, semicolons and white
/// space between them.
///
/// # Examples
///
/// ```
/// use rcmu_core::{BBox, RepairKind};
///
/// # fn main() -> Result<(), rcmu_core::Error> {
/// let (bbox, repairs) = rcmu_prompt::parse_bbox("<|box_start|>(214,424),(583 884)<|box_end|>").expect("a box");
///
/// assert_eq!(bbox, BBox::new(214, 424, 583, 884)?);
/// assert_eq!(repairs, [RepairKind::BoxSeparator]);
/// # Ok(())
/// # }
/// ```
pub fn parse_bbox(text: &str) -> Option<(BBox, Vec<RepairKind>)> {
    let text = text.trim();
    let inner = text
        .strip_prefix(SpecialToken::BoxStart.as_str())
        .and_then(|rest| rest.strip_suffix(SpecialToken::BoxEnd.as_str()));
    let (boxes, mut repairs) = read_corners(inner.unwrap_or(text));
    let [bbox] = boxes[..] else { return None };
    if inner.is_none() {
        repairs.insert(0, RepairKind::BoxWithoutTokens);
    }
    Some((bbox, repairs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_comma_is_mended() {
        let bbox = BBox::new(214, 424, 583, 884).expect("the corners are in order");

        let read = parse_bbox("(214,424),(583 884)");

        assert_eq!(read, Some((bbox, vec![RepairKind::BoxWithoutTokens, RepairKind::BoxSeparator])));
    }

    #[test]
    fn corners_are_cut_and_put_in_order() {
        let (boxes, repairs) = read_corners("(900,1200),(100,1300)");

        assert_eq!(boxes, [BBox::new(100, 1000, 900, 1000).expect("the corners are in order")]);
        assert_eq!(repairs, [RepairKind::BoxClamped, RepairKind::BoxCornersSwapped]);
    }

    #[test]
    fn endless_digits_saturate() {
        let (boxes, _) = read_corners(&format!("(1,2),(3,{})", "9".repeat(100_000)));

        assert_eq!(boxes, [BBox::new(1, 2, 3, 1000).expect("the corners are in order")]);
    }

    #[test]
    fn three_or_five_numbers_are_no_box() {
        for text in ["(1,2),(3)", "(1,2),(3,4),(5)", "", "x", "(1,2),(3,4) x"] {
            assert_eq!(parse_bbox(text), None, "{text}");
        }
    }
}
