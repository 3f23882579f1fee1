mod reading;

use std::collections::BTreeSet;

use crate::{
    judge::{Entailment, JudgeError, Verdict, find},
    scorers::{
        claim::reading::{NAME, Reading, known_values},
        clause::Clause,
        subject::Subject,
    },
};

/// The most claims of an answer that are judged; further ones are left out.
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

    /// The claim as hypotheses for a judge, about the first subject it is said of.
    pub(super) fn texts(&self, subjects: &[Subject]) -> Vec<String> {
        let subject = self.subjects.first().and_then(|&at| subjects.get(at));
        self.hypotheses(subject).into_iter().map(|(_, text)| text).take(1).collect()
    }

    /// Asks whether the texts of the subjects it is said of entail it, and if not, whether another one does.
    pub(super) fn judge(
        &self,
        subjects: &[Subject],
        judge: &dyn Entailment,
    ) -> Result<JudgedClaim, JudgeError> {
        let mut judged = JudgedClaim {
            text: self.texts(subjects).concat(),
            regions: self.subjects.iter().map(|&at| at as u32 + 1).collect(),
            entailed: false,
            contradicted: false,
            swapped_with: None,
            told: Vec::new(),
        };
        for &at in &self.subjects {
            for (key, text) in self.hypotheses(subjects.get(at)) {
                match judge.entails(&subjects[at].premise, &text)? {
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
                if judge.entails(&other.premise, &text)? == Verdict::Entail {
                    judged.swapped_with = Some(at as u32 + 1);
                    return Ok(judged);
                }
            }
        }
        Ok(judged)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rcmu_core::{FinishReason, ImageSize, Region};
    use rcmu_data::{Kind, PictureSource, Provenance, Sample, SampleRegion};
    use rcmu_prompt::{Targets, parse};

    use super::*;
    use crate::{
        judge::RuleEntailment,
        scorers::{clause::clauses, subject::subjects},
    };

    type Pairs<'a> = &'a [(&'a str, &'a str)];

    fn region(facts: Pairs, visual: Pairs, info: &str) -> SampleRegion {
        let map = |pairs: Pairs| -> BTreeMap<_, _> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        SampleRegion {
            region: Region::new("figurine", None, info).expect("the label is not blank"),
            facts: map(facts),
            visual: map(visual),
        }
    }

    fn judged(text: &str, regions: Vec<SampleRegion>, default: Option<usize>) -> Vec<JudgedClaim> {
        let size = ImageSize::new(1000, 1000).expect("the sides are not empty");
        let answer = parse(text, Targets::new(regions.len(), 0, size), FinishReason::EndOfText);
        let clauses = clauses(&answer, regions.len());
        let sample = Sample {
            id: "a".into(),
            picture: PictureSource::File("a.png".into()),
            references: Vec::new(),
            regions,
            kind: Kind::Description,
            question: "Describe the image.".into(),
            options: Vec::new(),
            cited: true,
            answer: "A figurine.".into(),
            accepted: Vec::new(),
            citations: Vec::new(),
            answerable: true,
            provenance: Provenance::default(),
        };
        let subjects = subjects(&sample);
        let claims = claims(&clauses, &subjects, default);
        claims
            .iter()
            .map(|claim| claim.judge(&subjects, &RuleEntailment).expect("rules never fail"))
            .collect()
    }

    fn scene() -> Vec<SampleRegion> {
        vec![
            region(&[("owner", "Lily"), ("job", "teacher")], &[("colour", "red"), ("shape", "robot")], ""),
            region(&[("owner", "Tom"), ("pet", "cat")], &[("colour", "blue"), ("shape", "owl")], ""),
        ]
    }

    fn texts(claims: &[JudgedClaim]) -> Vec<&str> {
        claims.iter().map(|claim| claim.text.as_str()).collect()
    }

    #[test]
    fn facts_are_claims_and_what_is_seen_is_none() {
        let claims = judged(
            "A red robot owned by Lily, a teacher [1], and a blue owl owned by Tom [2].",
            scene(),
            None,
        );

        assert_eq!(texts(&claims), ["owner: lily", "job: teacher", "owner: tom"]);
        assert!(
            claims.iter().all(|claim| claim.entailed && !claim.contradicted && claim.swapped_with.is_none())
        );
    }

    #[test]
    fn a_fact_of_another_region_is_swapped_and_contradicted() {
        let claims = judged("A red robot owned by Tom [1].", scene(), None);

        assert_eq!(texts(&claims), ["owner: tom"]);
        assert_eq!(
            (claims[0].entailed, claims[0].contradicted, claims[0].swapped_with),
            (false, true, Some(2))
        );
    }

    #[test]
    fn an_invented_name_and_an_invented_age_are_entailed_by_nothing() {
        let claims = judged("A red robot owned by Zorg, aged 99 [1].", scene(), None);

        assert_eq!(texts(&claims), ["name: zorg", "age: 99"]);
        assert!(claims.iter().all(|claim| !claim.entailed && claim.swapped_with.is_none()));
    }

    #[test]
    fn a_number_that_counts_things_is_no_age() {
        let regions = || vec![region(&[("age", "2")], &[], "")];

        assert_eq!(texts(&judged("There are two dogs [1].", regions(), None)), Vec::<&str>::new());
        for text in ["It is 2 [1].", "It is 2, and small [1].", "A 2-year-old [1].", "One aged 2 sits [1]."] {
            assert_eq!(texts(&judged(text, regions(), None)), ["age: 2"], "{text}");
        }
    }

    #[test]
    fn without_marks_the_name_says_of_whom() {
        let people = vec![
            region(&[("name", "John Smith"), ("age", "41")], &[], ""),
            region(&[("name", "Sam"), ("age", "8")], &[], ""),
        ];

        let claims = judged("John is 8 years old. Sam is 8 years old.", people, None);

        assert_eq!(texts(&claims), ["name: john", "age: 8", "name: sam", "age: 8"]);
        assert_eq!(claims.iter().map(|claim| claim.entailed).collect::<Vec<_>>(), [true, false, true, true]);
        assert_eq!(claims[1].swapped_with, Some(2));
    }

    #[test]
    fn every_name_of_a_region_is_its_name() {
        let johns = || {
            vec![
                region(&[("name", "John Smith"), ("alias", "Johnny")], &[], ""),
                region(&[("name", "Sam"), ("full_name", "Sam Novak")], &[], ""),
            ]
        };

        for (text, expected) in [
            ("Johnny [1] waves.", "alias: johnny"),
            ("John [1] waves.", "name: john"),
            ("Sam Novak [2] waves.", "full_name: sam novak"),
        ] {
            let claims = judged(text, johns(), None);

            assert_eq!(texts(&claims), [expected]);
            assert!(claims[0].entailed && !claims[0].contradicted, "{text}");
        }
        // Another one's alias is still none of this one's names.
        let swapped = judged("Johnny [2] waves.", johns(), None);
        assert_eq!((swapped[0].contradicted, swapped[0].swapped_with), (true, Some(1)));
    }

    #[test]
    fn a_possessive_pronoun_means_an_owner_by_each_of_his_names() {
        for dog in [
            region(&[("name", "Bella"), ("owner", "John")], &[], ""),
            region(&[], &[], "Bella is a dog owned by John."),
        ] {
            let regions = vec![region(&[("name", "John Smith")], &[], ""), dog];

            let claims = judged("John Smith [1] sits beside Bella, his dog [2].", regions, None);

            assert_eq!(texts(&claims), ["name: john smith", "name: bella", "owner: john smith"]);
            assert!(claims.iter().all(|claim| claim.entailed && !claim.contradicted), "{claims:?}");
        }
    }

    #[test]
    fn what_is_said_of_nobody_is_neither_entailed_nor_swapped() {
        let claims = judged("Someone is a teacher.", scene(), None);

        assert_eq!(claims[0].regions, Vec::<u32>::new());
        assert_eq!((claims[0].entailed, claims[0].swapped_with), (false, None));
    }

    #[test]
    fn a_text_without_structured_facts_is_read_as_well() {
        let regions = vec![region(&[], &[], "Bella is a 2-year-old dog owned by Lily.")];

        let claims = judged("Bella, a 3-year-old dog of Lily [1].", regions, None);

        assert_eq!(texts(&claims), ["name: bella", "age: 3", "name: lily"]);
        assert_eq!(claims.iter().map(|claim| claim.entailed).collect::<Vec<_>>(), [true, false, true]);
        assert!(claims[1].contradicted);
    }

    #[test]
    fn an_endless_answer_has_a_limited_number_of_claims() {
        let text: Vec<_> = (0..2000).map(|at| format!("of Zorg{at},")).collect();

        let claims = judged(&text.join(" "), scene(), None);

        assert_eq!(claims.len(), MAX_CLAIMS);
    }
}
