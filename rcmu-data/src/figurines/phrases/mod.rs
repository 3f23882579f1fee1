//! The words of the figurine world: what its texts, questions and answers say.
//!
//! A small model has to learn them, so they are few and short; each question phrasing has one answer phrasing.

mod biography;
mod contextual;
mod info;
mod options;
mod visual;

pub(crate) use biography::{Biography, STORIES, SURNAMES, biography};
pub(crate) use contextual::{contextual_phrasings, contextual_reference, topic};
pub(crate) use info::info;
pub(crate) use options::INSUFFICIENT;
pub(crate) use visual::{
    Aspect, Expression, looks, may_be_at, noun, place, visual_expressions, visual_phrasings, visual_value,
};

/// How something may be asked, and how it is then answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Phrasing {
    /// Its name, for the provenance of an item.
    pub(crate) id: &'static str,
    /// The question; `{x}` stands for the thing that is meant.
    pub(crate) question: &'static str,
    /// The answer; `{v}` stands for the value.
    pub(crate) answer: &'static str,
}

impl Phrasing {
    /// The question about a thing.
    pub(crate) fn ask(&self, thing: &str) -> String {
        capitalised(&self.question.replace("{x}", thing))
    }

    /// The answer that says a value.
    pub(crate) fn tell(&self, value: &str) -> String {
        capitalised(&self.answer.replace("{v}", value))
    }
}

/// The text with its first letter in upper case.
pub(crate) fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// The words with `a` or `an` before them.
pub(crate) fn with_article(words: &str) -> String {
    let vowel = words.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {words}", if vowel { "an" } else { "a" })
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn listed(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// The answer with a mark after it.
pub(crate) fn marked(answer: &str, number: u32) -> String {
    format!("{answer}[{number}]")
}

/// The answer when the text of a figurine does not tell something.
pub(crate) fn not_told(topic: &str) -> String {
    format!("Cannot be answered. The description does not provide any information about {topic}.")
}

/// The answer when no figurine of the picture is meant.
pub(crate) const NOT_THERE: &str = "The figurine is not in the image.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_articles_read_well() {
        assert_eq!(listed(&["a".into(), "b".into(), "c".into()]), "a, b and c");
        assert_eq!(listed(&["a".into()]), "a");
        assert_eq!(with_article("orange owl"), "an orange owl");
        assert_eq!(with_article("red owl"), "a red owl");
    }

    #[test]
    fn every_template_is_filled() {
        let contextual = crate::figurines::profile::Fact::ALL.into_iter().flat_map(contextual_phrasings);
        let visual = Aspect::ALL.into_iter().flat_map(visual_phrasings);

        for phrasing in contextual.chain(visual) {
            assert_eq!(phrasing.question.matches("{x}").count(), 1, "{}", phrasing.id);
            assert_eq!(phrasing.answer.matches("{v}").count(), 1, "{}", phrasing.id);
            assert!(!format!("{}{}", phrasing.ask("x"), phrasing.tell("v")).contains('{'), "{}", phrasing.id);
        }
    }
}
