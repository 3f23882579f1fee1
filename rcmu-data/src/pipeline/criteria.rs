//! What is asked of drafts: each criterion is a function, and all of them are ours.
//!
//! They look at words, not at meaning: a criterion that holds does not prove an item right, one that is broken shows
//! that it is wrong or cannot be checked.

use std::{
    collections::BTreeSet,
    fmt,
    ops::{Range, RangeInclusive},
};

use serde::{Deserialize, Serialize};

/// Where a question names its object.
pub const PLACEHOLDER: &str = "{x}";
/// Most characters of a question, before and after an object is put in.
pub const MAX_QUESTION: usize = 500;
/// Most characters of an answer.
pub const MAX_ANSWER: usize = 600;
/// Most characters of a fact or a visual attribute.
pub const MAX_VALUE: usize = 160;
/// Most characters of the name of a fact, of a person or of a topic.
pub const MAX_NAME: usize = 60;
/// Most characters of an expression or reference that names an object.
pub const MAX_EXPRESSION: usize = 200;
/// How many words a profile has.
pub const PROFILE_WORDS: RangeInclusive<usize> = 8..=160;
/// Most characters of a profile.
pub const MAX_PROFILE: usize = 2000;
/// Most characters of a description.
pub const MAX_DESCRIPTION: usize = 8000;

/// Words that tell two expressions apart as little as none.
const SMALL_WORDS: [&str; 20] = [
    "a", "an", "the", "of", "in", "on", "at", "to", "and", "is", "are", "was", "with", "who", "that",
    "which", "his", "her", "its", "it",
];

/// Declares the criteria: variant, name in files, meaning.
macro_rules! criteria {
    ($($(#[$doc:meta])+ $variant:ident = $name:literal,)+) => {
        /// What a draft can break.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum Criterion { $($(#[$doc])+ $variant,)+ }

        impl Criterion {
            /// All criteria, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name in files.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

criteria! {
    /// A question ends in `?`: [`ends_in_question_mark`].
    EndsInQuestionMark = "ends_in_question_mark",
    /// A question has one placeholder and an answer none: [`count_placeholders`].
    OnePlaceholder = "one_placeholder",
    /// A fact or attribute occurs in the text it is drawn from: [`says`].
    LiteralValue = "literal_value",
    /// An answer says the value that is asked for: [`says`].
    ValueInAnswer = "value_in_answer",
    /// A question does not say its answer: [`says`].
    NoLeak = "no_leak",
    /// A text is neither blank nor too long: [`has_length`].
    Length = "length",
    /// A text has no line breaks and control characters: [`is_one_line`].
    OneLine = "one_line",
    /// A text has no citation marks before the program puts them in: [`has_no_marks`].
    NoMarks = "no_marks",
    /// Nothing is said twice: [`normalised`].
    NoDuplicate = "no_duplicate",
    /// An answer is no refusal.
    NoRefusal = "no_refusal",
    /// A name or topic is plain words: [`is_plain`].
    PlainWords = "plain_words",
    /// A draft speaks of an object that there is.
    KnownObject = "known_object",
    /// A question asks for a fact or attribute that was kept.
    KnownName = "known_name",
    /// An expression or reference fits one object only: [`fits_one_object`], [`is_told_of_one`].
    FitsOneObject = "fits_one_object",
    /// A topic is in neither the context nor the facts: [`is_unmentioned`].
    TopicUnmentioned = "topic_unmentioned",
    /// A profile says its name: [`says`].
    NameInText = "name_in_text",
    /// A text ends as a sentence does: [`ends_as_sentence`].
    EndsAsSentence = "ends_as_sentence",
    /// There are as many profiles of different names as objects.
    EnoughProfiles = "enough_profiles",
    /// A description says a fact of every object: [`says_one_of`].
    EveryObjectTold = "every_object_told",
    /// A cited description without its marks is the description: [`without_marks`].
    SameWithoutMarks = "same_without_marks",
    /// Every object is cited, and no other number.
    EveryObjectCited = "every_object_cited",
    /// Before a mark, and after the one before, a fact of its object is said: [`says_one_of`].
    MarkAtItsObject = "mark_at_its_object",
}

impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// `Ok` when a criterion holds.
pub(super) fn need(holds: bool, criterion: Criterion) -> Result<(), Criterion> {
    if holds { Ok(()) } else { Err(criterion) }
}

/// Checks what is asked of every short text.
pub(super) fn check_text(text: &str, max: usize) -> Result<(), Criterion> {
    need(has_length(text, max), Criterion::Length)?;
    need(is_one_line(text), Criterion::OneLine)?;
    need(has_no_marks(text), Criterion::NoMarks)
}

/// Whether a question ends in `?`.
pub fn ends_in_question_mark(question: &str) -> bool {
    question.ends_with('?')
}

/// How many placeholders `{x}` a text has; `None` when it has other braces.
pub fn count_placeholders(text: &str) -> Option<usize> {
    let rest = text.replace(PLACEHOLDER, "");
    (!rest.contains(['{', '}'])).then(|| text.matches(PLACEHOLDER).count())
}

/// Whether `words` stand in `text`, in any case, with no letter or digit beside them.
///
/// # Examples
///
/// ```
/// use rcmu_data::pipeline::criteria::says;
///
/// assert!(says("Lily is a teacher.", "Teacher"));
/// assert!(!says("Anna is a teacher.", "Ann"));
/// ```
pub fn says(text: &str, words: &str) -> bool {
    let (text, words) = (text.to_lowercase(), words.trim().to_lowercase());
    let is_free = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    !words.is_empty()
        && text.match_indices(&words).any(|(at, _)| {
            is_free(text[..at].chars().next_back()) && is_free(text[at + words.len()..].chars().next())
        })
}

/// Whether a text says one of the values.
pub fn says_one_of<'a>(text: &str, values: impl IntoIterator<Item = &'a str>) -> bool {
    values.into_iter().any(|value| says(text, value))
}

/// Whether a text is not blank and has at most `max` characters.
pub fn has_length(text: &str, max: usize) -> bool {
    !text.trim().is_empty() && text.chars().take(max + 1).count() <= max
}

/// Whether a text is one line without control characters.
pub fn is_one_line(text: &str) -> bool {
    !text.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
}

/// Whether nothing in a text looks like a citation mark: no `[` before a digit.
pub fn has_no_marks(text: &str) -> bool {
    text.match_indices('[').all(|(at, _)| !text[at + 1..].trim_start().starts_with(char::is_numeric))
}

/// Whether a text is letters, digits, spaces, hyphens, apostrophes and underscores, with a letter among them.
pub fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '\'' | '’' | '_'))
        && text.contains(char::is_alphabetic)
}

/// Whether a text ends in a full stop, an exclamation or a question mark.
pub fn ends_as_sentence(text: &str) -> bool {
    text.ends_with(['.', '!', '?'])
}

/// A text as it is compared with others: its words in lower case.
pub fn normalised(text: &str) -> String {
    words(text).collect::<Vec<_>>().join(" ")
}

/// Whether an expression for an object named `noun` fits none of the others, given as noun and expressions.
///
/// It fits another object when both share the noun and the expression has no word beside the noun, or all its words
/// are in one of the other's expressions; whatever the nouns, when the other has the same expression.
///
/// # Examples
///
/// ```
/// use rcmu_data::pipeline::criteria::fits_one_object;
///
/// let others = [("dog", vec!["the black dog on the left".to_owned()])];
/// let others = || others.iter().map(|(noun, expressions)| (*noun, &expressions[..]));
/// assert!(fits_one_object("the white dog", "dog", others()));
/// assert!(!fits_one_object("the black dog", "dog", others()));
/// assert!(!fits_one_object("the dog", "dog", others()));
/// ```
pub fn fits_one_object<'a>(
    expression: &str,
    noun: &str,
    mut others: impl Iterator<Item = (&'a str, &'a [String])>,
) -> bool {
    let (own, noun) = (content_words(expression), normalised(noun));
    let beside = own.difference(&content_words(&noun)).count();
    others.all(|(other_noun, expressions)| {
        let same_noun = normalised(other_noun) == noun;
        !(same_noun && beside == 0)
            && expressions.iter().all(|other| {
                let other = content_words(other);
                if same_noun { !own.is_subset(&other) } else { own != other }
            })
    })
}

/// Whether a value is said in none of the other contexts.
pub fn is_told_of_one<'a>(value: &str, mut other_contexts: impl Iterator<Item = &'a str>) -> bool {
    other_contexts.all(|context| !says(context, value))
}

/// Whether no word of a topic is in the context or among the names of the facts.
pub fn is_unmentioned<'a>(topic: &str, context: &str, mut facts: impl Iterator<Item = &'a str>) -> bool {
    let topic = content_words(topic);
    let is_apart = |text: &str| topic.is_disjoint(&content_words(text));
    !topic.is_empty() && is_apart(context) && facts.all(|name| is_apart(&name.replace('_', " ")))
}

/// The citation marks `[k]` of a text with their numbers.
pub fn marks(text: &str) -> Vec<(Range<usize>, u32)> {
    let mark = |(at, _)| {
        let inside = &text[at + 1..];
        let end = inside.find(']')?;
        let number = &inside[..end];
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
        let number = is_number.then(|| number.parse().ok())??;
        Some((at..at + end + 2, number))
    };
    text.match_indices('[').filter_map(mark).collect()
}

/// A text without its marks and the space before each.
pub fn without_marks(text: &str) -> String {
    let mut plain = String::new();
    let mut from = 0;
    for (range, _) in marks(text) {
        let before = &text[from..range.start];
        plain.push_str(before.strip_suffix(' ').unwrap_or(before));
        from = range.end;
    }
    plain + &text[from..]
}

/// The words in lower case.
pub(super) fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

fn content_words(text: &str) -> BTreeSet<String> {
    words(text).filter(|word| !SMALL_WORDS.contains(&word.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_files_are_those_of_the_functions() {
        for criterion in Criterion::ALL {
            assert_eq!(serde_json::to_value(criterion).unwrap(), criterion.name());
        }
    }

    #[test]
    fn marks_are_found_and_taken_out() {
        let text = "Lily [1] walks Bella[2][3]. [x] [] [99999999999] [4";

        assert_eq!(marks(text).into_iter().map(|mark| mark.1).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(without_marks(text), "Lily walks Bella. [x] [] [99999999999] [4");
        assert!(!has_no_marks("a [ 3, 4]") && has_no_marks("a [b]"));
    }

    #[test]
    fn lower_case_may_have_another_length() {
        // `İ` has three bytes in lower case and two in upper case.
        assert!(says("İİ is Lily", "lily"));
        assert!(!says("", "") && !says("x", " "));
    }

    #[test]
    fn a_topic_is_mentioned_by_its_words() {
        assert!(is_unmentioned("the training", "Lily is a teacher.", ["job"].into_iter()));
        assert!(!is_unmentioned("the favourite food", "Lily sells food.", [].into_iter()));
        assert!(!is_unmentioned("the home town", "", ["home_town"].into_iter()));
        assert!(!is_unmentioned("the", "", [].into_iter()), "no word at all");
    }

    #[test]
    fn placeholders_are_counted_among_other_braces() {
        assert_eq!(count_placeholders("Who is {x}?"), Some(1));
        assert_eq!(count_placeholders("{x} {x}"), Some(2));
        assert_eq!(count_placeholders("{y} {x}"), None);
        assert_eq!(count_placeholders("{{x}}"), None);
    }
}
