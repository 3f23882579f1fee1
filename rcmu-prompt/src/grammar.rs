//! What a model may answer, as grammars: the writer's side of what [`parse`](crate::parse) reads.

use rcmu_core::{BBox, Grammar, Question, Scene, SpecialToken};

use crate::Targets;

/// White space as [`char::is_whitespace`] knows it, for a regular expression's class.
const SPACE: &str = r"\t-\r \x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}";

/// The grammar of the answers to a question about a scene: [`choice_grammar`] where there are options,
/// [`answer_grammar`] otherwise.
pub fn grammar_of(scene: &Scene, question: &Question) -> Grammar {
    match question.choices().len() {
        0 => answer_grammar(Targets::of(scene)),
        options => choice_grammar(options),
    }
}

/// The grammar of answers in which all that is read as a citation or a box is one.
///
/// - A citation is `[k]` or a list such as `[1, 3]`, and each number is that of a region or reference picture.
/// - A box is `<|box_start|>(x1,y1),(x2,y2)<|box_end|>` with real tokens and numbers of 0 to 1000.
/// - An object name stands between its tokens, `<|object_ref_start|>` and `<|object_ref_end|>`.
///
/// All other text is free but for what would be read as one of these: a `[` before a digit, with or without white space
/// between, that is not a citation; two pairs of numbers in round brackets without box tokens; and `<|`, with which the
/// names of control tokens begin. Ranges such as `[1-3]` are read, but may not be written. Of an answer that is cut short the
/// last citation or box may be incomplete; [`parse`](crate::parse()) reports it.
///
/// What is cited may still be wrong, a box may be anywhere and its corners swapped, which is mended when it is read.
///
/// # Examples
///
/// ```
/// use rcmu_core::ImageSize;
/// use rcmu_prompt::{Targets, answer_grammar};
///
/// # fn main() -> Result<(), rcmu_core::Error> {
/// let grammar = answer_grammar(Targets::new(3, 0, ImageSize::new(640, 480)?));
///
/// assert!(grammar.as_str().contains("[1-2]|3"));
/// # Ok(())
/// # }
/// ```
pub fn answer_grammar(targets: Targets) -> Grammar {
    let [box_start, box_end] = [SpecialToken::BoxStart, SpecialToken::BoxEnd].map(SpecialToken::as_str);
    let [name_start, name_end] =
        [SpecialToken::ObjectRefStart, SpecialToken::ObjectRefEnd].map(SpecialToken::as_str);
    let marks = match targets.citable() {
        0 => "TEXT: FREE".to_owned(),
        last => {
            let number = up_to(last);
            format!("TEXT: FREE (MARK FREE)*\nMARK: /\\[({number})([,;] ?({number}))*\\]/")
        }
    };
    let corners = corners();
    // The complement alone would have bytes that no text has, and with them all control tokens.
    let unread = format!(r"\[[{SPACE}]*[0-9]|\([ \t]*[0-9]+[ \t,]+[0-9]+[ \t]*\)[ \t]*,?[ \t]*\(|<\|");
    checked(format!(
        "start: text ((box | name) text)*\n\
         text: TEXT?\n\
         box: {box_start} CORNERS {box_end}\n\
         name: {name_start} text {name_end}\n\
         CORNERS: /{corners}/\n\
         {marks}\n\
         FREE: /(?s:.*)/ & ~/(?s:.*)({unread})(?s:.*)/\n"
    ))
}

/// The grammar of an answer that is one box and nothing else.
pub fn box_grammar() -> Grammar {
    let [start, end] = [SpecialToken::BoxStart, SpecialToken::BoxEnd].map(SpecialToken::as_str);
    checked(format!("start: {start} CORNERS {end}\nCORNERS: /{}/\n", corners()))
}

/// The grammar of an answer that is the letter of one of so many options, `A` to `Z` at most, and nothing else.
pub fn choice_grammar(options: usize) -> Grammar {
    let last = ('A'..='Z').nth(options.clamp(1, 26) - 1).unwrap_or('Z');
    checked(format!("start: /[A-{last}]/\n"))
}

/// The corners of a box as [`BBox`] is written.
fn corners() -> String {
    let number = format!("(0|{})", up_to(u32::from(BBox::GRID)));
    let pair = format!(r"\({number},{number}\)");
    format!("{pair},{pair}")
}

/// The numbers from 1 to `last` without leading zeros, as a regular expression of a length in proportion to the digits.
fn up_to(last: u32) -> String {
    let digits = last.to_string();
    let tail = |len: usize| if len == 0 { String::new() } else { format!("[0-9]{{{len}}}") };
    // Fewer digits, then as many digits with the first smaller one at each place, then the number itself.
    let mut ranges: Vec<String> = (1..digits.len()).map(|len| format!("[1-9]{}", tail(len - 1))).collect();
    for (at, digit) in digits.bytes().enumerate() {
        let lowest = if at == 0 { b'1' } else { b'0' };
        if digit > lowest {
            let (low, high) = (char::from(lowest), char::from(digit - 1));
            ranges.push(format!("{}[{low}-{high}]{}", &digits[..at], tail(digits.len() - at - 1)));
        }
    }
    ranges.push(digits);
    ranges.join("|")
}

fn checked(lark: String) -> Grammar {
    Grammar::new(lark).expect("a grammar of this crate has at most two kilobytes")
}

#[cfg(test)]
mod tests {
    use rcmu_core::ImageSize;

    use super::*;

    /// Whether one of the ranges, written as by [`up_to`], has the number.
    fn has(ranges: &str, number: &str) -> bool {
        ranges.split('|').any(|range| {
            let mut rest = number.chars();
            let mut parts = range.chars().peekable();
            while let Some(part) = parts.next() {
                if part != '[' {
                    if rest.next() != Some(part) {
                        return false;
                    }
                    continue;
                }
                let class: String = parts.by_ref().take_while(|&c| c != ']').collect();
                let (low, high) = class.split_once('-').expect("a range of digits");
                let mut times = 1;
                if parts.next_if_eq(&'{').is_some() {
                    times = parts
                        .by_ref()
                        .take_while(|&c| c != '}')
                        .collect::<String>()
                        .parse()
                        .expect("a number");
                }
                for _ in 0..times {
                    if !rest.next().is_some_and(|c| (low..=high).contains(&c.to_string().as_str())) {
                        return false;
                    }
                }
            }
            rest.next().is_none()
        })
    }

    #[test]
    fn numbers_end_where_they_should() {
        for last in (1..=130).chain([199, 200, 201, 512, 576, 999, 1000]) {
            let ranges = up_to(last);
            for number in 1..=1200 {
                assert_eq!(has(&ranges, &number.to_string()), number <= last, "{number} of {last}: {ranges}");
            }
            for number in ["", "0", "01", "00", "007"] {
                assert!(!has(&ranges, number), "{number:?} of {last}");
            }
        }
    }

    #[test]
    fn white_space_is_what_the_reader_takes_for_it() {
        let class: Vec<char> = ('\t'..='\r')
            .chain(" \u{85}\u{a0}\u{1680}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}".chars())
            .chain('\u{2000}'..='\u{200a}')
            .collect();

        for c in '\0'..=char::MAX {
            assert_eq!(class.contains(&c), c.is_whitespace(), "{c:?}");
        }
    }

    #[test]
    fn the_size_grows_with_the_digits_only() {
        let size = ImageSize::new(640, 480).expect("not empty");
        let len = |regions| answer_grammar(Targets::new(regions, 0, size)).as_str().len();

        assert!(len(512) < 1024, "{}", len(512));
        assert!(len(usize::MAX) < 2048, "{}", len(usize::MAX));
    }

    #[test]
    fn options_have_letters() {
        assert_eq!(choice_grammar(5).as_str(), "start: /[A-E]/\n");
        assert_eq!(choice_grammar(0), choice_grammar(1));
        assert_eq!(choice_grammar(99), choice_grammar(26));
    }
}
