use std::collections::{BTreeMap, BTreeSet};

use crate::{
    judge::{Word, is_number, is_stop_word, positions, words},
    scorers::{clause::Clause, mention::mentions_in, subject::Subject},
};

/// The name under which names are claimed.
pub(super) const NAME: &str = "name";
/// The name under which an owner is claimed by `his`, `her` or `their`.
const OWNER: &str = "owner";

/// The words of a name or value, and the names of facts under which they stand.
pub(super) type Known = (Vec<String>, BTreeSet<String>);

/// What a claim says: names of facts, wordings, subjects.
pub(super) type Said = (BTreeSet<String>, Vec<Vec<String>>, Vec<usize>);

/// Every name and value of any subject with the names of facts under which it stands, longest first.
pub(super) fn known_values(subjects: &[Subject]) -> Vec<Known> {
    let mut known: BTreeMap<Vec<String>, BTreeSet<String>> = BTreeMap::new();
    for subject in subjects {
        for name in &subject.names {
            known.entry(name.clone()).or_default().insert(NAME.to_owned());
        }
        for (key, value) in &subject.facts {
            known.entry(value.clone()).or_default().insert(key.clone());
        }
    }
    let mut known: Vec<_> = known.into_iter().filter(|(value, _)| !value.is_empty()).collect();
    known.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
    known
}

/// One clause while its claims are read; each word belongs to one claim at most.
pub(super) struct Reading<'a> {
    clause: &'a Clause,
    subjects: &'a [Subject],
    default: Option<usize>,
    words: Vec<Word>,
    lower: Vec<String>,
    used: Vec<bool>,
    /// Where a subject is named.
    named: Vec<(usize, usize)>,
    spans: Vec<(usize, Said)>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(clause: &'a Clause, subjects: &'a [Subject], default: Option<usize>) -> Self {
        let words = words(&clause.text);
        let lower: Vec<_> = words.iter().map(|word| word.lower.clone()).collect();
        let used = vec![false; words.len()];
        Self { clause, subjects, default, words, lower, used, named: Vec::new(), spans: Vec::new() }
    }

    /// Reads all claims; `named_before` are the subjects that earlier clauses name.
    pub(super) fn run(&mut self, known: &[Known], named_before: &BTreeSet<usize>) {
        self.named = mentions_in(&self.lower, self.subjects);
        self.facts(known);
        self.ages();
        self.unknown_names();
        self.owners(named_before);
    }

    /// The subjects that the clause names.
    pub(super) fn named(&self) -> impl Iterator<Item = usize> {
        self.named.iter().map(|(_, subject)| *subject)
    }

    /// The claims in the order of their words.
    pub(super) fn into_claims(mut self) -> impl Iterator<Item = Said> {
        self.spans.sort();
        self.spans.into_iter().map(|(_, said)| said)
    }

    fn facts(&mut self, known: &[Known]) {
        for (value, keys) in known {
            for place in self.free(value) {
                let subjects = self.speaks_of(place);
                let is_fact = |at: &usize| self.subjects[*at].facts.iter().any(|(_, other)| other == value);
                let is_seen =
                    |subject: &Subject| subject.visual.contains(value) || subject.nouns.contains(value);
                // `a red cat` is no claim about a pet.
                let is_visual = !keys.contains(NAME)
                    && self.subjects.iter().any(is_seen)
                    && !subjects.iter().any(is_fact);
                if !is_visual {
                    self.claim(place, value.len(), keys.clone(), vec![value.clone()]);
                }
            }
        }
    }

    fn ages(&mut self) {
        for place in 0..self.words.len() {
            let next = self.lower.get(place + 1).is_some_and(|word| word == "year" || word == "years");
            let before = place > 0 && matches!(self.lower[place - 1].as_str(), "aged" | "age");
            if is_number(&self.lower[place]) && (next || before) && !self.used[place] {
                self.claim(
                    place,
                    1,
                    BTreeSet::from(["age".to_owned()]),
                    vec![vec![self.lower[place].clone()]],
                );
            }
        }
    }

    fn unknown_names(&mut self) {
        let mut place = 0;
        while place < self.words.len() {
            let len = (place..self.words.len()).take_while(|&at| self.may_be_name(at)).count();
            let begins_sentence = place == 0 && self.clause.begins;
            if len > 1 || len == 1 && !begins_sentence {
                let words = self.lower[place..place + len].to_vec();
                self.claim(place, len, BTreeSet::from([NAME.to_owned()]), vec![words]);
            }
            place += len.max(1);
        }
    }

    fn may_be_name(&self, at: usize) -> bool {
        let word = &self.words[at];
        let is_seen = |subject: &Subject| {
            subject.visual.iter().chain(&subject.nouns).any(|words| words.contains(&word.lower))
        };
        word.is_capital && !self.used[at] && !is_stop_word(&word.lower) && !self.subjects.iter().any(is_seen)
    }

    fn owners(&mut self, named_before: &BTreeSet<usize>) {
        let mut known = named_before.clone();
        let mut next_named = 0;
        for place in 0..self.words.len() {
            while let Some((_, subject)) = self.named.get(next_named).filter(|(at, _)| *at < place) {
                known.insert(*subject);
                next_named += 1;
            }
            let is_pronoun = matches!(self.lower[place].as_str(), "his" | "her" | "their");
            let has_thing = self.lower.get(place + 1).is_some_and(|next| !is_stop_word(next));
            if !is_pronoun || !has_thing {
                continue;
            }
            let own = self.speaks_of(place);
            let others = known.iter().filter(|at| !own.contains(at));
            let wordings: Vec<_> = others.flat_map(|&at| self.subjects[at].names.iter().cloned()).collect();
            if !wordings.is_empty() {
                self.claim(place, 1, BTreeSet::from([OWNER.to_owned()]), wordings);
            }
        }
    }

    /// Where these words stand and belong to no claim yet.
    fn free(&self, value: &[String]) -> Vec<usize> {
        let mut places = positions(&self.lower, value);
        places.retain(|&place| !self.used[place..place + value.len()].contains(&true));
        if let [only] = value
            && is_number(only)
        {
            places.retain(|&place| !self.counts_things(place));
        }
        places
    }

    /// Whether the number at this place counts what the next word names, as in `two dogs`.
    fn counts_things(&self, place: usize) -> bool {
        let is_age = place > 0 && matches!(self.lower[place - 1].as_str(), "aged" | "age");
        let end = self.words[place].end;
        let is_apart = self.clause.text[end..].chars().next().is_none_or(|c| !c.is_whitespace());
        let next = self.lower.get(place + 1);
        !is_age && !is_apart && next.is_some_and(|word| !is_stop_word(word))
    }

    fn claim(&mut self, place: usize, len: usize, keys: BTreeSet<String>, wordings: Vec<Vec<String>>) {
        if self.used[place..place + len].contains(&true) {
            return; // the words overlap themselves
        }
        self.used[place..place + len].fill(true);
        let subjects = self.speaks_of(place);
        self.spans.push((place, (keys, wordings, subjects)));
    }

    /// The subjects of which the word at this place speaks.
    fn speaks_of(&self, place: usize) -> Vec<usize> {
        if !self.clause.cited.is_empty() {
            return self.clause.cited.clone();
        }
        let before = self.named.partition_point(|(at, _)| *at <= place);
        let named = self.named.get(before.saturating_sub(1)).map(|(_, subject)| *subject);
        self.default.or(named).into_iter().collect()
    }
}
