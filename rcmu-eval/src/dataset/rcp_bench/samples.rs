use std::borrow::Borrow;

use rcmu_data::{Kind, Sample};

use super::{Group, RcpBench, RcpItem, RcpQuestion};
use crate::{
    Error,
    dataset::{insufficient::is_insufficient, lines::wrong},
};

impl RcpBench {
    /// The questions as samples, in order. A question whose right option says that there is not enough information is
    /// an unanswerable one.
    pub fn to_samples(&self) -> Vec<Sample> {
        self.items.iter().flat_map(samples_of).collect()
    }

    /// Gathers samples that were made in this shape; those of one picture and one list of references, standing
    /// together, become one item. Its id is that of its first question.
    ///
    /// # Errors
    ///
    /// [`Error::Item`] naming a sample that is no such question: it has regions, asks for citations, or is of another kind.
    pub fn from_samples(samples: &[impl Borrow<Sample>]) -> Result<Self, Error> {
        let mut items: Vec<RcpItem> = Vec::new();
        for sample in samples.iter().map(Borrow::borrow) {
            let fault = |field: &str, message: &str| Error::Item {
                item: sample.id.clone(),
                source: Box::new(wrong(field, message).into()),
            };
            let group = match sample.kind {
                Kind::VisualToContext | Kind::UnanswerableVisualToContext => Group::VisualToContext,
                Kind::ContextToVisual | Kind::UnanswerableContextToVisual => Group::ContextToVisual,
                _ => return Err(fault("kind", "is none of V2C and C2V")),
            };
            if !sample.regions.is_empty() {
                return Err(fault("regions", "are not part of this format"));
            }
            if sample.cited {
                return Err(fault("cited", "is not part of this format"));
            }
            let question = RcpQuestion {
                id: sample.id.clone(),
                group,
                question: sample.question.clone(),
                options: sample.options.clone(),
                answer: sample.answer.clone(),
                accepted: sample.accepted.clone(),
                citations: sample.citations.clone(),
                provenance: Some(sample.provenance.clone()),
            };
            match items.last_mut() {
                Some(item) if item.query == sample.picture && item.references == sample.references => {
                    item.questions.push(question);
                }
                _ => items.push(RcpItem {
                    id: sample.id.clone(),
                    query: sample.picture.clone(),
                    references: sample.references.clone(),
                    questions: vec![question],
                }),
            }
        }
        Ok(Self { items })
    }
}

/// The questions of an item as samples.
pub(in crate::dataset) fn samples_of(item: &RcpItem) -> impl Iterator<Item = Sample> {
    item.questions.iter().map(|question| sample(item, question))
}

/// The place of the option with this letter, if there is one.
pub(super) fn letter_place(letter: &str, options: usize) -> Option<usize> {
    match letter.as_bytes() {
        [letter @ b'A'..=b'Z'] => Some(usize::from(letter - b'A')).filter(|&place| place < options),
        _ => None,
    }
}

/// A question as a sample.
pub(super) fn sample(item: &RcpItem, question: &RcpQuestion) -> Sample {
    let right = letter_place(&question.answer, question.options.len()).map(|place| &question.options[place]);
    let answerable = !right.is_some_and(|option| is_insufficient(option));
    let accepted = if question.accepted.is_empty() {
        right.cloned().into_iter().collect()
    } else {
        question.accepted.clone()
    };
    Sample {
        id: question.id.clone(),
        picture: item.query.clone(),
        references: item.references.clone(),
        regions: Vec::new(),
        kind: match (question.group, answerable) {
            (Group::VisualToContext, true) => Kind::VisualToContext,
            (Group::VisualToContext, false) => Kind::UnanswerableVisualToContext,
            (Group::ContextToVisual, true) => Kind::ContextToVisual,
            (Group::ContextToVisual, false) => Kind::UnanswerableContextToVisual,
        },
        question: question.question.clone(),
        options: question.options.clone(),
        cited: false,
        answer: question.answer.clone(),
        accepted,
        citations: question.citations.clone(),
        answerable,
        provenance: question.provenance.clone().unwrap_or_default(),
    }
}
