use rcmu_prompt::is_refusal;

/// Words with which an option says that the question cannot be answered, besides those of a refusal.
///
/// # Source
///
/// Ours: wordings that multiple-choice questions use.
const WORDINGS: [&str; 8] = [
    "cannot be determined",
    "can not be determined",
    "can't be determined",
    "it cannot be determined",
    "the answer cannot be determined",
    "unknown from the given information",
    "the information is not enough",
    "the information is insufficient",
];

/// Whether an option says that there is not enough information to answer the question.
///
/// Case, a leading letter such as `C.` and closing punctuation do not count. "None of the above" is an answer, hence not
/// one of these.
///
/// # Examples
///
/// ```
/// use rcmu_eval::dataset::is_insufficient;
///
/// assert!(is_insufficient("C. there is not enough information to answer the question"));
/// assert!(!is_insufficient("None of the above"));
/// ```
///
/// # Source
///
/// Theirs: that one option says so, at varying places and in varying case, as the figure of RC&P-Bench (arXiv 2508.12263)
/// shows. Ours: which wordings say so.
pub fn is_insufficient(option: &str) -> bool {
    if is_refusal(option) {
        return true;
    }
    let lower = option.trim().to_lowercase().replace('\u{2019}', "'");
    let words = lower.trim_matches(|c: char| c.is_whitespace() || "\"'*.!".contains(c));
    let inner = words.strip_prefix('(').unwrap_or(words);
    let without_letter = match inner.as_bytes() {
        [b'a'..=b'z', b'.' | b')' | b':', ..] => inner[2..].trim_start(),
        _ => words,
    };
    WORDINGS.iter().any(|wording| {
        let rest = without_letter.strip_prefix(wording);
        rest.is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
    })
}

/// The place of the one option, from 0, that says so; `None` when no option does, or several do.
pub fn insufficient_option<S: AsRef<str>>(options: &[S]) -> Option<usize> {
    let mut places = (0..options.len()).filter(|&place| is_insufficient(options[place].as_ref()));
    let place = places.next()?;
    places.next().is_none().then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_is_found_at_any_place_and_in_any_case() {
        let told = "There is not enough information to answer the question";
        for count in 2..=26 {
            for place in 0..count {
                for text in [told.to_owned(), told.to_lowercase(), told.to_uppercase() + "."] {
                    let mut options: Vec<_> = (1..count).map(|value| format!("{value} years old")).collect();
                    options.insert(place, text);

                    assert_eq!(insufficient_option(&options), Some(place));
                }
            }
        }
    }

    #[test]
    fn other_options_are_answers() {
        for text in
            ["None of the above", "All of them", "information", "The doll", "A", "", "(", "Determined"]
        {
            assert!(!is_insufficient(text), "{text}");
        }
        for text in ["Cannot be determined.", "(d) It cannot be determined", "Cannot be answered"] {
            assert!(is_insufficient(text), "{text}");
        }
    }

    #[test]
    fn two_such_options_are_none() {
        assert_eq!(insufficient_option(&["a", "Not enough information", "Cannot be answered"]), None);
        assert_eq!(insufficient_option(&["a", "b"]), None);
    }
}
