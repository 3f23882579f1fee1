use std::{collections::BTreeSet, error::Error as StdError, ops::Range, path::PathBuf};

use rcmu_data::{PictureSource, Sample};
use sha2::{Digest, Sha256};

use super::{Conversation, TrainingData};

/// Most questions of one conversation; more about one picture make further conversations.
const MAX_TURNS: usize = 8;

/// Samples of a dataset as conversations: neighbours with the same pictures and regions share one, unless a question would
/// stand below its own answer.
///
/// Pictures are opened when they are needed.
///
/// # Examples
///
/// ```no_run
/// use rcmu_data::formats::jsonl;
/// use rcmu_model::training::SampleSet;
///
/// # fn main() -> Result<(), rcmu_data::Error> {
/// let samples = jsonl::open("data/train.jsonl")?.collect::<Result<Vec<_>, _>>()?;
/// let data = SampleSet::new(samples, "data");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SampleSet {
    samples: Vec<Sample>,
    groups: Vec<Range<usize>>,
    folder: PathBuf,
    fingerprint: String,
}

impl SampleSet {
    /// Takes samples whose picture files are in `folder`. A training goes on only with pictures of the same names and lengths; their
    /// bytes are not compared.
    #[expect(clippy::missing_panics_doc, reason = "plain data with text keys can always be written")]
    pub fn new(samples: Vec<Sample>, folder: impl Into<PathBuf>) -> Self {
        let mut hash = Sha256::new();
        for sample in &samples {
            let text = serde_json::to_vec(sample).expect("a sample has text keys only");
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        let folder = folder.into();
        let pictures = samples.iter().flat_map(|sample| {
            sample.references.iter().map(|reference| &reference.picture).chain([&sample.picture])
        });
        let files = pictures.filter_map(|picture| match picture {
            PictureSource::File(name) => Some(name.as_str()),
            _ => None,
        });
        for name in files.collect::<BTreeSet<_>>() {
            // One that is not there is named when it is needed.
            let len = std::fs::metadata(folder.join(name)).map_or(0, |metadata| metadata.len());
            hash.update(format!("{name}: {len}\n"));
        }
        let digest = hash.finalize();
        let first: [u8; 8] = std::array::from_fn(|at| digest[at]);
        let mut groups: Vec<Range<usize>> = Vec::new();
        for at in 0..samples.len() {
            let shares = |group: &&mut Range<usize>| {
                let first = &samples[group.start];
                group.len() < MAX_TURNS
                    && first.picture == samples[at].picture
                    && first.regions == samples[at].regions
                    && first.references == samples[at].references
                    && samples[(*group).clone()].iter().all(|other| other.question != samples[at].question)
            };
            match groups.last_mut().filter(shares) {
                Some(group) => group.end = at + 1,
                None => groups.push(at..at + 1),
            }
        }
        let fingerprint = format!("samples {:016x}", u64::from_be_bytes(first));
        Self { samples, groups, folder, fingerprint }
    }
}

impl TrainingData for SampleSet {
    fn len(&self) -> Option<u64> {
        Some(self.groups.len() as u64)
    }

    fn fingerprint(&self) -> String {
        self.fingerprint.clone()
    }

    fn conversation(&self, index: u64) -> Result<Conversation, Box<dyn StdError + Send + Sync>> {
        let group = self.groups.get(index as usize).ok_or("there is no such conversation")?;
        let samples = &self.samples[group.clone()];
        let named = |error: rcmu_data::Error| format!("sample `{}`: {error}", samples[0].id);
        let (scene, _) = samples[0].open(&self.folder).map_err(named)?;
        Ok(Conversation::new(scene, samples)?)
    }
}

#[cfg(test)]
mod tests {
    use rcmu_data::figurines::{WorldOptions, scene_items};

    use super::*;

    fn set() -> SampleSet {
        let scenes = (0..3).map(|seed| scene_items(seed, &WorldOptions::rcvit().simple()).expect("valid"));
        SampleSet::new(scenes.flat_map(|scene| scene.samples).collect(), "")
    }

    #[test]
    fn neighbours_about_one_picture_share_a_conversation() {
        let set = set();
        let count = set.len().expect("it has an end");

        let turns: usize = (0..count).map(|at| set.conversation(at).expect("valid").turns.len()).sum();

        assert_eq!(turns, set.samples.len());
        assert!(count < turns as u64, "{count} conversations, {turns} questions");
        for group in &set.groups {
            assert!(set.samples[group.clone()].windows(2).all(|two| two[0].regions == two[1].regions));
        }
    }

    #[test]
    fn no_question_stands_below_its_own_answer() {
        let mut samples = set().samples;
        samples.truncate(3);
        // Each again, citing.
        let twice: Vec<Sample> = samples.iter().flat_map(|sample| [sample.clone(), sample.clone()]).collect();
        let count = twice.len();

        let set = SampleSet::new(twice, "");

        let groups: Vec<_> = (0..set.len().expect("it has an end")).map(|at| set.conversation(at)).collect();
        let mut turns = 0;
        for conversation in groups {
            let asked: Vec<_> = conversation
                .expect("valid")
                .turns
                .iter()
                .map(|(question, _)| question.text().to_owned())
                .collect();
            assert_eq!(asked.iter().collect::<BTreeSet<_>>().len(), asked.len(), "{asked:?}");
            turns += asked.len();
        }
        assert_eq!(turns, count);
    }

    #[test]
    fn other_pictures_are_other_data() {
        let folder = std::env::temp_dir().join(format!("rcmu-sample-pictures-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("made");
        let mut sample = set().samples.remove(0);
        sample.picture = PictureSource::File("a.png".into());
        let fingerprint = |text: &str| {
            std::fs::write(folder.join("a.png"), text).expect("written");
            SampleSet::new(vec![sample.clone()], &folder).fingerprint()
        };

        let (first, other, again) = (fingerprint("one"), fingerprint("three"), fingerprint("one"));

        assert_ne!(first, other);
        assert_eq!(first, again);
        std::fs::remove_dir_all(&folder).expect("removed");
    }

    #[test]
    fn a_bad_sample_is_named() {
        let mut set = set();
        set.samples[0].picture = rcmu_data::PictureSource::File("not-there.png".into());

        let error = set.conversation(0).expect_err("there is no such file").to_string();

        assert!(error.contains(&set.samples[0].id), "{error}");
        assert!(set.conversation(u64::MAX).is_err());
    }

    #[test]
    fn the_fingerprint_is_that_of_the_samples() {
        let (one, mut samples) = (set(), set().samples);
        samples.pop();

        assert_eq!(one.fingerprint(), set().fingerprint());
        assert_ne!(one.fingerprint(), SampleSet::new(samples, "").fingerprint());
    }
}
