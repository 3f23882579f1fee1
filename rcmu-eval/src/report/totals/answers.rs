use std::borrow::Cow;

use rcmu_data::Sample;

use crate::{
    Error,
    journal::{Index, Manifest},
    judge::Judges,
    report::{
        FileTotals, Report, ReportOptions,
        evaluation::{cited, head, judges_words, not_asked, score_answer},
        totals::sums::Sums,
    },
    scorers::are_citations_known,
};

/// The answers of a journal while they are scored.
pub(super) struct Answers<'a> {
    index: Index,
    judges: &'a Judges<'a>,
    sums: Sums,
    /// The place of the next item.
    next: u64,
    /// Records that were scored.
    scored: u64,
    missing: u64,
    first_stranger: Option<String>,
}

impl<'a> Answers<'a> {
    /// Begins with nothing scored.
    pub(super) fn new(index: Index, judges: &'a Judges<'a>) -> Self {
        Self { index, judges, sums: Sums::default(), next: 0, scored: 0, missing: 0, first_stranger: None }
    }

    /// Scores all answers to the next item of the dataset.
    pub(super) fn add(&mut self, sample: &Sample) -> Result<(), Error> {
        let place = self.next;
        self.next += 1;
        let &Manifest { shard, repeats, mode, .. } = self.index.manifest();
        if !shard.contains(place) {
            return Ok(());
        }
        for repeat in 0..repeats {
            let reply = match self.index.find(place, repeat)? {
                Some(record) if record.item == sample.id => {
                    self.scored += 1;
                    Cow::Owned(record.reply)
                }
                other => {
                    self.missing += 1;
                    if let Some(stranger) = other {
                        self.first_stranger.get_or_insert(stranger.item);
                    }
                    not_asked()
                }
            };
            let score = score_answer(sample, &reply, repeat, mode, self.judges);
            self.sums.add(&score, are_citations_known(sample), cited(sample, &reply, mode));
        }
        Ok(())
    }

    /// Sums up.
    pub(super) fn found(mut self, options: &ReportOptions) -> Result<FileTotals, Error> {
        let manifest = self.index.manifest().clone();
        let strangers = self.index.places().count() as u64 - self.scored;
        if strangers > 0 && self.first_stranger.is_none() {
            let is_asked = |place, repeat| {
                place < self.next && manifest.shard.contains(place) && repeat < manifest.repeats
            };
            let first = self.index.places().find(|&(place, repeat)| !is_asked(place, repeat));
            if let Some((place, repeat)) = first {
                self.first_stranger = self.index.find(place, repeat)?.map(|record| record.item);
            }
        }
        // Rows take memory of their own.
        drop(self.index);
        let rows = self.sums.rows(&options.bootstrap);
        let head = head(&manifest, &judges_words(self.judges), options);
        let report = Report { rows, outcomes: self.sums.into_outcomes(), shown: Some(0), ..head };
        Ok(FileTotals { report, missing: self.missing, strangers, first_stranger: self.first_stranger })
    }
}
