//! The words of the figurine world: what its texts, questions and answers say.
//!
//! A small model has to learn them, so they are few and short; each question phrasing has one answer phrasing.

mod biography;
mod contextual;
mod info;
mod options;
mod random_words;
mod visual;

pub(crate) use biography::{Biography, STORIES, SURNAMES, biography};
pub(crate) use contextual::{contextual_phrasings, contextual_reference, topic};
pub(crate) use info::info;
pub(crate) use options::INSUFFICIENT;
pub(crate) use random_words::random_words;
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
    /// The answer; `{v}` stands for the value, `{k}` for the mark after the mention.
    pub(crate) answer: &'static str,
}

impl Phrasing {
    /// The question about a thing.
    pub(crate) fn ask(&self, thing: &str) -> String {
        capitalised(&self.question.replace("{x}", thing))
    }

    /// The answer that says a value, with a mark after its mention of the figurine of region `cited`.
    ///
    /// The mark comes before the value: whoever writes the answer word by word has then chosen a region before it has to say
    /// what that region's text or box holds.
    pub(crate) fn tell(&self, value: &str, cited: Option<u32>) -> String {
        let mark = cited.map(|number| format!(" [{number}]")).unwrap_or_default();
        capitalised(&self.answer.replace("{k}", &mark).replace("{v}", value))
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
            assert_eq!(phrasing.answer.matches("{k}").count(), 1, "{}", phrasing.id);
            let words = format!("{}{}", phrasing.ask("x"), phrasing.tell("v", Some(2)));
            assert!(!words.contains('{') && words.contains(" [2] "), "{}", phrasing.id);
            assert!(!phrasing.tell("v", None).contains('['), "{}", phrasing.id);
        }
    }
}
