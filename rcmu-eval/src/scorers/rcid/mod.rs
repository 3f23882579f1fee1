mod inspector;

use std::{collections::BTreeSet, fmt};

use rcmu_core::Answer;
use rcmu_data::Sample;

use crate::{
    judge::{JudgeError, Judges, lower},
    scorers::{
        claim::{JudgedClaim, claims},
        clause::{Clause, clauses},
        mention::{mentions_in, split_at_mentions},
        questions::{Questions, Stop},
        rcid::inspector::Inspector,
        subject::{Subject, subjects},
    },
};

/// Facts of a region that a description is expected to tell.
const FACTS_WANTED: usize = 2; // K of the definition
/// The most mentions that are checked; further ones are left out, as those are that would need too many questions.
const MAX_MENTIONS: usize = 512; // an answer that never ends must not cost hours of a judge

/// How many mentions each check of consistency could judge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checks {
    /// Mentions of which class they speak.
    pub class: usize,
    /// Mentions that fit exactly one region of their class.
    pub right_box: usize,
    /// Mentions that say something that can be seen.
    pub vision: usize,
}

/// A description scored without a reference.
///
/// # Source
///
/// Theirs: the names of `RCIDScore` and of its three parts (arXiv 2508.12263). Ours: all formulas, the two halves of
/// coverage, the rates of contradicted and swapped claims, and the control with permuted regions.
#[derive(Clone, Debug, PartialEq)]
pub struct RcidScore {
    /// Share of the regions that are mentioned by name, or by mark and class noun.
    pub objects: f64,
    /// Mean over the regions that have facts of `min(1, told facts / min(2, facts))`; none when no region has any.
    pub facts: Option<f64>,
    /// Coverage: the mean of `objects` and `facts`, or `objects` alone.
    pub coverage: f64,
    /// Accuracy: the share of the claims that are entailed by the text of the region they are said of; 0 without
    /// claims.
    pub accuracy: f64,
    /// Share of the claims that this text contradicts; 0 without claims.
    pub contradiction_rate: f64,
    /// Share of the claims that only another region's text entails; 0 without claims.
    pub swap_rate: f64,
    /// Consistency: mean over the mentions of the checks that can judge them; none when none can.
    pub consistency: Option<f64>,
    /// Consistency when each mention is judged against the next region of the same class; none when no class has two.
    pub permuted: Option<f64>,
    /// How many mentions each check could judge.
    pub checks: Checks,
    /// Marks that point at nothing.
    pub invalid_citations: usize,
    /// The claims and what became of them.
    pub claims: Vec<JudgedClaim>,
}

impl RcidScore {
    /// 100 times the harmonic mean of coverage, accuracy and consistency: 0 when one of them is 0, none when
    /// consistency could not be judged and nothing is 0.
    ///
    /// # Examples
    ///
    /// Coverage 1, accuracy 0.875, consistency 0.5: `300 / (1 + 1.142857 + 2) = 72.413793`.
    ///
    /// # Source
    ///
    /// Ours; theirs is the name of the score (arXiv 2508.12263).
    pub fn score(&self) -> Option<f64> {
        if self.coverage == 0.0 || self.accuracy == 0.0 || self.consistency == Some(0.0) {
            return Some(0.0);
        }
        let consistency = self.consistency?;
        Some(300.0 / (1.0 / self.coverage + 1.0 / self.accuracy + 1.0 / consistency))
    }

    /// By how much consistency falls when regions of one class are permuted (`BindGap`).
    ///
    /// # Examples
    ///
    /// Consistency 0.5, permuted 0.25: `0.5 - 0.25 = 0.25`. Words that fit every region of the class have a gap of 0.
    ///
    /// # Source
    ///
    /// Ours.
    pub fn bind_gap(&self) -> Option<f64> {
        Some(self.consistency? - self.permuted?)
    }
}

/// Writes the score with its three parts and the checks that were available.
impl fmt::Display for RcidScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.score() {
            Some(score) => write!(f, "RCIDScore {score:.1}")?,
            None => write!(f, "RCIDScore not known")?,
        }
        write!(f, " (coverage {:.3}, accuracy {:.3}, consistency ", self.coverage, self.accuracy)?;
        match self.consistency {
            Some(consistency) => write!(f, "{consistency:.3}")?,
            None => write!(f, "not known")?,
        }
        let Checks { class, right_box, vision } = self.checks;
        write!(f, "; checks: class {class}, box {right_box}, vision {vision})")
    }
}

/// Scores a description by coverage, accuracy and consistency; `None` for a sample without regions and reference
/// pictures.
///
/// The answer is split into clauses at its marks, and where it has none at its names. A clause speaks of the regions
/// that it cites, else of the one that it names; colour and shape are a name where no other region has both. Its
/// claims are names, facts and ages; see [`JudgedClaim`]. The checks of consistency for a mention of region `i` are:
/// its class noun is that of `i` (1), or only that of another region (0); of the regions of one class only `i` shows
/// what is said (1), or another but not `i` (0); region `i` shows what is said (1 or 0). What is not known of region `i`
/// itself gives no verdict.
///
/// # Errors
///
/// [`JudgeError`] when a judge gives no verdict.
///
/// # Examples
///
/// A red robot and a blue cat, with owner and job each; `A red robot owned by Lily [1].`: objects `1 / 2`, facts
/// `(1 / 2 + 0 / 2) / 2 = 0.25`, coverage `(0.5 + 0.25) / 2 = 0.375`; accuracy `1 / 1`, consistency `(3 / 3) / 1`; score
/// `300 / (1 / 0.375 + 1 + 1) = 64.285714`. Sums of the other parts stand at [`names`](crate::metrics::names).
///
/// # Source
///
/// Theirs: the names of the score and of its three parts (arXiv 2508.12263). Ours: all formulas, and what is a clause, a
/// mention, a claim and a check.
pub fn rcid_score(
    sample: &Sample,
    answer: &Answer,
    judges: &Judges,
) -> Result<Option<RcidScore>, JudgeError> {
    let subjects = subjects(sample);
    if subjects.is_empty() {
        return Ok(None);
    }
    let clauses = split_at_mentions(clauses(answer, sample.regions.len()), &subjects);
    let judged = judge_claims(&clauses, &subjects, None, judges)?;
    let mentions = mentions(&clauses, &subjects);
    let objects = coverage_of_objects(&clauses, &mentions, &subjects);
    let facts = coverage_of_facts(&judged, &subjects);
    let share = |is: &dyn Fn(&JudgedClaim) -> bool| {
        let count = judged.iter().filter(|claim| is(claim)).count();
        if judged.is_empty() { 0.0 } else { count as f64 / judged.len() as f64 }
    };
    let mut inspector = Inspector::new(sample, &clauses, &subjects, judges);
    let mut checks = Checks::default();
    let checked = inspector.affordable(&mentions);
    let consistency = inspector.consistency(checked, &|at| at, &mut checks)?;
    let next = next_of_class(&subjects[..sample.regions.len()]);
    let permuted = match consistency.filter(|_| next.iter().enumerate().any(|(at, &other)| at != other)) {
        Some(_) => {
            let permute = |at: usize| next.get(at).copied().unwrap_or(at);
            inspector.consistency(checked, &permute, &mut Checks::default())?
        }
        None => None,
    };
    Ok(Some(RcidScore {
        objects,
        facts,
        coverage: facts.map_or(objects, |facts| f64::midpoint(objects, facts)),
        accuracy: share(&|claim| claim.entailed),
        contradiction_rate: share(&|claim| claim.contradicted),
        swap_rate: share(&|claim| claim.swapped_with.is_some()),
        consistency,
        permuted,
        checks,
        invalid_citations: clauses.iter().map(|clause| clause.unresolved).sum(),
        claims: judged,
    }))
}

/// Reads and judges the claims of an answer, until the judge has been asked enough.
pub(super) fn judge_claims(
    clauses: &[Clause],
    subjects: &[Subject],
    default: Option<usize>,
    judges: &Judges,
) -> Result<Vec<JudgedClaim>, JudgeError> {
    let questions = Questions::new(judges.entailment);
    let claims = claims(clauses, subjects, default);
    claims.iter().map_while(|claim| Stop::found(claim.judge(subjects, &questions)).transpose()).collect()
}

/// Which clause speaks of which subject: by mark, else by name.
fn mentions(clauses: &[Clause], subjects: &[Subject]) -> Vec<(usize, usize)> {
    let mut mentions = Vec::new();
    for (at, clause) in clauses.iter().enumerate() {
        if clause.cited.is_empty() {
            let mut named: Vec<_> = mentions_in(&lower(&clause.text), subjects);
            named.dedup_by_key(|(_, subject)| *subject);
            mentions.extend(named.into_iter().map(|(_, subject)| (at, subject)));
        } else {
            mentions.extend(clause.cited.iter().map(|&subject| (at, subject)));
        }
    }
    mentions.truncate(MAX_MENTIONS);
    mentions
}

fn coverage_of_objects(clauses: &[Clause], mentions: &[(usize, usize)], subjects: &[Subject]) -> f64 {
    let words: Vec<_> = clauses.iter().map(|clause| lower(&clause.text)).collect();
    let named: BTreeSet<_> =
        words.iter().flat_map(|words| mentions_in(words, subjects)).map(|(_, subject)| subject).collect();
    let is_covered = |(at, subject): (usize, &Subject)| {
        let cited = mentions.iter().filter(|(_, other)| *other == at);
        named.contains(&at) || cited.into_iter().any(|(clause, _)| subject.is_classed(&words[*clause]))
    };
    let covered = subjects.iter().enumerate().filter(|subject| is_covered(*subject)).count();
    covered as f64 / subjects.len() as f64
}

fn coverage_of_facts(claims: &[JudgedClaim], subjects: &[Subject]) -> Option<f64> {
    let told: BTreeSet<_> = claims.iter().flat_map(|claim| &claim.told).collect();
    let shares: Vec<f64> = subjects
        .iter()
        .enumerate()
        .filter(|(_, subject)| !subject.facts.is_empty())
        .map(|(at, subject)| {
            let told = subject.facts.iter().filter(|(name, _)| told.contains(&(at, name.clone()))).count();
            (told as f64 / subject.facts.len().min(FACTS_WANTED) as f64).min(1.0)
        })
        .collect();
    (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64)
}

/// For each region the next one of the same class, around; itself when it is the only one.
fn next_of_class(regions: &[Subject]) -> Vec<usize> {
    let count = regions.len();
    let next = |at: usize| {
        (1..=count).map(|step| (at + step) % count).find(|&other| regions[other].class == regions[at].class)
    };
    (0..count).map(|at| next(at).unwrap_or(at)).collect()
}

#[cfg(test)]
mod tests;
