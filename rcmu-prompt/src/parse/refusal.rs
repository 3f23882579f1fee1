/// Polite words before a refusal.
const LEAD_INS: [&str; 12] = [
    "i'm sorry, but ",
    "i am sorry, but ",
    "sorry, but ",
    "sorry, ",
    "unfortunately, ",
    "based on the information above, ",
    "based on the given information, ",
    "based on the provided information, ",
    "based on the information above and the given image, ",
    "according to the information above, ",
    "according to the given information, ",
    "according to the provided information, ",
];

/// Words that a refusal begins with.
const BEGINNINGS: [&str; 16] = [
    "cannot be answered",
    "can not be answered",
    "can't be answered",
    "it cannot be answered",
    "the question cannot be answered",
    "this question cannot be answered",
    "unanswerable",
    "there is no information about",
    "there is no information on",
    "there is no information regarding",
    "there is no information provided about",
    "there is not enough information",
    "there isn't enough information",
    "there is insufficient information",
    "not enough information",
    "insufficient information",
];

/// What a refusal says does not provide something.
const SOURCES: [&str; 5] = ["description", "information", "context", "text", "image"];
/// What a source then does not do.
const PROVIDES_NOTHING: [&str; 6] = [
    " does not provide any information",
    " does not provide information",
    " does not provide enough information",
    " does not contain any information",
    " does not mention any information",
    " does not include any information",
];

/// How a refusal says that the thing asked about is not there; these words end the sentence.
const NOT_IN_THE_IMAGE: [&str; 8] = [
    " is not in the image",
    " are not in the image",
    " is not in the picture",
    " are not in the picture",
    " is not present in the image",
    " are not present in the image",
    " is not shown in the image",
    " is not in this image",
];

/// The most words that may name the thing that is not in the image.
const MAX_SUBJECT_WORDS: usize = 4; // "The person", "The black dog": longer ones tell a story

/// Whether a sentence, without its citation marks, says that the question cannot be answered.
///
/// Case and a leading option letter (`C. …`) do not count; a sentence that goes on with ", but" or ", however" is
/// none. The rules are listed in `docs/prompt-format.md`.
///
/// # Examples
///
/// ```
/// use rcmu_prompt::is_refusal;
///
/// assert!(is_refusal("The person is not in the image."));
/// assert!(!is_refusal("The dog is not in the house."));
/// ```
pub fn is_refusal(sentence: &str) -> bool {
    let lower = sentence.trim().to_lowercase().replace('\u{2019}', "'");
    let mut words = lower.trim_matches(|c: char| "\"'“”*.!".contains(c) || c.is_whitespace());
    words = strip_option_letter(words);
    for lead_in in LEAD_INS {
        words = words.strip_prefix(lead_in).unwrap_or(words);
    }
    if words.contains(", but ") || words.contains(", however") {
        return false;
    }
    BEGINNINGS.iter().any(|beginning| starts_with_words(words, beginning))
        || a_source_provides_nothing(words)
        || something_is_not_in_the_image(words)
}

/// `c. …`, `c) …` and `(c) …` without the letter.
fn strip_option_letter(words: &str) -> &str {
    let inner = words.strip_prefix('(').unwrap_or(words);
    let mut chars = inner.chars();
    let is_letter = chars.next().is_some_and(|c| c.is_ascii_lowercase());
    if is_letter && matches!(chars.next(), Some('.' | ')' | ':')) {
        chars.as_str().trim_start()
    } else {
        words
    }
}

fn starts_with_words(text: &str, beginning: &str) -> bool {
    text.strip_prefix(beginning).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
}

fn a_source_provides_nothing(words: &str) -> bool {
    let Some(rest) = words.strip_prefix("the ") else { return false };
    let names_a_source = SOURCES.iter().any(|source| rest.split(' ').take(2).any(|word| word == *source));
    names_a_source && PROVIDES_NOTHING.iter().any(|nothing| rest.contains(nothing))
}

fn something_is_not_in_the_image(words: &str) -> bool {
    NOT_IN_THE_IMAGE.iter().filter_map(|ending| words.strip_suffix(ending)).any(|subject| {
        let begins_well = ["the ", "that ", "this ", "such "].iter().any(|word| subject.starts_with(word));
        begins_well && subject.split_whitespace().count() <= MAX_SUBJECT_WORDS && !subject.contains(',')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_letter_does_not_hide_a_refusal() {
        for text in
            ["C. there is not enough information to answer the question", "(e) Not enough information"]
        {
            assert!(is_refusal(text), "{text}");
        }
    }

    #[test]
    fn the_words_must_end_where_the_rule_ends() {
        assert!(!is_refusal("The dog is not in the image of the house."));
        assert!(!is_refusal("The dog that Lily adopted last year is not in the image."));
        assert!(!is_refusal("There is no information abouts."));
    }

    #[test]
    fn a_sentence_that_goes_on_is_an_answer() {
        assert!(!is_refusal("There is no information about her age, but she looks young."));
        assert!(is_refusal("I’m sorry, but there is no information about her age."));
    }
}
