use std::{io, path::PathBuf};

use crate::journal::Difference;

/// What can go wrong with an evaluation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A dataset is at fault.
    #[error(transparent)]
    Data(#[from] rcmu_data::Error),
    /// A value is outside its limits.
    #[error(transparent)]
    Core(#[from] rcmu_core::Error),
    /// A file cannot be read or written.
    #[error("cannot use {path}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A prompt cannot be written.
    #[error(transparent)]
    Prompt(#[from] rcmu_prompt::Error),
    /// An item of the dataset cannot be asked.
    #[error("item `{item}` cannot be asked")]
    Item {
        /// The item's id.
        item: String,
        /// Why.
        source: Box<Error>,
    },
    /// What answers can answer nothing more.
    #[error("no further item can be answered, from `{item}` on")]
    Answerer {
        /// The first item without an answer.
        item: String,
        /// Why.
        source: rcmu_core::GenerateError,
    },
    /// A setting of the run is out of its range.
    #[error("`{option}` {message}")]
    RunOption {
        /// Its name.
        option: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// A number given to a metric is out of its range.
    #[error("`{argument}` is {value}; possible are {expected}")]
    Argument {
        /// Its name.
        argument: &'static str,
        /// What was given.
        value: f64,
        /// What is possible.
        expected: &'static str,
    },
    /// Another process writes this journal.
    #[error("{path} is being written by {holder}", path = path.display(), holder = holder(*pid))]
    ResultsLocked {
        /// The journal.
        path: PathBuf,
        /// The process, if it has left its number.
        pid: Option<u32>,
    },
    /// The file does not begin as a journal does; nothing is written to it.
    #[error("{path} is no journal of this program", path = path.display())]
    NotAJournal {
        /// The file.
        path: PathBuf,
    },
    /// The journal holds verdicts where answers are wanted, or the other way round; nothing is written to it.
    #[error("{path} holds {found}, not {expected}", path = path.display())]
    JournalKind {
        /// The journal.
        path: PathBuf,
        /// What it holds.
        found: &'static str,
        /// What was wanted.
        expected: &'static str,
    },
    /// The journal was written by a program with another form of it.
    #[error("{path} has journal version {found}, this program reads {expected}", path = path.display())]
    JournalVersion {
        /// The journal.
        path: PathBuf,
        /// The version that it names.
        found: u32,
        /// The version that this program knows.
        expected: u32,
    },
    /// A record of the journal is damaged; `journal::repair` copies the good ones.
    #[error("{path} is damaged at byte {offset}: {message}", path = path.display())]
    JournalCorrupt {
        /// The journal.
        path: PathBuf,
        /// Where the damaged record begins, in bytes.
        offset: u64,
        /// What is wrong with it.
        message: String,
    },
    /// The journal belongs to another run.
    #[error("{path} belongs to another run: {list}", path = path.display(), list = list(differences))]
    ManifestChanged {
        /// The journal.
        path: PathBuf,
        /// Everything that differs.
        differences: Vec<Difference>,
    },
    /// The journal has verdicts of another judge, or of one with other settings.
    #[error("{path} has the verdicts of another judge: {list}", path = path.display(), list = list(differences))]
    JudgeChanged {
        /// The journal.
        path: PathBuf,
        /// Everything that differs.
        differences: Vec<Difference>,
    },
    /// A scoring was cancelled before its end; verdicts that were recorded stay.
    #[error("the scoring was cancelled")]
    Cancelled,
    /// A journal or a run is about another dataset.
    #[error("the answers are about {recorded}, not {wanted}")]
    OtherDataset {
        /// The name and hash of its dataset.
        recorded: String,
        /// Those of the dataset that was given.
        wanted: String,
    },
    /// Two runs that are to be compared were scored by different judges.
    #[error("the first run was judged by {first}, the second by {second}")]
    OtherJudges {
        /// The judges of the first run.
        first: String,
        /// Those of the second run.
        second: String,
    },
    /// The journal has an answer to this item, but its picture or prompt has changed since.
    #[error("the picture or the prompt of item `{item}` has changed since {path} was begun", path = path.display())]
    ItemChanged {
        /// The journal.
        path: PathBuf,
        /// The item's id.
        item: String,
    },
    /// Two records answer the same repeat of the same item.
    #[error("{path} has two records of repeat {repeat} of item `{item}`", path = path.display())]
    RecordedTwice {
        /// The journal.
        path: PathBuf,
        /// The item's id.
        item: String,
        /// The repeat, counted from 0.
        repeat: u32,
    },
    /// A write or a flush of the journal failed before; it takes no further record until it is opened anew.
    #[error("{path} takes no further record after a failed write", path = path.display())]
    JournalBroken {
        /// The journal.
        path: PathBuf,
    },
    /// A journal that has to be finished lacks records.
    #[error("{path} lacks {missing} of {expected} records", path = path.display())]
    JournalUnfinished {
        /// The journal.
        path: PathBuf,
        /// How many records it lacks.
        missing: u64,
        /// How many it has to have.
        expected: u64,
    },
    /// The journals are not the shards of one run.
    #[error("the journals are not all shards of one run: {message}")]
    Shards {
        /// What is wrong with them.
        message: String,
    },
    /// A text is no report in JSON.
    #[error("the report cannot be read")]
    ReportSyntax {
        /// Where and why.
        source: serde_json::Error,
    },
    /// A report was written by a program with another form of it.
    #[error("the report has version {found}, this program reads {expected}")]
    ReportVersion {
        /// The version that it names.
        found: u64,
        /// The version that this program knows.
        expected: u32,
    },
    /// A field of a report has an impossible value.
    #[error("`{field}` of the report {message}")]
    ReportField {
        /// The field, such as `items[3].cited`.
        field: String,
        /// What is wrong with it.
        message: String,
    },
    /// A template cannot be filled.
    #[error("the page cannot be written")]
    ReportPage {
        /// Why.
        source: askama::Error,
    },
}

/// The holder of a lock in words.
fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".into(), |pid| format!("process {pid}"))
}

/// All differences in one line.
fn list(differences: &[Difference]) -> String {
    let texts: Vec<_> = differences.iter().map(ToString::to_string).collect();
    texts.join("; ")
}
