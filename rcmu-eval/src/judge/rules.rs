use std::collections::BTreeMap;

use crate::judge::{
    Entailment, JudgeError, Said, Verdict, find, is_number, is_stop_word, lower, words::is_negation,
};

/// The most words of a fact's name.
const MAX_KEY_WORDS: usize = 3;
/// Titles that a name follows, with a full stop between.
const TITLES: [&str; 14] =
    ["dr", "mr", "mrs", "ms", "mx", "prof", "rev", "gen", "col", "capt", "lt", "sgt", "st", "mt"];

/// Facts as lines `name: value`, as [`RuleEntailment`] reads them.
pub fn fact_lines(facts: &BTreeMap<String, String>) -> String {
    let lines: Vec<_> =
        facts.iter().map(|(name, value)| format!("{}: {value}", name.to_lowercase())).collect();
    lines.join("\n")
}

/// Decides by facts, numbers and words; needs no model and always gives a verdict.
///
/// A line `name: value` of the premise is a fact; everything is also read as a text. Case, punctuation and possessive
/// endings do not count.
///
/// - A hypothesis `name: value` **follows** from a fact of that name whose value has its words, and is
///   **contradicted** by any other value. Without such a fact it follows when its words stand in the text one after
///   the other, and is contradicted when a negation stands up to three words before them, with no `but` between, or when
///   it is an age and the text tells another. A value that is nothing but a negation (`job: none`) is decided by facts of that name
///   alone, and follows from one whose value begins with a negation.
/// - A hypothesis in words **follows** when the premise has all its words that carry facts, and both or none of them
///   have a negation; it is **contradicted** when only one has, when it counts the same thing differently (`34 year`
///   against `41 year`), or when it names a fact of the premise with other words than its value.
/// - Everything else is neutral.
///
/// # Examples
///
/// ```
/// use rcmu_eval::judge::{Entailment, RuleEntailment, Verdict};
///
/// # fn main() -> Result<(), rcmu_eval::judge::JudgeError> {
/// let premise = "John Smith works in sales.\nage: 41\njob: marketing executive";
///
/// assert_eq!(RuleEntailment.entails(premise, "age: 41")?, Verdict::Entail);
/// assert_eq!(RuleEntailment.entails(premise, "age: 34")?, Verdict::Contradict);
/// assert_eq!(RuleEntailment.entails(premise, "pet: dog")?, Verdict::Neutral);
/// assert_eq!(RuleEntailment.entails(premise, "John Smith never works in sales.")?, Verdict::Contradict);
/// # Ok(())
/// # }
/// ```
///
/// # Source
///
/// Ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleEntailment;

impl Entailment for RuleEntailment {
    fn identity(&self) -> String {
        "rules-3".into()
    }

    fn entails(&self, premise: &str, hypothesis: &str) -> Result<Verdict, JudgeError> {
        let premise = Premise::read(premise);
        Ok(match fact(hypothesis) {
            Some((name, value)) => premise.judge_fact(&name, value.lower),
            None => premise.judge_words(&lower(hypothesis)),
        })
    }
}

/// Name and value of a line `name: value`.
fn fact(line: &str) -> Option<(Vec<String>, Said)> {
    let (name, value) = line.trim().split_once(": ")?;
    let is_name = name.chars().all(|c| c.is_lowercase() || c.is_ascii_digit() || c == '_' || c == ' ');
    let (name, value) = (lower(&name.replace('_', " ")), Said::read(value));
    let is_fact = is_name && (1..=MAX_KEY_WORDS).contains(&name.len()) && !value.lower.is_empty();
    (is_fact && !line.trim().contains('\n')).then_some((name, value))
}

/// A premise in words.
struct Premise {
    facts: Vec<(Vec<String>, Said)>,
    sentences: Vec<Said>,
}

impl Premise {
    fn read(text: &str) -> Self {
        let facts = text.lines().filter_map(fact).collect();
        let sentences = sentences(text).into_iter().map(Said::read);
        Self { facts, sentences: sentences.filter(|sentence| !sentence.lower.is_empty()).collect() }
    }

    fn judge_fact(&self, name: &[String], mut value: Vec<String>) -> Verdict {
        if is_denial(&value) {
            // `no pets` denies what it names, too.
            let denies = |told: &Said| told.lower.first().is_some_and(|word| is_negation(word));
            return self.told(name, denies).unwrap_or(Verdict::Neutral);
        }
        let turned = value.first().is_some_and(|word| is_negation(word));
        if turned {
            value.remove(0);
        }
        let verdict = self.judge_value(name, &value);
        match verdict {
            Verdict::Entail if turned => Verdict::Contradict,
            Verdict::Contradict if turned => Verdict::Entail,
            other => other,
        }
    }

    fn judge_value(&self, name: &[String], value: &[String]) -> Verdict {
        if let Some(verdict) = self.told(name, |told| told.says(value)) {
            return verdict;
        }
        if self.sentences.iter().any(|sentence| sentence.says(value)) {
            return Verdict::Entail;
        }
        let negated = self.sentences.iter().any(|sentence| find(&sentence.lower, value));
        let is_age = name == ["age"] && value.iter().all(|word| is_number(word));
        if negated || is_age && self.sentences.iter().any(|sentence| tells_an_age(&sentence.lower)) {
            return Verdict::Contradict;
        }
        Verdict::Neutral
    }

    /// What the facts of this name say; none where there is no such fact.
    fn told(&self, name: &[String], says_it: impl Fn(&Said) -> bool) -> Option<Verdict> {
        let mut told = self.facts.iter().filter(|(told, _)| told == name).map(|(_, value)| value).peekable();
        told.peek()?;
        Some(if told.any(says_it) { Verdict::Entail } else { Verdict::Contradict })
    }

    fn judge_words(&self, hypothesis: &[String]) -> Verdict {
        let carries = |word: &&String| !is_stop_word(word) && !is_negation(word);
        let content: Vec<_> = hypothesis.iter().filter(carries).collect();
        let has = |word: &String| self.sentences.iter().any(|sentence| sentence.lower.contains(word));
        if content.is_empty() {
            return Verdict::Neutral;
        }
        if content.iter().all(|word| has(word)) && !self.counts_differently(hypothesis) {
            let turned = hypothesis.iter().any(|word| is_negation(word));
            let same = self
                .nearest(&content)
                .any(|sentence| turned == sentence.iter().any(|word| is_negation(word)));
            return if same { Verdict::Entail } else { Verdict::Contradict };
        }
        let another_value = self.facts.iter().any(|(name, value)| {
            let rest: Vec<_> = content.iter().filter(|word| !name.contains(word)).collect();
            find(hypothesis, name)
                && !find(hypothesis, &value.lower)
                && !rest.is_empty()
                && !rest.iter().any(|word| has(word))
        });
        if another_value || self.counts_differently(hypothesis) {
            Verdict::Contradict
        } else {
            Verdict::Neutral
        }
    }

    /// The sentences that have the most of these words.
    fn nearest<'a>(&'a self, content: &[&String]) -> impl Iterator<Item = &'a [String]> {
        let shared = |sentence: &Said| content.iter().filter(|word| sentence.lower.contains(word)).count();
        let scores: Vec<_> = self.sentences.iter().map(shared).collect();
        let most = scores.iter().copied().max().unwrap_or(0);
        self.sentences
            .iter()
            .zip(scores)
            .filter(move |(_, score)| *score == most)
            .map(|(sentence, _)| sentence.lower.as_slice())
    }

    /// Whether a number stands before a word that has other numbers before it in the premise.
    fn counts_differently(&self, hypothesis: &[String]) -> bool {
        let counts = |words: &[String]| -> Vec<[String; 2]> {
            let pairs = words.windows(2).filter(|pair| is_number(&pair[0]) && !is_number(&pair[1]));
            pairs.map(|pair| [pair[0].clone(), pair[1].clone()]).collect()
        };
        let told: Vec<_> = self.sentences.iter().flat_map(|sentence| counts(&sentence.lower)).collect();
        counts(hypothesis).iter().any(|[number, thing]| {
            let mut same = told.iter().filter(|[_, other]| other == thing).peekable();
            same.peek().is_some() && same.all(|[other, _]| other != number)
        })
    }
}

/// The sentences of a text; a semicolon ends one, too.
fn sentences(text: &str) -> Vec<&str> {
    let (mut found, mut start) = (Vec::new(), 0);
    for (at, c) in text.char_indices() {
        let ends = match c {
            '!' | '?' | '\n' | ';' => true,
            '.' => !is_inner_stop(&text[start..at], &text[at + 1..]),
            _ => false,
        };
        if ends {
            found.push(&text[start..at]);
            start = at + 1;
        }
    }
    found.push(&text[start..]);
    found
}

/// Whether a full stop between these texts belongs to a title, an initial or a number.
fn is_inner_stop(before: &str, after: &str) -> bool {
    let word = before.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or(before);
    let is_initial = word.chars().count() == 1 && word.chars().all(char::is_uppercase);
    let is_in_number = after.starts_with(|c: char| c.is_ascii_digit()) && is_number(word);
    is_initial || is_in_number || TITLES.contains(&word.to_lowercase().as_str())
}

/// `none`, but not `no cats`.
fn is_denial(value: &[String]) -> bool {
    value.iter().all(|word| is_negation(word))
}

/// `41 years old`, `aged 41`.
fn tells_an_age(sentence: &[String]) -> bool {
    sentence.windows(2).any(|pair| {
        is_number(&pair[0]) && matches!(pair[1].as_str(), "year" | "years")
            || matches!(pair[0].as_str(), "aged" | "age") && is_number(&pair[1])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREMISE: &str =
        "Bella is a 2-year-old dog owned by Lily Novak. She does not like cats.\njob: none\nowner: Lily";

    fn verdict(premise: &str, hypothesis: &str) -> Verdict {
        RuleEntailment.entails(premise, hypothesis).expect("rules never fail")
    }

    #[test]
    fn facts_of_the_text_and_of_the_lines_count() {
        for (hypothesis, expected) in [
            ("owner: Lily", Verdict::Entail),
            ("owner: Tom", Verdict::Contradict),
            ("name: Bella", Verdict::Entail),
            ("age: 2", Verdict::Entail),
            ("age: 3", Verdict::Contradict),
            ("likes: cats", Verdict::Contradict),
            ("likes: not cats", Verdict::Entail),
            ("city: Rome", Verdict::Neutral),
        ] {
            assert_eq!(verdict(PREMISE, hypothesis), expected, "{hypothesis}");
        }
    }

    #[test]
    fn a_fact_that_denies_what_it_names_is_a_denial() {
        let premise = "Lily has a house.\npet: no pets\njob: not employed\nowner: Sam";
        for (hypothesis, expected) in [
            ("pet: none", Verdict::Entail),
            ("job: none", Verdict::Entail),
            ("owner: none", Verdict::Contradict),
        ] {
            assert_eq!(verdict(premise, hypothesis), expected, "{hypothesis}");
        }
    }

    #[test]
    fn a_negation_alone_denies_the_fact_of_its_name() {
        for denial in ["none", "never", "no", "not", "without"] {
            for (name, expected) in [
                ("job", Verdict::Entail),
                ("owner", Verdict::Contradict),
                // `not` stands in the text, and says nothing about a city.
                ("city", Verdict::Neutral),
            ] {
                assert_eq!(verdict(PREMISE, &format!("{name}: {denial}")), expected, "{name}: {denial}");
            }
        }
    }

    #[test]
    fn sentences_are_judged_by_the_words_that_carry_facts() {
        for (hypothesis, expected) in [
            ("The dog is Bella.", Verdict::Entail),
            ("Bella is a 2-year-old dog.", Verdict::Entail),
            ("Bella is a 3-year-old dog.", Verdict::Contradict),
            ("She does not like cats.", Verdict::Entail),
            ("She does like cats.", Verdict::Contradict),
            ("Bella lives in Rome.", Verdict::Neutral),
            ("The owner is Tom.", Verdict::Contradict),
            ("It is there.", Verdict::Neutral),
            ("", Verdict::Neutral),
        ] {
            assert_eq!(verdict(PREMISE, hypothesis), expected, "{hypothesis}");
        }
    }

    #[test]
    fn a_full_stop_that_ends_no_sentence_parts_no_words() {
        for (premise, hypothesis) in [
            ("J. K. Rowling writes books.", "name: j k rowling"),
            ("Dr. Anna Lee is a teacher.", "name: dr anna lee"),
            ("She lives in St. Petersburg.", "city: St. Petersburg"),
            ("It weighs 3.5 kg.", "weight: 3.5 kg"),
        ] {
            assert_eq!(verdict(premise, hypothesis), Verdict::Entail, "{hypothesis}");
        }
        // Words of two sentences are no value, and a negation reaches into its own sentence alone.
        assert_eq!(verdict("She met Anna. Lee is a cook.", "name: Anna Lee"), Verdict::Neutral);
        assert_eq!(verdict("She has no pets. Rome is her home.", "city: Rome"), Verdict::Entail);
    }

    #[test]
    fn nothing_follows_from_nothing() {
        assert_eq!(verdict("", "age: 2"), Verdict::Neutral);
        assert_eq!(verdict("", "Bella is a dog."), Verdict::Neutral);
    }

    #[test]
    fn lines_are_written_as_they_are_read() {
        let facts =
            BTreeMap::from([("Job".to_owned(), "teacher".to_owned()), ("age".to_owned(), "41".to_owned())]);

        assert_eq!(fact_lines(&facts), "job: teacher\nage: 41");
        assert_eq!(verdict(&fact_lines(&facts), "job: teacher"), Verdict::Entail);
    }
}
