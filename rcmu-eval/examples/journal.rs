//! Looks at the journal of a run or of a judge, and makes other files of it.
//!
//! ```text
//! journal inspect FILE                     what the run is, how far it is, what failed; or how often a judge said what
//! journal repair FILE [TO]                 the good records of a damaged journal, of a judge's verdicts too
//! journal without-failures FILE [TO]       all records but those without a text, so that these items are asked again
//! journal predictions FILE TO              the replies as JSON lines, which `evaluate --predictions` reads
//! journal merge TO PART PART…              one journal of all parts of a run
//! ```
//!
//! A `TO` that is there already is refused. Without one the new journal takes the place of `FILE`, which stays beside it as
//! `FILE.kept`.

use std::{error::Error, path::Path};

use rcmu_eval::{Error as EvalError, journal, run::write_predictions};

const USAGE: &str = "usage: journal inspect FILE | repair FILE [TO] | without-failures FILE [TO] | predictions FILE TO \
                     | merge TO PART…";

#[allow(dead_code, reason = "a test calls the command below")]
fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    println!("{}", command(&words.iter().map(String::as_str).collect::<Vec<_>>())?);
    Ok(())
}

/// Does what the words of the command line ask for, and says what was done.
pub(crate) fn command(words: &[&str]) -> Result<String, Box<dyn Error>> {
    match words {
        ["inspect", file] => match journal::inspect(file) {
            Err(error @ EvalError::JournalCorrupt { .. }) => {
                Err(format!("{error}; `journal repair` keeps the good records").into())
            }
            other => Ok(visible(&other?.to_string())),
        },
        ["repair", file] => match journal::inspect(file) {
            Ok(found) if found.torn().is_none() => Ok(format!("{file} has no damage; nothing was changed")),
            _ => in_place(file, |from, to| Ok(journal::repair(from, to)?.to_string())),
        },
        ["repair", file, to] => Ok(format!("{}; the copy is {to}", journal::repair(file, to)?)),
        ["without-failures", file] => match journal::read(file)?.failures().count() {
            0 => Ok(format!("{file} has no failures; nothing was changed")),
            _ => in_place(file, without_failures),
        },
        ["without-failures", file, to] => {
            Ok(format!("{}; the copy is {to}", without_failures(file.as_ref(), to.as_ref())?))
        }
        ["predictions", file, to] => {
            let contents = journal::read(file)?;
            let (written, missing) = (write_predictions(&contents, to)?, contents.missing());
            Ok(format!("{written} replies are in {to}; {missing} were not asked yet"))
        }
        ["merge", to, parts @ ..] if !parts.is_empty() => {
            journal::merge(parts, to)?;
            Ok(format!("{} records of {} parts are in {to}", journal::read(to)?.records.len(), parts.len()))
        }
        _ => Err(USAGE.into()),
    }
}

/// Puts a changed copy in the place of the journal, which is kept.
fn in_place(
    file: &str,
    change: fn(&Path, &Path) -> Result<String, EvalError>,
) -> Result<String, Box<dyn Error>> {
    let (done, kept) = journal::in_place(file, change)?;
    Ok(format!("{done}; the journal as it was is {}", kept.display()))
}

fn without_failures(from: &Path, to: &Path) -> Result<String, EvalError> {
    let count = journal::without_failures(from, to)?;
    Ok(format!("{count} records without a text left out"))
}

/// The text without characters that could steer a terminal.
fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}
