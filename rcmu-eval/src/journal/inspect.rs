use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    path::Path,
};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    Contents, Judged, TornTail, VerdictManifest,
    disk::{Disk, System},
    read,
    read::{check_regular, manifest_of, scan},
    verdicts::{VerdictRecord, judged_twice},
    words::write_torn,
};
use crate::{
    Error,
    judge::{Seen, Verdict},
};

/// What a journal of either kind holds; written out, it says so in lines for a person.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Inspection {
    /// The answers of a model.
    Answers(Box<Contents>),
    /// The verdicts of a judge.
    Verdicts(VerdictCounts),
}

/// How often a judge has said what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerdictCounts {
    /// The judge's own name of itself and its settings.
    pub judge: String,
    /// `texts` or `pictures`.
    pub judged: String,
    /// The number of each verdict, by its name, such as `entail`.
    pub counts: BTreeMap<String, u64>,
    /// What was left out at the end, if anything.
    pub torn: Option<TornTail>,
}

/// Reads a journal of either kind without locking it.
///
/// # Errors
///
/// As [`read()`], but for [`Error::JournalKind`]: a journal of verdicts is read too.
pub fn inspect(path: impl AsRef<Path>) -> Result<Inspection, Error> {
    let path = path.as_ref();
    match read(path) {
        Err(Error::JournalKind { .. }) => {
            let manifest = manifest_of::<VerdictManifest>(path)?;
            let counts = match manifest.judged {
                Judged::Texts => count::<Verdict>(path, manifest),
                Judged::Pictures => count::<Seen>(path, manifest),
            };
            counts.map(Inspection::Verdicts)
        }
        other => other.map(|contents| Inspection::Answers(Box::new(contents))),
    }
}

/// Counts the verdicts of a journal with this manifest.
fn count<V: Serialize + DeserializeOwned>(
    path: &Path,
    manifest: VerdictManifest,
) -> Result<VerdictCounts, Error> {
    check_regular(path)?;
    let file = System.open_to_read(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
    let (mut counts, mut seen) = (BTreeMap::new(), HashSet::new());
    let take = |offset, record: VerdictRecord<V>| {
        if !seen.insert(record.key()) {
            return Err(judged_twice(path, offset));
        }
        *counts.entry(name(record.verdict())).or_default() += 1;
        Ok(())
    };
    let torn = scan(&System, &file, path, Some(&manifest), take)?.torn;
    Ok(VerdictCounts { judge: manifest.judge, judged: name(&manifest.judged), counts, torn })
}

/// The name of a value as it stands in the journal.
fn name(value: &impl Serialize) -> String {
    let name = serde_json::to_value(value).ok();
    name.and_then(|name| name.as_str().map(str::to_owned)).expect("verdicts are written as their names")
}

impl Inspection {
    /// What was left out at the end, if anything.
    pub fn torn(&self) -> Option<TornTail> {
        match self {
            Self::Answers(contents) => contents.torn,
            Self::Verdicts(verdicts) => verdicts.torn,
        }
    }
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answers(contents) => contents.fmt(f),
            Self::Verdicts(verdicts) => verdicts.fmt(f),
        }
    }
}

impl fmt::Display for VerdictCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "judge    {}", self.judge)?;
        writeln!(f, "judged   {}", self.judged)?;
        write!(f, "verdicts {}", self.counts.values().sum::<u64>())?;
        for (name, count) in &self.counts {
            write!(f, ", {count} {name}")?;
        }
        write_torn(f, self.torn, "the next scoring")
    }
}
