use std::{fmt, ops::RangeInclusive};

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use serde::{Deserialize, Serialize};

use crate::{
    Error, PictureSource, Provenance, Sample,
    figurines::{
        Combos, LayoutOptions, SceneSpec,
        chance::{below, between, percent, shuffle, weighted},
        items::{self, Draft, Form, Stage},
        layout,
        phrases::{info, random_words},
        profile::{Pairs, cast},
    },
};

/// The maker and its version, as it stands in provenances.
const MAKER: &str = "figurines-3";
/// Seeds of one split.
const SEEDS: u64 = 1 << 48; // so that a seed with its split stays exact in every JSON reader
/// The most questions about one scene.
const MAX_QUESTIONS: usize = 256;
/// Places among the weights of a [`Mix`] of what can be asked without a picture, or of random words.
const TOLD: usize = 9;
const RECITED: usize = 10;
const RECITED_BY_LOOK: usize = 11;
const TOLD_NUMBERS: usize = 12;
/// How often another question is tried in place of one that cannot be asked or was asked before.
const TRIES: usize = 8;

/// A part of the dataset.
///
/// Splits share no seed. Training scenes have no held-out pair of shape and colour and no held-out pair of name and
/// job; every scene of the other two has at least one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Split {
    /// For training.
    Train,
    /// For choices made while training.
    Validation,
    /// For the final numbers.
    Test,
}

impl Split {
    /// Its name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }

    /// The start of the random sequence of a scene: `split * 2^48 + seed mod 2^48`.
    pub const fn seed(self, seed: u64) -> u64 {
        let split = match self {
            Self::Train => 0,
            Self::Validation => 1,
            Self::Test => 2,
        };
        split * SEEDS + seed % SEEDS
    }

    fn combos(self) -> (Combos, Pairs) {
        match self {
            Self::Train => (Combos::TrainingOnly, Pairs::TrainingOnly),
            Self::Validation | Self::Test => (Combos::HeldOutAtLeastOne, Pairs::HeldOutAtLeastOne),
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How often each kind of question is asked: weights, all 0 for no question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mix {
    /// Grounding by corners and sides, no context lines: "What is at the top left?"
    pub corners: u32,
    /// Grounding by boxes, no context lines: "What is at (…)?", "Where is the red robot?"
    pub boxes: u32,
    /// Grounding by context lines with boxes and without texts: `What is [2]?`
    pub numbers: u32,
    /// Grounding of everything at once: "Which figurines are there?"
    pub listings: u32,
    /// Reading alone, without the picture: `Who owns [2]?`, `Which number does the figurine of the teacher have?`
    pub told: u32,
    /// Of that only the way to the number: `Which number does the figurine of the teacher have?`
    pub told_numbers: u32,
    /// The text of a context line word for word, by its number: `What is the information about [2]?`
    pub recited: u32,
    /// The same by what the picture shows: `What is the information about the red robot?`
    pub recited_by_look: u32,
    /// RCID.
    pub description: u32,
    /// RCVQA, V2C.
    pub visual_to_context: u32,
    /// RCVQA, C2V.
    pub context_to_visual: u32,
    /// V2C about a fact that the text lacks.
    pub unanswerable_visual_to_context: u32,
    /// C2V about a figurine of some other scene.
    pub unanswerable_context_to_visual: u32,
}

impl Mix {
    /// In the order in which a draft is chosen; the last four are [`TOLD`], [`RECITED`], [`RECITED_BY_LOOK`] and
    /// [`TOLD_NUMBERS`].
    const fn weights(self) -> [u32; 13] {
        [
            self.corners,
            self.boxes,
            self.numbers,
            self.listings,
            self.description,
            self.visual_to_context,
            self.context_to_visual,
            self.unanswerable_visual_to_context,
            self.unanswerable_context_to_visual,
            self.told,
            self.recited,
            self.recited_by_look,
            self.told_numbers,
        ]
    }
}

/// What scenes of the figurine world are like and what is asked about them.
#[derive(Clone, Debug, PartialEq)]
pub struct WorldOptions {
    /// The part of the dataset.
    pub split: Split,
    /// What scenes look like; its `combos` are replaced by those of the split.
    pub layout: LayoutOptions,
    /// Facts that a text tells, the owner among them; 6 are possible.
    pub facts: RangeInclusive<usize>,
    /// How often each kind of question is asked.
    pub mix: Mix,
    /// Questions about a scene, at most 256; fewer where the scene has not so many different ones.
    pub questions: usize,
    /// Of a hundred questions about texts, how many are multiple-choice ones.
    pub choice_percent: u32,
    /// Of a hundred other questions about texts, how many ask for no marks.
    pub uncited_percent: u32,
    /// Whether questions name figurines by their size and place too, not only by what they show, wear and stand in.
    pub places: bool,
    /// Whether there is a picture. Without one reading is learnt alone, in half the tokens: the picture is an empty one, regions
    /// have no boxes, and only `told`, `told_numbers` and `recited` of the mix are asked.
    pub picture: bool,
    /// Texts of about so many random words in place of facts, so that nothing can be guessed. Only `recited` and `recited_by_look`
    /// of the mix are asked then.
    pub words: Option<RangeInclusive<usize>>,
}

impl WorldOptions {
    /// Grounding in training scenes of so many figurines: corners, boxes, numbers and listings.
    pub fn grounding(figurines: usize) -> Self {
        Self {
            split: Split::Train,
            layout: LayoutOptions { figurines: figurines..=figurines, ..LayoutOptions::default() },
            facts: 2..=3,
            mix: Mix { corners: 2, boxes: 4, numbers: 5, listings: 1, ..Mix::default() },
            questions: 6,
            choice_percent: 0,
            uncited_percent: 0,
            places: true,
            picture: true,
            words: None,
        }
    }

    /// All products of the dataset in training scenes of two to four figurines, with some grounding by numbers.
    pub fn rcvit() -> Self {
        Self {
            layout: LayoutOptions { figurines: 2..=4, ..LayoutOptions::default() },
            mix: Mix {
                numbers: 2,
                description: 2,
                visual_to_context: 4,
                context_to_visual: 4,
                unanswerable_visual_to_context: 2,
                unanswerable_context_to_visual: 2,
                ..Mix::default()
            },
            choice_percent: 10,
            uncited_percent: 15,
            ..Self::grounding(2)
        }
    }

    /// The simple world, for a model so small that it can be trained in an hour or two: colours and shapes only, nothing
    /// worn, no names by size or place, no multiple choice.
    #[must_use]
    pub fn simple(mut self) -> Self {
        self.layout.accessories = false;
        self.choice_percent = 0;
        self.places = false;
        self
    }

    /// All products of the dataset in test scenes.
    pub fn test() -> Self {
        let mut options = Self { split: Split::Test, ..Self::rcvit() };
        options.mix.numbers = 0;
        options
    }
}

/// A scene with what is asked about it.
#[derive(Clone, Debug, PartialEq)]
pub struct SceneItems {
    /// The scene.
    pub spec: SceneSpec,
    /// The items; those with the same context lines stand next to each other, descriptions and listings last.
    pub samples: Vec<Sample>,
}

impl SceneItems {
    /// The items in groups that share their context lines, so that each group can be one conversation.
    pub fn conversations(&self) -> impl Iterator<Item = &[Sample]> {
        self.samples.chunk_by(|a, b| a.regions == b.regions)
    }
}

/// Makes a scene and its items; the same seed and options give the same items on every platform.
///
/// Seeds are taken modulo 2^48. Scene, texts and questions have random sequences of their own, so that other
/// questions do not change the picture or the texts.
///
/// # Errors
///
/// [`Error::Field`] when the options leave no figurine.
pub fn scene_items(seed: u64, options: &WorldOptions) -> Result<SceneItems, Error> {
    let start = options.split.seed(seed);
    let sequence = |stream| {
        let mut rng = ChaCha8Rng::seed_from_u64(start);
        rng.set_stream(stream);
        rng
    };
    let (combos, pairs) = options.split.combos();
    let spec = layout(&mut sequence(0), &LayoutOptions { combos, ..options.layout.clone() });
    let mut rng = sequence(1);
    let profiles = cast(&mut rng, spec.figurines.len(), &options.facts, pairs);
    if profiles.len() < spec.figurines.len() || profiles.is_empty() {
        let message = format!("{} figurines have {} owners", spec.figurines.len(), profiles.len());
        return Err(Error::Field { field: "figurines".into(), message });
    }
    let told = |rng: &mut ChaCha8Rng, profile| match &options.words {
        Some(words) => {
            let count = between(rng, words);
            random_words(rng, count)
        }
        None => info(rng, profile),
    };
    let infos: Vec<_> = profiles.iter().map(|profile| told(&mut rng, profile)).collect();
    let mut order: Vec<_> = (0..profiles.len()).collect();
    shuffle(&mut rng, &mut order);
    let (places, picture) = (options.places, options.picture);
    let stage = Stage { scene: &spec, profiles: &profiles, infos: &infos, order: &order, places, picture };
    let drafts = ask(&stage, &mut sequence(2), options);
    let shown = if picture { spec.clone() } else { SceneSpec::empty(spec.side) };
    let finish = |(at, draft): (usize, Draft)| {
        let kind = draft.kind;
        let mut regions = stage.regions(draft.lines)?;
        if options.words.is_some() {
            // Random words tell nothing.
            for region in &mut regions {
                region.facts.clear();
            }
        }
        Ok(Sample {
            id: format!("{}-{}-{}-{at}", options.split, seed % SEEDS, kind.name()),
            picture: PictureSource::Figurines(Box::new(shown.clone())),
            references: Vec::new(),
            regions,
            kind,
            question: draft.question,
            options: draft.options,
            cited: draft.cited,
            answer: draft.answer,
            accepted: draft.accepted,
            citations: draft.citations,
            answerable: draft.answerable,
            provenance: Provenance {
                maker: MAKER.into(),
                split: options.split.name().into(),
                step: draft.step.into(),
                prompt: draft.prompt,
                seed: Some(start),
            },
        })
    };
    let samples = drafts.into_iter().enumerate().map(finish).collect::<Result<_, Error>>()?;
    Ok(SceneItems { spec: shown, samples })
}

/// The items of the scenes with the seeds `seed`, `seed + 1`, …, up to `count` items.
///
/// Training items are those of [`WorldOptions::rcvit`], others those of [`WorldOptions::test`].
pub fn samples(split: Split, seed: u64, count: usize) -> impl Iterator<Item = Result<Sample, Error>> {
    let options = match split {
        Split::Train => WorldOptions::rcvit(),
        Split::Validation | Split::Test => WorldOptions { split, ..WorldOptions::test() },
    };
    let scenes = (0..SEEDS).map(move |at| scene_items(seed.wrapping_add(at), &options));
    let items = scenes.flat_map(|scene| match scene {
        Ok(scene) => scene.samples.into_iter().map(Ok).collect(),
        Err(error) => vec![Err(error)],
    });
    items.take(count)
}

/// Asks the questions.
///
/// In validation and test scenes each figurine is asked about once before one is asked about again. In training scenes the
/// figurine is drawn anew for every question: those of one scene become turns of one conversation, and where their order
/// repeats itself the next figurine can be told from the turns before, without looking or reading.
fn ask(stage: &Stage, rng: &mut ChaCha8Rng, options: &WorldOptions) -> Vec<Draft> {
    let mut targets: Vec<_> = (0..stage.profiles.len()).collect();
    shuffle(rng, &mut targets);
    let mut drafts: Vec<Draft> = Vec::new();
    for at in 0..options.questions.min(MAX_QUESTIONS) {
        let target = match options.split {
            Split::Train => below(rng, targets.len()),
            Split::Validation | Split::Test => targets[at % targets.len()],
        };
        let new = (0..TRIES).find_map(|_| {
            let draft = draft(stage, rng, target, options)?;
            let known =
                drafts.iter().any(|other| other.question == draft.question && other.lines == draft.lines);
            (!known).then_some(draft)
        });
        drafts.extend(new);
    }
    drafts.sort_by_key(|draft| (draft.lines, draft.citations.len() > 1 || draft.prompt.starts_with("list")));
    drafts
}

fn draft(stage: &Stage, rng: &mut ChaCha8Rng, target: usize, options: &WorldOptions) -> Option<Draft> {
    let kind = weighted(rng, options.mix.weights().into_iter())?;
    let words = if percent(rng, options.uncited_percent) { Form::Plain } else { Form::Cited };
    let form = if percent(rng, options.choice_percent) { Form::Choice } else { words };
    let asked = match kind {
        TOLD | TOLD_NUMBERS => options.words.is_none(),
        RECITED => true,
        RECITED_BY_LOOK => options.picture,
        _ => options.picture && options.words.is_none(),
    };
    if !asked {
        return None;
    }
    match kind {
        0 => items::coarse(stage, rng, target),
        1 => items::boxes(stage, rng, target),
        2 => items::numbers(stage, rng, target),
        3 => Some(items::listing(stage, rng)),
        4 => Some(items::description(stage, rng, words)),
        5 => items::visual_to_context(stage, rng, target, form),
        6 => items::context_to_visual(stage, rng, target, form),
        7 => items::unanswerable_visual_to_context(stage, rng, target, form),
        8 => items::unanswerable_context_to_visual(stage, rng, form),
        TOLD => Some(items::told(stage, rng, target)),
        TOLD_NUMBERS => Some(items::told_number(stage, rng, target)),
        RECITED => items::recited(stage, rng, target, false),
        _ => items::recited(stage, rng, target, true),
    }
}
