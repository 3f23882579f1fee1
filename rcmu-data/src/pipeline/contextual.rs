use serde::{Deserialize, Serialize};

use super::{
    Asked, Criterion, Failure, NamedValue, QuestionDraft, Step, StepName, Tally,
    criteria::{MAX_EXPRESSION, check_text, count_placeholders, is_told_of_one, need, normalised, says},
    questions::{check_objects, keep_questions, keep_values},
    step::{check_left, keep},
};

/// An object with its context.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldObject {
    /// Its number, from 1.
    pub object: u32,
    /// The class noun.
    pub noun: String,
    /// What is known about it.
    pub context: String,
}

/// A name for an object by one of its facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceDraft {
    /// The number of the object, from 1.
    pub object: u32,
    /// The name of the fact.
    pub about: String,
    /// The words: `the person who is a teacher`.
    pub text: String,
}

/// Facts, questions and references as they are drafted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContextualDraft {
    /// What the contexts tell.
    pub facts: Vec<NamedValue>,
    /// Questions for it.
    pub questions: Vec<QuestionDraft>,
    /// Names for the objects.
    pub references: Vec<ReferenceDraft>,
}

/// Facts, questions and references that were kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContextualFindings {
    /// What the contexts tell.
    pub facts: Vec<NamedValue>,
    /// Questions for it.
    pub questions: Vec<Asked>,
    /// Names for the objects, each of which fits one object of the picture.
    pub references: Vec<ReferenceDraft>,
}

impl ContextualFindings {
    /// The value that a reference names its object by.
    pub(super) fn value_of(&self, reference: &ReferenceDraft) -> Option<&str> {
        let name = normalised(&reference.about);
        let mut own = self.facts.iter().filter(|fact| fact.object == reference.object);
        own.find(|fact| normalised(&fact.name) == name).map(|fact| fact.value.as_str())
    }
}

/// Step 3: finds facts in the contexts, asks for them, and names the objects by them.
#[derive(Clone, Copy, Debug)]
pub enum ContextualQuestions {}

impl Step for ContextualQuestions {
    const NAME: StepName = StepName::ContextualQuestions;
    type Input = Vec<ToldObject>;
    type Draft = ContextualDraft;
    type Output = ContextualFindings;

    fn accept(
        told: &Vec<ToldObject>,
        draft: ContextualDraft,
        tally: &mut Tally,
    ) -> Result<ContextualFindings, Failure> {
        let is_known = |object| told.iter().any(|it| it.object == object);
        check_objects("facts", draft.facts.iter().map(|fact| fact.object), is_known)?;
        check_objects("questions", draft.questions.iter().map(|question| question.object), is_known)?;
        check_objects("references", draft.references.iter().map(|reference| reference.object), is_known)?;
        let context = |object| told.iter().find(|it| it.object == object).map(|it| it.context.as_str());
        let facts = keep_values(draft.facts, tally, |object| context(object).into_iter().collect());
        let questions = keep_questions(draft.questions, tally, &facts);
        let mut findings = ContextualFindings { facts, questions, references: Vec::new() };
        findings.references = keep(draft.references, tally, |draft, kept: &[ReferenceDraft]| {
            check_text(&draft.text, MAX_EXPRESSION)?;
            need(count_placeholders(&draft.text) == Some(0), Criterion::OnePlaceholder)?;
            let value = findings.value_of(&draft).ok_or(Criterion::KnownName)?;
            need(says(&draft.text, value), Criterion::LiteralValue)?;
            let others = told.iter().filter(|it| it.object != draft.object).map(|it| it.context.as_str());
            need(is_told_of_one(value, others), Criterion::FitsOneObject)?;
            let text = normalised(&draft.text);
            need(kept.iter().all(|other| normalised(&other.text) != text), Criterion::NoDuplicate)?;
            Ok(draft)
        });
        check_left(findings.questions.len() + findings.references.len(), tally)?;
        Ok(findings)
    }
}
