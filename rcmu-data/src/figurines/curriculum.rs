use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    Error, Sample,
    figurines::{Colour, LayoutOptions, Mix, SceneSpec, Split, WorldOptions, scene_items},
};

/// Lessons in the figurine world, one after another: which scenes and questions a training sees when.
///
/// A plain description that can be kept in a file beside the model it trained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Curriculum {
    /// Added to the seeds of all scenes.
    #[serde(default)]
    pub seed: u64,
    /// The lessons; the last one goes on without end.
    pub lessons: Vec<Lesson>,
}

/// One lesson.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lesson {
    /// How many conversations it has.
    pub conversations: u64,
    /// What its conversations are like.
    pub parts: Vec<Part>,
}

/// One sort of conversations of a lesson.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Part {
    /// How often it comes, next to the weights of the other parts.
    pub weight: u32,
    /// Side of the pictures in pixels; smaller ones are drawn faster.
    pub side: u32,
    /// Fewest and most figurines of a scene.
    pub figurines: [usize; 2],
    /// Fewest and most facts of a text.
    pub facts: [usize; 2],
    /// Questions about a scene; 0 where only the picture is to be learnt.
    pub questions: usize,
    /// Of a hundred questions about texts, how many are multiple-choice ones.
    pub choice_percent: u32,
    /// Of a hundred other questions about texts, how many ask for no marks.
    pub uncited_percent: u32,
    /// Whether figurines wear something.
    pub accessories: bool,
    /// A colour that one figurine has in every scene, where there is such a colour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub always: Option<Colour>,
    /// Whether figurines are named by their size and place too.
    pub places: bool,
    /// Whether there is a picture.
    pub picture: bool,
    /// Fewest and most random words of a text, where texts have those in place of facts.
    pub words: Option<[usize; 2]>,
    /// Which questions.
    pub mix: Mix,
}

impl Default for Part {
    fn default() -> Self {
        Self {
            weight: 1,
            side: 448,
            figurines: [2, 4],
            facts: [2, 3],
            questions: 6,
            choice_percent: 0,
            uncited_percent: 0,
            accessories: true,
            always: None,
            places: true,
            picture: true,
            words: None,
            mix: Mix::default(),
        }
    }
}

impl Part {
    fn options(&self, split: Split) -> WorldOptions {
        let layout = LayoutOptions {
            figurines: self.figurines[0]..=self.figurines[1],
            side: self.side,
            accessories: self.accessories,
            always: self.always,
            ..LayoutOptions::default()
        };
        WorldOptions {
            split,
            layout,
            facts: self.facts[0]..=self.facts[1],
            mix: self.mix,
            questions: self.questions,
            choice_percent: self.choice_percent,
            uncited_percent: self.uncited_percent,
            places: self.places,
            picture: self.picture,
            words: self.words.map(|[fewest, most]| fewest..=most),
        }
    }
}

impl Curriculum {
    /// Checks that there is something to learn in every lesson.
    ///
    /// # Errors
    ///
    /// [`Error::Field`] naming the first lesson or part that has nothing.
    pub fn check(&self) -> Result<(), Error> {
        let fail = |field: String, message: &str| Err(Error::Field { field, message: message.into() });
        if self.lessons.is_empty() {
            return fail("lessons".into(), "is empty");
        }
        for (at, lesson) in self.lessons.iter().enumerate() {
            if lesson.parts.iter().all(|part| part.weight == 0) {
                return fail(format!("lessons[{at}].parts"), "has no part with a weight");
            }
            for (part_at, part) in lesson.parts.iter().enumerate() {
                let field = format!("lessons[{at}].parts[{part_at}]");
                if part.mix == Mix::default() && part.questions > 0 {
                    return fail(field, "asks nothing");
                }
                if part.figurines[0] == 0 || part.figurines[0] > part.figurines[1] {
                    return fail(field, "has no range of figurines");
                }
            }
        }
        Ok(())
    }

    /// The training conversation with this index: a scene, and samples that share their context lines.
    ///
    /// # Errors
    ///
    /// [`Error::Field`] as [`Curriculum::check`], or when the scene leaves nothing to ask.
    pub fn conversation(&self, index: u64) -> Result<(SceneSpec, Vec<Sample>), Error> {
        self.check()?;
        let lesson = self.lesson(index);
        let total: u64 = lesson.parts.iter().map(|part| u64::from(part.weight)).sum();
        // Mixed so that neighbours do not follow a pattern; the scene's own seed stays the index.
        let mut place = mixed(self.seed.wrapping_add(index)) % total;
        let part = lesson.parts.iter().find(|part| {
            let here = place < u64::from(part.weight);
            place = place.wrapping_sub(u64::from(part.weight));
            here
        });
        let part = part.unwrap_or(&lesson.parts[0]);
        // A scene may leave nothing to ask; the next ones are far from the seeds of other conversations.
        for attempt in 0..8 {
            let seed = self.seed.wrapping_add(index).wrapping_add(attempt << 40);
            let items = scene_items(seed, &part.options(Split::Train))?;
            if part.questions == 0 {
                return Ok((items.spec, Vec::new()));
            }
            let groups: Vec<Vec<Sample>> = items.conversations().map(<[Sample]>::to_vec).collect();
            if !groups.is_empty() {
                let chosen = (mixed(!index) % groups.len() as u64) as usize;
                return Ok((items.spec, groups.into_iter().nth(chosen).unwrap_or_default()));
            }
        }
        let message = format!("conversation {index} has no question");
        Err(Error::Field { field: "lessons".into(), message })
    }

    fn lesson(&self, index: u64) -> &Lesson {
        let mut before = 0_u64;
        let (last, earlier) = self.lessons.split_last().expect("a checked curriculum has lessons");
        earlier
            .iter()
            .find(|lesson| {
                before = before.saturating_add(lesson.conversations);
                index < before
            })
            .unwrap_or(last)
    }

    /// A name that changes with the lessons.
    pub fn fingerprint(&self) -> String {
        let text = serde_json::to_string(self).unwrap_or_default();
        let digest = Sha256::digest(text.as_bytes());
        let first: [u8; 8] = std::array::from_fn(|at| digest[at]);
        format!("{:016x}", u64::from_be_bytes(first))
    }
}

/// Spreads a number over 64 bits.
///
/// # Source
///
/// The output function of `SplitMix64` (Steele, Lea and Flood, 2014).
fn mixed(number: u64) -> u64 {
    let x = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_lessons() -> Curriculum {
        let see = Mix { corners: 1, ..Mix::default() };
        let read = Mix { visual_to_context: 1, ..Mix::default() };
        let part = |mix| Part { mix, ..Part::default() };
        Curriculum {
            seed: 7,
            lessons: vec![
                Lesson { conversations: 5, parts: vec![part(see)] },
                Lesson { conversations: 5, parts: vec![part(read)] },
            ],
        }
    }

    #[test]
    fn lessons_follow_each_other_and_the_last_goes_on() {
        let curriculum = two_lessons();

        for index in [0, 4, 5, 9, 10, 1000] {
            let (_, samples) = curriculum.conversation(index).expect("there is something to ask");
            assert_eq!(samples[0].regions.is_empty(), index < 5, "conversation {index}");
            assert!(samples.iter().all(|sample| sample.regions == samples[0].regions));
        }
    }

    #[test]
    fn a_lesson_without_questions_is_refused() {
        let mut curriculum = two_lessons();
        curriculum.lessons[1].parts[0].mix = Mix::default();

        let error = curriculum.check().expect_err("the second lesson asks nothing").to_string();

        assert_eq!(error, "`lessons[1].parts[0]` asks nothing");
    }

    #[test]
    fn other_lessons_have_another_fingerprint() {
        let mut other = two_lessons();
        other.lessons[0].conversations = 6;

        assert_ne!(other.fingerprint(), two_lessons().fingerprint());
    }
}
