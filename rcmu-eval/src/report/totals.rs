use std::{collections::HashSet, path::Path};

use crate::{
    Error, ItemScore,
    dataset::Dataset,
    journal::{self, Manifest},
    judge::Judges,
    metrics::{
        BootstrapOptions, CitationCounts, CitedItem, InvalidCitations, Tally, citation_rows,
        invalid_citation_row, names, summarise,
    },
    report::{
        OutcomeCounts, Report, ReportOptions,
        evaluation::{check_dataset, cited, head, judges_words, not_asked, score_answer},
    },
    scorers::{is_rotated, rotated_questions},
};

/// Scores a journal record by record, and sums up: the report that [`Scores::report`](super::Scores::report) makes, without
/// items.
///
/// Neither answers nor scores are kept, only what the table needs of them: about 250 bytes for each item beside the
/// dataset, most of them the values of its measures ([`Tally`]).
///
/// # Errors
///
/// As [`journal::read`](journal::read()); [`Error::OtherDataset`] when the journal is none of this dataset;
/// [`Error::ManifestChanged`] when it became that of another run meanwhile; what
/// [`Entailment::finish`](crate::judge::Entailment::finish) says.
pub fn totals(
    dataset: &Dataset,
    journal: impl AsRef<Path>,
    judges: &Judges,
    options: &ReportOptions,
) -> Result<Report, Error> {
    let path = journal.as_ref();
    let manifest = journal::manifest(path)?;
    check_dataset(dataset, &manifest)?;
    let mut totals = Totals::default();
    let mut seen: HashSet<(u64, u32)> = HashSet::new();
    let found = journal::read_each(path, |record| {
        let is_asked = manifest.shard.contains(record.place) && record.repeat < manifest.repeats;
        let sample = usize::try_from(record.place).ok().and_then(|place| dataset.items().get(place));
        if let Some(sample) = sample.filter(|_| is_asked) {
            seen.insert((record.place, record.repeat));
            let score = score_answer(sample, &record.reply, record.repeat, manifest.mode, judges);
            totals.add(score, sample.cited, cited(sample, &record.reply));
        }
    });
    // A scoring that was cut short has verdicts to make safe as well; of what was never asked no judge hears.
    judges.finish()?;
    let found = found?;
    let differences = found.differences(&manifest);
    if !differences.is_empty() {
        return Err(Error::ManifestChanged { path: path.to_owned(), differences });
    }
    for (place, sample) in (0..).zip(dataset.items()).filter(|(place, _)| manifest.shard.contains(*place)) {
        for repeat in (0..manifest.repeats).filter(|repeat| !seen.contains(&(place, *repeat))) {
            let score = score_answer(sample, &not_asked(), repeat, manifest.mode, judges);
            totals.add(score, sample.cited, None);
        }
    }
    Ok(totals.report(&manifest, judges, options))
}

/// What the table needs of the scores so far.
#[derive(Default)]
struct Totals {
    tally: Tally,
    outcomes: OutcomeCounts,
    /// Of questions that were asked in rotations, what their rows need.
    rotated: Vec<ItemScore>,
    /// The picture of each measured answer that was to cite, and its counts.
    counts: Vec<(u32, [u32; 3])>,
    /// The same of every measured answer that cites anything.
    invalid: Vec<(u32, [u32; 2])>,
    failed: usize,
    failed_asked: usize,
}

impl Totals {
    fn add(&mut self, score: ItemScore, asked: bool, cited: Option<(CitationCounts, InvalidCitations)>) {
        *self.outcomes.entry(score.kind).or_default().entry(score.outcome).or_default() += 1;
        self.tally.add(&score);
        if !score.outcome.is_measured() {
            self.failed += 1;
            self.failed_asked += usize::from(asked);
        } else if let Some((counts, invalid)) = cited {
            let cluster = self.tally.cluster(&score.cluster);
            if asked {
                let CitationCounts { hits, cited, right } = counts;
                self.counts.push((cluster, [hits, cited, right].map(|count| count as u32)));
            }
            if invalid.cited > 0 {
                self.invalid.push((cluster, [invalid.invalid, invalid.cited].map(|count| count as u32)));
            }
        }
        if is_rotated(&score.item) {
            let is_needed = |name: &String| [names::ACCURACY, names::CHANCE].contains(&name.as_str());
            let measures = score.measures.into_iter().filter(|(name, _)| is_needed(name)).collect();
            self.rotated.push(ItemScore { measures, how: String::new(), ..score });
        }
    }

    fn report(self, manifest: &Manifest, judges: &Judges, options: &ReportOptions) -> Report {
        let rows = self.rows(&options.bootstrap);
        let head = head(manifest, &judges_words(judges), options);
        Report { rows, outcomes: self.outcomes, shown: Some(0), ..head }
    }

    fn rows(&self, options: &BootstrapOptions) -> Vec<crate::SummaryRow> {
        let mut rows = self.tally.rows(options);
        rows.extend(summarise(&rotated_questions(&self.rotated), options));
        let counts = self.counts.iter().map(|&(cluster, counts)| {
            let [hits, cited, right] = counts.map(|count| count as usize);
            let counts = CitationCounts { hits, cited, right };
            CitedItem { cluster: self.tally.key(cluster).to_owned(), counts }
        });
        rows.extend(citation_rows(&counts.collect::<Vec<_>>(), self.failed_asked, options));
        let invalid = self.invalid.iter().map(|&(cluster, counts)| {
            let [invalid, cited] = counts.map(|count| count as usize);
            (self.tally.key(cluster), InvalidCitations { invalid, cited })
        });
        rows.extend(invalid_citation_row(&invalid.collect::<Vec<_>>(), self.failed, options));
        rows
    }
}
