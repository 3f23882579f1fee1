use std::collections::HashMap;

use unicode_general_category::{GeneralCategory, get_general_category};

/// The ASCII punctuation that is taken out.
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

/// Lower case, no ASCII punctuation, no articles, single spaces.
///
/// Punctuation is taken out without a space in its place: `2-year-old` becomes `2yearold`.
///
/// # Examples
///
/// ```
/// use rcmu_eval::scorers::normalise;
///
/// assert_eq!(normalise("The  Owner is a teacher."), "owner is teacher");
/// assert_eq!(normalise("A 2-year-old dog"), "2yearold dog");
/// ```
///
/// # Source
///
/// Theirs: the evaluation of `SQuAD` (arXiv 1606.05250): lower case, punctuation, articles, white space, in this
/// order. Parts of words are what `\w` of its regular expressions is: letters, numbers and the underscore.
pub fn normalise(text: &str) -> String {
    let lower = text.to_lowercase();
    let kept: String = lower.chars().filter(|c| !PUNCTUATION.contains(*c)).collect();
    let mut without = String::with_capacity(kept.len());
    let mut word = String::new();
    for c in kept.chars() {
        if is_part_of_word(c) {
            word.push(c);
        } else {
            push_unless_article(&mut without, &mut word);
            without.push(c);
        }
    }
    push_unless_article(&mut without, &mut word);
    tokens(&without).collect::<Vec<_>>().join(" ")
}

/// Letters and numbers by their category; `char::is_alphanumeric` also takes signs that combine and letters in circles.
fn is_part_of_word(c: char) -> bool {
    use GeneralCategory::{
        DecimalNumber, LetterNumber, LowercaseLetter, ModifierLetter, OtherLetter, OtherNumber,
        TitlecaseLetter, UppercaseLetter,
    };
    matches!(
        get_general_category(c),
        UppercaseLetter
            | LowercaseLetter
            | TitlecaseLetter
            | ModifierLetter
            | OtherLetter
            | DecimalNumber
            | LetterNumber
            | OtherNumber
    )
}

fn push_unless_article(text: &mut String, word: &mut String) {
    if matches!(word.as_str(), "a" | "an" | "the") {
        text.push(' ');
    } else {
        text.push_str(word);
    }
    word.clear();
}

/// Words between white space; the separators U+001C to U+001F are white space in the published evaluation.
fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let is_space = |c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c);
    text.split(is_space).filter(|token| !token.is_empty())
}

/// 1 when both texts are the same after [`normalise`], else 0.
///
/// # Examples
///
/// `The teacher!` and `teacher` are the same, `teacher`: 1.
///
/// ```
/// assert_eq!(rcmu_eval::scorers::exact_match("The teacher!", "teacher"), 1.0);
/// assert_eq!(rcmu_eval::scorers::exact_match("A nurse", "teacher"), 0.0);
/// ```
///
/// # Source
///
/// Theirs: `SQuAD` (arXiv 1606.05250), section 6.1.
pub fn exact_match(prediction: &str, expected: &str) -> f64 {
    f64::from(u8::from(normalise(prediction) == normalise(expected)))
}

/// F1 of the words that two texts share after [`normalise`], each word as often as it stands in both.
///
/// With `s` shared words, `p` and `e` words of prediction and expectation: `2 s / (p + e)`. When one of them has no
/// word left: 1 if both have none, else 0.
///
/// # Examples
///
/// Prediction `the owner is a teacher` has the words `owner is teacher`, expectation `a teacher` has `teacher`: one
/// is shared, `2 * 1 / (3 + 1) = 0.5`.
///
/// ```
/// assert_eq!(rcmu_eval::scorers::token_f1("The owner is a teacher.", "a teacher"), 0.5);
/// ```
///
/// # Source
///
/// Theirs: `SQuAD` (arXiv 1606.05250), section 6.1; empty texts as in `SQuAD` 2.0 (arXiv 1806.03822).
pub fn token_f1(prediction: &str, expected: &str) -> f64 {
    let (prediction, expected) = (normalise(prediction), normalise(expected));
    let mut left: HashMap<&str, usize> = HashMap::new();
    let mut count = 0_usize;
    for token in tokens(&expected) {
        *left.entry(token).or_default() += 1;
        count += 1;
    }
    let (mut shared, mut predicted) = (0_usize, 0_usize);
    for token in tokens(&prediction) {
        predicted += 1;
        if let Some(rest) = left.get_mut(token).filter(|rest| **rest > 0) {
            *rest -= 1;
            shared += 1;
        }
    }
    if count == 0 || predicted == 0 {
        return f64::from(u8::from(count == predicted));
    }
    if shared == 0 {
        return 0.0;
    }
    let (precision, recall) = (shared as f64 / predicted as f64, shared as f64 / count as f64);
    2.0 * precision * recall / (precision + recall)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn articles_are_taken_out_as_whole_words_only() {
        assert_eq!(normalise("The theatre of Anna, an art."), "theatre of anna art");
        assert_eq!(normalise("a\u{1c}b\tc"), "b c");
        // A quote that is not ASCII stays, and the article inside it goes.
        assert_eq!(normalise("“the” end"), "“ ” end");
    }

    /// What the published evaluation gives.
    #[test]
    fn words_end_where_those_of_the_published_evaluation_do() {
        for (text, expected) in [
            ("Ⓐthe b", "ⓐ b"),
            ("the\u{903} b", "\u{903} b"),
            ("the\u{301} b", "\u{301} b"),
            ("x²the b", "x²the b"),
            ("Ⅷa b", "ⅷa b"),
            ("the〇 b", "the〇 b"),
        ] {
            assert_eq!(normalise(text), expected);
        }
    }

    #[test]
    fn a_word_is_shared_as_often_as_it_stands_in_both() {
        // `dog dog cat` and `dog cat cat`: dog once, cat once; 2 * 2 / 6.
        assert!((token_f1("dog dog cat", "dog cat cat") - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(token_f1("dog", "cat"), 0.0);
    }

    #[test]
    fn texts_without_words_equal_only_each_other() {
        assert_eq!(token_f1("the!", ""), 1.0);
        assert_eq!(token_f1("", "cat"), 0.0);
        assert_eq!(exact_match("the", "A."), 1.0);
    }
}
