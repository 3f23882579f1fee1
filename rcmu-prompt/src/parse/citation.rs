use rcmu_core::{RegionSet, Scene};

/// The most numbers that a range such as `[1-3]` stands for wherever it lies.
const MAX_RANGE: u64 = 32; // keeps the citations of a text in proportion to its length
/// The most numbers that the longer ranges of one answer stand for together, which must be those of things there are.
const MAX_LONG_RANGES: u64 = 16 * (RegionSet::MAX + Scene::MAX_REFERENCES) as u64; // each thing 16 times, at least

/// What ranges over [`MAX_RANGE`] numbers may stand for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LongRanges {
    /// The largest number there is to cite.
    last: u64,
    /// Numbers that are left to them.
    left: u64,
}

impl LongRanges {
    /// Those of an answer that can cite `[1]` up to this number.
    pub(crate) fn up_to(last: u32) -> Self {
        Self { last: u64::from(last), left: MAX_LONG_RANGES }
    }

    /// Whether the range from `first` to `last` stands for all its numbers.
    fn expand(&mut self, first: u64, last: u64) -> bool {
        let Some(more) = last.checked_sub(first) else { return false };
        if more < MAX_RANGE {
            return true;
        }
        let expands = first >= 1 && last <= self.last && more < self.left;
        if expands {
            self.left -= more + 1;
        }
        expands
    }
}

/// Reads a mark one character at a time: `\[\s*\d+(\s*[,;-]\s*\d+)*\s*\]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MarkState {
    /// After the bracket, where a number must come.
    Opened,
    /// After a separator, where a number must come.
    Separated,
    /// In a number.
    Number,
    /// After a number and white space.
    Spaced,
}

/// What one more character means for something half read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step<S> {
    /// It may still become one.
    More(S),
    /// It is complete with this character.
    Done,
    /// It is none.
    Fail,
}

impl MarkState {
    pub(crate) fn next(self, c: char) -> Step<Self> {
        match (self, c) {
            (Self::Opened | Self::Separated | Self::Number, '0'..='9') => Step::More(Self::Number),
            (Self::Number | Self::Spaced, ',' | ';' | '-') => Step::More(Self::Separated),
            (Self::Number | Self::Spaced, ']') => Step::Done,
            (Self::Number | Self::Spaced, c) if c.is_whitespace() => Step::More(Self::Spaced),
            (Self::Opened | Self::Separated, c) if c.is_whitespace() => Step::More(self),
            _ => Step::Fail,
        }
    }

    /// Whether a number has been read.
    pub(crate) fn has_number(self) -> bool {
        self != Self::Opened
    }
}

/// The numbers of a complete mark, and whether one of its ranges had to be mended.
pub(crate) fn read_mark(mark: &str, long_ranges: &mut LongRanges) -> (Vec<u64>, bool) {
    let inner = mark.trim_start_matches('[').trim_end_matches(']');
    let mut numbers = Vec::new();
    let mut mended = false;
    for item in inner.split([',', ';']) {
        let ends: Vec<u64> = item.split('-').map(saturating_number).collect();
        match ends[..] {
            [first, last] if long_ranges.expand(first, last) => numbers.extend(first..=last),
            [_] => numbers.extend(ends),
            _ => {
                mended = true;
                numbers.extend(ends);
            }
        }
    }
    (numbers, mended)
}

/// The value of the digits in `text`; `u64::MAX` when it is larger.
pub(crate) fn saturating_number(text: &str) -> u64 {
    let digits = text.bytes().filter(u8::is_ascii_digit);
    digits.fold(0, |value: u64, digit| value.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a mark where there is nothing to cite.
    fn read_mark(mark: &str) -> (Vec<u64>, bool) {
        super::read_mark(mark, &mut LongRanges::up_to(0))
    }

    fn is_mark(text: &str) -> bool {
        let mut state = MarkState::Opened;
        let mut chars = text.strip_prefix('[').expect("the text begins with a bracket").chars();
        loop {
            match chars.next().map(|c| state.next(c)) {
                Some(Step::More(next)) => state = next,
                Some(Step::Done) => return chars.next().is_none(),
                Some(Step::Fail) | None => return false,
            }
        }
    }

    #[test]
    fn the_grammar_of_marks_holds() {
        for mark in ["[1]", "[ 1 ]", "[1,2]", "[1 , 2;3-4]", "[007]", "[1-2-3]"] {
            assert!(is_mark(mark), "{mark}");
        }
        for text in ["[]", "[x]", "[1e999]", "[1 2]", "[,1]", "[1,]", "[-1]", "[1.5]", "[１]", "[[1]"] {
            assert!(!is_mark(text), "{text}");
        }
    }

    #[test]
    fn lists_and_ranges_expand() {
        assert_eq!(read_mark("[1, 3;5]"), (vec![1, 3, 5], false));
        assert_eq!(read_mark("[2-4]"), (vec![2, 3, 4], false));
        assert_eq!(read_mark("[ 1 - 2 , 9 ]"), (vec![1, 2, 9], false));
    }

    #[test]
    fn ranges_that_make_no_sense_keep_their_ends() {
        assert_eq!(read_mark("[9-2]"), (vec![9, 2], true));
        assert_eq!(read_mark("[1-33]"), (vec![1, 33], true));
        assert_eq!(read_mark("[1-32]").0.len(), 32);
        assert_eq!(read_mark("[1-2-3]"), (vec![1, 2, 3], true));
    }

    #[test]
    fn a_long_range_of_things_there_are_expands() {
        let read = |mark, last| super::read_mark(mark, &mut LongRanges::up_to(last));

        assert_eq!(read("[1-40]", 40), ((1..=40).collect(), false));
        assert_eq!(read("[1-576]", 576).0.len(), 576);
        for mark in ["[1-41]", "[0-40]", "[1-18446744073709551615]", "[0-18446744073709551615]"] {
            let (numbers, mended) = read(mark, 40);
            assert_eq!((numbers.len(), mended), (2, true), "{mark}");
        }
    }

    #[test]
    fn long_ranges_do_not_make_more_and_more() {
        let mut long_ranges = LongRanges::up_to(u32::MAX);

        let (numbers, mended) =
            super::read_mark(&format!("[{}1]", "1-512,".repeat(10_000)), &mut long_ranges);

        // 16 times 576 numbers are 18 ranges of 512; the others keep two ends, and `1` is one more.
        assert_eq!((numbers.len(), mended), (18 * 512 + 9_982 * 2 + 1, true));
        assert_eq!(
            super::read_mark("[1-4294967295]", &mut LongRanges::up_to(u32::MAX)).0,
            [1, 4_294_967_295]
        );
    }

    #[test]
    fn huge_numbers_saturate() {
        assert_eq!(read_mark("[18446744073709551616]"), (vec![u64::MAX], false));
        assert_eq!(read_mark(&format!("[{}]", "9".repeat(10_000))), (vec![u64::MAX], false));
    }
}
