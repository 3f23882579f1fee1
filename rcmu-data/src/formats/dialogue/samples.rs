use std::collections::BTreeMap;

use rcmu_core::{
    CitationTarget, FinishReason, ImageSize, Piece, Prompt, Region, RepairKind, SpecialToken, Trust,
};
use rcmu_prompt::{ContextLine, Targets, UserTurn, is_refusal, parse, parse_user_turn};

use super::{Dialogue, MARKER, Turn};
use crate::{
    Error, Kind, PictureSource, Provenance, Sample, SampleReference, SampleRegion,
    formats::{check, json::wrong, read::Context, repair::Repair},
};

/// A marker of a picture as Qwen2-VL itself reads it.
const VISION: &str = "<|vision_start|><|image_pad|><|vision_end|>";
/// Stands before a question that is read without its context, so that its instruction line is known as one.
const CONTEXT: &str = "[1]: The information of the object in the image: \n";

/// Stands before the box of a region.
const LOCATED_AT: &str = " located at ";

/// The samples of a conversation: one for each question, all with the pictures and the regions of the first.
pub(in crate::formats) fn to_samples(
    dialogue: Dialogue,
    context: &mut Context<'_>,
) -> Result<Vec<Sample>, Error> {
    let Dialogue { id, images_field, mut images, exchanges, extra } = dialogue;
    let count = exchanges.len();
    if extra.is_some() && count > 1 {
        return Err(wrong("rcmu", format!("belongs to one question, found {count}")));
    }
    let mut samples: Vec<Sample> = Vec::new();
    let pictures = images.len();
    let Some(picture) = images.pop() else {
        return Err(wrong(images_field, "is missing: every sample has a picture"));
    };
    for (at, (question, answer)) in exchanges.into_iter().enumerate() {
        let (field, answer_field) = (question.field.as_str(), answer.field);
        let first = samples.first();
        let turn = if first.is_some() {
            let has_context = first.is_some_and(|first| first.regions.len() + first.references.len() > 0);
            read_further(&question, has_context)?
        } else {
            read_first(&question, pictures, context)?
        };
        for repair in &turn.repairs {
            if repair.kind == RepairKind::BoxTruncated {
                return Err(wrong(field, "has a region whose box cannot be read"));
            }
            context.repairs.tell(context.line, Repair::Text(repair.kind));
        }
        let (regions, infos) = match first {
            Some(first) if turn.context.is_empty() => {
                let infos = first.references.iter().map(|reference| reference.info.clone()).collect();
                (first.regions.clone(), infos)
            }
            _ => read_context(turn.context, field)?,
        };
        if infos.len() != images.len() {
            let message = format!(
                "tells about {} reference pictures, the conversation has {} beside the last",
                infos.len(),
                images.len()
            );
            return Err(wrong(field, message));
        }
        let references = images.iter().zip(infos).map(|(image, info)| SampleReference {
            picture: PictureSource::File(image.clone()),
            info,
            facts: BTreeMap::new(),
        });
        refuse_control_tokens(&Prompt::from_reference_text(&answer.text), &answer_field)?;
        let mut sample = Sample {
            id: if count == 1 { id.clone() } else { format!("{id}/{}", at + 1) },
            picture: PictureSource::File(picture.clone()),
            references: references.collect(),
            regions,
            kind: Kind::Open,
            question: turn.question,
            options: turn.choices,
            cited: turn.cited.unwrap_or_default(),
            answer: answer.text,
            accepted: Vec::new(),
            citations: Vec::new(),
            answerable: true,
            provenance: Provenance { maker: context.file.to_owned(), ..Provenance::default() },
        };
        judge_answer(&mut sample);
        if let Some(extra) = extra.clone() {
            extra.restore(&mut sample).map_err(|(name, found, expected)| {
                wrong(format!("rcmu.{name}"), format!("has {found} entries, expected {expected}"))
            })?;
        }
        check(&sample).map_err(|error| rename(error, &images_field, field, &answer_field))?;
        samples.push(sample);
    }
    Ok(samples)
}

/// Reads a question with the pictures before it.
fn read_first(question: &Turn, pictures: usize, context: &mut Context<'_>) -> Result<UserTurn, Error> {
    let mut text = question.text.clone();
    if text.contains(VISION) {
        text = text.replace(VISION, MARKER);
        context.repairs.tell(context.line, Repair::Spelling(VISION.to_owned()));
    }
    let markers = text.matches(MARKER).count();
    if markers == 0 {
        context.repairs.tell(context.line, Repair::MissingMarker);
    } else if markers != pictures {
        let message = format!("has `{MARKER}` {markers} times, expected {pictures}");
        return Err(wrong(&question.field, message));
    }
    let mut rest = text.as_str();
    for picture in 1..=markers {
        let number = format!("Picture {picture}: ");
        let Some(after) = rest.strip_prefix(&number).unwrap_or(rest).strip_prefix(MARKER) else { break };
        rest = after.strip_prefix('\n').unwrap_or(after);
    }
    let moved;
    if rest.contains(MARKER) {
        context.repairs.tell(context.line, Repair::MovedMarker);
        moved =
            rest.replace(&format!("{MARKER}\n"), "").replace(&format!("\n{MARKER}"), "").replace(MARKER, "");
        rest = &moved;
    }
    read_text(rest, &question.field)
}

/// Reads a question after the first.
fn read_further(question: &Turn, has_context: bool) -> Result<UserTurn, Error> {
    if question.text.contains(MARKER) || question.text.contains(VISION) {
        return Err(wrong(&question.field, "shows a picture after the first question"));
    }
    let alone = read_text(&question.text, &question.field)?;
    if !alone.context.is_empty() || !has_context {
        return Ok(alone);
    }
    let mut turn = read_text(&format!("{CONTEXT}{}", question.text), &question.field)?;
    turn.context.clear();
    Ok(turn)
}

fn read_text(text: &str, field: &str) -> Result<UserTurn, Error> {
    let prompt = Prompt::from_reference_text(text);
    refuse_control_tokens(&prompt, field)?;
    // Another token there is no region's box, and would be read as a part of one.
    for pair in prompt.pieces().windows(2) {
        if let [Piece::Text(text, _), Piece::Special(token)] = pair
            && text.ends_with(LOCATED_AT)
            && *token != SpecialToken::BoxStart
        {
            return Err(wrong(field, format!("has `{token}` in the place of a box")));
        }
    }
    Ok(parse_user_turn(&prompt))
}

/// Only the tokens around boxes and object names may stand in a text; others would end the turn.
fn refuse_control_tokens(prompt: &Prompt, field: &str) -> Result<(), Error> {
    let bad = prompt.pieces().iter().find_map(|piece| match piece {
        Piece::Special(
            SpecialToken::BoxStart
            | SpecialToken::BoxEnd
            | SpecialToken::ObjectRefStart
            | SpecialToken::ObjectRefEnd
            | SpecialToken::QuadStart
            | SpecialToken::QuadEnd,
        )
        | Piece::Text(_, Trust::Template | Trust::Untrusted) => None,
        Piece::Special(token) => Some(token.as_str()),
        Piece::Image => Some(SpecialToken::ImagePad.as_str()),
        _ => Some(SpecialToken::VideoPad.as_str()),
    });
    bad.map_or(Ok(()), |token| Err(wrong(field, format!("has the control token `{token}`"))))
}

/// The regions and the texts of the reference pictures; their numbers must be their places.
fn read_context(lines: Vec<ContextLine>, field: &str) -> Result<(Vec<SampleRegion>, Vec<String>), Error> {
    let (mut regions, mut infos) = (Vec::new(), Vec::new());
    for (at, line) in (1_u64..).zip(lines) {
        let number = match line {
            ContextLine::Region { number, label, bbox, info } if infos.is_empty() => {
                let region = Region::new(label, bbox, info)
                    .map_err(|error| wrong(field, format!("has a bad region [{number}]: {error}")))?;
                regions.push(SampleRegion { region, facts: BTreeMap::new(), visual: BTreeMap::new() });
                number
            }
            ContextLine::Reference { number, picture, info } => {
                infos.push(info);
                if picture != infos.len() as u64 {
                    let message = format!("tells about Picture {picture}, expected Picture {}", infos.len());
                    return Err(wrong(field, message));
                }
                number
            }
            _ => return Err(wrong(field, format!("has its context line {at} after the reference pictures"))),
        };
        if number != at {
            return Err(wrong(field, format!("has [{number}] as its context line {at}")));
        }
    }
    Ok((regions, infos))
}

/// Works out what the answer says about itself.
fn judge_answer(sample: &mut Sample) {
    let size = ImageSize::new(1, 1).expect("the sides are not empty");
    let (regions, references) = (sample.regions.len(), sample.references.len());
    let answer = parse(&sample.answer, Targets::new(regions, references, size), FinishReason::EndOfText);
    let chosen = sample.right_option().and_then(|at| sample.options.get(at));
    sample.answerable = answer.refusal.is_none() && !chosen.is_some_and(|option| is_refusal(option));
    if sample.answerable {
        let targets = answer.statements.iter().flat_map(|statement| &statement.citations);
        let numbers = targets.filter_map(|citation| match citation.target {
            CitationTarget::Region(id) => Some(id.number()),
            CitationTarget::Reference(place) => Some(regions as u32 + place),
            CitationTarget::Unresolved(_) => None,
        });
        sample.citations = numbers.collect();
        sample.citations.sort_unstable();
        sample.citations.dedup();
    }
}

/// Names the field of the file instead of that of the sample.
fn rename(error: Error, images: &str, question: &str, answer: &str) -> Error {
    match error {
        Error::Field { field, message } => match field.as_str() {
            "question" | "options" => wrong(question, format!("{field} {message}")),
            "answer" => wrong(answer, message),
            "citations" | "kind" => wrong(format!("rcmu.{field}"), message),
            name if name.ends_with("picture") => wrong(images, message),
            name if name.starts_with("citations") || name.starts_with("accepted") => {
                wrong(format!("rcmu.{field}"), message)
            }
            name if name.starts_with("re") => wrong(question, format!("{field} {message}")),
            _ => wrong(field, message),
        },
        other => other,
    }
}
