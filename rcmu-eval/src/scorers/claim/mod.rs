mod reading;

use std::collections::BTreeSet;

use crate::{
    judge::{Verdict, find},
    scorers::{
        claim::reading::{NAME, Reading, known_values},
        clause::Clause,
        questions::{Questions, Stop},
        subject::Subject,
    },
};

/// The most claims that are read of an answer; further ones are left out, as those are that would need too many
/// questions.
const MAX_CLAIMS: usize = 512; // an answer that never ends must not cost hours of a judge

/// Something that an answer says of a subject and that a text could tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    /// The clause that says it.
    pub(super) clause: usize,
    /// Under which names of facts its words are known.
    keys: BTreeSet<String>,
    /// Its words; for a possessive pronoun all names of everyone it may mean.
    wordings: Vec<Vec<String>>,
    /// The subjects it is said of.
    pub(super) subjects: Vec<usize>,
}

/// A claim and what became of it.
///
/// # Examples
///
/// `[1]` is owned by Lily, `[2]` by Tom. `A red robot owned by Tom [1].` claims `owner: tom` of region 1, which does not
/// entail it and contradicts it; it is swapped with region 2.
///
/// # Source
///
/// Ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JudgedClaim {
    /// The claim as `name: value`, or its words alone.
    pub text: String,
    /// The numbers of the regions it is said of.
    pub regions: Vec<u32>,
    /// The text of one of these regions entails it.
    pub entailed: bool,
    /// No text of these regions entails it, and one contradicts it.
    pub contradicted: bool,
    /// No text of these regions entails it; the text of this other region does.
    pub swapped_with: Option<u32>,
    /// The regions whose texts entail it, each with the name of the fact that it tells.
    pub(super) told: Vec<(usize, String)>,
}

/// The claims of an answer, in order, each once.
///
/// A claim is: a name or a fact's value of any subject; an age (`34-year-old`, `aged 34`); capitalised words that are
/// none of these and do not begin a sentence alone; `his`, `her` or `their` before a thing, which claims one of the
/// subjects named so far as the owner. Words that a picture shows are none, and a number that counts things (`two
/// dogs`) is no value. A clause speaks of the subjects that it cites; without marks, of `default`, or where there is
/// none, of the subject named last (or next, if none was).
pub(super) fn claims(clauses: &[Clause], subjects: &[Subject], default: Option<usize>) -> Vec<Claim> {
    let known = known_values(subjects);
    let mut found: Vec<Claim> = Vec::new();
    let mut named = BTreeSet::new();
    for (at, clause) in clauses.iter().enumerate() {
        let mut reading = Reading::new(clause, subjects, default);
        reading.run(&known, &named);
        named.extend(reading.named());
        for (keys, wordings, subjects) in reading.into_claims() {
            let claim = Claim { clause: at, keys, wordings, subjects };
            let is_new = |other: &Claim| {
                other.wordings != claim.wordings
                    || other.subjects != claim.subjects
                    || other.keys != claim.keys
            };
            if found.len() < MAX_CLAIMS && found.iter().all(is_new) {
                found.push(claim);
            }
        }
    }
    found
}

impl Claim {
    /// The claim in words for a subject, each under the name of a fact.
    fn hypotheses(&self, subject: Option<&Subject>) -> Vec<(String, String)> {
        let hypothesis = |wording: &Vec<String>| {
            let key = subject.and_then(|subject| self.key_of(subject, wording)).or_else(|| self.keys.first());
            let key = key.cloned().unwrap_or_default();
            (key.clone(), format!("{}: {}", key.to_lowercase(), wording.join(" ")))
        };
        self.wordings.iter().map(hypothesis).collect()
    }

    /// The name of the subject's fact that says the same, or that tells a name with these words; else of the fact that
    /// it has under a key of the claim.
    fn key_of<'a>(&'a self, subject: &'a Subject, wording: &[String]) -> Option<&'a String> {
        let names: &[_] = if self.keys.contains(NAME) { &subject.name_facts } else { &[] };
        let own = || subject.facts.iter().filter(|(key, _)| self.keys.contains(key));
        own()
            .find(|(_, value)| value == wording)
            .or_else(|| names.iter().find(|(_, name)| name == wording))
            .or_else(|| names.iter().find(|(_, name)| find(name, wording)))
            .or_else(|| own().next())
            .map(|(key, _)| key)
    }

    /// The claim as hypotheses for a judge, one of which has to follow: about the subjects it is said of, each once.
    pub(super) fn texts(&self, subjects: &[Subject]) -> Vec<String> {
        let told: Vec<_> = self.subjects.iter().filter_map(|&at| subjects.get(at)).collect();
        let about = if told.is_empty() { vec![None] } else { told.into_iter().map(Some).collect() };
        let mut texts: Vec<String> = Vec::new();
        for (_, text) in about.into_iter().flat_map(|subject| self.hypotheses(subject)) {
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        texts
    }

    /// Asks whether the texts of the subjects it is said of entail it, and if not, whether another one does.
    pub(super) fn judge(&self, subjects: &[Subject], questions: &Questions<'_>) -> Result<JudgedClaim, Stop> {
        let mut judged = JudgedClaim {
            text: self.texts(subjects).into_iter().next().unwrap_or_default(),
            regions: self.subjects.iter().map(|&at| at as u32 + 1).collect(),
            entailed: false,
            contradicted: false,
            swapped_with: None,
            told: Vec::new(),
        };
        for &at in &self.subjects {
            for (key, text) in self.hypotheses(subjects.get(at)) {
                match questions.entails(&subjects[at].premise, &text)? {
                    Verdict::Entail => {
                        judged.told.push((at, key));
                        break;
                    }
                    Verdict::Contradict => judged.contradicted = true,
                    Verdict::Neutral => {}
                }
            }
        }
        if !judged.told.is_empty() {
            (judged.entailed, judged.contradicted) = (true, false);
            return Ok(judged);
        }
        for (at, other) in subjects.iter().enumerate() {
            if self.subjects.is_empty() || self.subjects.contains(&at) {
                continue; // what is said of nobody is swapped with nobody
            }
            for (_, text) in self.hypotheses(Some(other)) {
                if questions.entails(&other.premise, &text)? == Verdict::Entail {
                    judged.swapped_with = Some(at as u32 + 1);
                    return Ok(judged);
                }
            }
        }
        Ok(judged)
    }
}

#[cfg(test)]
mod tests;
