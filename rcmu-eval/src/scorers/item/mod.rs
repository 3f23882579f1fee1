mod scoring;

use std::{collections::BTreeMap, error::Error as _};

use rcmu_core::{Answer, FinishReason, ImageSize};
use rcmu_data::Sample;
use rcmu_prompt::{Targets, parse};
use sha2::{Digest, Sha256};

use crate::{
    ItemScore, Outcome, Reply, finish_name,
    judge::{JudgeError, Judges},
    scorers::item::scoring::{Fault, Scoring},
};

/// The reasons to finish that a journal may name.
const FINISHES: [FinishReason; 5] = [
    FinishReason::EndOfText,
    FinishReason::StopString,
    FinishReason::MaxTokens,
    FinishReason::Cancelled,
    FinishReason::Deadline,
];

/// Scores a reply as it stands in the journal; a failed one is [`Outcome::ModelFailed`], never a zero.
///
/// An unknown reason to finish counts as the end of the text.
pub fn score_reply(sample: &Sample, reply: &Reply, judges: &Judges) -> ItemScore {
    match reply {
        Reply::Text { text, finish } => {
            let reason = FINISHES.into_iter().find(|reason| finish_name(*reason) == finish);
            score_item(sample, text, reason.unwrap_or(FinishReason::EndOfText), judges)
        }
        Reply::Failed { reason } => failed(sample, Outcome::ModelFailed, reason.clone()),
    }
}

/// Scores a reply to a sample.
///
/// - With options: `accuracy` by the chain of [`choose`](crate::scorers::choose), and `chance`. A reply that cannot
///   be read is [`Outcome::Unparseable`]: wrong, and counted apart.
/// - An unanswerable question without options: `accuracy` is 1 when it is declined.
/// - A description: `accuracy` is 1 when every object is named with colour and shape (if these are known), and the
///   parts of `RCIDScore`.
/// - A right answer that is a box and nothing else: `accuracy` is 1 when one box is named that overlaps by half.
/// - Everything else: `accuracy`, `exact_match`, `token_f1` and `contains` of
///   [`score_open`](crate::scorers::score_open); with one right citation the rates of contradicted and swapped claims.
/// - All: `over_refusal`, or `hallucinated_answer` and `abstention_recall`; where marks are asked for, `citation_*`,
///   and for descriptions and open questions `alce_*`; an answerable question whose right citations are not known has
///   `alce_*` alone; where the right answer names boxes, `box_*`.
///
/// [`names`](crate::metrics::names) has the formula of each measure, a sum by hand and its source.
///
/// A judge that fails makes the item [`Outcome::JudgeFailed`]; a reply that was cancelled or ran out of time is none
/// of the model's and makes it [`Outcome::ModelFailed`]. Both have no measures.
///
/// # Examples
///
/// `It is Lily. [2]`, where `Lily` is accepted and `[1]` right: accuracy 1; token F1 with `Lily` `2 * 1 / (3 + 1) = 0.5`;
/// citation precision `0 / 1`.
///
/// ```
/// use rcmu_core::{FinishReason, Region};
/// use rcmu_data::{Kind, PictureSource, Provenance, Sample, SampleRegion};
/// use rcmu_eval::{judge::Judges, scorers::score_item};
///
/// # fn main() -> Result<(), rcmu_core::Error> {
/// let region = |owner: &str| -> Result<_, rcmu_core::Error> {
///     let region = Region::new("figurine", None, "")?;
///     Ok(SampleRegion { region, facts: [("owner".into(), owner.into())].into(), visual: [].into() })
/// };
/// let sample = Sample {
///     id: "a".into(),
///     picture: PictureSource::File("a.png".into()),
///     references: vec![],
///     regions: vec![region("Lily")?, region("Tom")?],
///     kind: Kind::Open,
///     question: "Who owns the red robot?".into(),
///     options: vec![],
///     cited: true,
///     answer: "Lily.[1]".into(),
///     accepted: vec!["Lily".into()],
///     citations: vec![1],
///     answerable: true,
///     provenance: Provenance::default(),
/// };
///
/// let score = score_item(&sample, "It is Lily. [2]", FinishReason::EndOfText, &Judges::rules());
///
/// assert_eq!((score.measures["accuracy"], score.measures["token_f1"]), (1.0, 0.5));
/// assert_eq!(score.measures["citation_precision"], 0.0);
/// # Ok(())
/// # }
/// ```
///
/// # Source
///
/// Ours: which measures an item has.
pub fn score_item(sample: &Sample, reply: &str, finish: FinishReason, judges: &Judges) -> ItemScore {
    if matches!(finish, FinishReason::Cancelled | FinishReason::Deadline) {
        return failed(sample, Outcome::ModelFailed, format!("the reply was cut: {}", finish_name(finish)));
    }
    let answer = read(sample, reply, finish);
    let mut scoring = Scoring::new(sample, &answer, judges);
    match scoring.run() {
        Ok((outcome, mut how)) => {
            if answer.is_partial() {
                how.push_str("; the reply was cut at the limit of tokens");
            }
            ItemScore {
                outcome,
                how,
                measures: scoring.into_measures(),
                ..failed(sample, outcome, String::new())
            }
        }
        Err(Fault::Judge(error)) => failed(sample, Outcome::JudgeFailed, chain(&error)),
        Err(Fault::Sample(message)) => failed(sample, Outcome::JudgeFailed, message.to_owned()),
    }
}

/// A key of the picture of a sample: the first half of the SHA-256 of where it comes from, in hexadecimal digits.
///
/// # Panics
///
/// Never: a picture's source can always be written as JSON.
pub fn cluster_of(sample: &Sample) -> String {
    let source = serde_json::to_vec(&sample.picture).expect("a picture's source has string keys only");
    let digest = Sha256::digest(source);
    digest.iter().take(16).fold(String::new(), |key, byte| format!("{key}{byte:02x}"))
}

fn failed(sample: &Sample, outcome: Outcome, how: String) -> ItemScore {
    ItemScore {
        item: sample.id.clone(),
        kind: sample.kind,
        cluster: cluster_of(sample),
        outcome,
        how,
        measures: BTreeMap::new(),
    }
}

fn read(sample: &Sample, text: &str, finish: FinishReason) -> Answer {
    // Only boxes in pixels depend on the size, and no score uses them.
    let size = ImageSize::new(1000, 1000).expect("the sides are not empty");
    parse(text, Targets::new(sample.regions.len(), sample.references.len(), size), finish)
}

/// The error and its causes.
fn chain(error: &JudgeError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
