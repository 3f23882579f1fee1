use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use rcmu_data::{PictureSource, SampleReference};
use serde::Serialize;

use super::{FORMAT, RcpBench, SCHEMA, read::item};
use crate::{
    Error,
    dataset::lines::{Fields, wrong},
};

impl RcpBench {
    /// Writes a file, or empties the one that is there first.
    ///
    /// # Errors
    ///
    /// [`Error::Item`] naming an item that [`RcpBench::open`] would not give back, before anything is written;
    /// [`Error::File`] when the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        fs::write(path, self.to_text()?).map_err(|source| Error::File { path: path.to_owned(), source })
    }

    /// The text of the file.
    ///
    /// # Errors
    ///
    /// [`Error::Item`] naming an item that [`RcpBench::open`] would not give back.
    #[expect(clippy::missing_panics_doc, reason = "plain data with text keys can always be written")]
    pub fn to_text(&self) -> Result<String, Error> {
        let mut text = format!("{{\"format\":\"{FORMAT}\",\"schema\":{SCHEMA}}}\n");
        let mut ids = BTreeSet::new();
        for own in &self.items {
            let fault = |error: rcmu_data::Error| Error::Item {
                item: own.id.clone(),
                source: Box::new(error.into()),
            };
            let value = serde_json::to_value(own).expect("an item has text keys only");
            // Not the text of the value: the order of its fields is that of a feature of `serde_json`.
            let line = serde_json::to_string(own).expect("an item has text keys only");
            item(&mut Fields::of(value, "").map_err(fault)?).map_err(fault)?;
            if let Some(twice) = own.questions.iter().find(|question| !ids.insert(&question.id)) {
                return Err(fault(wrong("questions", format!("have the id `{}` twice", twice.id))));
            }
            text.push_str(&line);
            text.push('\n');
        }
        Ok(text)
    }
}

/// A reference as it stands in files.
#[derive(Serialize)]
struct Reference {
    picture: PictureSource,
    profile: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    facts: BTreeMap<String, String>,
}

pub(super) fn references<S: serde::Serializer>(
    references: &[SampleReference],
    output: S,
) -> Result<S::Ok, S::Error> {
    output.collect_seq(references.iter().map(|own| Reference {
        picture: own.picture.clone(),
        profile: own.info.clone(),
        facts: own.facts.clone(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Dataset, figurine_bench};

    #[test]
    fn the_shipped_benchmark_makes_the_round_trip() {
        let bench = figurine_bench(3, 2).unwrap();
        let path = std::env::temp_dir().join(format!("rcmu-rcp-write-{}.jsonl", std::process::id()));

        RcpBench::from_samples(bench.items()).unwrap().write(&path).unwrap();

        let read = Dataset::open_rcp_bench(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        assert_eq!(read.items(), bench.items());
        assert_eq!(read.hash(), bench.hash());
    }

    #[test]
    fn an_item_that_could_not_be_read_is_not_written() {
        let mut bench = RcpBench::from_samples(figurine_bench(3, 1).unwrap().items()).unwrap();
        bench.items[0].questions[2].answer = "Z".into();
        let path = std::env::temp_dir().join(format!("rcmu-rcp-refused-{}.jsonl", std::process::id()));

        let error = bench.write(&path).expect_err("there is no option Z");

        assert!(
            matches!(error, Error::Item { source, .. } if source.to_string().starts_with("`questions[2].answer`"))
        );
        assert!(!path.exists());
    }
}
