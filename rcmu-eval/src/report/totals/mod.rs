mod answers;
mod sums;

use std::path::Path;

use crate::{
    Error,
    dataset::{Dataset, DatasetFile},
    journal::Index,
    judge::Judges,
    report::{Report, ReportOptions, evaluation::check_dataset, totals::answers::Answers},
};

/// Scores a journal item by item, and sums up: the report that [`Scores::report`](super::Scores::report) makes, without
/// items.
///
/// Neither answers nor scores are kept, only what the table needs of them: about 150 bytes for each answer beside the
/// dataset, which [`totals_from_file`] does not hold either. All of the journal is checked before the first answer is
/// scored.
///
/// # Errors
///
/// As [`journal::read`](crate::journal::read()); [`Error::OtherDataset`] when the journal is none of this dataset; what
/// [`Entailment::finish`](crate::judge::Entailment::finish) says.
pub fn totals(
    dataset: &Dataset,
    journal: impl AsRef<Path>,
    judges: &Judges,
    options: &ReportOptions,
) -> Result<Report, Error> {
    let index = Index::open(journal.as_ref())?;
    check_dataset(&dataset.identity(), index.manifest())?;
    let mut answers = Answers::new(index, judges);
    let scored = dataset.items().iter().try_for_each(|sample| answers.add(sample));
    // A scoring that was cut short has verdicts to make safe as well; of what was never asked no judge hears.
    judges.finish()?;
    scored?;
    Ok(answers.found(options)?.report)
}

/// What [`totals_from_file`] found.
#[derive(Clone, Debug, PartialEq)]
pub struct FileTotals {
    /// The report without items.
    pub report: Report,
    /// Answers that the journal lacks: they count as failed.
    pub missing: u64,
    /// Records of the journal that answer nothing that the run was to ask, of the dataset or of the shard: they count for
    /// nothing.
    pub strangers: u64,
    /// The item that the first of these names.
    pub first_stranger: Option<String>,
}

/// Scores a journal next to the file of its dataset, item by item: the report of [`totals`], bit for bit, in memory that
/// holds neither items nor answers.
///
/// An answer takes 24 bytes for its place in the journal, 8 for its score and 4 for each measure of it, an item up to 50
/// for a key of its id, a picture about 100; lists that grow take up to twice as much. Places and keys are free again when
/// the rows are made, which takes 40 bytes for each answer. Together that was 210 bytes for each of 300,000 items, four to
/// a picture (`benches/scoring.rs`). Sums that are the same in any order need the values. A question that is asked in all
/// rotations takes about 150 more. File and journal are read twice: first all of both is checked, and no judge is asked
/// before.
///
/// # Errors
///
/// As [`totals`] and [`DatasetFile::read_each`].
///
/// # Examples
///
/// A run of which the first item was answered rightly and nothing else was asked:
///
/// ```
/// use rcmu_core::{CancelToken, ScriptedGenerator};
/// use rcmu_data::formats::jsonl;
/// use rcmu_eval::{
///     dataset::{self, Dataset, DatasetFile},
///     judge::Judges,
///     report::{ReportOptions, totals_from_file},
///     run::{Run, RunOptions},
/// };
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = std::env::temp_dir().join(format!("rcmu-file-totals-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// let (file, journal) = (folder.join("items.jsonl"), folder.join("run.journal"));
/// let mut writer = jsonl::create(&file)?;
/// for item in dataset::figurine_bench(1, 1)?.items() {
///     writer.write(item)?;
/// }
/// writer.finish()?;
/// let dataset = Dataset::open(&file)?;
/// let generator = ScriptedGenerator::new([dataset.items()[0].answer.as_str()]);
/// let cancel = CancelToken::new();
/// let options = RunOptions { cancel: cancel.clone(), ..RunOptions::default() };
/// Run::new(&dataset, &generator, options)?.on_progress(|_| cancel.cancel()).execute(&journal)?;
/// let count = dataset.items().len();
/// drop(dataset);
///
/// let file = DatasetFile::open(&file, None)?;
/// let found = totals_from_file(&file, &journal, &Judges::rules(), &ReportOptions::default())?;
///
/// let accuracy = &found.report.rows[0];
/// assert_eq!((accuracy.measure.as_str(), accuracy.value, accuracy.count), ("accuracy", 1.0, 1));
/// assert_eq!((found.missing, found.strangers), (count as u64 - 1, 0));
/// # std::fs::remove_dir_all(folder)?;
/// # Ok(())
/// # }
/// ```
pub fn totals_from_file(
    file: &DatasetFile,
    journal: impl AsRef<Path>,
    judges: &Judges,
    options: &ReportOptions,
) -> Result<FileTotals, Error> {
    let index = Index::open(journal.as_ref())?;
    check_dataset(&file.identity(), index.manifest())?;
    let mut answers = Answers::new(index, judges);
    let scored = file.read_each(|sample| answers.add(&sample));
    judges.finish()?;
    scored?;
    answers.found(options)
}
