//! The products of the dataset: from a scene with profiles to questions with answers.
//!
//! ```text
//! Stage (scene, profiles, numbers) ─┬─ grounding ──────────────┐
//!                                   ├─ visual_to_context       │
//!                                   ├─ context_to_visual       ├─► Draft ─► Sample
//!                                   ├─ unanswerable            │
//!                                   └─ description ────────────┘
//! ```

mod choices;
mod context_to_visual;
mod description;
mod grounding;
mod visual_to_context;

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;

use crate::{
    Error, Kind, SampleRegion,
    figurines::{
        Accessory, Figurine, SceneSpec, Stand,
        chance::weighted,
        phrases::{self, Aspect, Expression, visual_expressions, visual_value},
        profile::{Fact, Profile},
    },
};

pub(crate) use choices::{letter, options};
pub(crate) use context_to_visual::{context_to_visual, unanswerable_context_to_visual};
pub(crate) use description::description;
pub(crate) use grounding::{boxes, coarse, listing, numbers, recited, told, told_number};
pub(crate) use visual_to_context::{unanswerable_visual_to_context, visual_to_context};

/// The class noun of every region: it gives nothing away.
pub(crate) const LABEL: &str = "figurine";

/// Which context lines the prompt of an item has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lines {
    /// None.
    None,
    /// One per figurine, with its box and without a text.
    Boxes,
    /// One per figurine, with its box and its text.
    Texts,
}

/// How the answer of a question about texts is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// In words, with `[k]` marks.
    Cited,
    /// In words.
    Plain,
    /// As the letter of an option.
    Choice,
}

/// A scene of which questions are asked.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    /// What is drawn.
    pub(crate) scene: &'a SceneSpec,
    /// What is known about each figurine, in the scene's order; there is one at least.
    pub(crate) profiles: &'a [Profile],
    /// The text about each figurine.
    pub(crate) infos: &'a [String],
    /// The figurine of each region.
    pub(crate) order: &'a [usize],
    /// Whether figurines are named by their size and place too.
    pub(crate) places: bool,
    /// Whether the picture is there, and with it the boxes of the regions.
    pub(crate) picture: bool,
}

/// An item before it has a name and a picture.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) kind: Kind,
    pub(crate) lines: Lines,
    pub(crate) step: &'static str,
    pub(crate) prompt: String,
    pub(crate) question: String,
    pub(crate) options: Vec<String>,
    pub(crate) cited: bool,
    pub(crate) answer: String,
    pub(crate) accepted: Vec<String>,
    pub(crate) citations: Vec<u32>,
    pub(crate) answerable: bool,
}

impl Draft {
    /// An item in words, without marks and without context lines.
    fn plain(kind: Kind, step: &'static str, prompt: impl Into<String>) -> Self {
        Self {
            kind,
            lines: Lines::None,
            step,
            prompt: prompt.into(),
            question: String::new(),
            options: Vec::new(),
            cited: false,
            answer: String::new(),
            accepted: Vec::new(),
            citations: Vec::new(),
            answerable: true,
        }
    }
}

impl Stage<'_> {
    /// The number of a figurine's region.
    pub(crate) fn number(&self, target: usize) -> u32 {
        let place = self.order.iter().position(|&at| at == target);
        place.expect("every figurine with a profile has a region") as u32 + 1
    }

    /// The names that fit this figurine alone.
    fn expressions(&self, target: usize) -> Vec<Expression> {
        let mut found = visual_expressions(self.scene, target);
        found.retain(|expression| self.places || !matches!(expression.id, "size" | "place"));
        found
    }

    fn figurine(&self, target: usize) -> &Figurine {
        &self.scene.figurines[target]
    }

    /// The other figurines.
    fn others(&self, target: usize) -> impl Iterator<Item = usize> + Clone {
        (0..self.profiles.len()).filter(move |&at| at != target)
    }

    /// What the other figurines' texts say about this.
    fn other_facts(&self, target: usize, fact: Fact) -> Vec<String> {
        self.others(target).filter_map(|at| self.profiles[at].get(fact)).map(str::to_owned).collect()
    }

    /// What the other figurines show of this.
    fn other_looks(&self, target: usize, aspect: Aspect) -> Vec<String> {
        self.others(target).filter_map(|at| visual_value(self.figurine(at), aspect)).collect()
    }

    /// The regions of the prompt.
    ///
    /// # Errors
    ///
    /// [`Error::Core`] when a text is too long.
    pub(crate) fn regions(&self, lines: Lines) -> Result<Vec<SampleRegion>, Error> {
        let region = |&target: &usize| {
            let figurine = self.figurine(target);
            let told = lines == Lines::Texts;
            let info = if told { self.infos[target].as_str() } else { "" };
            let facts = self.profiles[target].facts.iter().filter(|_| told);
            Ok(SampleRegion {
                region: rcmu_core::Region::new(LABEL, self.picture.then_some(figurine.bbox), info)?,
                facts: facts.map(|(fact, value)| (fact.name().to_owned(), (*value).to_owned())).collect(),
                visual: if self.picture { visual_facts(figurine) } else { BTreeMap::new() },
            })
        };
        let order = if lines == Lines::None { &[] } else { self.order };
        order.iter().map(region).collect()
    }
}

/// What the picture shows of a figurine, by name.
pub(crate) fn visual_facts(figurine: &Figurine) -> BTreeMap<String, String> {
    let facts = [
        ("colour", Some(figurine.colour.word())),
        ("shape", Some(figurine.shape.word())),
        ("size", Some(figurine.size.word())),
        ("accessory", figurine.accessory.map(Accessory::word)),
        ("stand", figurine.stand.map(Stand::word)),
        ("place", phrases::place(figurine)),
    ];
    facts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect()
}

/// One of the names, as often as its weight says.
pub(crate) fn choose(rng: &mut ChaCha8Rng, expressions: Vec<Expression>) -> Option<Expression> {
    let at = weighted(rng, expressions.iter().map(|expression| expression.weight))?;
    expressions.into_iter().nth(at)
}
