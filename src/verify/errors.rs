use rcmu_core::{ImageSize, Picture, Prompt, Visual};
use rcmu_model::{Error, Model, trace::TraceInput};

use super::{
    VerifyOptions,
    golden::Golden,
    json::Node,
    model::{load_tied, process, with_causes},
    pictures::PictureFile,
    refusal::Refusal,
    report::{Report, Stage, equal},
};

/// The prompt of every row.
const ONE: &str = "<|vision_start|><|image_pad|><|vision_end|>x";
/// The picture of every row that has one.
const IMAGE: &str = "images/multiple_of_28.png";

/// What a row of the table does, read from its name.
enum Row {
    /// A prompt with places for pictures, and that many pictures.
    Count { prompt: String, images: usize },
    /// A black picture of this height and width.
    Blank { height: u32, width: u32 },
    /// A forward pass with more or fewer picture tokens than features.
    Forward { extra: i64 },
}

impl Row {
    fn parse(name: &str) -> Option<Self> {
        let count =
            |word: &str| ["no", "one", "two", "three", "four"].iter().position(|known| *known == word);
        match name {
            "image_pad typed by the user" => {
                return Some(Self::Count { prompt: format!("{ONE} <|image_pad|>"), images: 1 });
            }
            "forward, one image token missing" => return Some(Self::Forward { extra: -1 }),
            "forward, one image token too many" => return Some(Self::Forward { extra: 1 }),
            "forward, as many as features" => return Some(Self::Forward { extra: 0 }),
            _ => {}
        }
        if let Some((height, width)) = name.strip_prefix("image ").and_then(|size| size.split_once('x')) {
            return Some(Self::Blank { height: height.parse().ok()?, width: width.parse().ok()? });
        }
        let (places, images) = name.split_once(", ")?;
        let (places, noun) = places.split_once(' ')?;
        let (images, other) = images.split_once(' ')?;
        if noun.trim_end_matches('s') != "placeholder" || other.trim_end_matches('s') != "image" {
            return None;
        }
        let (places, images) = (count(places)?, count(images)?);
        let prompt = if places == 0 { "x".to_owned() } else { ONE.repeat(places) };
        Some(Self::Count { prompt, images })
    }
}

/// Checks what the reference refuses and what it takes; rows with unknown names stay unchecked.
pub(super) fn check(golden: &Golden, options: &VerifyOptions, report: &mut Report) {
    let Some(root) = golden.section("errors.json", report) else { return };
    let mut stage = Stage::exact("errors");
    match load_tied(golden, options) {
        Ok(model) => {
            for (name, expected) in root.entries() {
                match Row::parse(name) {
                    Some(row) => check_row(golden, &model, &row, &expected, &mut stage, report),
                    None => report.absent(format!("{}: what this row does is not known", expected.name())),
                }
            }
        }
        Err(problem) => stage.case(root.name(), Err(problem)),
    }
    report.push(stage);
}

fn check_row(
    golden: &Golden,
    model: &Model,
    row: &Row,
    expected: &Node<'_>,
    stage: &mut Stage,
    report: &mut Report,
) {
    let refusal = match Refusal::of(expected).transpose() {
        Ok(refusal) => refusal,
        Err(problem) => return stage.case(expected.name(), Err(problem)),
    };
    let outcome = match row {
        Row::Count { prompt, images } => {
            let places = Prompt::from_reference_text(prompt).image_slots();
            if refusal.is_none() && !golden.is_v5() && places < *images {
                // transformers 4 ignores the pictures that have no place; that is an error here.
                return report
                    .absent(format!("{}: pictures without a place are refused here", expected.name()));
            }
            check_count(golden, model, prompt, *images, refusal, expected)
        }
        Row::Blank { height, width } => check_blank(model, [*height, *width], refusal, expected),
        Row::Forward { extra } => check_forward(golden, model, *extra, refusal, expected),
    };
    stage.case(expected.name(), outcome);
}

fn check_count(
    golden: &Golden,
    model: &Model,
    prompt: &str,
    images: usize,
    refusal: Option<Refusal>,
    expected: &Node<'_>,
) -> Result<(), String> {
    let visual = Visual::Image(PictureFile::read(golden, IMAGE)?.picture());
    let found = encode(model, prompt, &vec![visual; images]);
    match (found, refusal) {
        (Ok(counts), None) => equal(&counts, &recorded_counts(expected)?),
        (Err(Error::VisualCount { slots, given, .. }), Some(refusal)) => {
            refusal.is_one_of(&["ValueError", "IndexError"])?;
            if !golden.is_v5() {
                return Ok(());
            }
            // Where there is no picture at all, the reference counts the places only.
            let counted = [slots as f64, given as f64];
            refusal.counts(if given == 0 { &counted[..1] } else { &counted })
        }
        (found, refusal) => Err(unlike(&found, refusal.is_some())),
    }
}

fn check_blank(
    model: &Model,
    [height, width]: [u32; 2],
    refusal: Option<Refusal>,
    expected: &Node<'_>,
) -> Result<(), String> {
    let size = ImageSize::new(width, height).map_err(|error| error.to_string())?;
    if size.pixels() > 1 << 24 {
        return Err("is larger than any picture of such a table".to_owned());
    }
    let pixels = vec![0; size.pixels() as usize * 3].into();
    let found = encode(model, ONE, &[Visual::Image(Picture::Rgb { size, pixels })]);
    match (found, refusal) {
        (Ok(counts), None) => equal(&counts, &recorded_counts(expected)?),
        (Err(Error::AspectRatio { max, .. }), Some(refusal)) => {
            refusal.is_one_of(&["ValueError"])?;
            let ratio = f64::from(height.max(width)) / f64::from(height.min(width));
            refusal.counts(&[f64::from(max), ratio])
        }
        (found, refusal) => Err(unlike(&found, refusal.is_some())),
    }
}

/// Tokens of the prompt, and those that stand for pictures.
fn encode(model: &Model, prompt: &str, visuals: &[Visual]) -> Result<[usize; 2], Error> {
    let encoded = model.encode(&Prompt::from_reference_text(prompt), visuals)?;
    let image = model.config().image_token_id;
    Ok([encoded.input_ids.len(), encoded.input_ids.iter().filter(|&&id| id == image).count()])
}

fn recorded_counts(expected: &Node<'_>) -> Result<[usize; 2], String> {
    Ok([expected.field("seq_len")?, expected.field("image_tokens")?])
}

fn check_forward(
    golden: &Golden,
    model: &Model,
    extra: i64,
    refusal: Option<Refusal>,
    expected: &Node<'_>,
) -> Result<(), String> {
    let visuals = [Visual::Image(PictureFile::read(golden, IMAGE)?.picture())];
    let encoded = model.encode(&Prompt::from_reference_text(ONE), &visuals);
    let mut ids = encoded.map_err(|error| with_causes(&error))?.input_ids;
    let image = model.config().image_token_id;
    let first = ids.iter().position(|&id| id == image).ok_or("the prompt has no picture token")?;
    match extra {
        -1 => drop(ids.remove(first)),
        1 => ids.insert(first, image),
        _ => {}
    }
    let input = TraceInput { rows: vec![ids], images: process(model, &visuals)?, ..TraceInput::default() };
    let found = model.trace(&input, 0).map(|trace| [1, trace.logits.shape[0], trace.logits.shape[1]]);
    match (found, refusal) {
        (Ok(shape), None) => equal(&shape, &expected.take()?),
        (Err(Error::ImageTokens { tokens, features }), Some(refusal)) => {
            refusal.is_one_of(&["ValueError"])?;
            refusal.counts(&[tokens as f64, features as f64])
        }
        (found, refusal) => Err(unlike(&found, refusal.is_some())),
    }
}

fn unlike(found: &impl std::fmt::Debug, is_refused: bool) -> String {
    let reference = if is_refused { "refuses it" } else { "takes it" };
    format!("the reference {reference}, here it is {found:?}")
}
