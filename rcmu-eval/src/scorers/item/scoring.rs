use std::collections::BTreeMap;

use rcmu_core::{Answer, FinishReason};
use rcmu_data::{Kind, Sample};

use crate::{
    Outcome,
    dataset::is_insufficient,
    judge::{JudgeError, Judges},
    metrics::names,
    scorers::{
        CHOICE_CHAIN, Unread,
        abstention::{self, Response},
        alce::{WordedStatement, alce_of_wordings},
        choice::{choose, right_option},
        citation::{self, are_citations_known, citation_counts, invalid_citations},
        claim::claims,
        clause::clauses,
        description::objects_named,
        grounding,
        item::read,
        open_answer::{plain_text, score_open},
        questions::Questions,
        rcid::{RcidScore, judge_claims, rcid_score},
        subject::subjects,
    },
};

/// Why an item cannot be scored.
pub(super) enum Fault {
    /// A judge gave no verdict.
    Judge(JudgeError),
    /// The sample is at fault.
    Sample(&'static str),
}

impl From<JudgeError> for Fault {
    fn from(error: JudgeError) -> Self {
        Self::Judge(error)
    }
}

/// One reply while it is scored.
pub(super) struct Scoring<'a> {
    sample: &'a Sample,
    answer: &'a Answer,
    judges: &'a Judges<'a>,
    measures: BTreeMap<String, f64>,
}

impl<'a> Scoring<'a> {
    /// Begins without measures.
    pub(super) fn new(sample: &'a Sample, answer: &'a Answer, judges: &'a Judges<'a>) -> Self {
        Self { sample, answer, judges, measures: BTreeMap::new() }
    }

    /// The measures so far.
    pub(super) fn into_measures(self) -> BTreeMap<String, f64> {
        self.measures
    }

    /// Writes all measures; gives the outcome and how the reply was read.
    pub(super) fn run(&mut self) -> Result<(Outcome, String), Fault> {
        let (response, how) = if self.sample.options.is_empty() { self.words()? } else { self.choice()? };
        abstention::measure(&mut self.measures, self.sample.answerable, response);
        if are_citations_known(self.sample) {
            citation::measure(&mut self.measures, citation_counts(self.sample, self.answer));
        } else if self.sample.cited && !(self.sample.options.is_empty() && self.is_free()) {
            self.alce()?;
        }
        citation::measure_invalid(&mut self.measures, invalid_citations(self.answer));
        let outcome = match response {
            Response::Answered => Outcome::Scored,
            Response::Declined => Outcome::Abstained,
            Response::Unread => Outcome::Unparseable,
        };
        Ok((outcome, how))
    }

    /// Whether its citations are judged by entailment, too, whatever is known of them.
    fn is_free(&self) -> bool {
        matches!(self.sample.kind, Kind::Description | Kind::Open)
    }

    fn set(&mut self, name: &str, value: Option<f64>) {
        if let Some(value) = value {
            self.measures.insert(name.to_owned(), value);
        }
    }

    fn flag(&mut self, name: &str, value: bool) {
        self.set(name, Some(f64::from(u8::from(value))));
    }

    fn choice(&mut self) -> Result<(Response, String), Fault> {
        let options = &self.sample.options;
        let right = right_option(self.sample);
        let right = right.ok_or(Fault::Sample("the sample's answer is none of its options"))?;
        self.set(names::CHANCE, Some(1.0 / options.len() as f64));
        let chosen = choose(self.answer, options);
        self.flag(names::ACCURACY, chosen.is_ok_and(|choice| choice.index == right));
        Ok(match chosen {
            Ok(choice) => {
                let letter = char::from(b'A' + choice.index as u8);
                // What is right refuses nothing that could be answered.
                let is_answer = self.sample.answerable && choice.index == right;
                let declines = !is_answer && is_insufficient(&options[choice.index]);
                let response = if declines { Response::Declined } else { Response::Answered };
                (response, format!("{CHOICE_CHAIN}: {letter} by {}", choice.by))
            }
            Err(unread) => {
                let declined = unread == Unread::Declined;
                let response = if declined { Response::Declined } else { Response::Unread };
                (response, format!("{CHOICE_CHAIN}: {unread}"))
            }
        })
    }

    fn words(&mut self) -> Result<(Response, String), Fault> {
        let is_blank =
            self.answer.boxes.is_empty() && !plain_text(self.answer).chars().any(char::is_alphanumeric);
        let response = match (is_blank, self.answer.refusal.is_some()) {
            (true, _) => Response::Unread,
            (false, true) => Response::Declined,
            (false, false) => Response::Answered,
        };
        let how = if !self.sample.answerable {
            self.flag(names::ACCURACY, response == Response::Declined);
            String::new()
        } else if self.sample.kind == Kind::Description {
            self.description()?
        } else {
            self.open()?
        };
        let said = match response {
            Response::Answered => "answers",
            Response::Declined => "declines",
            Response::Unread => "has no words",
        };
        Ok((response, if how.is_empty() { said.to_owned() } else { format!("{said}; {how}") }))
    }

    fn description(&mut self) -> Result<String, Fault> {
        let named = objects_named(self.sample, &plain_text(self.answer));
        self.set(names::OBJECTS_NAMED, named);
        self.set(names::ACCURACY, named.map(|share| f64::from(u8::from(share == 1.0))));
        let Some(rcid) = rcid_score(self.sample, self.answer, self.judges)? else { return Ok(String::new()) };
        self.rcid(&rcid);
        if !rcid.claims.is_empty() {
            self.set(names::CONTRADICTION_RATE, Some(rcid.contradiction_rate));
            self.set(names::SWAP_RATE, Some(rcid.swap_rate));
        }
        if self.sample.cited {
            self.alce()?;
        }
        Ok(rcid.to_string())
    }

    /// The parts of `RCIDScore`, and which of them are known.
    fn rcid(&mut self, rcid: &RcidScore) {
        self.set(names::RCID_OBJECTS, Some(rcid.objects));
        self.set(names::RCID_FACTS, rcid.facts);
        self.set(names::RCID_COVERAGE, Some(rcid.coverage));
        self.set(names::RCID_ACCURACY, Some(rcid.accuracy));
        self.set(names::RCID_CONSISTENCY, rcid.consistency);
        self.set(names::RCID_PERMUTED, rcid.permuted);
        self.set(names::RCID_SCORE, rcid.score().map(|score| score / 100.0));
        for (name, is_known) in [
            (names::RCID_FACTS_KNOWN, rcid.facts.is_some()),
            (names::RCID_CONSISTENCY_KNOWN, rcid.consistency.is_some()),
            (names::RCID_CLASS_KNOWN, rcid.checks.class > 0),
            (names::RCID_BOX_KNOWN, rcid.checks.right_box > 0),
            (names::RCID_VISION_KNOWN, rcid.checks.vision > 0),
            (names::RCID_PERMUTED_KNOWN, rcid.permuted.is_some()),
            (names::RCID_SCORE_KNOWN, rcid.score().is_some()),
        ] {
            self.flag(name, is_known);
        }
    }

    fn open(&mut self) -> Result<String, Fault> {
        let right = read(self.sample, &self.sample.answer, FinishReason::EndOfText);
        if let Some(found) = grounding::boxes(&right, self.answer) {
            grounding::measure(&mut self.measures, found);
            if grounding::is_box_alone(&right) {
                self.flag(names::ACCURACY, found.hits == 1.0);
                return Ok(format!("overlaps the right box by {:.3}", found.iou));
            }
        }
        let score = score_open(self.sample, self.answer, &right);
        self.set(names::EXACT_MATCH, Some(score.exact_match));
        self.set(names::TOKEN_F1, Some(score.token_f1));
        self.set(names::CONTAINS, score.contains);
        self.set(names::ACCURACY, score.accuracy);
        match (self.sample.kind, self.sample.citations.as_slice()) {
            (Kind::VisualToContext, &[target]) => self.claims_about(target)?,
            _ if self.is_free() && self.sample.cited => self.alce()?,
            _ => {}
        }
        let said = match (score.exact_match == 1.0, score.contains == Some(1.0), score.accuracy) {
            (true, ..) => "says exactly what is expected",
            (_, true, Some(1.0)) => "says an accepted value",
            (_, true, _) => "says an accepted value and a rival of it",
            _ => "does not say what is expected",
        };
        Ok(said.to_owned())
    }

    /// Contradicted and swapped claims of an answer that is about one region, whatever it cites.
    fn claims_about(&mut self, target: u32) -> Result<(), Fault> {
        let subjects = subjects(self.sample);
        let target = (target as usize).checked_sub(1).filter(|&place| place < subjects.len());
        let target = target.ok_or(Fault::Sample("the sample cites none of its regions"))?;
        let mut clauses = clauses(self.answer, self.sample.regions.len());
        for clause in &mut clauses {
            clause.cited.clear();
        }
        let judged = judge_claims(&clauses, &subjects, Some(target), self.judges)?;
        if !judged.is_empty() {
            let share = |count: usize| Some(count as f64 / judged.len() as f64);
            let contradicted = judged.iter().filter(|claim| claim.contradicted).count();
            let swapped = judged.iter().filter(|claim| claim.swapped_with.is_some()).count();
            self.set(names::CONTRADICTION_RATE, share(contradicted));
            self.set(names::SWAP_RATE, share(swapped));
        }
        Ok(())
    }

    /// Citation quality by entailment: clause by clause, each claim a hypothesis.
    fn alce(&mut self) -> Result<(), Fault> {
        let subjects = subjects(self.sample);
        let clauses = clauses(self.answer, self.sample.regions.len());
        let claims = claims(&clauses, &subjects, None);
        let statements: Vec<_> = clauses
            .iter()
            .enumerate()
            .map(|(at, clause)| {
                let own = claims.iter().filter(|claim| claim.clause == at);
                let resolved = clause.cited.iter().map(|&place| Some(place));
                WordedStatement {
                    claims: own.map(|claim| claim.texts(&subjects)).collect(),
                    cited: resolved.chain((0..clause.unresolved).map(|_| None)).collect(),
                }
            })
            .collect();
        let passages: Vec<_> = subjects.iter().map(|subject| subject.premise.as_str()).collect();
        let score = alce_of_wordings(&statements, &passages, &Questions::new(self.judges.entailment))?;
        self.set(names::ALCE_RECALL, score.recall);
        self.set(names::ALCE_PRECISION, score.precision);
        Ok(())
    }
}
