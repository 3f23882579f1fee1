use std::collections::{BTreeMap, BTreeSet};

use rcmu_data::Sample;

use crate::{
    judge::{JudgeError, Judges, lower},
    scorers::{clause::Clause, questions::MAX_QUESTIONS, rcid::Checks, subject::Subject},
};

/// Checks mentions against regions; what a region shows is asked once.
pub(super) struct Inspector<'a> {
    sample: &'a Sample,
    clauses: &'a [Clause],
    subjects: &'a [Subject],
    judges: &'a Judges<'a>,
    seen: BTreeMap<(usize, usize), Option<bool>>,
}

impl<'a> Inspector<'a> {
    /// Makes one that has asked nothing yet.
    pub(super) fn new(
        sample: &'a Sample,
        clauses: &'a [Clause],
        subjects: &'a [Subject],
        judges: &'a Judges<'a>,
    ) -> Self {
        Self { sample, clauses, subjects, judges, seen: BTreeMap::new() }
    }

    /// The first mentions, as many as can be checked with [`MAX_QUESTIONS`]: each needs one about every region of its class,
    /// and the same ones where regions of a class stand for each other.
    pub(super) fn affordable<'m>(&self, mentions: &'m [(usize, usize)]) -> &'m [(usize, usize)] {
        let regions = &self.subjects[..self.sample.regions.len()];
        let mut classes = BTreeSet::new();
        let mut questions = 0;
        let is_too_many = |&(clause, subject): &(usize, usize)| {
            if let Some(region) = regions.get(subject)
                && classes.insert((clause, &region.class))
            {
                questions += regions.iter().filter(|other| other.class == region.class).count();
            }
            questions > MAX_QUESTIONS
        };
        &mentions[..mentions.iter().position(is_too_many).unwrap_or(mentions.len())]
    }

    /// The mean over the mentions of the mean of the checks that can judge them, region `i` standing for `of(i)`.
    pub(super) fn consistency(
        &mut self,
        mentions: &[(usize, usize)],
        of: &dyn Fn(usize) -> usize,
        checks: &mut Checks,
    ) -> Result<Option<f64>, JudgeError> {
        let (mut sum, mut count) = (0.0, 0_usize);
        for &(clause, subject) in mentions {
            let subject = of(subject);
            let class = self.class(clause, subject);
            let right_box = self.right_box(clause, subject)?;
            let shown = self.shows(clause, subject)?;
            checks.class += usize::from(class.is_some());
            checks.right_box += usize::from(right_box.is_some());
            checks.vision += usize::from(shown.is_some());
            let known: Vec<_> = [class, right_box, shown].into_iter().flatten().collect();
            if !known.is_empty() {
                sum += known.iter().filter(|good| **good).count() as f64 / known.len() as f64;
                count += 1;
            }
        }
        Ok((count > 0).then(|| sum / count as f64))
    }

    fn class(&self, clause: usize, subject: usize) -> Option<bool> {
        let words = lower(&self.clauses[clause].text);
        let says = |subject: &Subject| subject.is_classed(&words);
        if says(&self.subjects[subject]) {
            Some(true)
        } else {
            self.subjects.iter().any(says).then_some(false)
        }
    }

    /// Whether the subject alone of its class shows what is said; none where that is not known of itself.
    fn right_box(&mut self, clause: usize, subject: usize) -> Result<Option<bool>, JudgeError> {
        let regions = &self.subjects[..self.sample.regions.len()];
        if subject >= regions.len() {
            return Ok(None);
        }
        let class = &regions[subject].class;
        let rivals: Vec<_> =
            (0..regions.len()).filter(|&other| other != subject && regions[other].class == *class).collect();
        let Some(own) = self.shows(clause, subject)? else { return Ok(None) };
        let mut others = false;
        for rival in &rivals {
            others |= self.shows(clause, *rival)? == Some(true);
        }
        Ok((!rivals.is_empty() && own != others).then_some(own))
    }

    fn shows(&mut self, clause: usize, subject: usize) -> Result<Option<bool>, JudgeError> {
        if subject >= self.sample.regions.len() {
            return Ok(None);
        }
        if let Some(&seen) = self.seen.get(&(clause, subject)) {
            return Ok(seen);
        }
        let seen = self.judges.vision.shows(self.sample, subject, &self.clauses[clause].text)?;
        self.seen.insert((clause, subject), seen);
        Ok(seen)
    }
}
