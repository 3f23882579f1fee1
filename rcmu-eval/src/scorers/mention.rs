use crate::{
    judge::{outermost, words},
    scorers::{clause::Clause, subject::Subject},
};

/// Words that belong to the name after them.
const DETERMINERS: [&str; 8] = ["a", "an", "the", "his", "her", "their", "another", "one"];
/// How many words before a name its determiner may stand.
const REACH: usize = 3; // "his old dog Bella"

/// Where words name subjects: place of the first word, and the subject.
///
/// A name that is part of a longer one found there does not count.
pub(super) fn mentions_in(lower: &[String], subjects: &[Subject]) -> Vec<(usize, usize)> {
    let names = subjects.iter().enumerate().flat_map(|(at, subject)| {
        let names = subject.names.iter().chain(&subject.look);
        names.map(move |name| (at, name.clone()))
    });
    let (owners, names): (Vec<_>, Vec<_>) = names.unzip();
    let found = outermost(lower, &names).into_iter().map(|(place, name)| (place, owners[name]));
    let mut found: Vec<_> = found.collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// Cuts each clause without marks that names several subjects before the names, so that each part speaks of one.
///
/// A determiner up to three words before a name goes with it: `John and | his old dog Bella`.
pub(super) fn split_at_mentions(clauses: Vec<Clause>, subjects: &[Subject]) -> Vec<Clause> {
    let mut parts = Vec::with_capacity(clauses.len());
    for clause in clauses {
        let words = words(&clause.text);
        let lower: Vec<_> = words.iter().map(|word| word.lower.clone()).collect();
        let named = mentions_in(&lower, subjects);
        if !clause.cited.is_empty() || clause.unresolved > 0 || named.len() < 2 {
            parts.push(clause);
            continue;
        }
        let (mut from, mut begins, mut first) = (0, clause.begins, 0);
        for pair in named.windows(2) {
            let ((_, one), (place, other)) = (pair[0], pair[1]);
            if one == other {
                continue;
            }
            let reach = place.saturating_sub(REACH).max(first + 1)..place;
            let cut = reach.rev().find(|&at| DETERMINERS.contains(&lower[at].as_str())).unwrap_or(place);
            let at = words[cut].start;
            parts.push(Clause { text: clause.text[from..at].to_owned(), begins, ..Clause::default() });
            (from, begins, first) = (at, false, place);
        }
        parts.push(Clause { text: clause.text[from..].to_owned(), begins, ..Clause::default() });
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::lower;

    fn subject(name: &str, look: &str) -> Subject {
        Subject {
            names: if name.is_empty() { Vec::new() } else { vec![lower(name)] },
            name_facts: Vec::new(),
            look: Some(lower(look)).filter(|look| !look.is_empty()),
            nouns: Vec::new(),
            plurals: Vec::new(),
            facts: Vec::new(),
            visual: Vec::new(),
            premise: String::new(),
            class: String::new(),
        }
    }

    fn split(text: &str, subjects: &[Subject]) -> Vec<String> {
        let clause = Clause { text: text.to_owned(), begins: true, ..Clause::default() };
        let parts = split_at_mentions(vec![clause], subjects).into_iter();
        parts.map(|part| part.text.trim().to_owned()).collect()
    }

    #[test]
    fn each_part_speaks_of_one_subject() {
        let people = [subject("John", ""), subject("Bella", "")];
        let figurines = [subject("", "red robot"), subject("", "blue cat")];

        assert_eq!(
            split("John and his old dog Bella play.", &people),
            ["John and", "his old dog Bella play."]
        );
        assert_eq!(split("John saw John.", &people), ["John saw John."]);
        assert_eq!(split("Nobody is here.", &people), ["Nobody is here."]);
        assert_eq!(
            split("The image shows a red robot of Lily, and a blue cat of Tom.", &figurines),
            ["The image shows a red robot of Lily, and", "a blue cat of Tom."]
        );
    }

    #[test]
    fn a_clause_with_marks_speaks_of_what_it_cites() {
        let people = [subject("John", ""), subject("Bella", "")];
        let clause = Clause { text: "John and Bella".into(), cited: vec![0, 1], ..Clause::default() };

        assert_eq!(split_at_mentions(vec![clause.clone()], &people), [clause]);
    }

    #[test]
    fn a_part_of_a_longer_name_is_no_mention() {
        let subjects = [subject("John", ""), subject("John Smith", "")];

        assert_eq!(mentions_in(&lower("John Smith and John"), &subjects), [(0, 1), (3, 0)]);
    }
}
