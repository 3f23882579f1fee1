use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    Criterion, Failure, KnownObject, Step, StepName, Tally,
    criteria::{
        MAX_DESCRIPTION, ends_as_sentence, has_length, has_no_marks, is_one_line, marks, says, says_one_of,
        without_marks,
    },
};

/// What a description is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DescriptionInput {
    /// What the picture shows, with `[k]` after the mention of each object.
    pub caption: String,
    /// The objects.
    pub objects: Vec<KnownObject>,
}

/// What citations are put into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CitedDescriptionInput {
    /// The description, without marks.
    pub description: String,
    /// The objects.
    pub objects: Vec<KnownObject>,
}

/// A description as it is drafted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DescriptionDraft {
    /// The text.
    pub description: String,
}

/// Step 6, first half: weaves the contexts into the caption.
#[derive(Clone, Copy, Debug)]
pub enum Description {}

impl Step for Description {
    const NAME: StepName = StepName::Description;
    type Input = DescriptionInput;
    type Draft = DescriptionDraft;
    type Output = String;

    fn accept(
        input: &DescriptionInput,
        draft: DescriptionDraft,
        _tally: &mut Tally,
    ) -> Result<String, Failure> {
        let text = draft.description;
        check_form(&text)?;
        whole(has_no_marks(&text), Criterion::NoMarks)?;
        for it in input.objects.iter().filter(|it| !it.facts.is_empty()) {
            if !is_told(&text, it) {
                let place = format!("the description of object {}", it.object);
                return Err(Failure::at(Criterion::EveryObjectTold, place));
            }
        }
        Ok(text)
    }
}

/// Step 6, second half: puts citations into the description.
#[derive(Clone, Copy, Debug)]
pub enum CitedDescription {}

impl Step for CitedDescription {
    const NAME: StepName = StepName::CitedDescription;
    type Input = CitedDescriptionInput;
    type Draft = DescriptionDraft;
    type Output = String;

    fn accept(
        input: &CitedDescriptionInput,
        draft: DescriptionDraft,
        _tally: &mut Tally,
    ) -> Result<String, Failure> {
        let text = draft.description;
        check_form(&text)?;
        whole(without_marks(&text) == input.description, Criterion::SameWithoutMarks)?;
        let marks = marks(&text);
        let cited: BTreeSet<u32> = marks.iter().map(|mark| mark.1).collect();
        let known: BTreeSet<u32> = input.objects.iter().map(|it| it.object).collect();
        whole(cited == known, Criterion::EveryObjectCited)?;
        let (mut from, mut end) = (0, 0);
        for (range, number) in marks {
            // Marks side by side share the words before them.
            if !text[end..range.start].trim().is_empty() {
                from = end;
            }
            let words = &text[from..range.start];
            if !input.objects.iter().any(|it| it.object == number && is_told(words, it)) {
                let place = format!("the mark [{number}] at byte {}", range.start);
                return Err(Failure::at(Criterion::MarkAtItsObject, place));
            }
            end = range.end;
        }
        Ok(text)
    }
}

/// Whether a text says a fact of the object, or its noun when there are no facts.
fn is_told(text: &str, it: &KnownObject) -> bool {
    if it.facts.is_empty() {
        return says(text, &it.noun);
    }
    says_one_of(text, it.facts.values().map(String::as_str))
}

fn check_form(text: &str) -> Result<(), Failure> {
    whole(has_length(text, MAX_DESCRIPTION), Criterion::Length)?;
    whole(is_one_line(text), Criterion::OneLine)?;
    // A mark may stand after the full stop.
    whole(ends_as_sentence(without_marks(text).trim_end()), Criterion::EndsAsSentence)
}

fn whole(holds: bool, criterion: Criterion) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(Failure::at(criterion, "the description")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(object: u32, name: &str) -> KnownObject {
        let facts = [("name".to_owned(), name.to_owned())].into();
        KnownObject { object, noun: "dog".into(), context: format!("{name} is a dog."), facts }
    }

    fn verdict(text: &str) -> Option<Criterion> {
        let input = CitedDescriptionInput {
            description: "Bella runs. Sam and Bella sleep.".into(),
            objects: vec![known(1, "Bella"), known(2, "Sam")],
        };
        let draft = DescriptionDraft { description: text.into() };
        match CitedDescription::accept(&input, draft, &mut Tally::new()) {
            Err(Failure::Criterion { criterion, .. }) => Some(criterion),
            _ => None,
        }
    }

    #[test]
    fn marks_stand_at_the_objects_they_cite() {
        assert_eq!(verdict("Bella [1] runs. Sam [2] and Bella sleep."), None);
        assert_eq!(verdict("Bella runs.[1] Sam and Bella sleep [2][1]."), None);
        assert_eq!(verdict("Bella [2] runs. Sam [1] and Bella sleep."), Some(Criterion::MarkAtItsObject));
        assert_eq!(verdict("Bella [1] runs. Sam and Bella sleep."), Some(Criterion::EveryObjectCited));
        assert_eq!(verdict("Bella [1] runs. Sam [2][3] and Bella sleep."), Some(Criterion::EveryObjectCited));
        assert_eq!(verdict("Bella [1] ran. Sam [2] and Bella sleep."), Some(Criterion::SameWithoutMarks));
        assert_eq!(verdict("Bella [1] runs. Sam [2, 1] and Bella sleep."), Some(Criterion::SameWithoutMarks));
    }
}
