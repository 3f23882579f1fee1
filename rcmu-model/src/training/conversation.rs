use std::{collections::HashMap, ops::Range};

use burn::tensor::Tensor;
use rcmu_core::{Control, Piece, Question, RegionId, Scene, SpecialToken, Trust};
use rcmu_data::Sample;
use rcmu_prompt::{AnsweredPrompt, PromptBuilder};

use super::{
    TrainError,
    matches::Match,
    sights::{SightTargets, Sights, hundreds, item_error},
};
use crate::{
    Error,
    generation::{EncodedRequest, VisualPlan},
    model::Model,
    tokenizer::EncodedPrompt,
};

/// Questions about one scene with the answers to learn.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// The picture with its regions.
    pub scene: Scene,
    /// Questions and answers in order; none if there are sights.
    pub turns: Vec<(Question, String)>,
    /// Which one region each answer is about, where it is about one. Only looked at where there are sights; may be empty.
    pub subjects: Vec<Option<RegionId>>,
    /// The words of its region's text by which a question names it, where it does. Only looked at as `subjects` are.
    pub named_by: Vec<Option<String>>,
    /// What the picture shows where, if that is to be learnt from its features.
    pub sights: Option<Sights>,
}

impl Conversation {
    /// Joins samples about one picture and one list of regions.
    ///
    /// # Errors
    ///
    /// [`rcmu_data::Error`] when a question is not valid.
    pub fn new(scene: Scene, samples: &[Sample]) -> Result<Self, rcmu_data::Error> {
        let turns = samples
            .iter()
            .map(|sample| Ok((sample.to_question()?, sample.answer.clone())))
            .collect::<Result<_, rcmu_data::Error>>()?;
        let subject = |sample: &Sample| match sample.citations.as_slice() {
            [number] => RegionId::new(*number),
            _ => None,
        };
        let subjects: Vec<_> = samples.iter().map(subject).collect();
        let named_by = samples.iter().zip(&subjects).map(|(sample, subject)| named_by(sample, *subject));
        Ok(Self { scene, turns, named_by: named_by.collect(), subjects, sights: None })
    }

    /// The texts that a tokenizer has to know: those of the prompt, and the words of the sights, each as it is read.
    ///
    /// # Errors
    ///
    /// Whatever keeps the prompt from being written.
    pub fn texts(&self) -> Result<Vec<String>, Box<dyn std::error::Error + Send + Sync>> {
        let prompt = self.prompt()?.built.prompt;
        let mut texts: Vec<String> = prompt
            .pieces()
            .iter()
            .filter_map(|piece| match piece {
                Piece::Text(text, _) => Some(text.clone()),
                _ => None,
            })
            .collect();
        if let Some(sights) = &self.sights {
            let words = sights.things.iter().flat_map(|sight| &sight.words).chain([&sights.nothing]);
            texts.extend(words.map(|word| format!(" {word}")));
        }
        Ok(texts)
    }

    /// The whole conversation as the model reads it.
    fn prompt(&self) -> Result<AnsweredPrompt, Box<dyn std::error::Error + Send + Sync>> {
        let silence = Question::describe();
        let (first, answer) = match (self.turns.first(), self.turns.last()) {
            (Some((first, _)), Some((_, answer))) => (first, answer.as_str()),
            // Nothing is asked: the words only carry the picture.
            _ if self.sights.is_some() => (&silence, ""),
            _ => return Err("it has no question".into()),
        };
        let mut builder = PromptBuilder::new(&self.scene, first);
        for ((_, answer), (question, _)) in self.turns.iter().zip(self.turns.iter().skip(1)) {
            builder = builder.follow_up(answer, question);
        }
        Ok(builder.build_answered(answer)?)
    }
}

/// The value of one of the facts about this region that stands in the question.
fn named_by(sample: &Sample, subject: Option<RegionId>) -> Option<String> {
    let facts = &sample.regions.get(subject?.index())?.facts;
    let words = |text: &str| -> Vec<String> {
        text.split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let question = words(&sample.question);
    let asked = |value: &&String| {
        let value = words(value);
        !value.is_empty() && question.windows(value.len()).any(|run| run == value)
    };
    facts.values().find(asked).cloned()
}

/// Where conversations come from. The same index always gives the same conversation.
pub trait TrainingData: Sync {
    /// Conversations there are; `None` when there is no end.
    fn len(&self) -> Option<u64>;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// A name that changes with the data; a training goes on only with the data it began with.
    fn fingerprint(&self) -> String;

    /// One conversation.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from being made; the trainer adds the index.
    fn conversation(&self, index: u64) -> Result<Conversation, Box<dyn std::error::Error + Send + Sync>>;
}

/// The end of a box in a context line.
#[derive(Clone, Debug)]
pub(crate) struct BoxEnd {
    /// Which token.
    pub(crate) place: usize,
    /// Words for what is in the box, as tokens.
    pub(crate) words: Vec<u32>,
    /// The hundreds of its coordinates.
    pub(crate) digits: [u8; 4],
}

/// Tokens that are about one region.
#[derive(Clone, Debug)]
pub(crate) struct About {
    /// Which tokens.
    pub(crate) places: Range<usize>,
    /// Words for what is in the region's box, and its number, as tokens.
    pub(crate) words: Vec<u32>,
}

/// The token that closes a box, and the tokens of the text about the box.
type BoxTokens = (usize, Range<usize>);

/// An example, the boxes of its context lines, their texts, and for each turn where the question names what it is about and
/// where the tokens of the answer are predicted.
type Encoded = (Example, Vec<BoxTokens>, Vec<Range<usize>>, Vec<[Range<usize>; 2]>);

/// A conversation as the model reads it, with what it has to predict.
#[derive(Clone, Debug)]
pub(crate) struct Example {
    /// Ids, positions and pictures.
    pub(crate) request: EncodedRequest,
    /// Places whose next token has to be predicted: those just before each token of an answer.
    pub(crate) targets: Vec<usize>,
    /// What the features of the scene's picture, the last one, have to tell.
    pub(crate) sights: Option<SightTargets>,
    /// Where the boxes of context lines end, and what has to be known there.
    pub(crate) boxes: Vec<BoxEnd>,
    /// The texts of context lines, with the number of their region.
    pub(crate) numbered: Vec<About>,
    /// The same texts, with what is in their region's box.
    pub(crate) about: Vec<About>,
    /// The questions and the answers that are about one region.
    pub(crate) asked: Vec<About>,
    /// Where a question names what it is about by a word of a text.
    pub(crate) matches: Vec<Match>,
    /// Features of the pictures, `[merged_patches, hidden]` each, where they were seen in advance; else empty.
    pub(crate) features: Vec<Tensor<2>>,
}

impl Example {
    /// The tokens of a conversation, without decoding its pictures.
    pub(crate) fn tokens(
        model: &Model,
        index: u64,
        conversation: &Conversation,
    ) -> Result<usize, TrainError> {
        let item = |source: Box<dyn std::error::Error + Send + Sync>| TrainError::Item { index, source };
        let built = conversation.prompt().map_err(item)?.built;
        let outline = model.outline(&built.prompt, &built.visuals).map_err(|error| item(error.into()))?;
        Ok(outline.input_ids.len())
    }

    /// Encodes a conversation.
    ///
    /// What has to be predicted is known from the typed pieces of the prompt; no text is searched for it.
    pub(crate) fn new(model: &Model, index: u64, conversation: &Conversation) -> Result<Self, TrainError> {
        let item = |source: Box<dyn std::error::Error + Send + Sync>| TrainError::Item { index, source };
        let prompt = conversation.prompt().map_err(item)?;
        let encode = || -> Result<Encoded, Error> {
            let encoded = model.tokenizer().encode(&prompt.built.prompt)?;
            let outline = model.outline_encoded(&encoded, &prompt.built.visuals)?;
            let image_tokens: Vec<usize> = outline.visuals.iter().map(VisualPlan::tokens).collect();
            let place = |index| expanded(&encoded, &image_tokens, index);
            let targets =
                answer_tokens(&encoded, &prompt.answers).flatten().map(|token| place(token) - 1).collect();
            let ends = box_ends(&encoded, &prompt);
            let ends = ends.map(|(end, text)| (place(end), place(text.start)..place(text.end))).collect();
            let texts = info_tokens(&encoded, &prompt);
            let texts = texts.map(|text| place(text.start)..place(text.end)).collect();
            let answers = answer_tokens(&encoded, &prompt.answers);
            let answers = answers.map(|tokens| place(tokens.start) - 1..place(tokens.end) - 1);
            let questions = question_tokens(&encoded, &prompt);
            let questions = questions.map(|tokens| place(tokens.start)..place(tokens.end));
            let turns = questions.zip(answers).map(|(question, answer)| [question, answer]).collect();
            let request = model.encode_outline(outline, &prompt.built.visuals, &Control::default())?;
            let example = Self {
                request,
                targets,
                sights: None,
                boxes: Vec::new(),
                numbered: Vec::new(),
                about: Vec::new(),
                asked: Vec::new(),
                matches: Vec::new(),
                features: Vec::new(),
            };
            Ok((example, ends, texts, turns))
        };
        let (mut example, ends, texts, turns) = encode().map_err(|error| item(error.into()))?;
        if conversation.turns.is_empty() {
            example.targets.clear();
        }
        if let (Some(sights), Some(visual)) = (&conversation.sights, example.request.visuals.last()) {
            let targets =
                SightTargets::new(sights, visual.grid, model.tokenizer()).map_err(item_error(index))?;
            example.sights = Some(targets);
            let regions = conversation.scene.regions().iter();
            let boxed: Vec<_> = regions.filter_map(|(id, region)| Some((id, region.bbox()?))).collect();
            let mut known: HashMap<RegionId, Vec<u32>> = HashMap::new();
            let texts = boxed.iter().zip(&ends).map(|((id, _), (_, text))| (*id, text.clone()));
            example.find_matches(conversation, model, &turns, texts).map_err(item)?;
            for ((place, text), (id, bbox)) in ends.into_iter().zip(boxed) {
                let words = sights.words_at(bbox, model.tokenizer()).map_err(item_error(index))?;
                let Some(words) = words else { continue };
                let number: Vec<u32> = number(id, model).map_err(item)?.into_iter().collect();
                known.insert(id, [words.as_slice(), &number].concat());
                example.numbered.push(About { places: text.clone(), words: number });
                example.about.push(About { places: text, words: words.clone() });
                example.boxes.push(BoxEnd { place, words, digits: hundreds(bbox) });
            }
            example.ask(conversation, turns, &known);
        } else if is_told_without_boxes(&conversation.scene) {
            let mut known: HashMap<RegionId, Vec<u32>> = HashMap::new();
            let texts: Vec<_> = conversation.scene.regions().iter().map(|(id, _)| id).zip(texts).collect();
            example.find_matches(conversation, model, &turns, texts.iter().cloned()).map_err(item)?;
            for (id, places) in texts {
                let words: Vec<u32> = number(id, model).map_err(item)?.into_iter().collect();
                known.insert(id, words.clone());
                example.numbered.push(About { places, words });
            }
            example.ask(conversation, turns, &known);
        }
        Ok(example)
    }

    /// Says of each question and of its answer which region they are about.
    fn ask(
        &mut self,
        conversation: &Conversation,
        turns: Vec<[Range<usize>; 2]>,
        known: &HashMap<RegionId, Vec<u32>>,
    ) {
        for (subject, turn) in conversation.subjects.iter().zip(turns) {
            if let Some(words) = subject.and_then(|id| known.get(&id)) {
                self.asked.extend(turn.map(|places| About { places, words: words.clone() }));
            }
        }
    }

    /// Finds the words by which questions name what they are about, in the texts of all regions.
    fn find_matches(
        &mut self,
        conversation: &Conversation,
        model: &Model,
        turns: &[[Range<usize>; 2]],
        texts: impl Iterator<Item = (RegionId, Range<usize>)>,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let (ids, texts): (Vec<_>, Vec<_>) = texts.unzip();
        let known = conversation.subjects.iter().zip(&conversation.named_by).zip(turns);
        for ((subject, value), [question, _]) in known {
            let (Some(id), Some(value)) = (subject, value) else { continue };
            let Some(subject) = ids.iter().position(|other| other == id) else { continue };
            let words = model.tokenizer().encode_text(&format!(" {value}"))?;
            let tokens = &self.request.input_ids;
            let mut found = Match::find(tokens, &words, question, &texts, subject);
            if found.is_empty() {
                // A digit is a token without the space before it.
                let words = model.tokenizer().encode_text(value)?;
                found = Match::find(tokens, &words, question, &texts, subject);
            }
            self.matches.extend(found);
        }
        Ok(())
    }

    /// Tokens in all.
    pub(crate) fn len(&self) -> usize {
        self.request.input_ids.len()
    }
}

/// The tokens of each answer, before the pads of each picture are repeated.
fn answer_tokens<'a>(
    encoded: &'a EncodedPrompt,
    answers: &'a [Range<usize>],
) -> impl Iterator<Item = Range<usize>> + 'a {
    let starts = encoded.piece_starts();
    let first = |piece: usize| starts.get(piece).copied().unwrap_or(encoded.ids().len());
    // Nothing comes before the first token, so that it cannot be predicted.
    answers.iter().map(move |pieces| first(pieces.start).max(1)..first(pieces.end).max(1))
}

/// The second half of the tokens of each question, where it has named what it is about.
fn question_tokens<'a>(
    encoded: &'a EncodedPrompt,
    prompt: &'a AnsweredPrompt,
) -> impl Iterator<Item = Range<usize>> + 'a {
    let (pieces, starts) = (prompt.built.prompt.pieces(), encoded.piece_starts());
    let first = move |piece: usize| starts.get(piece).copied().unwrap_or(encoded.ids().len());
    prompt.answers.iter().map(move |answer| {
        let is_foreign = |at: &usize| matches!(pieces[*at], Piece::Text(_, Trust::Untrusted));
        let question = (0..answer.start).rev().find(is_foreign);
        question.map_or(0..0, |at| {
            let (start, end) = (first(at), first(at + 1));
            usize::midpoint(start, end)..end
        })
    })
}

/// The tokens that close the boxes of the context lines, in their order, each with the tokens of the text about its box.
fn box_ends<'a>(
    encoded: &'a EncodedPrompt,
    prompt: &'a AnsweredPrompt,
) -> impl Iterator<Item = BoxTokens> + 'a {
    let context = prompt.answers.first().map_or(0, |answer| answer.start);
    let (pieces, starts) = (&prompt.built.prompt.pieces()[..context], encoded.piece_starts());
    let first = move |piece: usize| starts.get(piece).copied().unwrap_or(encoded.ids().len());
    let is_box_end = |at: &usize| matches!(pieces[*at], Piece::Special(SpecialToken::BoxEnd));
    (0..context).filter(is_box_end).map(move |at| {
        // The text follows the colon; the next line, or the question, begins with a piece of the template.
        let text = Some(at + 2)
            .filter(|&next| next < context && matches!(pieces[next], Piece::Text(_, Trust::Untrusted)));
        (first(at), text.map_or(0..0, |text| first(text)..first(text + 1)))
    })
}

/// Whether every region has a text and none has a box: then the texts are about numbers alone.
fn is_told_without_boxes(scene: &Scene) -> bool {
    scene.references().is_empty()
        && scene.regions().iter().all(|(_, region)| region.bbox().is_none() && !region.info().is_empty())
}

/// The tokens of the texts of the context lines where [`is_told_without_boxes`] holds: the label and the text of each region
/// are the foreign pieces before the question, in turn.
fn info_tokens<'a>(
    encoded: &'a EncodedPrompt,
    prompt: &'a AnsweredPrompt,
) -> impl Iterator<Item = Range<usize>> + 'a {
    let context = prompt.answers.first().map_or(0, |answer| answer.start);
    let (pieces, starts) = (&prompt.built.prompt.pieces()[..context], encoded.piece_starts());
    let first = move |piece: usize| starts.get(piece).copied().unwrap_or(encoded.ids().len());
    let is_foreign = |at: &usize| matches!(pieces[*at], Piece::Text(_, Trust::Untrusted));
    (0..context).filter(is_foreign).skip(1).step_by(2).map(move |at| first(at)..first(at + 1))
}

/// The token of a region's number.
fn number(id: RegionId, model: &Model) -> Result<Option<u32>, Box<dyn std::error::Error + Send + Sync>> {
    Ok(match model.tokenizer().encode_text(&id.to_string())?.as_slice() {
        [token] => Some(*token),
        _ => None,
    })
}

/// Where a token stands after the pads of each picture have been repeated.
fn expanded(encoded: &EncodedPrompt, image_tokens: &[usize], index: usize) -> usize {
    let before = encoded.slots().iter().zip(image_tokens).filter(|(slot, _)| slot.index < index);
    index + before.map(|(_, tokens)| tokens - 1).sum::<usize>()
}
