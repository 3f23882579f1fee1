//! Drafts from phrasings, without a language model.
//!
//! Profiles are written from a table of facts, and read with the same table: what one step says, the next one finds.

mod describe;
mod facts;
mod profiles;
mod visual;

use super::{
    CitedDescription, CitedDescriptionInput, ContextualDraft, ContextualQuestions, Description,
    DescriptionDraft, DescriptionInput, Drafts, Failure, KnownObject, Maker, PoolRequest, ProfilePool,
    ProfilesDraft, PromptId, SeenObject, ToldObject, TopicsDraft, UnmentionedTopics, VisualDraft,
    VisualQuestions,
};

/// Fills phrasings: reproducible, costs nothing, and says nothing that is not in its tables.
///
/// It knows people, children, animals and things by their class nouns; any other noun is a thing. Of contexts it understands the
/// sentences that it writes itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Templates;

impl Maker for Templates {
    fn identity(&self) -> String {
        "templates".to_owned()
    }
}

impl Drafts<ProfilePool> for Templates {
    fn prompt(&self) -> PromptId {
        PromptId { name: "profile-template", version: 1 }
    }

    fn draft(&self, request: &PoolRequest, seed: u64) -> Result<ProfilesDraft, Failure> {
        Ok(profiles::draft(request, seed))
    }
}

impl Drafts<VisualQuestions> for Templates {
    fn prompt(&self) -> PromptId {
        PromptId { name: "visual-template", version: 2 }
    }

    fn draft(&self, seen: &Vec<SeenObject>, seed: u64) -> Result<VisualDraft, Failure> {
        Ok(visual::draft(seen, seed))
    }
}

impl Drafts<ContextualQuestions> for Templates {
    fn prompt(&self) -> PromptId {
        PromptId { name: "contextual-template", version: 2 }
    }

    fn draft(&self, told: &Vec<ToldObject>, seed: u64) -> Result<ContextualDraft, Failure> {
        Ok(profiles::ask(told, seed))
    }
}

impl Drafts<UnmentionedTopics> for Templates {
    fn prompt(&self) -> PromptId {
        PromptId { name: "topic-template", version: 2 }
    }

    fn draft(&self, known: &Vec<KnownObject>, seed: u64) -> Result<TopicsDraft, Failure> {
        Ok(profiles::ask_unmentioned(known, seed))
    }
}

impl Drafts<Description> for Templates {
    fn prompt(&self) -> PromptId {
        PromptId { name: "description-template", version: 1 }
    }

    fn draft(&self, input: &DescriptionInput, _seed: u64) -> Result<DescriptionDraft, Failure> {
        Ok(describe::weave(input))
    }
}

impl Drafts<CitedDescription> for Templates {
    fn prompt(&self) -> PromptId {
        PromptId { name: "citation-template", version: 1 }
    }

    fn draft(&self, input: &CitedDescriptionInput, _seed: u64) -> Result<DescriptionDraft, Failure> {
        Ok(describe::cite(input))
    }
}
