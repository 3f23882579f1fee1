//! Items for real pictures: from annotated objects to samples, in six steps.
//!
//! ```text
//! class nouns ─ (1) profile pool ─► contexts [1]..[n], matched to the boxes by class noun
//! expressions ─ (2) visual attributes ─► visual questions ───────────┐
//! contexts ─┬─ (3) facts ─► contextual questions and references ─────┤
//!           ├─ (4) unmentioned topics ─► unanswerable questions ─────┴─ (5) pronoun substitution ─► Sample
//!           └─ (6) with the caption: description ─► the same with citations ──────────────────────► Sample
//! ```
//!
//! The steps that write language are [`Step`]s; a [`Maker`] drafts what they need. [`Templates`] fills phrasings from a
//! seed; `RemoteMaker`, with the feature `remote`, asks a language model. Drafts are data: the [`criteria`] decide what
//! is kept, and the [`Report`] counts what is not. Steps 1 (matching) and 5 are programs and ask nobody.
//!
//! Every finished step is a line of a journal: a run that was cut goes on where it stopped, and asks again for nothing
//! but what is missing. Steps run one after the other.
//!
//! # Source
//!
//! The construction of the RCMU dataset (arXiv 2508.12263, README and figures). Its prompts, filters and files are not
//! published: ours are our own, as are the criteria, the journal and the choice of what is combined with what.

mod caption;
mod contextual;
pub mod criteria;
mod description;
mod error;
mod hash;
mod input;
mod journal;
mod matching;
mod profiles;
mod questions;
#[cfg(feature = "remote")]
mod remote;
mod report;
mod run;
mod step;
mod substitution;
mod templates;
mod unmentioned;
mod visual;

#[cfg(all(test, feature = "remote"))]
#[expect(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]
mod remote_tests;

pub use contextual::{ContextualDraft, ContextualFindings, ContextualQuestions, ReferenceDraft, ToldObject};
pub use criteria::Criterion;
pub use description::{
    CitedDescription, CitedDescriptionInput, Description, DescriptionDraft, DescriptionInput,
};
pub use error::PipelineError;
pub use input::{AnnotatedObject, AnnotatedPicture};
pub use profiles::{PoolRequest, Profile, ProfilePool, ProfilesDraft};
pub use questions::{Asked, NamedValue, QuestionDraft};
#[cfg(feature = "remote")]
pub use remote::{Prompt, Prompted, RemoteMaker};
pub use report::{Report, StepCount, StepFailure};
pub use run::{Pipeline, PipelineOptions};
pub use step::{Drafts, Failure, Maker, PromptId, Step, StepName, Tally};
pub use templates::Templates;
pub use unmentioned::{KnownObject, TopicDraft, TopicsDraft, UnmentionedTopics};
pub use visual::{SeenObject, VisualDraft, VisualFindings, VisualQuestions};
