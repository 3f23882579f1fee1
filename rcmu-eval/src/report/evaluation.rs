use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    io::Cursor,
    sync::Arc,
};

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage, metadata::Orientation};
use rcmu_core::{FinishReason, Picture};
use rcmu_data::Sample;
use rcmu_prompt::{Targets, parse};

use crate::{
    Error, ItemScore, Reply, SummaryRow,
    dataset::{Dataset, other_dataset},
    journal::{Contents, DatasetIdentity, Manifest, Record},
    judge::Judges,
    metrics::{
        BootstrapOptions, CitationCounts, CitedAnswer, CitedItem, InvalidCitations, citation_rows,
        invalid_citation_row, names, summarise,
    },
    report::{
        self, ComparedSetting, ComparisonReport, OutcomeCounts, Report, ReportItem, ScoreOptions,
        count_outcomes,
        pairing::{self, compare_tables},
        scoring::score_all,
    },
    run::{Mode, grey},
    scorers::{
        CHOICE_CHAIN, are_citations_known, citation_counts, invalid_citations, rotated_questions, score_reply,
    },
};

/// Most memory for what a picture's file holds beside its pixels, in bytes; they were counted when it was opened.
const MAX_ALLOC: u64 = 256 << 20;

/// How a report is made of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportOptions {
    /// Its heading.
    pub title: String,
    /// The most failed items with which the report still has a headline.
    pub allowed_failures: usize,
    /// The most items that pages show, with their pictures; all where none. Those that are wrong come first. Files for
    /// programs hold all items.
    pub shown: Option<usize>,
    /// How intervals are drawn.
    pub bootstrap: BootstrapOptions,
}

impl Default for ReportOptions {
    /// `Evaluation`, no failure allowed, all items shown.
    fn default() -> Self {
        Self {
            title: "Evaluation".into(),
            allowed_failures: 0,
            shown: None,
            bootstrap: BootstrapOptions::default(),
        }
    }
}

/// The scores of what a journal recorded.
///
/// Each record is scored against its item of the dataset. Items that have not been asked yet count as failed, never as
/// wrong. Where an item was asked several times, each answer has a score of its own; the second one's name ends in `#2`.
#[derive(Clone, Debug)]
pub struct Scores<'a> {
    dataset: &'a Dataset,
    manifest: &'a Manifest,
    entries: Vec<Entry<'a>>,
    /// The score of each entry.
    items: Vec<ItemScore>,
    /// Who judged texts, and what regions show.
    judges: String,
}

#[derive(Clone, Debug)]
struct Entry<'a> {
    sample: &'a Arc<Sample>,
    /// Which of the answers to the item it is, from 0.
    repeat: u32,
    reply: Cow<'a, Reply>,
}

impl<'a> Scores<'a> {
    /// Scores a journal, one item after the other.
    ///
    /// # Errors
    ///
    /// As [`Scores::with_options`].
    pub fn of(dataset: &'a Dataset, contents: &'a Contents, judges: &Judges) -> Result<Self, Error> {
        Self::with_options(dataset, contents, judges, &ScoreOptions::default())
    }

    /// Scores a journal; how many threads ask the judges makes no difference to what they say.
    ///
    /// In a run with permuted contexts, open questions about one region have the measure `context_followed` besides.
    ///
    /// # Errors
    ///
    /// [`Error::OtherDataset`] when the journal is none of this dataset; [`Error::RunOption`] for a setting out of its
    /// range; [`Error::Cancelled`]; what [`Entailment::finish`](crate::judge::Entailment::finish) says.
    pub fn with_options(
        dataset: &'a Dataset,
        contents: &'a Contents,
        judges: &Judges,
        options: &ScoreOptions<'_>,
    ) -> Result<Self, Error> {
        let manifest = &contents.manifest;
        check_dataset(&dataset.identity(), manifest)?;
        let records = contents.records.iter().map(|record| ((record.place, record.repeat), record));
        let records: BTreeMap<_, &'a Record> = records.collect();
        let mut entries = Vec::new();
        for (place, sample) in (0..).zip(dataset.items()) {
            if !manifest.shard.contains(place) {
                continue;
            }
            for repeat in 0..manifest.repeats {
                // An answer to another item is none to this one, wherever it stands.
                let record = records.get(&(place, repeat)).filter(|record| record.item == sample.id);
                let reply = record.map_or_else(not_asked, |record| Cow::Borrowed(&record.reply));
                entries.push(Entry { sample, repeat, reply });
            }
        }
        let score =
            |entry: &Entry<'_>| score_answer(entry.sample, &entry.reply, entry.repeat, manifest.mode, judges);
        let items = score_all(&entries, options, score);
        // A scoring that was cancelled has verdicts to make safe as well.
        judges.finish()?;
        let items = items?;
        Ok(Self { dataset, manifest, entries, items, judges: judges_words(judges) })
    }

    /// The score of each answer, in the order of the dataset.
    pub fn items(&self) -> &[ItemScore] {
        &self.items
    }

    /// Sums up. A picture that cannot be decoded is left out; its items have none.
    ///
    /// # Errors
    ///
    /// [`Error::Item`] naming an item to show whose picture cannot be opened.
    pub fn report(&self, options: &ReportOptions) -> Result<Report, Error> {
        let rows = self.rows(&self.cited(), &options.bootstrap);
        let both = self.entries.iter().zip(&self.items);
        let mut items: Vec<_> = both.map(|(entry, score)| self.item(entry, score)).collect();
        let mut pictures = Vec::new();
        let mut known: HashMap<&str, Option<usize>> = HashMap::new();
        for place in report::shown(&items, options.shown) {
            let item = &mut items[place];
            let cluster = self.items[place].cluster.as_str();
            if !known.contains_key(cluster) {
                let picture = self.picture(&item.sample)?;
                known.insert(cluster, picture.is_some().then_some(pictures.len()));
                pictures.extend(picture);
            }
            item.picture = known.get(cluster).copied().flatten();
        }
        Ok(Report {
            rows,
            outcomes: count_outcomes(&self.items),
            shown: options.shown,
            pictures,
            items,
            ..head(self.manifest, &self.judges, options)
        })
    }

    /// The table.
    fn rows(&self, cited: &[CitedAnswer<'_>], options: &BootstrapOptions) -> Vec<SummaryRow> {
        let mut rows = summarise(&self.items, options);
        rows.extend(summarise(&rotated_questions(&self.items), options));
        let failed =
            || self.entries.iter().zip(&self.items).filter(|(_, score)| !score.outcome.is_measured());
        let asked = cited.iter().filter(|answer| answer.asked);
        let asked: Vec<_> = asked
            .map(|answer| CitedItem { cluster: answer.cluster.to_owned(), counts: answer.counts })
            .collect();
        rows.extend(citation_rows(
            &asked,
            failed().filter(|(entry, _)| are_citations_known(entry.sample)).count(),
            options,
        ));
        let all: Vec<_> = cited.iter().map(|answer| (answer.cluster, answer.invalid)).collect();
        rows.extend(invalid_citation_row(&all, failed().count(), options));
        rows
    }

    /// What each measured answer cites.
    fn cited(&self) -> Vec<CitedAnswer<'_>> {
        let measured = self.entries.iter().zip(&self.items).filter(|(_, score)| score.outcome.is_measured());
        measured.filter_map(|(entry, score)| entry.cited(score, self.manifest.mode)).collect()
    }

    /// Compares a second run over the same items with this one, on every row that both of their tables have; of every other
    /// row it tells why it is not compared.
    ///
    /// The second run may have another model, other settings or another mode, but not other judges: a difference would be
    /// theirs as well.
    ///
    /// # Errors
    ///
    /// [`Error::OtherDataset`] when the runs are over different items, [`Error::OtherJudges`] when other judges scored them.
    pub fn compare(&self, second: &Self, options: &BootstrapOptions) -> Result<ComparisonReport, Error> {
        let (one, other) = (&self.manifest.dataset, &second.manifest.dataset);
        if one != other {
            return Err(other_dataset(other, one));
        }
        if self.judges != second.judges {
            return Err(Error::OtherJudges { first: self.judges.clone(), second: second.judges.clone() });
        }
        let cited = [self.cited(), second.cited()];
        let rotated = [self, second].map(|run| rotated_questions(&run.items));
        let answers = [self, second]
            .map(|run| run.entries.iter().map(|entry| entry.repeat).zip(&run.items).collect::<Vec<_>>());
        let no_draws = BootstrapOptions { resamples: 0, ..*options };
        let tables = [self.rows(&cited[0], &no_draws), second.rows(&cited[1], &no_draws)];
        let runs = [0, 1].map(|at| pairing::Run {
            answers: &answers[at],
            rotated: &rotated[at],
            cited: &cited[at],
            rows: &tables[at],
        });
        let (rows, uncompared) = compare_tables(&runs[0], &runs[1], options);
        let name = |run: &Self| format!("{}, {:?}", run.manifest.model, run.manifest.mode);
        let title = format!("Comparison on {}", one.name);
        let settings = [self, second].map(|run| settings(run.manifest, &run.judges, options));
        let settings = settings[0].iter().zip(&settings[1]).map(|((name, first), (_, second))| {
            ComparedSetting { name: name.clone(), first: first.clone(), second: second.clone() }
        });
        let settings = settings.collect();
        Ok(ComparisonReport { title, first: name(self), second: name(second), settings, rows, uncompared })
    }

    /// The item as it was shown, without its picture.
    fn item(&self, entry: &Entry<'_>, score: &ItemScore) -> ReportItem {
        let shown = match self.manifest.mode.apply(entry.sample).sample {
            Cow::Borrowed(_) => Arc::clone(entry.sample),
            Cow::Owned(changed) => Arc::new(changed),
        };
        ReportItem::new(shown, None, entry.reply.clone().into_owned(), score.clone())
    }

    /// The picture of an item as a PNG file, grey where that is what was shown; none where it cannot be decoded.
    fn picture(&self, sample: &Sample) -> Result<Option<Vec<u8>>, Error> {
        let unseen = |source| Error::Item { item: sample.id.clone(), source: Box::new(source) };
        let (picture, size) =
            sample.picture.open(self.dataset.folder()).map_err(|error| unseen(error.into()))?;
        let hidden = self.manifest.mode == Mode::NoPicture;
        let picture = if hidden { grey(size).map_err(unseen)? } else { picture };
        Ok(png(&picture))
    }
}

impl Entry<'_> {
    /// What the reply cites.
    fn cited<'s>(&self, score: &'s ItemScore, mode: Mode) -> Option<CitedAnswer<'s>> {
        let (counts, invalid) = cited(self.sample, &self.reply, mode)?;
        let (item, cluster) = (&score.item, &score.cluster);
        let (repeat, asked) = (self.repeat, are_citations_known(self.sample));
        Some(CitedAnswer { item, repeat, cluster, asked, counts, invalid })
    }
}

/// What a reply cites, and what of it points at nothing that was shown; none without a text.
pub(super) fn cited(
    sample: &Sample,
    reply: &Reply,
    mode: Mode,
) -> Option<(CitationCounts, InvalidCitations)> {
    let Reply::Text { text, .. } = reply else { return None };
    let targets = report::targets(sample);
    let read = |targets| parse(text, targets, FinishReason::EndOfText);
    let answer = read(targets);
    let invalid = match mode {
        Mode::NoContext => invalid_citations(&read(Targets::new(0, 0, targets.size()))),
        _ => invalid_citations(&answer),
    };
    Some((citation_counts(sample, &answer), invalid))
}

/// The picture as a PNG file, upright; none where it cannot be decoded.
fn png(picture: &Picture) -> Option<Vec<u8>> {
    let image = match picture {
        Picture::Rgb { size, pixels } => {
            DynamicImage::from(RgbImage::from_raw(size.width(), size.height(), pixels.to_vec())?)
        }
        Picture::Encoded(bytes) => {
            let mut limits = Limits::default();
            limits.max_alloc = Some(MAX_ALLOC);
            let mut reader = ImageReader::new(Cursor::new(bytes));
            reader.limits(limits);
            let mut decoder = reader.with_guessed_format().ok()?.into_decoder().ok()?;
            let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
            let mut image = DynamicImage::from_decoder(decoder).ok()?;
            image.apply_orientation(orientation);
            image
        }
        _ => return None,
    };
    let mut file = Cursor::new(Vec::new());
    image.write_to(&mut file, ImageFormat::Png).ok()?;
    Some(file.into_inner())
}

/// Names and values of what the result depends on besides model, dataset and mode.
fn settings(manifest: &Manifest, judges: &str, bootstrap: &BootstrapOptions) -> Vec<(String, String)> {
    let settings = [
        ("Journal", format!("version {}, {}", manifest.version, manifest.shard)),
        ("Options", serde_json::to_string(&manifest.options).unwrap_or_default()),
        // What scored, not what was there when the run asked.
        ("Choice chain", CHOICE_CHAIN.to_owned()),
        ("Judges", judges.to_owned()),
        ("Bootstrap", format!("{} draws, seed {}", bootstrap.resamples, bootstrap.seed)),
    ];
    settings.map(|(name, value)| (name.to_owned(), value)).into()
}

/// A report of this run without anything that was found.
pub(super) fn head(manifest: &Manifest, judges: &str, options: &ReportOptions) -> Report {
    Report {
        title: options.title.clone(),
        model: manifest.model.clone(),
        dataset: manifest.dataset.clone(),
        mode: manifest.mode,
        settings: settings(manifest, judges, &options.bootstrap),
        allowed_failures: options.allowed_failures,
        rows: Vec::new(),
        outcomes: OutcomeCounts::new(),
        shown: None,
        pictures: Vec::new(),
        items: Vec::new(),
    }
}

/// Who judges.
pub(super) fn judges_words(judges: &Judges) -> String {
    judges.identity()
}

/// Refuses a journal of another dataset.
pub(super) fn check_dataset(expected: &DatasetIdentity, manifest: &Manifest) -> Result<(), Error> {
    if manifest.dataset == *expected { Ok(()) } else { Err(other_dataset(&manifest.dataset, expected)) }
}

/// The score of one answer to an item.
pub(super) fn score_answer(
    sample: &Sample,
    reply: &Reply,
    repeat: u32,
    mode: Mode,
    judges: &Judges,
) -> ItemScore {
    let mut score = score_reply(sample, reply, judges);
    // Numbers that are right may point at nothing that was shown.
    if mode == Mode::NoContext
        && score.outcome.is_measured()
        && let Some(share) = cited(sample, reply, mode).and_then(|(_, invalid)| invalid.share())
    {
        score.measures.insert(names::CITATION_INVALID.to_owned(), share);
    }
    if score.outcome.is_measured()
        && let Some(followed) = followed(sample, mode, reply)
    {
        score.measures.insert(names::CONTEXT_FOLLOWED.to_owned(), followed);
    }
    if repeat > 0 {
        score.item = format!("{}#{}", score.item, repeat + 1);
    }
    score
}

pub(super) fn not_asked<'a>() -> Cow<'a, Reply> {
    Cow::Owned(Reply::Failed { reason: "has not been asked yet".into() })
}

/// Whether a reply says what the permuted contexts say; `None` where that cannot be told from what the true ones say.
///
/// No judge is asked: accuracy needs none, and one that fails would leave the item without this measure alone.
fn followed(sample: &Sample, mode: Mode, reply: &Reply) -> Option<f64> {
    if !matches!(mode, Mode::PermutedContexts { .. }) || !matches!(reply, Reply::Text { .. }) {
        return None;
    }
    let moved = mode.moved(sample)?;
    score_reply(&moved, reply, &Judges::rules()).measures.get(names::ACCURACY).copied()
}
