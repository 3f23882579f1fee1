//! Cuts text into words before BPE.

use std::sync::LazyLock;

use tokenizers::utils::SysRegex;

/// The pattern of Qwen2, as the published file writes it.
pub(super) const PATTERN: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*",
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
);

/// The same pattern without the look ahead, which [`next_word`] does by hand.
static WITHOUT_LOOK_AHEAD: LazyLock<SysRegex> = LazyLock::new(|| {
    SysRegex::new(&PATTERN.replace(r"|\s+(?!\S)", "")).expect("the pattern is a regular expression")
});

/// Bytes of the first word of `text` by the pattern of Qwen2, in time linear in the word; 0 only for no text.
///
/// With the look ahead in the pattern, the engine would backtrack: on a million blanks it gives up and leaves the
/// rest of the text uncut.
pub(super) fn next_word(text: &str) -> usize {
    let end = match WITHOUT_LOOK_AHEAD.find_iter(text).next() {
        Some((0, end)) => end,
        // Some branch matches every character, so that all words begin where the last one ended.
        Some((start, _)) => start,
        None => text.len(),
    };
    // `\s+(?!\S)`: blanks leave their last character to the word that follows, if they are more than one.
    match text[..end].char_indices().next_back() {
        Some((last, blank))
            if last > 0 && end < text.len() && blank.is_whitespace() && !matches!(blank, '\r' | '\n') =>
        {
            last
        }
        _ => end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(mut text: &str) -> Vec<&str> {
        let mut words = Vec::new();
        while !text.is_empty() {
            let (word, rest) = text.split_at(next_word(text));
            words.push(word);
            text = rest;
        }
        words
    }

    #[test]
    fn blanks_leave_one_to_the_next_word() {
        assert_eq!(words("a   b"), ["a", "  ", " b"]);
        assert_eq!(words("a   1"), ["a", "  ", " ", "1"]);
        assert_eq!(words("a   "), ["a", "   "]);
        assert_eq!(words("\u{3000}\u{3000}!"), ["\u{3000}", "\u{3000}", "!"]);
    }

    #[test]
    fn line_breaks_end_blanks() {
        assert_eq!(words("a \n \n b"), ["a", " \n \n", " b"]);
        assert_eq!(words("x.\r\n\r\ny"), ["x", ".\r\n\r\n", "y"]);
    }

    #[test]
    fn contractions_and_digits_stand_alone() {
        assert_eq!(words("HE'LL it's 42"), ["HE", "'LL", " it", "'s", " ", "4", "2"]);
    }
}
