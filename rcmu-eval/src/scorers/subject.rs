use std::collections::BTreeMap;

use rcmu_data::Sample;

use crate::judge::{fact_lines, find, is_stop_word, lower, words};

/// Names of facts that say what something is called.
const NAMES: [&str; 5] = ["name", "alias", "full_name", "full name", "nickname"];
/// Names of visual facts that say of which kind something is.
const KINDS: [&str; 4] = ["class", "shape", "kind", "object"];

/// Ends of nouns that do not only take an `s` or `es`, and what they become.
const IRREGULAR: [(&str, &str); 11] = [
    ("man", "men"),
    ("child", "children"),
    ("person", "people"),
    ("mouse", "mice"),
    ("goose", "geese"),
    ("foot", "feet"),
    ("tooth", "teeth"),
    ("y", "ies"),
    ("f", "ves"),
    ("fe", "ves"),
    ("ox", "oxen"),
];

/// A region or reference picture of a sample, in words.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    /// What it is called, first names too, longest first.
    pub(super) names: Vec<Vec<String>>,
    /// Facts that say what it is called: name as it is written, and the value's words.
    pub(super) name_facts: Vec<(String, Vec<String>)>,
    /// Colour and kind as in `red robot`, where no other subject looks so: a name for what has none.
    pub(super) look: Option<Vec<String>>,
    /// Class nouns: the label, and what the picture shows it to be.
    pub(super) nouns: Vec<Vec<String>>,
    /// The same of several things of the class.
    pub(super) plurals: Vec<Vec<String>>,
    /// Facts other than names: name as it is written, and the value's words.
    pub(super) facts: Vec<(String, Vec<String>)>,
    /// Words of the visual facts.
    pub(super) visual: Vec<Vec<String>>,
    /// Its text and its facts as lines.
    pub(super) premise: String,
    /// The label in lower case: subjects of one label can be mistaken for each other.
    pub(super) class: String,
}

impl Subject {
    /// Whether words have a class noun of it, as one thing or several.
    pub(super) fn is_classed(&self, words: &[String]) -> bool {
        self.nouns.iter().chain(&self.plurals).any(|noun| find(words, noun))
    }
}

/// The regions of a sample, then its reference pictures.
pub(super) fn subjects(sample: &Sample) -> Vec<Subject> {
    let regions = sample.regions.iter().map(|region| {
        let label = region.region.label();
        let mut subject = subject(region.region.info(), &region.facts);
        let kinds = region.visual.iter().filter(|(name, _)| KINDS.contains(&name.as_str()));
        subject.nouns = kinds.map(|(_, value)| lower(value)).chain([lower(label)]).collect();
        subject.plurals = subject.nouns.iter().flat_map(|noun| plurals(noun)).collect();
        subject.visual = region.visual.values().map(|value| lower(value)).collect();
        subject.class = label.to_lowercase();
        subject.look = look(&region.visual);
        subject
    });
    let references = sample.references.iter().map(|reference| subject(&reference.info, &reference.facts));
    let mut subjects: Vec<_> = regions.chain(references).collect();
    add_first_names(&mut subjects);
    drop_shared_looks(&mut subjects);
    subjects
}

/// What a noun may be in the plural; forms that no language has do no harm.
fn plurals(noun: &[String]) -> Vec<Vec<String>> {
    let Some((last, before)) = noun.split_last() else { return Vec::new() };
    let irregular =
        IRREGULAR.iter().filter_map(|(one, many)| Some(last.strip_suffix(one)?.to_owned() + many));
    let regular = ["s", "es"].map(|end| format!("{last}{end}"));
    let with = |word: String| before.iter().cloned().chain([word]).collect();
    irregular.chain(regular).map(with).collect()
}

fn look(visual: &BTreeMap<String, String>) -> Option<Vec<String>> {
    let colour = visual.get("colour").or_else(|| visual.get("color"))?;
    let kind = KINDS.iter().find_map(|name| visual.get(*name))?;
    Some(lower(colour).into_iter().chain(lower(kind)).collect())
}

fn drop_shared_looks(subjects: &mut [Subject]) {
    let looks: Vec<_> = subjects.iter().filter_map(|subject| subject.look.clone()).collect();
    for subject in subjects {
        subject.look =
            subject.look.take().filter(|look| looks.iter().filter(|other| *other == look).count() == 1);
    }
}

fn subject(info: &str, facts: &BTreeMap<String, String>) -> Subject {
    let facts_in_words = facts.iter().map(|(name, value)| (name.clone(), lower(value)));
    let (name_facts, others): (Vec<_>, Vec<_>) =
        facts_in_words.partition(|(name, _)| NAMES.contains(&name.to_lowercase().as_str()));
    let mut names: Vec<_> = name_facts.iter().map(|(_, value)| value.clone()).collect();
    if names.is_empty() {
        // `Lily bought it` beside `owner: Lily` is about what is hers.
        let tells = |name: &Vec<String>| others.iter().any(|(_, value)| find(value, name));
        // `Bought in Rome` beside facts is about what has no name.
        let is_set_out =
            |name: &Vec<String>| facts.is_empty() || name.len() > 1 || is_introduced(info, name.len());
        names.extend(leading_name(info).filter(|name| !tells(name) && is_set_out(name)));
    }
    Subject {
        names,
        name_facts,
        look: None,
        nouns: Vec::new(),
        plurals: Vec::new(),
        facts: others,
        visual: Vec::new(),
        premise: format!("{info}\n{}", fact_lines(facts)),
        class: String::new(),
    }
}

/// The capitalised words that a text about something begins with: `Bella is a dog` is about Bella.
fn leading_name(info: &str) -> Option<Vec<String>> {
    let name: Vec<_> =
        words(info).into_iter().take_while(|word| word.is_capital && !word.is_possessive).collect();
    let is_name = name.first().is_some_and(|first| !is_stop_word(&first.lower));
    is_name.then(|| name.into_iter().map(|word| word.lower).collect())
}

/// Whether the first words of a text are followed by what says who or what they name: a comma, `is` or `was`.
fn is_introduced(info: &str, count: usize) -> bool {
    let words = words(info);
    let Some(last) = count.checked_sub(1).and_then(|at| words.get(at)) else { return false };
    let next = words.get(count).map(|word| word.lower.as_str());
    info[last.end..].starts_with(',') || matches!(next, Some("is" | "was"))
}

/// The first word of a longer name is a name too, unless another subject has it.
fn add_first_names(subjects: &mut [Subject]) {
    let firsts: Vec<Vec<String>> = subjects
        .iter()
        .map(|subject| subject.names.iter().filter_map(|name| name.first().cloned()).collect())
        .collect();
    for (at, subject) in subjects.iter_mut().enumerate() {
        let long: Vec<_> =
            subject.names.iter().filter(|name| name.len() > 1).map(|name| name[0].clone()).collect();
        for first in long {
            let is_shared =
                firsts.iter().enumerate().any(|(other, names)| other != at && names.contains(&first));
            if !is_shared && !subject.names.contains(&vec![first.clone()]) {
                subject.names.push(vec![first]);
            }
        }
        subject.names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_things_have_the_noun_of_one() {
        let of = |noun: &str| Subject { plurals: plurals(&lower(noun)), ..subject("", &BTreeMap::new()) };
        for (one, many) in [
            ("dog", "dogs"),
            ("box", "boxes"),
            ("toy", "toys"),
            ("puppy", "puppies"),
            ("knife", "knives"),
            ("wolf", "wolves"),
            ("woman", "women"),
            ("child", "children"),
            ("person", "people"),
            ("mouse", "mice"),
            ("traffic light", "traffic lights"),
        ] {
            assert!(of(one).is_classed(&lower(&format!("two {many} here"))), "{many}");
        }
        assert!(!of("cat").is_classed(&lower("a cattle car")));
    }

    #[test]
    fn a_text_that_begins_with_a_name_is_about_it() {
        assert_eq!(leading_name("John Smith, a 41-year-old man."), Some(lower("john smith")));
        assert_eq!(leading_name("The dog of Lily."), None);
        assert_eq!(leading_name("Lily's dog."), None);
        assert_eq!(leading_name(""), None);
    }

    #[test]
    fn beside_facts_a_text_has_to_set_its_name_out() {
        let names = |info: &str| subject(info, &[("owner".to_owned(), "Lily".to_owned())].into()).names;

        for (info, expected) in [
            ("Bought in Rome by Lily.", None),
            ("Handmade from wood.", None),
            ("Bella is 2.", Some("bella")),
            ("Bella, 2 years old.", Some("bella")),
            ("Max Berg teaches.", Some("max berg")),
        ] {
            assert_eq!(names(info), expected.map(lower).into_iter().collect::<Vec<_>>(), "{info}");
        }
    }

    #[test]
    fn facts_without_a_name_leave_the_name_to_the_text() {
        let facts = |name: &str, value: &str| [(name.to_owned(), value.to_owned())].into();

        let man = subject("John Smith, a 41-year-old teacher.", &facts("age", "41"));
        let toy = subject("Lily bought it in Rome.", &facts("owner", "Lily Novak"));

        assert_eq!(man.names, [lower("john smith")]);
        assert_eq!(toy.names, Vec::<Vec<String>>::new());
    }

    #[test]
    fn first_names_are_names_unless_they_are_shared() {
        let named = |name: &str| subject("", &[("name".to_owned(), name.to_owned())].into());
        let mut own = [named("John Smith"), named("Bella")];
        let mut shared = [named("John Smith"), named("John Doe")];

        add_first_names(&mut own);
        add_first_names(&mut shared);

        assert_eq!(own[0].names, [lower("john smith"), lower("john")]);
        assert_eq!(shared[0].names, [lower("john smith")]);
    }
}
