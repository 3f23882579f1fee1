use crate::{Interval, IntervalMethod};

/// Shows characters that hide or reorder text, such as controls and bidirectional overrides, as `\u{202e}`.
///
/// Line feeds and tabs stay, and so do the joiners that scripts and emoji need.
///
/// # Examples
///
/// ```
/// assert_eq!(rcmu_eval::report::visible("a\u{202e}b\0\n"), "a\\u{202e}b\\u{0}\n");
/// ```
///
/// # Source
///
/// The sets are those of Unicode Technical Report 36 and of "Trojan Source" (CVE-2021-42574).
pub fn visible(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars() {
        if is_hidden(c) { shown.extend(c.escape_unicode()) } else { shown.push(c) }
    }
    shown
}

/// Whether a character is not seen itself but changes what is seen, or cannot stand in XML.
pub(super) fn is_hidden(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
            | '\u{e0000}'..='\u{e007f}')
}

/// The text, or its beginning and an ellipsis where it has more characters than `most`.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A share in percent with one decimal place.
pub(super) fn percent(value: f64) -> String {
    let text = format!("{:.1}", value * 100.0);
    match text.strip_prefix('-') {
        Some("0.0") => "0.0".into(),
        Some(positive) => format!("\u{2212}{positive}"),
        None => text,
    }
}

/// A difference in percentage points, with its sign.
pub(super) fn points(value: f64) -> String {
    let text = percent(value);
    if value > 0.0 && text != "0.0" { format!("+{text}") } else { text }
}

/// Both ends in percent.
pub(super) fn interval_words(interval: &Interval) -> String {
    format!("{} to {}", percent(interval.low), percent(interval.high))
}

pub(super) const fn method_words(method: IntervalMethod) -> &'static str {
    match method {
        IntervalMethod::Wilson => "Wilson",
        IntervalMethod::ClusterBootstrap => "bootstrap over pictures",
    }
}

/// A p-value as papers write it.
pub(super) fn p_words(p: f64) -> String {
    if p < 0.001 { "< 0.001".into() } else { format!("{p:.3}") }
}

/// Bytes in Base64 with padding (RFC 4648, section 4).
pub(super) fn to_base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let at = |place: usize| u32::from(chunk.get(place).copied().unwrap_or(0));
        let group = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4 {
            let digit = DIGITS[(group >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

/// The bytes of a Base64 text with padding; none for anything else.
pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let digits = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 {
        return None;
    }
    for chunk in digits.as_bytes().chunks(4) {
        let mut group = 0;
        for place in 0..4 {
            let digit =
                chunk.get(place).map_or(Some(0), |digit| DIGITS.iter().position(|known| known == digit));
            group = group << 6 | digit?;
        }
        let whole = [(group >> 16) as u8, (group >> 8) as u8, group as u8];
        bytes.extend(&whole[..chunk.len().checked_sub(1)?]);
    }
    Some(bytes)
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_agrees_with_the_vectors_of_rfc_4648() {
        let vectors = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, coded) in vectors {
            assert_eq!(to_base64(plain.as_bytes()), coded);
            assert_eq!(from_base64(coded).as_deref(), Some(plain.as_bytes()));
        }
        for bad in ["Z", "Zg=", "Zg", "Z===", "====", "Zm 9", "Zg==Zg=="] {
            assert_eq!(from_base64(bad), None, "{bad}");
        }
    }

    #[test]
    fn shares_are_rounded_and_zero_has_no_sign() {
        assert_eq!(
            (percent(0.6125), percent(-0.0001), percent(-0.125)),
            ("61.3".into(), "0.0".into(), "\u{2212}12.5".into())
        );
        assert_eq!((points(0.05), points(0.0)), ("+5.0".into(), "0.0".into()));
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!((cut("äöü", 2), cut("äöü", 3)), ("äö…".into(), "äöü".into()));
    }
}
