use std::{borrow::Cow, collections::BTreeMap, str::FromStr};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};
use rcmu_core::{BBox, Region};
use rcmu_data::{Kind, Sample};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Error;

/// What is left out or changed of each item, to see what an answer rests on.
///
/// # Source
///
/// Ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Mode {
    /// Nothing.
    #[default]
    Full,
    /// All pictures are evenly grey, each of its size.
    NoPicture,
    /// There are neither regions nor reference pictures.
    NoContext,
    /// The regions have no boxes.
    NoBoxes,
    /// Each region has the text of another one, and each reference picture that of another one.
    PermutedContexts {
        /// Start of the random sequence; each item has its own, made of this and its id.
        seed: u64,
    },
}

impl FromStr for Mode {
    type Err = Error;

    /// Reads `full`, `no-picture`, `no-context`, `no-boxes`, or `permuted` for [`Mode::PermutedContexts`] with seed 0.
    ///
    /// # Errors
    ///
    /// [`Error::RunOption`] for another word.
    fn from_str(word: &str) -> Result<Self, Error> {
        match word {
            "full" => Ok(Self::Full),
            "no-picture" => Ok(Self::NoPicture),
            "no-context" => Ok(Self::NoContext),
            "no-boxes" => Ok(Self::NoBoxes),
            "permuted" => Ok(Self::PermutedContexts { seed: 0 }),
            other => Err(Error::RunOption {
                option: "mode",
                message: format!(
                    "is {other:?}; possible are full, no-picture, no-context, no-boxes and permuted"
                ),
            }),
        }
    }
}

/// An item as a mode shows it.
#[derive(Clone, Debug)]
pub struct ModeSample<'a> {
    /// The item.
    pub sample: Cow<'a, Sample>,
    /// Whose text each region and then each reference picture has, by number from 1; empty unless contexts are
    /// permuted.
    pub permutation: Vec<u32>,
    /// Whether the pictures are to be replaced by grey ones.
    pub grey: bool,
}

impl Mode {
    /// Shows an item under this mode. The answer and what counts as right stay as they are.
    ///
    /// Permuting moves texts with their facts. Regions of one label change texts among themselves where every label
    /// stands at two regions at least, else all of them do. A region or reference picture that is alone keeps its text;
    /// the permutation then says so.
    pub fn apply(self, sample: &Sample) -> ModeSample<'_> {
        let mut changed = Cow::Borrowed(sample);
        let mut permutation = Vec::new();
        match self {
            Self::Full | Self::NoPicture => {}
            Self::NoContext => {
                let changed = changed.to_mut();
                changed.regions.clear();
                changed.references.clear();
            }
            Self::NoBoxes => {
                for own in &mut changed.to_mut().regions {
                    own.region = region(&own.region, None, own.region.info());
                }
            }
            Self::PermutedContexts { seed } => {
                let mut rng = rng(seed, &sample.id);
                let regions = permute_regions(&mut rng, sample);
                let references = derange(&mut rng, (0..sample.references.len()).collect());
                let changed = changed.to_mut();
                for (own, &from) in changed.regions.iter_mut().zip(&regions) {
                    let other = &sample.regions[from];
                    own.region = region(&own.region, own.region.bbox(), other.region.info());
                    own.facts.clone_from(&other.facts);
                }
                for (own, &from) in changed.references.iter_mut().zip(&references) {
                    own.info.clone_from(&sample.references[from].info);
                    own.facts.clone_from(&sample.references[from].facts);
                }
                let first_reference = regions.len();
                let references = references.into_iter().map(|from| first_reference + from);
                permutation = regions.into_iter().chain(references).map(|from| from as u32 + 1).collect();
            }
        }
        ModeSample { sample: changed, permutation, grey: self == Self::NoPicture }
    }

    /// The item with the answer that permuted contexts give: what a model that reads the boxes has to say.
    ///
    /// Only for open questions with one cited region whose fact or look is the accepted answer. `None` for all others, in
    /// other modes, and where the permuted contexts give the same answer or none.
    ///
    /// # Examples
    ///
    /// `[1]` is a red robot of Lily, `[2]` a blue cat of Jack, and the texts change places. "Who owns the red robot?" has
    /// the answer Jack, cited as `[1]`; "What is the figurine of Lily?" has the answer blue cat, cited as `[2]`.
    pub fn moved(self, sample: &Sample) -> Option<Sample> {
        let ([number], [accepted], []) =
            (sample.citations.as_slice(), sample.accepted.as_slice(), sample.options.as_slice())
        else {
            return None;
        };
        let shown = self.apply(sample);
        let here = (*number as usize).checked_sub(1)?;
        let region = sample.regions.get(here)?;
        let (place, answer) = match sample.kind {
            Kind::VisualToContext => {
                let (fact, _) = region.facts.iter().find(|(_, value)| *value == accepted)?;
                (here, shown.sample.regions[here].facts.get(fact)?.clone())
            }
            Kind::ContextToVisual => {
                let there = shown.permutation.iter().position(|from| from == number)?;
                (there, same_look(&region.visual, accepted, &sample.regions.get(there)?.visual)?)
            }
            _ => return None,
        };
        let mut moved = shown.sample.into_owned();
        moved.citations = vec![place as u32 + 1];
        moved.answer.clone_from(&answer);
        moved.accepted = vec![answer];
        (moved.accepted != sample.accepted).then_some(moved)
    }
}

/// What another region shows of that of which this one shows `value`: one property, or two with a space between.
fn same_look(
    own: &BTreeMap<String, String>,
    value: &str,
    other: &BTreeMap<String, String>,
) -> Option<String> {
    let single = own.iter().find(|(_, shown)| *shown == value);
    if let Some((name, _)) = single {
        return other.get(name).cloned();
    }
    own.iter().find_map(|(first, one)| {
        let (second, _) = own.iter().find(|(_, two)| format!("{one} {two}") == value)?;
        Some(format!("{} {}", other.get(first)?, other.get(second)?))
    })
}

/// The region with another box, or with the text of another region.
fn region(own: &Region, bbox: Option<BBox>, info: &str) -> Region {
    Region::new(own.label(), bbox, info).expect("label and text come from regions, whose limits are the same")
}

/// Random numbers of one item.
fn rng(seed: u64, id: &str) -> ChaCha8Rng {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(id.as_bytes());
    ChaCha8Rng::from_seed(hash.finalize().into())
}

/// From which region each region gets its text.
fn permute_regions(rng: &mut ChaCha8Rng, sample: &Sample) -> Vec<usize> {
    let mut labels: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, region) in sample.regions.iter().enumerate() {
        labels.entry(region.region.label().trim().to_lowercase()).or_default().push(at);
    }
    if labels.values().any(|places| places.len() < 2) {
        return derange(rng, (0..sample.regions.len()).collect());
    }
    let mut from: Vec<_> = (0..sample.regions.len()).collect();
    for places in labels.into_values() {
        for (&to, place) in places.iter().zip(derange(rng, places.clone())) {
            from[to] = place;
        }
    }
    from
}

/// Moves every item to another place, in one random cycle; a single item stays.
///
/// # Source
///
/// S. Sattolo, "An algorithm to generate a random cyclic permutation" (1986).
fn derange(rng: &mut ChaCha8Rng, mut items: Vec<usize>) -> Vec<usize> {
    for end in (1..items.len()).rev() {
        // The high half of the product is uniform up to end / 2^64.
        let other = ((u128::from(rng.next_u64()) * end as u128) >> 64) as usize;
        items.swap(end, other);
    }
    items
}

#[cfg(test)]
mod tests {
    use rcmu_data::{Kind, PictureSource, Provenance, SampleReference, SampleRegion};

    use super::*;

    #[test]
    fn a_mode_is_read_by_its_word() {
        assert_eq!("no-boxes".parse::<Mode>().unwrap(), Mode::NoBoxes);
        assert_eq!("permuted".parse::<Mode>().unwrap(), Mode::PermutedContexts { seed: 0 });
        let error = "blind".parse::<Mode>().unwrap_err().to_string();
        assert!(error.starts_with("`mode` is \"blind\"; possible are full"), "{error}");
    }

    fn sample(labels: &[&str], references: usize) -> Sample {
        let region = |(at, label): (usize, &&str)| SampleRegion {
            region: Region::new(*label, BBox::new(0, 0, 10, 10 + at as u16).ok(), format!("text {}", at + 1))
                .unwrap(),
            facts: BTreeMap::from([("number".into(), (at + 1).to_string())]),
            visual: BTreeMap::new(),
        };
        let reference = |at| SampleReference {
            picture: PictureSource::File(format!("{at}.png")),
            info: format!("profile {}", at + 1),
            facts: BTreeMap::new(),
        };
        Sample {
            id: "s".into(),
            picture: PictureSource::File("a.png".into()),
            references: (0..references).map(reference).collect(),
            regions: labels.iter().enumerate().map(region).collect(),
            kind: Kind::Open,
            question: "Who?".into(),
            options: vec![],
            cited: false,
            answer: "Lily.".into(),
            accepted: vec![],
            citations: vec![],
            answerable: true,
            provenance: Provenance::default(),
        }
    }

    fn permuted(labels: &[&str], references: usize, seed: u64) -> (Vec<u32>, Sample) {
        let sample = sample(labels, references);
        let shown = Mode::PermutedContexts { seed }.apply(&sample);
        (shown.permutation, shown.sample.into_owned())
    }

    #[test]
    fn no_text_stays_where_two_can_change_places() {
        for count in 2..12 {
            for seed in 0..50 {
                let (permutation, shown) = permuted(&vec!["dog"; count], 0, seed);

                let mut sorted = permutation.clone();
                sorted.sort_unstable();
                assert_eq!(sorted, (1..=count as u32).collect::<Vec<_>>());
                for (at, &from) in permutation.iter().enumerate() {
                    assert_ne!(at as u32 + 1, from);
                    assert_eq!(shown.regions[at].region.info(), format!("text {from}"));
                    assert_eq!(shown.regions[at].facts["number"], from.to_string());
                    assert_eq!(shown.regions[at].region.bbox(), BBox::new(0, 0, 10, 10 + at as u16).ok());
                }
            }
        }
    }

    #[test]
    fn texts_stay_with_their_label_where_that_is_possible() {
        for seed in 0..50 {
            let (permutation, _) = permuted(&["dog", "man", "Dog", "man", "dog "], 0, seed);
            assert!([1, 3, 5].iter().all(|at| [1, 3, 5].contains(&permutation[at - 1])), "{permutation:?}");

            let (permutation, _) = permuted(&["dog", "man", "dog"], 0, seed);
            assert!(permutation.iter().zip(1..).all(|(&from, at)| from != at), "{permutation:?}");
        }
    }

    #[test]
    fn profiles_change_places_among_the_reference_pictures() {
        let (permutation, shown) = permuted(&["dog"], 2, 7);

        assert_eq!(permutation, [1, 3, 2]);
        assert_eq!(shown.references[0].info, "profile 2");
        assert_eq!(shown.references[0].picture, PictureSource::File("0.png".into()));
    }

    #[test]
    fn the_seed_and_the_id_decide() {
        let all: std::collections::BTreeSet<_> =
            (0..40).map(|seed| permuted(&["dog"; 3], 0, seed).0).collect();

        // Three texts have two orders in which none stays.
        assert_eq!(all.len(), 2);
        assert_eq!(permuted(&["dog"; 6], 0, 5), permuted(&["dog"; 6], 0, 5));
    }

    #[test]
    fn the_other_modes_leave_out_what_they_say() {
        let sample = sample(&["dog", "man"], 1);

        let shown = Mode::NoBoxes.apply(&sample).sample.into_owned();
        assert!(shown.boxes().all(|bbox| bbox.is_none()));
        assert_eq!(shown.regions[1].region.info(), "text 2");

        let shown = Mode::NoContext.apply(&sample);
        assert!(shown.sample.regions.is_empty() && shown.sample.references.is_empty() && !shown.grey);

        let shown = Mode::NoPicture.apply(&sample);
        assert!(shown.grey && *shown.sample == sample);
    }
}
