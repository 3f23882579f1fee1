use rcmu_data::{Sample, SampleRegion};

use crate::{
    journal::RecordKey,
    judge::{JudgeError, VisionCheck, lower, positions},
};

/// The basic colour words of English: a region of known colour is none of the others.
const COLOURS: [&str; 12] =
    ["red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "white", "black", "grey", "gray"];

/// Compares words with the visual facts of a sample; needs no model and always gives a verdict.
///
/// Words of the region's own facts, label and visual facts are taken away first. `Some(false)` when a value is left
/// that another region shows under the name of a fact that this region has, or a colour word although its colour is
/// known; else `Some(true)` when one of its own visual values was said; else `None`.
///
/// # Examples
///
/// A region with `colour: red`, `shape: robot` beside one with `colour: blue`: "a red robot" is shown, "a blue robot"
/// and "a pink robot" are not, and "it belongs to Lily" says nothing about it.
///
/// # Source
///
/// Ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FactVision;

impl VisionCheck for FactVision {
    fn identity(&self) -> String {
        "visual-facts-1".into()
    }

    fn shows(&self, sample: &Sample, index: usize, words: &str) -> Result<Option<bool>, JudgeError> {
        let Some(region) = sample.regions.get(index) else { return Ok(None) };
        let mut said = lower(words);
        let mut shown = false;
        let mut own: Vec<_> = region.visual.values().map(|value| (true, lower(value))).collect();
        own.extend(region.facts.values().map(|value| (false, lower(value))));
        own.push((false, lower(region.region.label())));
        // Longest first, so that `black dog` is not broken by `black`.
        own.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
        for (is_visual, value) in own {
            for at in positions(&said, &value) {
                shown |= is_visual;
                said[at..at + value.len()].fill(String::new());
            }
        }
        let is_other = |value: &str| !positions(&said, &lower(value)).is_empty();
        if rivals(sample, region).any(is_other)
            || knows_colour(region) && COLOURS.iter().any(|colour| is_other(colour))
        {
            return Ok(Some(false));
        }
        Ok(shown.then_some(true))
    }

    fn question_key(&self, sample: &Sample, index: usize, words: &str) -> Result<RecordKey, JudgeError> {
        let regions: Vec<_> = sample
            .regions
            .iter()
            .map(|region| (region.region.label(), &region.facts, &region.visual))
            .collect();
        let regions = serde_json::to_vec(&regions).expect("facts have text keys only");
        let index = (index as u64).to_le_bytes();
        Ok(RecordKey::of_question(&self.identity(), &[&regions, &index, words.as_bytes()]))
    }
}

/// What other regions show under the names of this region's visual facts; `left` is no rival of `top left`.
fn rivals<'a>(sample: &'a Sample, region: &'a SampleRegion) -> impl Iterator<Item = &'a str> {
    let others = sample.regions.iter().flat_map(|other| &other.visual);
    let is_rival = |name: &String, value: &String| {
        region.visual.get(name).is_some_and(|own| positions(&lower(own), &lower(value)).is_empty())
    };
    others.filter(move |(name, value)| is_rival(name, value)).map(|(_, value)| value.as_str())
}

fn knows_colour(region: &SampleRegion) -> bool {
    region.visual.contains_key("colour") || region.visual.contains_key("color")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rcmu_core::Region;
    use rcmu_data::{Kind, PictureSource, Provenance};

    use super::*;

    fn region(visual: &[(&str, &str)], facts: &[(&str, &str)]) -> SampleRegion {
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<_, _> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        SampleRegion {
            region: Region::new("figurine", None, "").expect("the label is not blank"),
            facts: map(facts),
            visual: map(visual),
        }
    }

    fn sample() -> Sample {
        Sample {
            id: "a".into(),
            picture: PictureSource::File("a.png".into()),
            references: Vec::new(),
            regions: vec![
                region(
                    &[("colour", "red"), ("shape", "robot"), ("stand", "blue"), ("place", "top left")],
                    &[("pet", "black dog")],
                ),
                region(&[("colour", "blue"), ("shape", "cat"), ("stand", "red"), ("place", "left")], &[]),
            ],
            kind: Kind::Description,
            question: "Describe the image.".into(),
            options: Vec::new(),
            cited: false,
            answer: "A red robot and a blue cat.".into(),
            accepted: Vec::new(),
            citations: Vec::new(),
            answerable: true,
            provenance: Provenance::default(),
        }
    }

    #[test]
    fn own_values_are_shown_and_those_of_others_are_not() {
        for (words, expected) in [
            ("a red robot", Some(true)),
            ("the red robot in the blue box", Some(true)),
            ("a green robot", Some(false)),
            ("a red cat", Some(false)),
            ("a red robot of someone with a black dog", Some(true)),
            ("it belongs to Lily", None),
            ("a red robot on the left", Some(true)),
            ("a figurine", None),
        ] {
            assert_eq!(FactVision.shows(&sample(), 0, words).expect("rules never fail"), expected, "{words}");
        }
    }

    #[test]
    fn a_region_that_is_not_there_is_not_judged() {
        assert_eq!(FactVision.shows(&sample(), 7, "a red robot").expect("rules never fail"), None);
    }
}
