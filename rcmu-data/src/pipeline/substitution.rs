use std::collections::{BTreeMap, BTreeSet};

use rcmu_core::Region;
use rcmu_prompt::is_refusal;

use super::{
    AnnotatedPicture, Asked, CitedDescription, ContextualFindings, ContextualQuestions, Criterion,
    Description, Maker, Profile, PromptId, ReferenceDraft, StepName, Tally, TopicDraft, UnmentionedTopics,
    VisualFindings, VisualQuestions,
    caption::unique_expressions,
    criteria::{
        MAX_QUESTION, PLACEHOLDER, ends_as_sentence, has_length, is_told_of_one, need, normalised, says,
    },
    hash::choice,
    matching::{is_person, pool_noun},
    questions::by_name,
    unmentioned::not_told,
};
use crate::{Error, Kind, Provenance, Sample, SampleRegion};

/// How many references of other pictures are looked at for one that fits nothing here.
const MAX_LOOKS: usize = 64;

/// What the steps of a picture left.
#[derive(Clone, Debug)]
pub(super) struct Finished {
    pub(super) contexts: Vec<Profile>,
    pub(super) visual: VisualFindings,
    pub(super) contextual: ContextualFindings,
    pub(super) topics: Vec<TopicDraft>,
    pub(super) description: String,
    pub(super) cited: String,
}

/// The prompts behind the samples.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prompts {
    pool: PromptId,
    visual: PromptId,
    contextual: PromptId,
    topics: PromptId,
    description: PromptId,
    cited: PromptId,
}

impl Prompts {
    /// Those of a maker.
    pub(super) fn of<M: Maker>(maker: &M) -> Self {
        use super::{Drafts, ProfilePool};
        Self {
            pool: Drafts::<ProfilePool>::prompt(maker),
            visual: Drafts::<VisualQuestions>::prompt(maker),
            contextual: Drafts::<ContextualQuestions>::prompt(maker),
            topics: Drafts::<UnmentionedTopics>::prompt(maker),
            description: Drafts::<Description>::prompt(maker),
            cited: Drafts::<CitedDescription>::prompt(maker),
        }
    }

    /// All of them, in the order of the steps.
    pub(super) fn all(&self) -> [PromptId; 6] {
        [self.pool, self.visual, self.contextual, self.topics, self.description, self.cited]
    }
}

/// Step 5: puts expressions and references where the questions name their objects.
pub(super) struct Substitution<'a> {
    pictures: &'a [AnnotatedPicture],
    finished: &'a [Option<Finished>],
    seed: u64,
    maker: String,
    prompts: Prompts,
    /// Picture and place of every reference, by the noun of its object.
    references: BTreeMap<String, Vec<(usize, usize)>>,
}

/// An item before it is asked for with and without citations.
struct Item {
    kind: Kind,
    question: String,
    answer: String,
    /// The answer with citations.
    cited: String,
    accepted: Vec<String>,
    citations: Vec<u32>,
    step: StepName,
    prompt: String,
}

impl<'a> Substitution<'a> {
    pub(super) fn new(
        pictures: &'a [AnnotatedPicture],
        finished: &'a [Option<Finished>],
        seed: u64,
        (maker, prompts): (String, Prompts),
    ) -> Self {
        let mut references: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for (at, (picture, finished)) in pictures.iter().zip(finished).enumerate() {
            let found = finished.iter().flat_map(|it| it.contextual.references.iter().enumerate());
            for (place, reference) in found {
                if let Some(object) = picture.objects.get(index(reference.object)) {
                    references.entry(pool_noun(&object.noun)).or_default().push((at, place));
                }
            }
        }
        Self { pictures, finished, seed, maker, prompts, references }
    }

    /// The samples of a picture; none when it is not finished.
    pub(super) fn samples(&self, at: usize, tally: &mut Tally) -> Result<Vec<Sample>, Error> {
        let (Some(picture), Some(Some(it))) = (self.pictures.get(at), self.finished.get(at)) else {
            return Ok(Vec::new());
        };
        let regions = regions(picture, it)?;
        let mut counts: BTreeMap<Kind, u32> = BTreeMap::new();
        let mut samples = Vec::new();
        for item in self.items(at, it, tally) {
            let count = counts.entry(item.kind).or_default();
            *count += 1;
            for cited in [false, true] {
                let form = if cited { "cited" } else { "plain" };
                samples.push(Sample {
                    id: format!("{}/{}/{count}-{form}", picture.id, item.kind.name()),
                    picture: picture.picture.clone(),
                    references: Vec::new(),
                    regions: regions.clone(),
                    kind: item.kind,
                    question: item.question.clone(),
                    options: Vec::new(),
                    cited,
                    answer: if cited { item.cited.clone() } else { item.answer.clone() },
                    accepted: item.accepted.clone(),
                    citations: item.citations.clone(),
                    answerable: !item.citations.is_empty(),
                    provenance: Provenance {
                        maker: self.maker.clone(),
                        step: item.step.name().to_owned(),
                        prompt: item.prompt.clone(),
                        seed: Some(self.seed),
                        ..Provenance::default()
                    },
                });
            }
        }
        Ok(samples)
    }

    fn items(&self, at: usize, it: &Finished, tally: &mut Tally) -> Vec<Item> {
        let picture = &self.pictures[at];
        let Prompts { visual, contextual, topics, description, cited, .. } = self.prompts;
        let by_context = format!("{contextual}+{visual}");
        let mut items = Items { kept: Vec::new(), questions: BTreeSet::new(), tally };
        items.kept.push(Item {
            kind: Kind::Description,
            question: "Describe the image.".to_owned(),
            answer: it.description.clone(),
            cited: it.cited.clone(),
            accepted: Vec::new(),
            citations: (1..=picture.objects.len() as u32).collect(),
            step: StepName::CitedDescription,
            prompt: format!("{description}+{cited}"),
        });
        for (number, object) in (1..).zip(&picture.objects) {
            let (expressions, dropped) = unique_expressions(picture, index(number));
            if dropped > 0 {
                *items.tally.entry(Criterion::FitsOneObject).or_default() += dropped;
            }
            let expression = |question: &str| self.pick(&expressions, &[&picture.id, question]);
            let own = |question: &&Asked| question.object == number;
            for asked in it.contextual.questions.iter().filter(own) {
                if let Some(name) = expression(&asked.question) {
                    items.answerable(Kind::VisualToContext, asked, name, contextual.to_string());
                }
            }
            for topic in it.topics.iter().filter(|topic| topic.object == number) {
                if let Some(name) = expression(&topic.question) {
                    let answer = not_told(&topic.topic);
                    let prompt = topics.to_string();
                    let kind = Kind::UnanswerableVisualToContext;
                    items.unanswerable(kind, (&topic.question, name), answer, prompt);
                }
            }
            let references: Vec<_> =
                it.contextual.references.iter().filter(|reference| reference.object == number).collect();
            let seen: Vec<_> = it.visual.questions.iter().filter(own).collect();
            for asked in &seen {
                if let Some(reference) = self.pick(&references, &[&picture.id, &asked.question]) {
                    items.answerable(Kind::ContextToVisual, asked, &reference.text, by_context.clone());
                }
            }
            let noun = pool_noun(&object.noun);
            if let (Some(asked), Some(reference)) =
                (self.pick(&seen, &[&picture.id, &noun]), self.foreign(at, it, (number, &noun)))
            {
                let kind = Kind::UnanswerableContextToVisual;
                let question = (asked.question.as_str(), reference.text.as_str());
                items.unanswerable(kind, question, not_there(&noun), by_context.clone());
            }
        }
        items.kept
    }

    /// A reference to an object of another picture, with the same noun, whose fact is told of nothing here.
    fn foreign(&self, at: usize, it: &Finished, (number, noun): (u32, &str)) -> Option<&ReferenceDraft> {
        let candidates = self.references.get(noun)?;
        let id = &self.pictures[at].id;
        let first = choice(self.seed, &[id, noun, &number.to_string()], candidates.len());
        let turned = candidates.iter().cycle().skip(first).take(candidates.len().min(MAX_LOOKS));
        turned.filter(|(picture, _)| *picture != at).find_map(|&(picture, place)| {
            let contextual = &self.finished.get(picture)?.as_ref()?.contextual;
            let reference = contextual.references.get(place)?;
            let value = contextual.value_of(reference)?;
            is_told_of_one(value, it.contexts.iter().map(|profile| profile.text.as_str()))
                .then_some(reference)
        })
    }

    fn pick<'b, T>(&self, items: &'b [T], texts: &[&str]) -> Option<&'b T> {
        items.get(choice(self.seed, texts, items.len()))
    }
}

/// The items of a picture that meet the criteria of whole questions.
struct Items<'a> {
    kept: Vec<Item>,
    questions: BTreeSet<String>,
    tally: &'a mut Tally,
}

impl Items<'_> {
    fn answerable(&mut self, kind: Kind, asked: &Asked, name: &str, prompt: String) {
        let answer = as_sentence(&asked.answer);
        let item = Item {
            kind,
            question: spliced(&asked.question, name),
            cited: format!("{answer}[{}]", asked.object),
            answer,
            accepted: vec![asked.value.clone()],
            citations: vec![asked.object],
            step: StepName::PronounSubstitution,
            prompt,
        };
        self.push(item);
    }

    fn unanswerable(&mut self, kind: Kind, (question, name): (&str, &str), answer: String, prompt: String) {
        self.push(Item {
            kind,
            question: spliced(question, name),
            cited: answer.clone(),
            answer,
            accepted: Vec::new(),
            citations: Vec::new(),
            step: StepName::PronounSubstitution,
            prompt,
        });
    }

    fn push(&mut self, item: Item) {
        match self.judge(&item) {
            Ok(()) => self.kept.push(item),
            Err(criterion) => *self.tally.entry(criterion).or_default() += 1,
        }
    }

    fn judge(&mut self, item: &Item) -> Result<(), Criterion> {
        need(has_length(&item.question, MAX_QUESTION), Criterion::Length)?;
        need(item.accepted.iter().all(|value| !says(&item.question, value)), Criterion::NoLeak)?;
        need(self.questions.insert(normalised(&item.question)), Criterion::NoDuplicate)
    }
}

/// The regions as the samples show them.
fn regions(picture: &AnnotatedPicture, it: &Finished) -> Result<Vec<SampleRegion>, Error> {
    let described = (1..).zip(picture.objects.iter().zip(&it.contexts));
    let regions = described.map(|(number, (object, profile))| {
        Ok(SampleRegion {
            region: Region::new(object.noun.as_str(), Some(object.bbox), profile.text.as_str())?,
            facts: by_name(&it.contextual.facts, number),
            visual: by_name(&it.visual.attributes, number),
        })
    });
    regions.collect()
}

/// The question with a name for its object, its first letter in upper case.
fn spliced(question: &str, name: &str) -> String {
    capitalised(&question.replacen(PLACEHOLDER, name, 1))
}

/// The answer with a capital letter and a full stop.
fn as_sentence(answer: &str) -> String {
    let answer = capitalised(answer.trim());
    if ends_as_sentence(&answer) { answer } else { answer + "." }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// The answer when what is meant is in another picture; in words that count as a refusal, whatever the noun.
fn not_there(noun: &str) -> String {
    let subject = if is_person(noun) { "person" } else { noun };
    let answer = format!("The {subject} is not in the image.");
    if is_refusal(&answer) { answer } else { "The object is not in the image.".to_owned() }
}

/// The place of an object, from 0; beyond every list for the number 0.
fn index(number: u32) -> usize {
    (number as usize).wrapping_sub(1)
}
