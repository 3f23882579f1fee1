use serde::{Deserialize, Serialize};

use super::{
    Asked, Failure, NamedValue, QuestionDraft, Step, StepName, Tally,
    questions::{check_objects, keep_questions, keep_values},
    step::check_left,
};

/// An object by what is seen of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenObject {
    /// Its number, from 1.
    pub object: u32,
    /// The class noun.
    pub noun: String,
    /// Its visual referring expressions, at least one.
    pub expressions: Vec<String>,
}

/// Attributes and questions as they are drafted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VisualDraft {
    /// What the expressions tell.
    pub attributes: Vec<NamedValue>,
    /// Questions for it.
    pub questions: Vec<QuestionDraft>,
}

/// Attributes and questions that were kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VisualFindings {
    /// What the expressions tell.
    pub attributes: Vec<NamedValue>,
    /// Questions for it.
    pub questions: Vec<Asked>,
}

/// Step 2: finds visual attributes in the expressions, and asks for them.
#[derive(Clone, Copy, Debug)]
pub enum VisualQuestions {}

impl Step for VisualQuestions {
    const NAME: StepName = StepName::VisualQuestions;
    type Input = Vec<SeenObject>;
    type Draft = VisualDraft;
    type Output = VisualFindings;

    fn accept(
        seen: &Vec<SeenObject>,
        draft: VisualDraft,
        tally: &mut Tally,
    ) -> Result<VisualFindings, Failure> {
        let find = |object: u32| seen.iter().find(|it| it.object == object);
        let is_known = |object| find(object).is_some();
        check_objects("attributes", draft.attributes.iter().map(|value| value.object), is_known)?;
        check_objects("questions", draft.questions.iter().map(|question| question.object), is_known)?;
        let expressions = |object| {
            let expressions = find(object).map_or(&[][..], |it| &it.expressions);
            expressions.iter().map(String::as_str).collect()
        };
        let attributes = keep_values(draft.attributes, tally, expressions);
        let questions = keep_questions(draft.questions, tally, &attributes);
        check_left(questions.len(), tally)?;
        Ok(VisualFindings { attributes, questions })
    }
}
