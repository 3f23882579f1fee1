use rcmu_core::{ImageSize, Picture, Piece, SpecialToken};
use rcmu_prompt::{Field, PromptBuilder, TextPolicy};
use serde::Serialize;

use super::{Extra, Extras};
use crate::{
    Error, PictureSource, Sample,
    formats::{
        json::{self, wrong},
        read::{Context, Decode},
        repair::Repairs,
    },
};

/// The parts of a record.
pub(in crate::formats) struct Parts<'a> {
    /// The files of the pictures: those of the references, then the sample's own.
    pub(in crate::formats) images: Vec<&'a str>,
    /// The text of the question, without the pictures before it.
    pub(in crate::formats) question: String,
    /// What the format cannot carry, if it is asked for.
    pub(in crate::formats) extra: Option<Extra>,
}

impl Parts<'_> {
    /// A marker for each picture, numbered when there are several.
    pub(in crate::formats) fn markers(&self, marker: &str) -> String {
        let several = self.images.len() > 1;
        let number = |k: usize| if several { format!("Picture {k}: ") } else { String::new() };
        (1..=self.images.len()).flat_map(|k| [number(k), marker.to_owned()]).collect()
    }
}

/// Takes a sample apart.
pub(in crate::formats) fn parts(sample: &Sample, extras: Extras) -> Result<Parts<'_>, Error> {
    let mut images = Vec::new();
    for (at, reference) in sample.references.iter().enumerate() {
        images.push(file_of(&reference.picture, &format!("references[{at}].picture"))?);
    }
    images.push(file_of(&sample.picture, "picture")?);
    Ok(Parts {
        images,
        question: user_text(sample)?,
        extra: (extras == Extras::Write).then(|| Extra::of(sample)),
    })
}

fn file_of<'a>(picture: &'a PictureSource, field: &str) -> Result<&'a str, Error> {
    match picture {
        PictureSource::File(name) => Ok(name),
        PictureSource::Figurines(_) => Err(wrong(field, "is drawn; this format has files only")),
    }
}

/// The user turn of the sample's prompt, without its pictures.
fn user_text(sample: &Sample) -> Result<String, Error> {
    // Neither the pixels nor the size of a picture come into the text.
    let picture = Picture::from_bytes(Vec::new());
    let size = ImageSize::new(1, 1).expect("the sides are not empty");
    let references = vec![picture.clone(); sample.references.len()];
    let (scene, question) = (sample.to_scene(picture, size, references)?, sample.to_question()?);
    let built = PromptBuilder::new(&scene, &question).policy(TextPolicy::Reject).build();
    let prompt = built
        .map_err(|error| match error {
            rcmu_prompt::Error::Text { field, byte, found } => {
                wrong(path(field), format!("has {found:?} at byte {byte}, which a prompt cannot carry"))
            }
            other => wrong("", other.to_string()),
        })?
        .prompt;
    let pieces = prompt.pieces();
    let is = |piece: &Piece, token| matches!(piece, Piece::Special(special) if *special == token);
    let after_pictures = pieces.iter().rposition(|piece| is(piece, SpecialToken::VisionEnd));
    let text = pieces[after_pictures.map_or(0, |at| at + 1)..].iter();
    let text = text.take_while(|piece| !is(piece, SpecialToken::ImEnd)).map(|piece| match piece {
        Piece::Special(token) => token.as_str(),
        Piece::Text(text, _) => text,
        _ => "",
    });
    Ok(text.collect())
}

/// The path of a text in a sample.
fn path(field: Field) -> String {
    match field {
        Field::Label(id) => format!("regions[{}].label", id.index()),
        Field::Info(id) => format!("regions[{}].info", id.index()),
        Field::ReferenceInfo(picture) => format!("references[{}].info", picture - 1),
        Field::Choice { letter, .. } => format!("options[{}]", u32::from(letter) - u32::from('A')),
        _ => "question".to_owned(),
    }
}

/// Makes the text of a record, after its reader has given the same sample back.
pub(in crate::formats) fn checked_text(
    sample: &Sample,
    record: &impl Serialize,
    extras: Extras,
    decode: Decode,
) -> Result<String, Error> {
    let failed = |error: serde_json::Error| wrong("", format!("cannot be written: {error}"));
    let text = serde_json::to_string(record).map_err(failed)?;
    let mut repairs = Repairs::default();
    let mut context = Context { file: "", line: 1, number: 1, repairs: &mut repairs };
    let read = decode(json::parse(&text).map_err(failed)?, &mut context)?;
    let [read] = &read[..] else { return Err(wrong("", "would be read back as several samples")) };
    if let Some(field) = first_difference(sample, read, extras) {
        return Err(wrong(field, "would be read back as another: it has words of the format in it"));
    }
    if !repairs.is_empty() {
        return Err(wrong("question", "would have to be mended by the reader"));
    }
    Ok(text)
}

fn first_difference(sample: &Sample, read: &Sample, extras: Extras) -> Option<String> {
    let texts = [
        ("id", sample.id == read.id),
        ("picture", sample.picture == read.picture),
        ("question", sample.question == read.question),
        ("options", sample.options == read.options),
        ("answer", sample.answer == read.answer),
    ];
    // The number of lines first: a forged line shifts all that follow.
    if sample.regions.len() != read.regions.len() {
        return Some("regions".into());
    }
    let regions = sample.regions.iter().zip(&read.regions);
    if let Some(at) = regions.into_iter().position(|(a, b)| a.region != b.region) {
        return Some(format!("regions[{at}]"));
    }
    let same = |(a, b): (&crate::SampleReference, &crate::SampleReference)| {
        (&a.picture, &a.info) == (&b.picture, &b.info)
    };
    if sample.references.len() != read.references.len()
        || !sample.references.iter().zip(&read.references).all(same)
    {
        return Some("references".into());
    }
    if let Some((field, _)) = texts.into_iter().find(|(_, same)| !same) {
        return Some(field.into());
    }
    let has_context = !sample.regions.is_empty() || !sample.references.is_empty();
    if has_context && sample.cited != read.cited {
        return Some("cited".into());
    }
    (extras == Extras::Write && sample != read).then(|| "rcmu".into())
}
