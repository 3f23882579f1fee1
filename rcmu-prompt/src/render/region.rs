use rcmu_core::{Prompt, Reference, Region};

use crate::render::bbox::push_bbox;

/// What every context line says after its number.
pub(crate) const INFORMATION_OF_THE: &str = "The information of the ";
/// Between the class noun and the box.
pub(crate) const LOCATED_AT: &str = " located at ";
/// Between the object and what is known about it.
pub(crate) const IN_THE_IMAGE: &str = " in the image: ";
/// In place of the class noun, for an object that a reference picture shows.
pub(crate) const SHOWN_IN_PICTURE: &str = "object shown in Picture ";

/// Writes the context line of a region, without a line break.
///
/// The texts are written as they are; they have passed their [`TextPolicy`](crate::TextPolicy) before.
///
/// # Source
///
/// With a box: the prompt of RC-Qwen2VL (arXiv 2508.12263), as its authors publish it. Without a box, the words
/// about the place are left out; that form is ours.
pub(crate) fn push_region(prompt: &mut Prompt, number: u32, region: &Region, texts: &RegionTexts) {
    prompt.push_template(&format!("[{number}]: {INFORMATION_OF_THE}"));
    prompt.push_untrusted(&texts.label);
    if let Some(bbox) = region.bbox() {
        prompt.push_template(LOCATED_AT);
        push_bbox(prompt, bbox);
    }
    prompt.push_template(IN_THE_IMAGE);
    prompt.push_untrusted(&texts.info);
}

/// Writes the context line of a reference picture, without a line break. This form is ours.
pub(crate) fn push_reference(prompt: &mut Prompt, number: u32, picture: u32, info: &str) {
    prompt.push_template(&format!("[{number}]: {INFORMATION_OF_THE}{SHOWN_IN_PICTURE}{picture}: "));
    prompt.push_untrusted(info);
}

/// The texts of a region after their policy.
pub(crate) struct RegionTexts {
    /// The class noun.
    pub(crate) label: String,
    /// What is known.
    pub(crate) info: String,
}

/// Bytes of foreign text that the lines of a scene hold.
pub(crate) fn text_len(regions: &rcmu_core::RegionSet, references: &[Reference]) -> usize {
    let regions: usize = regions.iter().map(|(_, region)| region.label().len() + region.info().len()).sum();
    regions + references.iter().map(|reference| reference.info().len()).sum::<usize>()
}
