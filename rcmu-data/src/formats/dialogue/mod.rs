//! The common ground of the conversation formats: pictures, and questions with their answers.
//!
//! The text of a question is the user turn of `rcmu-prompt`, written and read by it, so that regions, references,
//! options and the request for marks come back from the text alone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Kind, Provenance, Sample};

pub(super) mod read;
pub(super) mod samples;
pub(super) mod write;

/// Whether a writer adds what the format itself cannot carry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Extras {
    /// Only the fields of the format.
    #[default]
    Omit,
    /// One more field, `rcmu`, from which the reader restores the whole sample. Other tools ignore it.
    Write,
}

/// The place of a picture in a text.
pub(super) const MARKER: &str = "<image>";
/// The version of [`Extra`].
const SCHEMA: u32 = 1;

/// One text of a conversation.
#[derive(Debug)]
pub(super) struct Turn {
    /// The path of its field.
    pub(super) field: String,
    /// What is said, each picture as a [`MARKER`].
    pub(super) text: String,
}

/// A conversation about pictures.
#[derive(Debug)]
pub(super) struct Dialogue {
    pub(super) id: String,
    /// The path of the field with the pictures.
    pub(super) images_field: String,
    /// The files of the pictures in order.
    pub(super) images: Vec<String>,
    /// Questions with their answers; never empty.
    pub(super) exchanges: Vec<(Turn, Turn)>,
    pub(super) extra: Option<Extra>,
}

/// What a conversation format cannot carry of a sample.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Extra {
    schema: u32,
    kind: Kind,
    cited: bool,
    answerable: bool,
    #[serde(default)]
    citations: Vec<u32>,
    #[serde(default)]
    accepted: Vec<String>,
    /// For each region.
    #[serde(default)]
    facts: Vec<BTreeMap<String, String>>,
    /// For each region.
    #[serde(default)]
    visual: Vec<BTreeMap<String, String>>,
    /// For each reference.
    #[serde(default)]
    reference_facts: Vec<BTreeMap<String, String>>,
    provenance: Provenance,
}

impl Extra {
    /// What of this sample has no other place.
    fn of(sample: &Sample) -> Self {
        Self {
            schema: SCHEMA,
            kind: sample.kind,
            cited: sample.cited,
            answerable: sample.answerable,
            citations: sample.citations.clone(),
            accepted: sample.accepted.clone(),
            facts: sample.regions.iter().map(|region| region.facts.clone()).collect(),
            visual: sample.regions.iter().map(|region| region.visual.clone()).collect(),
            reference_facts: sample.references.iter().map(|reference| reference.facts.clone()).collect(),
            provenance: sample.provenance.clone(),
        }
    }

    /// Puts it back; the name and length of a list that does not fit.
    fn restore(self, sample: &mut Sample) -> Result<(), (&'static str, usize, usize)> {
        let regions = sample.regions.len();
        for (name, found, expected) in [
            ("facts", self.facts.len(), regions),
            ("visual", self.visual.len(), regions),
            ("reference_facts", self.reference_facts.len(), sample.references.len()),
        ] {
            if found != expected {
                return Err((name, found, expected));
            }
        }
        for ((region, facts), visual) in sample.regions.iter_mut().zip(self.facts).zip(self.visual) {
            (region.facts, region.visual) = (facts, visual);
        }
        for (reference, facts) in sample.references.iter_mut().zip(self.reference_facts) {
            reference.facts = facts;
        }
        sample.kind = self.kind;
        sample.cited = self.cited;
        sample.answerable = self.answerable;
        sample.citations = self.citations;
        sample.accepted = self.accepted;
        sample.provenance = self.provenance;
        Ok(())
    }
}
