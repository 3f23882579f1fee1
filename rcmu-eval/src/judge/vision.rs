use rcmu_core::{BBox, ImageSize, Picture, Visual};
use rcmu_data::Sample;

use crate::{
    journal::RecordKey,
    judge::{GeneratorJudge, JudgeError, Seen, VisionCheck, reply::VerdictReply},
};

const VISION: &str = "Look at the region of the picture whose corners are given in thousandths of its sides. Does it \
    show what the text says can be seen of it? Leave out names and everything else that cannot be seen. Reply with this \
    JSON object and nothing else, where the verdict is \"yes\", \"no\", or \"nothing\" if the text says nothing that \
    could be seen:\n{\"mark\": \"{mark}\", \"verdict\": \"nothing\"}";

/// Opens the picture of a sample, such as [`rcmu_data::PictureSource::open`] with the dataset's folder.
pub type PictureOpener<'a> =
    dyn Fn(&Sample) -> Result<(Picture, ImageSize), rcmu_data::Error> + Send + Sync + 'a;

/// Asks a generator that sees whether a region shows what a text says.
///
/// The whole picture is shown with the corners of the region; no crop is made.
///
/// # Source
///
/// Ours.
#[derive(Clone)]
pub struct GeneratorVision<'a> {
    judge: GeneratorJudge<'a>,
    open: &'a PictureOpener<'a>,
}

impl<'a> GeneratorVision<'a> {
    /// Makes a check that asks this judge about pictures that `open` gives.
    pub fn new(judge: GeneratorJudge<'a>, open: &'a PictureOpener<'a>) -> Self {
        Self { judge, open }
    }

    fn picture(&self, sample: &Sample) -> Result<Picture, JudgeError> {
        // The message of a dataset's error names a field or a path, not the picture's contents.
        let opened = (self.open)(sample).map_err(|error| JudgeError::Picture(error.to_string()))?;
        Ok(opened.0)
    }
}

impl VisionCheck for GeneratorVision<'_> {
    fn identity(&self) -> String {
        format!("vision-{}", self.judge.name())
    }

    fn shows(&self, sample: &Sample, index: usize, words: &str) -> Result<Option<bool>, JudgeError> {
        let Some(bbox) = bbox(sample, index) else { return Ok(None) };
        let picture = self.picture(sample)?;
        let corners = bbox.to_string();
        let texts = [("region", corners.as_str()), ("text", words)];
        let reply: VerdictReply<Seen> = self.judge.ask(VISION, &texts, vec![Visual::Image(picture)])?;
        Ok(reply.verdict.into())
    }

    fn question_key(&self, sample: &Sample, index: usize, words: &str) -> Result<RecordKey, JudgeError> {
        let identity = self.identity();
        let Some(bbox) = bbox(sample, index) else {
            return Ok(RecordKey::of_question(&identity, &[b"no box"]));
        };
        let picture = self.picture(sample)?;
        let corners = bbox.to_string();
        let texts = [("region", corners.as_str()), ("text", words)];
        self.judge.key(&identity, VISION, &texts, vec![Visual::Image(picture)])
    }
}

fn bbox(sample: &Sample, index: usize) -> Option<BBox> {
    sample.boxes().nth(index).flatten()
}

#[cfg(test)]
mod tests {
    use rcmu_core::{
        Control, Event, FinishReason, GenerateError, Generation, Generator, Region, Request, Stats,
    };
    use rcmu_data::{Kind, PictureSource, Provenance, SampleRegion};

    use super::*;

    /// Says yes when it is shown one picture and the right corners.
    struct Seeing;

    impl Generator for Seeing {
        fn identity(&self) -> String {
            "seeing".into()
        }

        fn generate(
            &self,
            request: &Request,
            _: &Control,
            _: &mut dyn FnMut(Event),
        ) -> Result<Generation, GenerateError> {
            let prompt = request.prompt.to_reference_text();
            let turn = prompt.split("<|im_end|>").nth(1).expect("the system's turn comes first");
            let wanted = turn.lines().last().expect("a turn has lines");
            let sees = request.visuals.len() == 1 && request.prompt.image_slots() == 1;
            let verdict = if sees && prompt.contains("(1,2),(30,40)") { "yes" } else { "no" };
            let text = wanted.replace("nothing", verdict);
            Ok(Generation {
                text,
                token_ids: Vec::new(),
                finish: FinishReason::EndOfText,
                stats: Stats::default(),
                logprobs: Vec::new(),
            })
        }
    }

    fn sample() -> Sample {
        let region = |bbox| SampleRegion {
            region: Region::new("dog", bbox, "").expect("the label is not blank"),
            facts: [].into(),
            visual: [].into(),
        };
        Sample {
            id: "a".into(),
            picture: PictureSource::File("a.png".into()),
            references: Vec::new(),
            regions: vec![region(BBox::new(1, 2, 30, 40).ok()), region(None)],
            kind: Kind::Description,
            question: "Describe the image.".into(),
            options: Vec::new(),
            cited: false,
            answer: "A dog.".into(),
            accepted: Vec::new(),
            citations: Vec::new(),
            answerable: true,
            provenance: Provenance::default(),
        }
    }

    #[test]
    fn the_picture_and_the_box_are_shown() {
        let size = ImageSize::new(10, 10).expect("the sides are not empty");
        let open = |_: &Sample| Ok((Picture::from_bytes(vec![1]), size));
        let vision = GeneratorVision::new(GeneratorJudge::new(&Seeing, 1), &open);

        assert_eq!(vision.shows(&sample(), 0, "a dog").expect("well-formed"), Some(true));
        assert_eq!(vision.shows(&sample(), 1, "a dog").expect("it has no box"), None);
    }

    #[test]
    fn picture_box_and_words_are_the_question() {
        let size = ImageSize::new(10, 10).expect("the sides are not empty");
        let open = |byte| move |_: &Sample| Ok((Picture::from_bytes(vec![byte]), size));
        let (one, other) = (open(1), open(2));
        let asked = |open: &PictureOpener<'_>, seed, sample: &Sample, index, words| {
            let vision = GeneratorVision::new(GeneratorJudge::new(&Seeing, seed), open);
            vision.question_key(sample, index, words).expect("the text is short")
        };
        let mut moved = sample();
        moved.regions.reverse();
        let keys = [
            asked(&one, 1, &sample(), 0, "a dog"),
            asked(&other, 1, &sample(), 0, "a dog"),
            asked(&one, 2, &sample(), 0, "a dog"),
            asked(&one, 1, &sample(), 0, "a cat"),
            asked(&one, 1, &sample(), 1, "a dog"),
        ];

        for (at, key) in keys.iter().enumerate() {
            assert!(!keys[..at].contains(key), "{at}");
        }
        assert_eq!(keys[0], asked(&one, 1, &moved, 1, "a dog"), "the number of a region is not asked");
    }

    #[test]
    fn a_picture_that_cannot_be_opened_is_an_error() {
        let open = |_: &Sample| {
            Err(rcmu_data::Error::Field { field: "picture".into(), message: "is missing".into() })
        };
        let vision = GeneratorVision::new(GeneratorJudge::new(&Seeing, 1), &open);

        assert!(matches!(vision.shows(&sample(), 0, "a dog"), Err(JudgeError::Picture(_))));
    }
}
