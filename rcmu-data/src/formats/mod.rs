//! Reads and writes datasets.
//!
//! ```text
//! file ─ records ─► JSON ─┬─ jsonl ──────────────────────────────────► Sample
//!                         └─ llava, sharegpt, qwen ─ dialogue (turns) ─► Sample
//! ```
//!
//! Every reader gives its samples one at a time, so that a file may be of any size, mends what can be mended and
//! counts it in [`Repairs`], and refuses the rest with the file, the line and the field. Every writer is strict: it
//! refuses a sample that its own reader would not give back.
//!
//! | Carried | JSONL | LLaVA, ShareGPT, Qwen | with their `rcmu` field |
//! |---|---|---|---|
//! | id, picture files, references, regions, question, options, answer | yes | yes | yes |
//! | drawn pictures | yes | no: refused | no: refused |
//! | whether `[k]` marks are asked for | yes | if there are regions or references | yes |
//! | citations, whether it is answerable | yes | worked out from the answer | yes |
//! | kind, facts, accepted wordings, provenance | yes | no | yes |

pub(crate) mod dialogue;
mod json;
pub mod jsonl;
pub mod llava;
pub mod qwen;
mod read;
mod records;
mod repair;
pub mod sharegpt;
mod write;

pub use dialogue::Extras;
pub use read::SampleReader;
pub use records::Layout;
pub use repair::{Repair, RepairCount, Repairs};
pub use write::SampleWriter;

use rcmu_core::{RegionSet, Scene};

use crate::{Error, PictureSource, Sample, formats::json::wrong, open::check_file_name};

/// Checks everything that a sample must hold to be opened and asked.
fn check(sample: &Sample) -> Result<(), Error> {
    sample.check()?;
    sample.to_question().map_err(|error| wrong("question", error.to_string()))?;
    for (field, count, max) in [
        ("regions", sample.regions.len(), RegionSet::MAX),
        ("references", sample.references.len(), Scene::MAX_REFERENCES),
    ] {
        if count > max {
            return Err(wrong(field, format!("has {count} entries, the limit is {max}")));
        }
    }
    let references = (0..).zip(&sample.references);
    let references =
        references.map(|(at, reference)| (format!("references[{at}].picture"), &reference.picture));
    for (field, picture) in [("picture".to_owned(), &sample.picture)].into_iter().chain(references) {
        if let PictureSource::File(name) = picture {
            check_file_name(name).map_err(|problem| wrong(field, problem))?;
        }
    }
    for (at, reference) in sample.references.iter().enumerate() {
        let (len, max) = (reference.info.len(), rcmu_core::Region::MAX_INFO);
        if len > max {
            return Err(wrong(
                format!("references[{at}].info"),
                format!("has {len} bytes, the limit is {max}"),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]
mod tests;
