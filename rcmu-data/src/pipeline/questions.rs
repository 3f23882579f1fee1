use std::collections::BTreeMap;

use rcmu_prompt::is_refusal;
use serde::{Deserialize, Serialize};

use super::{
    Criterion, Failure, Tally,
    criteria::{
        MAX_ANSWER, MAX_NAME, MAX_QUESTION, MAX_VALUE, check_text, count_placeholders, ends_in_question_mark,
        is_plain, need, normalised, says,
    },
    step::{check_count, keep},
};

/// A fact or visual attribute of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedValue {
    /// The number of the object, from 1.
    pub object: u32,
    /// What it is called: `job`.
    pub name: String,
    /// What it is, in the words of the text: `teacher`.
    pub value: String,
}

/// A question as it is drafted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuestionDraft {
    /// The number of the object, from 1.
    pub object: u32,
    /// The name of the fact or attribute that is asked for.
    pub about: String,
    /// The question, with `{x}` where the object is named.
    pub question: String,
    /// The answer, which says the value.
    pub answer: String,
}

/// A question that was kept, with the value that its answer has to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// The number of the object, from 1.
    pub object: u32,
    /// The name of the fact or attribute that is asked for.
    pub about: String,
    /// The question, with `{x}` where the object is named.
    pub question: String,
    /// The answer.
    pub answer: String,
    /// What a right answer has to say.
    pub value: String,
}

/// Fails when a draft speaks of an object that was not in its input.
pub(super) fn check_objects(
    list: &str,
    mut drafted: impl ExactSizeIterator<Item = u32>,
    known: impl Fn(u32) -> bool,
) -> Result<(), Failure> {
    check_count(list, drafted.len())?;
    match drafted.position(|object| !known(object)) {
        Some(at) => Err(Failure::at(Criterion::KnownObject, format!("{list}[{at}].object"))),
        None => Ok(()),
    }
}

/// Keeps the values that occur in the texts of their objects; a name is kept once for each object.
pub(super) fn keep_values<'a>(
    drafts: Vec<NamedValue>,
    tally: &mut Tally,
    texts: impl Fn(u32) -> Vec<&'a str>,
) -> Vec<NamedValue> {
    keep(drafts, tally, |draft, kept: &[NamedValue]| {
        check_text(&draft.name, MAX_NAME)?;
        need(is_plain(&draft.name), Criterion::PlainWords)?;
        check_text(&draft.value, MAX_VALUE)?;
        need(count_placeholders(&draft.value) == Some(0), Criterion::OnePlaceholder)?;
        need(texts(draft.object).iter().any(|text| says(text, &draft.value)), Criterion::LiteralValue)?;
        let name = normalised(&draft.name);
        let is_same = |other: &NamedValue| other.object == draft.object && normalised(&other.name) == name;
        need(!kept.iter().any(is_same), Criterion::NoDuplicate)?;
        Ok(draft)
    })
}

/// Keeps the questions that ask for one of the values, do not tell it, and have an answer that does.
pub(super) fn keep_questions(
    drafts: Vec<QuestionDraft>,
    tally: &mut Tally,
    values: &[NamedValue],
) -> Vec<Asked> {
    keep(drafts, tally, |draft, kept: &[Asked]| {
        let QuestionDraft { object, about, question, answer } = draft;
        check_question(&question)?;
        check_text(&answer, MAX_ANSWER)?;
        need(count_placeholders(&answer) == Some(0), Criterion::OnePlaceholder)?;
        need(!is_refusal(&answer), Criterion::NoRefusal)?;
        let name = normalised(&about);
        let is_meant = |value: &&NamedValue| value.object == object && normalised(&value.name) == name;
        let value = values.iter().find(is_meant).ok_or(Criterion::KnownName)?.value.clone();
        need(says(&answer, &value), Criterion::ValueInAnswer)?;
        need(!says(&question, &value), Criterion::NoLeak)?;
        let is_same =
            |other: &Asked| other.object == object && normalised(&other.question) == normalised(&question);
        need(!kept.iter().any(is_same), Criterion::NoDuplicate)?;
        Ok(Asked { object, about, question, answer, value })
    })
}

/// Checks the form of a question with a placeholder.
pub(super) fn check_question(question: &str) -> Result<(), Criterion> {
    check_text(question, MAX_QUESTION)?;
    need(ends_in_question_mark(question), Criterion::EndsInQuestionMark)?;
    need(count_placeholders(question) == Some(1), Criterion::OnePlaceholder)
}

/// The values of one object by name.
pub(super) fn by_name(values: &[NamedValue], object: u32) -> BTreeMap<String, String> {
    let own = values.iter().filter(|value| value.object == object);
    own.map(|value| (value.name.clone(), value.value.clone())).collect()
}
