//! What an evaluation found, written for people, spreadsheets and build servers.
//!
//! ```text
//! journal ─► totals, totals_from_file ──► Report without items, in little memory
//! journal ─► Scores ─┬─► Report (below)
//!                    └─► ComparisonReport, with the Scores of a second run
//!
//! Report ─┬─ to_html      one file that needs no network and runs nothing
//!         ├─ to_json ◄──► from_json
//!         ├─ to_csv, to_csv_table
//!         ├─ to_markdown
//!         ├─ to_junit
//!         └─ write        all of them into a folder
//! Comparison ─► ComparisonReport ─┬─ to_html
//!                                 ├─ to_json ◄──► from_json
//!                                 ├─ to_csv
//!                                 ├─ to_markdown
//!                                 └─ write        all of them into a folder
//! ```
//!
//! Replies, labels and texts are hostile: every writer escapes for its format, and [`visible`] has shown characters
//! that hide or reorder text before. A report holds no clock times, so that equal inputs give equal bytes.

mod comparison;
mod csv;
mod evaluation;
mod files;
mod headline;
mod html;
mod json;
mod junit;
mod markdown;
mod pairing;
mod scoring;
mod text;
mod totals;
mod verdict;

use std::{
    collections::{BTreeMap, HashSet},
    path::Path,
    sync::Arc,
};

use rcmu_core::{CitationTarget, FinishReason, ImageSize};
use rcmu_data::{Kind, Sample};
use rcmu_prompt::{Targets, parse};
use serde::{Deserialize, Serialize};

use crate::{
    Error, ItemScore, Outcome, Reply, SummaryRow, journal::DatasetIdentity, metrics::names, run::Mode,
};

pub use comparison::{ComparedSetting, ComparisonReport, ComparisonRow, Uncompared, UncomparedRow};
pub use evaluation::{ReportOptions, Scores};
pub use headline::Headline;
pub use json::{COMPARISON_VERSION, REPORT_VERSION};
pub use scoring::ScoreOptions;
pub use text::visible;
pub use totals::{FileTotals, totals, totals_from_file};
pub use verdict::Verdict;

/// How many items of each kind had each outcome.
pub type OutcomeCounts = BTreeMap<Kind, BTreeMap<Outcome, usize>>;

/// What an evaluation found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Its heading.
    pub title: String,
    /// The generator's own name of its weights and settings.
    pub model: String,
    /// What was asked.
    pub dataset: DatasetIdentity,
    /// What was left out or changed of each item.
    pub mode: Mode,
    /// Names and values of everything else that the result depends on, in the order of showing.
    pub settings: Vec<(String, String)>,
    /// The most failed items with which the report still has a headline.
    pub allowed_failures: usize,
    /// The table; [`Report::headline`] is one of its rows.
    pub rows: Vec<SummaryRow>,
    /// What became of the items; see [`count_outcomes`].
    pub outcomes: OutcomeCounts,
    /// The most items that pages show; all where none.
    pub shown: Option<usize>,
    /// The pictures of the items to show as PNG files, each once.
    #[serde(with = "json::pictures")]
    pub pictures: Vec<Vec<u8>>,
    /// All items, in the order of the dataset.
    pub items: Vec<ReportItem>,
}

impl Report {
    /// How many items had this outcome.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.outcomes.values().filter_map(|counts| counts.get(&outcome)).sum()
    }

    /// How many items there are.
    pub fn total(&self) -> usize {
        self.outcomes.values().flat_map(BTreeMap::values).sum()
    }

    /// How many items could not be measured.
    pub fn failures(&self) -> usize {
        Outcome::ALL.iter().filter(|outcome| !outcome.is_measured()).map(|outcome| self.count(*outcome)).sum()
    }

    /// The items that pages show, in their order.
    fn listed(&self) -> impl Iterator<Item = &ReportItem> {
        shown(&self.items, self.shown).into_iter().map(|place| &self.items[place])
    }

    /// The facts above the table: model, dataset, mode and settings.
    fn facts(&self) -> Vec<(String, String)> {
        let dataset = &self.dataset;
        let mut facts = vec![
            ("Model".to_owned(), visible(&self.model)),
            ("Dataset".to_owned(), format!("{}, {} items", visible(&dataset.name), dataset.items)),
            ("Mode".to_owned(), mode_words(self.mode)),
        ];
        facts.extend(self.settings.iter().map(|(name, value)| (visible(name), visible(value))));
        facts.push(("Dataset hash".to_owned(), visible(&dataset.hash)));
        facts
    }
}

impl Report {
    /// Writes every form of the report into a folder, which is made if it is not there: `report.html`, `report.md`,
    /// `report.json`, `table.csv`, `items.csv` and `junit.xml`.
    ///
    /// # Errors
    ///
    /// [`Error::File`] naming what cannot be written; else as [`Report::to_html`] and [`Report::to_json`].
    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        files::write(
            folder,
            &[
                ("report.html", self.to_html()?),
                ("report.md", self.to_markdown()),
                ("report.json", self.to_json()?),
                ("table.csv", self.to_csv_table()),
                ("items.csv", self.to_csv()),
                ("junit.xml", self.to_junit()),
            ],
        )
    }
}

/// The places of the items that pages show: first those that are not known to be right, each in the order of the dataset.
fn shown(items: &[ReportItem], most: Option<usize>) -> Vec<usize> {
    let mut places: Vec<_> = (0..items.len()).collect();
    places.sort_by_key(|&place| items[place].score.measures.get(names::ACCURACY) == Some(&1.0));
    places.truncate(most.unwrap_or(usize::MAX));
    places
}

/// Counts what became of items, by kind.
pub fn count_outcomes<'a>(scores: impl IntoIterator<Item = &'a ItemScore>) -> OutcomeCounts {
    let mut counts = OutcomeCounts::new();
    for score in scores {
        *counts.entry(score.kind).or_default().entry(score.outcome).or_default() += 1;
    }
    counts
}

/// An item with what was said about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReportItem {
    /// The item as it was shown to the generator.
    #[serde(with = "json::shared")]
    pub sample: Arc<Sample>,
    /// The place of its picture in [`Report::pictures`], from 0; none leaves the boxes on an empty ground.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<usize>,
    /// What the generator said.
    pub reply: Reply,
    /// How that was scored.
    pub score: ItemScore,
    /// The numbers of the regions and reference pictures that the reply cites, in order of their first mark, each once.
    pub cited: Vec<u32>,
    /// The other numbers that the reply cites, which point at nothing that was shown; as [`ReportItem::cited`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub invalid: Vec<u64>,
}

impl ReportItem {
    /// An item whose citations are read from the reply.
    pub fn new(
        sample: impl Into<Arc<Sample>>,
        picture: Option<usize>,
        reply: Reply,
        score: ItemScore,
    ) -> Self {
        let sample = sample.into();
        let (mut cited, mut invalid) = (Vec::new(), Vec::new());
        if let Reply::Text { text, .. } = &reply {
            let answer = parse(text, targets(&sample), FinishReason::EndOfText);
            let marks = answer.statements.iter().flat_map(|statement| &statement.citations);
            let mut seen = HashSet::new();
            for target in marks.map(|mark| mark.target).filter(|target| seen.insert(*target)) {
                cited.extend(number(target, &sample));
                if let CitationTarget::Unresolved(number) = target {
                    invalid.push(number);
                }
            }
        }
        Self { sample, picture, reply, score, cited, invalid }
    }

    /// Whether it was right, as far as that is known.
    pub fn verdict(&self) -> Verdict {
        Verdict::of(&self.score)
    }

    /// What the generator said, or why it said nothing.
    fn said(&self) -> &str {
        match &self.reply {
            Reply::Text { text, .. } => text,
            Reply::Failed { reason } => reason,
        }
    }
}

/// What the marks of a reply can point at; boxes stay on the model's grid.
fn targets(sample: &Sample) -> Targets {
    let size = ImageSize::new(1000, 1000).expect("neither side is 0 or above the limit");
    Targets::new(sample.regions.len(), sample.references.len(), size)
}

/// The number under which a prompt shows what a mark points at; none for one that points at nothing.
fn number(target: CitationTarget, sample: &Sample) -> Option<u32> {
    match target {
        CitationTarget::Region(id) => Some(id.number()),
        CitationTarget::Reference(place) => Some(sample.regions.len() as u32 + place),
        CitationTarget::Unresolved(_) => None,
    }
}

fn mode_words(mode: Mode) -> String {
    match mode {
        Mode::Full => "full: nothing left out".into(),
        Mode::NoPicture => "control: grey pictures".into(),
        Mode::NoContext => "control: neither regions nor reference pictures".into(),
        Mode::NoBoxes => "control: regions without boxes".into(),
        Mode::PermutedContexts { seed } => format!("control: texts permuted among regions, seed {seed}"),
    }
}

const fn outcome_words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Scored => "answered",
        Outcome::Abstained => "declined",
        Outcome::Unparseable => "unreadable",
        Outcome::JudgeFailed => "judge failed",
        Outcome::ModelFailed => "model failed",
    }
}
