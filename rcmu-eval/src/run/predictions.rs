use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::Path,
};

use rcmu_data::Error as DataError;
use serde::Serialize;

use crate::{
    Error, Reply,
    dataset::lines::{MAX_LINE, wrong},
    journal::Contents,
};

/// A line of predictions; one of `text` and `failed` is there.
#[derive(Serialize)]
struct Line<'a> {
    item: &'a str,
    #[serde(skip_serializing_if = "is_first")]
    repeat: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<&'a str>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_first(repeat: &u32) -> bool {
    *repeat == 0
}

/// Writes the replies of a run to a new file, as [`Replay::from_predictions`](super::Replay::from_predictions) reads
/// them: one a line, in the order of the dataset and then of the repeats. Gives how many there are.
///
/// # Errors
///
/// [`Error::Item`] naming an item whose line would be over the reader's limit of 4 MiB, before anything is written;
/// [`Error::File`] when there is such a file already, or it cannot be written.
///
/// # Examples
///
/// ```
/// use rcmu_core::ScriptedGenerator;
/// use rcmu_eval::{dataset, journal, run::{self, Replay, Run, RunOptions}};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let dataset = dataset::figurine_bench(1, 1)?;
/// let generator = ScriptedGenerator::new(vec!["B"; dataset.items().len()]);
/// # let folder = std::env::temp_dir().join(format!("rcmu-predictions-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// let journal = folder.join("run.journal");
/// Run::new(&dataset, &generator, RunOptions::default())?.execute(&journal)?;
///
/// let predictions = folder.join("predictions.jsonl");
/// run::write_predictions(&journal::read(&journal)?, &predictions)?;
///
/// let replay = Replay::from_predictions(&predictions)?;
/// let again = folder.join("again.journal");
/// assert_eq!(Run::new(&dataset, &replay, RunOptions::default())?.execute(again)?.failed, 0);
/// # std::fs::remove_dir_all(folder)?;
/// # Ok(())
/// # }
/// ```
#[expect(clippy::missing_panics_doc, reason = "plain data with text keys can always be written")]
pub fn write_predictions(contents: &Contents, path: impl AsRef<Path>) -> Result<u64, Error> {
    let path = path.as_ref();
    let mut records: Vec<_> = contents.records.iter().collect();
    records.sort_by_key(|record| (record.place, record.repeat));
    let mut text = String::new();
    for record in &records {
        let empty =
            Line { item: &record.item, repeat: record.repeat, text: None, finish: None, failed: None };
        let line = match &record.reply {
            Reply::Text { text, finish } => Line { text: Some(text), finish: Some(finish), ..empty },
            Reply::Failed { reason } => Line { failed: Some(reason), ..empty },
        };
        let line = serde_json::to_string(&line).expect("a line has text keys only");
        if line.len() >= MAX_LINE {
            let source: DataError = wrong("text", format!("makes a line of over {MAX_LINE} bytes"));
            return Err(Error::Item { item: record.item.clone(), source: Box::new(source.into()) });
        }
        text.push_str(&line);
        text.push('\n');
    }
    let failed = |source| Error::File { path: path.to_owned(), source };
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|source| {
        // Half of the predictions must not pass for all of them.
        let _ = fs::remove_file(path);
        failed(source)
    })?;
    Ok(records.len() as u64)
}
