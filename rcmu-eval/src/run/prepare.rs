use std::path::Path;

use rcmu_core::{ImageSize, Picture, Request};
use rcmu_data::{PictureSource, Sample};
use rcmu_prompt::PromptBuilder;

use super::RunOptions;
use crate::Error;

/// Most pixels of a grey picture; a picture that is larger is no model's food either.
const MAX_GREY_PIXELS: u64 = 64_000_000;
/// The middle of 0..=255.
const GREY: u8 = 128;

/// An item that is ready to be asked.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    /// What the generator gets, with the seed of the first repeat.
    pub(super) request: Request,
    /// Whose text each region and reference picture has.
    pub(super) permutation: Vec<u32>,
}

/// Opens the pictures of an item and writes its prompt.
pub(super) fn prepare(sample: &Sample, folder: &Path, options: &RunOptions) -> Result<Prepared, Error> {
    let shown = options.mode.apply(sample);
    let open = |source: &PictureSource| {
        let (picture, size) = source.open(folder)?;
        Ok::<_, Error>((if shown.grey { grey(size)? } else { picture }, size))
    };
    let (picture, size) = open(&shown.sample.picture)?;
    let references = shown.sample.references.iter();
    let references = references.map(|own| Ok(open(&own.picture)?.0)).collect::<Result<_, Error>>()?;
    let scene = shown.sample.to_scene(picture, size, references)?;
    let question = shown.sample.to_question()?;
    let built = PromptBuilder::new(&scene, &question).build()?;
    Ok(Prepared { request: built.into_request(options.generate.clone()), permutation: shown.permutation })
}

/// An evenly grey picture of this size.
pub(crate) fn grey(size: ImageSize) -> Result<Picture, Error> {
    if size.pixels() > MAX_GREY_PIXELS {
        let message = format!("has {} pixels, the limit is {MAX_GREY_PIXELS}", size.pixels());
        return Err(rcmu_data::Error::Field { field: "picture".into(), message }.into());
    }
    Ok(Picture::Rgb { size, pixels: vec![GREY; size.pixels() as usize * 3].into() })
}
