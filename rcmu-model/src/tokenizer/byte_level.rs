//! How a vocabulary file writes bytes: one printable character for each.

use std::sync::LazyLock;

/// The character that stands for each byte.
static CHAR_OF_BYTE: LazyLock<[char; 256]> = LazyLock::new(|| {
    let mut unprintable = 0;
    std::array::from_fn(|byte| {
        if is_printable(byte as u8) {
            return char::from(byte as u8);
        }
        unprintable += 1;
        char::from_u32(255 + unprintable).expect("256 to 323 are characters")
    })
});

/// Bytes that stand for themselves, as Latin-1 characters.
fn is_printable(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)
}

/// The character that stands for a byte.
///
/// # Source
///
/// `bytes_to_unicode` of GPT-2: printable bytes stand for themselves, the other 68 for U+0100 to U+0143, in order.
pub(super) fn char_of(byte: u8) -> char {
    CHAR_OF_BYTE[usize::from(byte)]
}

/// The byte that a character stands for.
pub(super) fn byte_of(letter: char) -> Option<u8> {
    let code = u32::from(letter);
    match u8::try_from(code) {
        Ok(byte) => is_printable(byte).then_some(byte),
        Err(_) => (0..=255).filter(|byte| !is_printable(*byte)).nth(code.checked_sub(256)? as usize),
    }
}

/// The bytes that a token of the vocabulary stands for; `None` when a character stands for no byte.
pub(super) fn bytes_of(token: &str) -> Option<Vec<u8>> {
    // Looking up in a table: a vocabulary has a million characters.
    static BYTE_OF_CHAR: LazyLock<Vec<Option<u8>>> =
        LazyLock::new(|| (0..324).map(|code| byte_of(char::from_u32(code)?)).collect());
    token.chars().map(|letter| BYTE_OF_CHAR.get(letter as usize).copied().flatten()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_makes_the_round_trip() {
        for byte in 0..=255 {
            assert_eq!(byte_of(char_of(byte)), Some(byte));
            assert_eq!(bytes_of(&char_of(byte).to_string()), Some(vec![byte]));
        }
    }

    #[test]
    fn bytes_are_written_as_in_gpt_2() {
        // Published examples: the space is Ġ, the line feed Ċ, the first byte Ā, the soft hyphen Ń.
        assert_eq!([b' ', b'\n', 0, 0xAD].map(char_of), ['Ġ', 'Ċ', 'Ā', 'Ń']);
    }

    #[test]
    fn other_characters_stand_for_no_byte() {
        for letter in [' ', '\n', '\u{7f}', '\u{ad}', '\u{144}', '你'] {
            assert_eq!(byte_of(letter), None, "{letter:?}");
            assert_eq!(bytes_of(&format!("a{letter}")), None, "{letter:?}");
        }
    }
}
