use std::collections::HashMap;

use crate::{
    ItemScore, SummaryRow,
    dataset::short_key,
    metrics::{
        BootstrapOptions, CitationCounts, InvalidCitations, Tally, citation_sum_rows, invalid_sum_row,
    },
    report::OutcomeCounts,
    scorers::{RotatedQuestion, question_of},
};

/// What the table needs of the scores so far.
#[derive(Default)]
pub(super) struct Sums {
    tally: Tally,
    outcomes: OutcomeCounts,
    /// Questions that are asked in rotations, by short keys of their ids.
    rotated: HashMap<[u8; 16], RotatedQuestion>,
    /// What the answers about each picture cite, by the number of the picture.
    pictures: Vec<PictureSums>,
    failed: usize,
    failed_asked: usize,
}

/// What the measured answers about one picture cite.
#[derive(Clone, Copy, Default)]
struct PictureSums {
    /// Answers that were to cite, and of which it is known what.
    asked: u32,
    counts: CitationCounts,
    /// Answers that cite anything.
    citing: u32,
    invalid: InvalidCitations,
}

impl Sums {
    /// Adds a score, whether marks were asked for and are known, and what the answer cites.
    pub(super) fn add(
        &mut self,
        score: &ItemScore,
        asked: bool,
        cited: Option<(CitationCounts, InvalidCitations)>,
    ) {
        *self.outcomes.entry(score.kind).or_default().entry(score.outcome).or_default() += 1;
        self.tally.add(score);
        if !score.outcome.is_measured() {
            self.failed += 1;
            self.failed_asked += usize::from(asked);
        } else if let Some((counts, invalid)) = cited {
            let place = self.tally.cluster(&score.cluster) as usize;
            if place >= self.pictures.len() {
                self.pictures.resize(place + 1, PictureSums::default());
            }
            let sums = &mut self.pictures[place];
            if asked {
                sums.asked += 1;
                sums.counts = sums.counts.add(counts);
            }
            if invalid.cited > 0 {
                sums.citing += 1;
                sums.invalid = sums.invalid.add(invalid);
            }
        }
        if let Some(question) = question_of(&score.item) {
            let question = self.rotated.entry(short_key(&question));
            question.or_insert_with(|| RotatedQuestion::of(score)).add(score);
        }
    }

    /// The table.
    pub(super) fn rows(&self, options: &BootstrapOptions) -> Vec<SummaryRow> {
        let mut rows = self.tally.rows(options);
        let mut questions = Tally::default();
        for question in self.rotated.values() {
            questions.add(&question.clone().score(String::new()));
        }
        rows.extend(questions.rows(options));
        let places = self.tally.clusters_in_order();
        let pictures = || places.iter().filter_map(|&place| self.pictures.get(place as usize));
        let asked: Vec<_> = pictures().filter(|sums| sums.asked > 0).map(|sums| sums.counts).collect();
        let count = pictures().map(|sums| sums.asked as usize).sum();
        rows.extend(citation_sum_rows(count, &asked, self.failed_asked, options));
        let citing: Vec<_> = pictures().filter(|sums| sums.citing > 0).map(|sums| sums.invalid).collect();
        let count = pictures().map(|sums| sums.citing as usize).sum();
        rows.extend(invalid_sum_row(count, &citing, self.failed, options));
        rows
    }

    /// What became of the items.
    pub(super) fn into_outcomes(self) -> OutcomeCounts {
        self.outcomes
    }
}
