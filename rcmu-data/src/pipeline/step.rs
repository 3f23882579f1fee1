use std::{collections::BTreeMap, error::Error, fmt};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    CitedDescription, ContextualQuestions, Criterion, Description, ProfilePool, UnmentionedTopics,
    VisualQuestions,
};

/// Most entries of one list of a draft.
const MAX_ITEMS: usize = 512;

/// The steps of the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepName {
    /// Writes profiles for a class noun.
    ProfilePool,
    /// Gives the objects of a picture their profiles; asks nobody.
    Matching,
    /// Finds visual attributes and asks for them.
    VisualQuestions,
    /// Finds facts, asks for them and names objects by them.
    ContextualQuestions,
    /// Asks for what a context does not tell.
    UnmentionedTopics,
    /// Puts expressions and references into the questions; asks nobody.
    PronounSubstitution,
    /// Weaves the contexts into the caption.
    Description,
    /// Puts citations into the description.
    CitedDescription,
}

impl StepName {
    /// Its name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ProfilePool => "profile_pool",
            Self::Matching => "matching",
            Self::VisualQuestions => "visual_questions",
            Self::ContextualQuestions => "contextual_questions",
            Self::UnmentionedTopics => "unmentioned_topics",
            Self::PronounSubstitution => "pronoun_substitution",
            Self::Description => "description",
            Self::CitedDescription => "cited_description",
        }
    }
}

impl fmt::Display for StepName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name and version of a phrasing or prompt, written `name-version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PromptId {
    /// Its name.
    pub name: &'static str,
    /// Its version: another text has another one.
    pub version: u32,
}

impl fmt::Display for PromptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.name, self.version)
    }
}

/// How often each criterion dropped something.
pub type Tally = BTreeMap<Criterion, u64>;

/// A step whose language is drafted by a [`Maker`] and then filtered.
pub trait Step {
    /// Which step it is.
    const NAME: StepName;
    /// What is known before it.
    type Input: Serialize + DeserializeOwned;
    /// What a maker writes; nothing in it is trusted.
    type Draft: Serialize + DeserializeOwned;
    /// What is kept.
    type Output: Serialize + DeserializeOwned;

    /// Keeps what meets the criteria and counts what does not.
    ///
    /// # Errors
    ///
    /// [`Failure`] when the draft as a whole breaks a criterion, or nothing of it is left.
    fn accept(input: &Self::Input, draft: Self::Draft, tally: &mut Tally) -> Result<Self::Output, Failure>;
}

/// Drafts one step.
pub trait Drafts<S: Step> {
    /// The phrasing or prompt that is used.
    fn prompt(&self) -> PromptId;

    /// Drafts the step; `seed` starts a random sequence where there is one.
    ///
    /// # Errors
    ///
    /// [`Failure::Asking`] or [`Failure::Reply`]: nothing is made up.
    fn draft(&self, input: &S::Input, seed: u64) -> Result<S::Draft, Failure>;
}

/// Drafts all steps.
pub trait Maker:
    Drafts<ProfilePool>
    + Drafts<VisualQuestions>
    + Drafts<ContextualQuestions>
    + Drafts<UnmentionedTopics>
    + Drafts<Description>
    + Drafts<CitedDescription>
{
    /// Names everything that its drafts depend on beside prompts and seed, such as the model.
    fn identity(&self) -> String;
}

/// Why a step is not done. A later run tries it again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The maker could not be asked.
    #[error("the maker cannot be asked: {source}")]
    Asking {
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The reply is not of the step's form.
    #[error("the reply {problem}")]
    Reply {
        /// What is wrong with it.
        problem: String,
    },
    /// The draft as a whole breaks a criterion.
    #[error("{place} breaks the criterion {criterion}")]
    Criterion {
        /// The criterion.
        criterion: Criterion,
        /// Where in the draft.
        place: String,
    },
    /// Everything that was drafted was filtered.
    #[error("nothing is left of the draft, most of it dropped by {criterion}")]
    NothingLeft {
        /// The criterion that dropped most.
        criterion: Criterion,
    },
}

impl Failure {
    /// A criterion that is broken at a place.
    pub(super) fn at(criterion: Criterion, place: impl Into<String>) -> Self {
        Self::Criterion { criterion, place: place.into() }
    }
}

/// Refuses lists that are too long to look at.
pub(super) fn check_count(list: &str, count: usize) -> Result<(), Failure> {
    if count > MAX_ITEMS {
        let problem = format!("has {count} entries in `{list}`, at most {MAX_ITEMS} are possible");
        return Err(Failure::Reply { problem });
    }
    Ok(())
}

/// Keeps the items for which no criterion is broken, in order.
pub(super) fn keep<T, U>(
    drafts: Vec<T>,
    tally: &mut Tally,
    mut judge: impl FnMut(T, &[U]) -> Result<U, Criterion>,
) -> Vec<U> {
    let mut kept = Vec::new();
    for draft in drafts {
        match judge(draft, &kept) {
            Ok(item) => kept.push(item),
            Err(criterion) => *tally.entry(criterion).or_default() += 1,
        }
    }
    kept
}

/// Fails when something was drafted and nothing is left.
pub(super) fn check_left(left: usize, tally: &Tally) -> Result<(), Failure> {
    match tally.iter().max_by_key(|(_, count)| **count) {
        Some((&criterion, _)) if left == 0 => Err(Failure::NothingLeft { criterion }),
        _ => Ok(()),
    }
}
