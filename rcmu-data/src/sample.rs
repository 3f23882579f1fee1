use std::collections::BTreeMap;

use rcmu_core::{BBox, ImageSize, Picture, Question, Reference, Region, RegionSet, Scene, Task};
use serde::{Deserialize, Serialize};

use crate::{Error, picture_source::PictureSource};

/// The kind of item, one of the products of the RCMU dataset, or a step on the way to them.
///
/// # Source
///
/// The products of RCMU's construction (arXiv 2508.12263, README and figures); `Grounding` and `Open` are ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// Where something is, or what is at a place: learnt before anything else.
    Grounding,
    /// Region-level context-aware image description (RCID).
    Description,
    /// RCVQA from a visual mention to a contextual fact (V2C).
    VisualToContext,
    /// RCVQA from a contextual mention to a visual fact (C2V).
    ContextToVisual,
    /// The object is there, the fact is not in its context.
    UnanswerableVisualToContext,
    /// The contextual mention fits no object of the picture.
    UnanswerableContextToVisual,
    /// Anything else, such as an imported conversation.
    Open,
}

impl Kind {
    /// All kinds, in order.
    pub const ALL: [Self; 7] = [
        Self::Grounding,
        Self::Description,
        Self::VisualToContext,
        Self::ContextToVisual,
        Self::UnanswerableVisualToContext,
        Self::UnanswerableContextToVisual,
        Self::Open,
    ];

    /// The kind of question that the prompt asks.
    pub const fn task(self) -> Task {
        match self {
            Self::Grounding | Self::Open => Task::Open,
            Self::Description => Task::Description,
            Self::VisualToContext | Self::UnanswerableVisualToContext => Task::VisualToContext,
            Self::ContextToVisual | Self::UnanswerableContextToVisual => Task::ContextToVisual,
        }
    }

    /// Its name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Grounding => "grounding",
            Self::Description => "description",
            Self::VisualToContext => "visual_to_context",
            Self::ContextToVisual => "context_to_visual",
            Self::UnanswerableVisualToContext => "unanswerable_visual_to_context",
            Self::UnanswerableContextToVisual => "unanswerable_context_to_visual",
            Self::Open => "open",
        }
    }
}

/// An object of the picture with its text, and that text as structured facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampleRegion {
    /// Label, box and text, checked as those of any region.
    #[serde(flatten)]
    pub region: Region,
    /// What the text says, by name of the fact: `job` → `teacher`. Empty when unknown.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
    /// What the picture shows of it, by name: `colour` → `red`. Empty when unknown.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub visual: BTreeMap<String, String>,
}

/// A picture of one object with its text, and that text as structured facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampleReference {
    /// The picture of the object.
    pub picture: PictureSource,
    /// What is known about it.
    pub info: String,
    /// What the text says, by name of the fact. Empty when unknown.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
}

/// Who or what made an item, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The maker, such as `figurines-3` or the name of an imported file.
    pub maker: String,
    /// `train`, `validation` or `test`; empty when unknown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub split: String,
    /// The step that made it, such as `pronoun_substitution`; empty when unknown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub step: String,
    /// The name and version of the phrasing or prompt that was used; empty when there was none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prompt: String,
    /// Start of the random sequence, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

/// One item of a dataset: a picture with what is known, a question and its answer.
///
/// The fields are plain so that readers and makers can fill them; [`Sample::check`] says whether they agree, and
/// every reader of this crate has called it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// A name that is unique in its dataset.
    pub id: String,
    /// The picture.
    pub picture: PictureSource,
    /// Pictures of objects that may be seen in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<SampleReference>,
    /// The objects, numbered from 1 in prompts.
    #[serde(default)]
    pub regions: Vec<SampleRegion>,
    /// What kind of item it is.
    pub kind: Kind,
    /// The question.
    pub question: String,
    /// The options of a multiple-choice question; empty otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// Whether the prompt asks for `[k]` marks.
    #[serde(default)]
    pub cited: bool,
    /// The answer, with its marks if they are asked for. For a multiple-choice question the letter of the right option.
    pub answer: String,
    /// What a right answer has to say: the short value (`teacher`), other wordings after it. Empty when unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted: Vec<String>,
    /// Numbers of the regions that the answer rests on, ascending; empty for an unanswerable question.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub citations: Vec<u32>,
    /// Whether picture and context hold the answer.
    pub answerable: bool,
    /// Who made the item.
    pub provenance: Provenance,
}

impl Sample {
    /// Checks that the fields agree.
    ///
    /// # Errors
    ///
    /// [`Error::Field`] naming the first field that does not: an empty id, question, answer or accepted wording, a citation of no
    /// region, citations that are not ascending or belong to an unanswerable question, one option or more than 26, an
    /// answer that is none of the options ([`Sample::right_option`]).
    pub fn check(&self) -> Result<(), Error> {
        let fail = |field: &str, message: String| Err(Error::Field { field: field.into(), message });
        for (field, text) in [("id", &self.id), ("question", &self.question), ("answer", &self.answer)] {
            if text.trim().is_empty() {
                return fail(field, "is blank".into());
            }
        }
        if let Some(at) = self.accepted.iter().position(|wording| wording.trim().is_empty()) {
            return fail(&format!("accepted[{at}]"), "is blank".into());
        }
        let targets = (self.regions.len() + self.references.len()) as u32;
        for (at, &cited) in self.citations.iter().enumerate() {
            if cited == 0 || cited > targets {
                return fail(&format!("citations[{at}]"), format!("{cited} is none of 1..={targets}"));
            }
            if at > 0 && self.citations[at - 1] >= cited {
                return fail(&format!("citations[{at}]"), "is not above the one before".into());
            }
        }
        if !self.answerable && !self.citations.is_empty() {
            return fail("citations", "belong to an unanswerable question".into());
        }
        if self.options.len() == 1 || self.options.len() > 26 {
            return fail("options", format!("{} options; 0 or 2 to 26 are possible", self.options.len()));
        }
        if !self.options.is_empty() && self.right_option().is_none() {
            return fail("answer", "is none of the options, by letter or by text".into());
        }
        Ok(())
    }

    /// The question as the prompt asks it.
    ///
    /// # Errors
    ///
    /// [`Error::Core`] when a text is blank or too long.
    pub fn to_question(&self) -> Result<Question, Error> {
        let mut question = Question::new(self.question.as_str())?.with_task(self.kind.task());
        if !self.options.is_empty() {
            question = question.with_choices(self.options.iter().map(String::as_str))?;
        }
        Ok(if self.cited { question.with_citations() } else { question })
    }

    /// The scene as the prompt describes it, around a picture and reference pictures that have been opened.
    ///
    /// # Errors
    ///
    /// [`Error::Core`] when there are too many regions or references.
    pub fn to_scene(
        &self,
        picture: Picture,
        size: ImageSize,
        references: Vec<Picture>,
    ) -> Result<Scene, Error> {
        let mut regions = RegionSet::new();
        for region in &self.regions {
            regions.push(region.region.clone())?;
        }
        let mut scene = Scene::new(picture, size).with_regions(regions)?;
        for (picture, reference) in references.into_iter().zip(&self.references) {
            scene = scene.with_reference(Reference::new(picture, reference.info.as_str())?)?;
        }
        Ok(scene)
    }

    /// The box of each region.
    pub fn boxes(&self) -> impl Iterator<Item = Option<BBox>> {
        self.regions.iter().map(|region| region.region.bbox())
    }
}
