use std::collections::BTreeMap;

use rcmu_prompt::is_refusal;
use serde::{Deserialize, Serialize};

use super::{
    Criterion, Failure, Step, StepName, Tally,
    criteria::{MAX_NAME, check_text, is_plain, is_unmentioned, need, normalised},
    questions::{check_objects, check_question},
    step::{check_left, keep},
};

/// An object with its context and the facts in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownObject {
    /// Its number, from 1.
    pub object: u32,
    /// The class noun.
    pub noun: String,
    /// What is known about it.
    pub context: String,
    /// The facts by name.
    pub facts: BTreeMap<String, String>,
}

/// A question for something that a context does not tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicDraft {
    /// The number of the object, from 1.
    pub object: u32,
    /// What is not told, as the answer names it: `the training`.
    pub topic: String,
    /// The question, with `{x}` where the object is named.
    pub question: String,
}

/// Questions for what is not told, as they are drafted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicsDraft {
    /// The questions.
    pub questions: Vec<TopicDraft>,
}

/// Step 4: asks for what the contexts do not tell.
#[derive(Clone, Copy, Debug)]
pub enum UnmentionedTopics {}

impl Step for UnmentionedTopics {
    const NAME: StepName = StepName::UnmentionedTopics;
    type Input = Vec<KnownObject>;
    type Draft = TopicsDraft;
    type Output = Vec<TopicDraft>;

    fn accept(
        known: &Vec<KnownObject>,
        draft: TopicsDraft,
        tally: &mut Tally,
    ) -> Result<Vec<TopicDraft>, Failure> {
        let find = |object: u32| known.iter().find(|it| it.object == object);
        check_objects("questions", draft.questions.iter().map(|question| question.object), |object| {
            find(object).is_some()
        })?;
        let kept = keep(draft.questions, tally, |draft, kept: &[TopicDraft]| {
            let it = find(draft.object).ok_or(Criterion::KnownObject)?;
            check_question(&draft.question)?;
            check_text(&draft.topic, MAX_NAME)?;
            need(is_plain(&draft.topic), Criterion::PlainWords)?;
            need(is_refusal(&not_told(&draft.topic)), Criterion::PlainWords)?;
            let names = it.facts.keys().map(String::as_str);
            need(is_unmentioned(&draft.topic, &it.context, names), Criterion::TopicUnmentioned)?;
            let is_same = |other: &TopicDraft| {
                other.object == draft.object
                    && (normalised(&other.topic) == normalised(&draft.topic)
                        || normalised(&other.question) == normalised(&draft.question))
            };
            need(!kept.iter().any(is_same), Criterion::NoDuplicate)?;
            Ok(draft)
        });
        check_left(kept.len(), tally)?;
        Ok(kept)
    }
}

/// The answer when a context does not tell something, in the words of the authors.
pub(super) fn not_told(topic: &str) -> String {
    format!("Cannot be answered. The description does not provide any information about {topic}.")
}
