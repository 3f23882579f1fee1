use std::cmp::Reverse;

/// A word of a text: letters and digits, with apostrophes taken out and a possessive `'s` left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// In lower case; `two` to `twelve` as digits.
    pub(crate) lower: String,
    /// First byte in the text.
    pub(crate) start: usize,
    /// Byte after the last one.
    pub(crate) end: usize,
    /// Begins with an upper-case letter.
    pub(crate) is_capital: bool,
    /// Ended with `'s`.
    pub(crate) is_possessive: bool,
}

/// Words that carry no fact.
const STOP_WORDS: [&str; 98] = [
    "a", "about", "after", "also", "an", "and", "are", "around", "as", "at", "be", "been", "behind",
    "beside", "between", "both", "but", "by", "can", "do", "does", "for", "from", "front", "had", "has",
    "have", "he", "her", "here", "him", "his", "i", "image", "in", "into", "is", "it", "its", "left", "me",
    "my", "near", "next", "of", "on", "one", "or", "our", "photo", "picture", "right", "scene", "see", "she",
    "shown", "shows", "so", "some", "stand", "standing", "stands", "that", "the", "their", "them", "then",
    "there", "these", "they", "this", "those", "to", "top", "under", "up", "was", "we", "were", "what",
    "when", "where", "which", "while", "who", "whose", "will", "with", "you", "your", "bottom", "old",
    "year", "years", "aged", "named", "called", "owned",
];
/// Words that turn a statement round.
const NEGATIONS: [&str; 20] = [
    "not", "no", "never", "neither", "nor", "without", "none", "isnt", "arent", "wasnt", "werent", "doesnt",
    "dont", "didnt", "hasnt", "havent", "cannot", "cant", "wont", "nobody",
];
/// Number words from 2 on; `one` is more often a pronoun.
const NUMBERS: [&str; 11] =
    ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];
/// How many words before something a negation still belongs to it.
const NEGATION_REACH: usize = 3; // "is not really a teacher"

/// The words of a text in order.
pub(crate) fn words(text: &str) -> Vec<Word> {
    let mut found = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some((start, first)) = chars.next() {
        if !first.is_alphanumeric() {
            continue;
        }
        let mut end = start + first.len_utf8();
        while let Some(&(at, c)) = chars.peek() {
            let joins =
                c.is_alphanumeric() || is_apostrophe(c) && followed_by_letter(text, at + c.len_utf8());
            if !joins {
                break;
            }
            end = at + c.len_utf8();
            chars.next();
        }
        found.push(word(&text[start..end], start, end));
    }
    found
}

fn word(raw: &str, start: usize, end: usize) -> Word {
    let lower = raw.to_lowercase();
    let stem = lower.strip_suffix("'s").or_else(|| lower.strip_suffix("’s"));
    let is_possessive = stem.is_some();
    let lower: String = stem.unwrap_or(&lower).chars().filter(|c| !is_apostrophe(*c)).collect();
    let number = NUMBERS.iter().position(|number| *number == lower);
    Word {
        lower: number.map_or(lower, |at| (at + 2).to_string()),
        start,
        end,
        is_capital: raw.starts_with(char::is_uppercase),
        is_possessive,
    }
}

const fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '’')
}

fn followed_by_letter(text: &str, at: usize) -> bool {
    text[at..].chars().next().is_some_and(char::is_alphabetic)
}

/// The words of a text in lower case.
pub(crate) fn lower(text: &str) -> Vec<String> {
    words(text).into_iter().map(|word| word.lower).collect()
}

/// Where the needle's words stand in the haystack, one after the other; nowhere when the needle is empty.
pub(crate) fn positions(haystack: &[String], needle: &[String]) -> Vec<usize> {
    if needle.is_empty() {
        return Vec::new();
    }
    (0..haystack.len().saturating_sub(needle.len() - 1))
        .filter(|&at| haystack[at..at + needle.len()] == *needle)
        .collect()
}

/// Where the needles stand in the haystack, except inside the words of longer ones: place and needle, in order.
pub(crate) fn outermost(haystack: &[String], needles: &[Vec<String>]) -> Vec<(usize, usize)> {
    let mut by_len: Vec<_> = (0..needles.len()).collect();
    by_len.sort_by_key(|&at| Reverse(needles[at].len()));
    let mut covered = vec![false; haystack.len()];
    let mut found = Vec::new();
    for same_len in by_len.chunk_by(|&a, &b| needles[a].len() == needles[b].len()) {
        let new = found.len();
        for &at in same_len {
            let len = needles[at].len();
            let places = positions(haystack, &needles[at]).into_iter();
            found.extend(
                places.filter(|&place| covered[place..place + len].contains(&false)).map(|place| (place, at)),
            );
        }
        for &(place, at) in &found[new..] {
            covered[place..place + needles[at].len()].fill(true);
        }
    }
    found.sort_unstable();
    found
}

/// Whether the needle's words stand in the haystack, one after the other.
pub(crate) fn find(haystack: &[String], needle: &[String]) -> bool {
    !positions(haystack, needle).is_empty()
}

/// The words of a text in lower case, and which of them a negation turns round.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) lower: Vec<String>,
    negated: Vec<bool>,
}

impl Said {
    /// Reads a text whose sentences stand in lines of their own.
    pub(crate) fn read(text: &str) -> Self {
        let words = words(text);
        let is_negated = |at: usize| {
            let before = (at.saturating_sub(NEGATION_REACH)..at).rev();
            let mut before = before.take_while(|&before| !ends_negation(text, &words[before..]));
            before.any(|before| is_negation(&words[before].lower))
        };
        let negated = (0..words.len()).map(is_negated).collect();
        Self { lower: words.into_iter().map(|word| word.lower).collect(), negated }
    }

    /// Whether one of the words shortly before this place turns it round.
    pub(crate) fn is_negated(&self, at: usize) -> bool {
        self.negated[at]
    }

    /// Whether the value's words stand in it, one after the other, and are not turned round.
    pub(crate) fn says(&self, value: &[String]) -> bool {
        positions(&self.lower, value).iter().any(|&at| !self.is_negated(at))
    }
}

/// Whether no negation reaches over the first of these words of a text: `but`, the `No` of an answer (`No, blue.`), and
/// the last word of a sentence or before a semicolon.
fn ends_negation(text: &str, words: &[Word]) -> bool {
    let Some(first) = words.first() else { return false };
    let (gap, rest) = text[first.end..].split_at(words.get(1).map_or(0, |next| next.start - first.end));
    first.lower == "but"
        || gap.contains(['\n', ';'])
        // Before a capital it may belong to a title: such sentences have a line of their own.
        || gap.contains(['.', '!', '?']) && gap.ends_with(' ') && rest.starts_with(char::is_lowercase)
        || first.lower == "no" && gap.contains([',', '.', ':', '!', '–', '—'])
}

/// Whether a word turns a statement round.
pub(crate) fn is_negation(word: &str) -> bool {
    NEGATIONS.contains(&word)
}

/// Whether a word carries no fact.
pub(crate) fn is_stop_word(word: &str) -> bool {
    STOP_WORDS.contains(&word)
}

/// Whether a word is a number.
pub(crate) fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hyphens_and_apostrophes_are_no_letters() {
        assert_eq!(
            lower("Lily's 2-year-old dog isn’t here"),
            ["lily", "2", "year", "old", "dog", "isnt", "here"]
        );
        assert_eq!(lower("two dogs' toys"), ["2", "dogs", "toys"]);
        assert_eq!(lower("Ünal's «café»"), ["ünal", "café"]);
    }

    #[test]
    fn words_are_found_one_after_the_other() {
        let text = lower("the marketing executive and the marketing man");

        assert_eq!(positions(&text, &lower("marketing executive")), [1]);
        assert_eq!(positions(&text, &lower("marketing")), [1, 5]);
        assert_eq!(positions(&text, &lower("")), Vec::<usize>::new());
        assert_eq!(positions(&lower("a"), &lower("a b")), Vec::<usize>::new());
    }

    #[test]
    fn what_stands_inside_longer_words_does_not_count() {
        let needles = ["red", "red robot", "robot", "cat"].map(lower);

        assert_eq!(outermost(&lower("a red robot, red, a cat"), &needles), [(1, 1), (3, 0), (5, 3)]);
        assert_eq!(
            outermost(&lower("red red"), &[lower("red"), lower("red")]),
            [(0, 0), (0, 1), (1, 0), (1, 1)]
        );
    }

    #[test]
    fn a_negation_reaches_three_words() {
        let text = Said::read("not really a teacher and she is a doctor");

        assert!(text.is_negated(3));
        assert!(!text.is_negated(8));
    }

    #[test]
    fn a_negation_ends_with_its_clause() {
        for text in
            ["not red but blue", "No, blue", "no. blue", "not a nurse;\tblue", "She is no nurse\nBlue"]
        {
            assert!(Said::read(text).says(&lower("blue")), "{text}");
        }
        for text in ["not blue", "not a red, blue robot", "no blue robot", "no-one blue", "but not blue"] {
            assert!(!Said::read(text).says(&lower("blue")), "{text}");
        }
    }
}
