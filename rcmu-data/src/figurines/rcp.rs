//! Items in the shape of RC&P-Bench: four reference pictures with profiles, one picture of all four figurines.

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use crate::{
    Error, Kind, PictureSource, Provenance, Sample, SampleReference,
    figurines::{
        Combos, Figurine, LayoutOptions, SceneItems, SceneSpec, Shape, Split, Stand,
        chance::{below, between, percent, pick, shuffle},
        items::{letter, options},
        layout,
        names::{AGES, CITIES, JOBS, PEOPLE, PRICES},
        phrases::{Biography, STORIES, SURNAMES, biography, capitalised, noun},
    },
};

/// Figurines and reference pictures of an item.
const FIGURINES: usize = 4;
/// How often a layout is tried until it shows what is wanted.
const TRIES: usize = 1000;
/// The maker and its version, as it stands in provenances.
const MAKER: &str = "figurines-rcp-1";

/// What a profile tells, as facts are named: name, question about `{x}`, and the figurine of which it is told.
const FACTS: [(&str, &str, &str); 6] = [
    ("owner", "Who is the owner of {x}?", "Which figurine is owned by {v}?"),
    ("age", "How old is the owner of {x}?", "Which figurine belongs to someone who is {v} years old?"),
    ("job", "What is the job of the owner of {x}?", "Which figurine is owned by a {v}?"),
    ("origin", "Where was {x} made?", "Which figurine was made in {v}?"),
    ("price", "How much did {x} cost?", "Which figurine cost {v}?"),
    ("story", "Where was {x} found?", "Which figurine was found {v}?"),
];

/// What no profile tells: a name, a question and values that an answer might have.
const UNTOLD: [(&str, &str, [&str; 6]); 4] = [
    ("height", "How tall is {x}?", ["5 cm", "8 cm", "12 cm", "15 cm", "20 cm", "25 cm"]),
    ("year", "In which year was {x} made?", ["1921", "1938", "1954", "1967", "1983", "1999"]),
    ("material", "What is {x} made of?", ["wood", "clay", "glass", "paper", "tin", "stone"]),
    ("weight", "How much does {x} weigh?", ["60 g", "110 g", "150 g", "240 g", "300 g", "450 g"]),
];

/// Makes the items of one set of pictures: four figurines, each alone on a reference picture with a profile of
/// 100 to 130 words, and all of them in red, yellow, blue and green boxes on the picture of the question.
///
/// Each figurine is asked about once in both directions, and two questions have no answer. Options number four to
/// six; the one that says so has any place, wording and case. The reference pictures are in random order, and
/// `citations` hold the number of the one that the answer rests on.
///
/// # Errors
///
/// [`Error::Field`] when the layout cannot place four figurines that differ.
///
/// # Source
///
/// The figure of RC&P-Bench in arXiv 2508.12263; the file format and the split are ours.
pub fn rcp_items(seed: u64, split: Split) -> Result<SceneItems, Error> {
    let start = split.seed(seed);
    let mut rng = ChaCha8Rng::seed_from_u64(start);
    rng.set_stream(3);
    let spec = query(&mut rng, split)?;
    let profiles = profiles(&mut rng);
    let mut order: Vec<_> = (0..FIGURINES).collect();
    shuffle(&mut rng, &mut order);
    let references: Vec<_> = order
        .iter()
        .map(|&at| SampleReference {
            picture: PictureSource::Figurines(Box::new(alone(&mut rng, &spec.figurines[at], spec.side))),
            info: biography(&mut rng, &profiles[at]),
            facts: facts(&profiles[at]).into_iter().map(|(name, value)| (name.into(), value)).collect(),
        })
        .collect();
    let mut stage = Stage { spec: &spec, profiles: &profiles, rng };
    let mut asked = Vec::new();
    for target in 0..FIGURINES {
        asked.push((Some(target), stage.visual_to_context(target)));
        asked.push((Some(target), stage.context_to_visual(target)));
    }
    asked.push((None, stage.untold()));
    asked.push((None, stage.not_there()));
    let samples = asked.into_iter().enumerate().map(|(at, (target, item))| {
        let number = |target| order.iter().position(|&shown| shown == target).map(|place| place as u32 + 1);
        Sample {
            id: format!("rcp-{split}-{}-{}-{at}", start % (1 << 48), item.kind.name()),
            picture: PictureSource::Figurines(Box::new(spec.clone())),
            references: references.clone(),
            regions: Vec::new(),
            kind: item.kind,
            question: item.question,
            cited: false,
            answer: letter(item.right),
            accepted: vec![item.options[item.right].clone()],
            options: item.options,
            citations: target.and_then(number).into_iter().collect(),
            answerable: target.is_some(),
            provenance: Provenance {
                maker: MAKER.into(),
                split: split.name().into(),
                step: "multiple_choice".into(),
                prompt: item.prompt,
                seed: Some(start),
            },
        }
    });
    let samples = samples.collect();
    Ok(SceneItems { spec, samples })
}

/// Four figurines that differ in colour or shape, each in a box of its own colour.
fn query(rng: &mut ChaCha8Rng, split: Split) -> Result<SceneSpec, Error> {
    let combos = match split {
        Split::Train => Combos::TrainingOnly,
        Split::Validation | Split::Test => Combos::HeldOutAtLeastOne,
    };
    let wanted =
        LayoutOptions { figurines: FIGURINES..=FIGURINES, stands: true, combos, ..LayoutOptions::default() };
    for _ in 0..TRIES {
        let mut spec = layout(rng, &wanted);
        let looks: BTreeSet<_> = spec.figurines.iter().map(|it| (it.shape, it.colour)).collect();
        if looks.len() == FIGURINES && spec.figurines.len() == FIGURINES {
            let mut stands: Vec<_> = Stand::ALL.to_vec();
            shuffle(rng, &mut stands);
            for (figurine, stand) in spec.figurines.iter_mut().zip(stands) {
                figurine.stand = Some(stand);
            }
            return Ok(spec);
        }
    }
    Err(Error::Field { field: "figurines".into(), message: format!("do not differ in {TRIES} layouts") })
}

/// A picture of this figurine alone, without its box, before another backdrop.
fn alone(rng: &mut ChaCha8Rng, figurine: &Figurine, side: u32) -> SceneSpec {
    let wanted = LayoutOptions { side, figurines: 1..=1, combos: Combos::All, ..LayoutOptions::default() };
    let is_like = |other: &Figurine| other.shape == figurine.shape && other.accessory == figurine.accessory;
    let mut spec = layout(rng, &wanted);
    for _ in 0..TRIES {
        if spec.figurines.iter().any(is_like) {
            break;
        }
        spec = layout(rng, &wanted);
    }
    for other in &mut spec.figurines {
        // The colour changes no outline; shape and accessory agree already, unless the layout never shows them.
        (other.shape, other.colour, other.accessory) = (figurine.shape, figurine.colour, figurine.accessory);
    }
    spec
}

/// Four profiles that agree in nothing.
fn profiles(rng: &mut ChaCha8Rng) -> Vec<Biography> {
    let (mut people, mut surnames, mut jobs) = (PEOPLE, SURNAMES, JOBS);
    let (mut ages, mut cities, mut prices, mut stories) = (AGES, CITIES, PRICES, STORIES);
    shuffle(rng, &mut people);
    for words in [&mut surnames, &mut jobs, &mut ages, &mut cities] {
        shuffle(rng, words);
    }
    shuffle(rng, &mut prices);
    shuffle(rng, &mut stories);
    let profile = |at: usize| Biography {
        person: people[at],
        owner: format!("{} {}", people[at].name, surnames[at]),
        age: ages[at],
        job: jobs[at],
        origin: cities[at],
        price: prices[at],
        story: stories[at],
    };
    (0..FIGURINES).map(profile).collect()
}

fn facts(profile: &Biography) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("owner", profile.owner.clone()),
        ("age", profile.age.to_owned()),
        ("job", profile.job.to_owned()),
        ("origin", profile.origin.to_owned()),
        ("price", profile.price.to_owned()),
        ("story", profile.story.to_owned()),
    ])
}

/// Everything that a fact may say.
fn values(fact: &str) -> Vec<String> {
    let own = |values: &[&str]| values.iter().map(|&value| value.to_owned()).collect();
    match fact {
        "owner" => {
            let names = PEOPLE.iter().zip(SURNAMES.iter().cycle());
            names.map(|(person, surname)| format!("{} {surname}", person.name)).collect()
        }
        "age" => own(&AGES),
        "job" => own(&JOBS),
        "origin" => own(&CITIES),
        "price" => own(&PRICES),
        _ => own(&STORIES),
    }
}

/// A question with its options.
struct Item {
    kind: Kind,
    prompt: String,
    question: String,
    options: Vec<String>,
    right: usize,
}

struct Stage<'a> {
    spec: &'a SceneSpec,
    profiles: &'a [Biography],
    rng: ChaCha8Rng,
}

impl Stage<'_> {
    /// "Who is the owner of the figurine in the red box?"
    fn visual_to_context(&mut self, target: usize) -> Item {
        let (fact, question, _) = *pick(&mut self.rng, &FACTS);
        let told = |at: usize| facts(&self.profiles[at])[fact].clone();
        let (right, wrong) = (told(target), others(target).map(told).collect());
        let question = question.replace("{x}", &self.seen(target));
        self.item(Kind::VisualToContext, (fact, question), Some(&right), [wrong, values(fact)])
    }

    /// "Which figurine is owned by Lily Novak?"
    fn context_to_visual(&mut self, target: usize) -> Item {
        let (fact, _, question) = *pick(&mut self.rng, &FACTS);
        let question = question.replace("{v}", &facts(&self.profiles[target])[fact]);
        let (right, wrong) =
            (self.in_its_box(target), others(target).map(|at| self.in_its_box(at)).collect());
        let fill = self.in_no_box();
        self.item(Kind::ContextToVisual, (fact, question), Some(&right), [wrong, fill])
    }

    /// "How tall is the figurine in the red box?"
    fn untold(&mut self) -> Item {
        let (topic, question, values) = *pick(&mut self.rng, &UNTOLD);
        let target = below(&mut self.rng, FIGURINES);
        let question = question.replace("{x}", &self.seen(target));
        let values = values.map(str::to_owned).to_vec();
        self.item(Kind::UnanswerableVisualToContext, (topic, question), None, [values, Vec::new()])
    }

    /// "Which figurine is owned by …?", someone of whom no profile tells.
    fn not_there(&mut self) -> Item {
        let (fact, _, question) = *pick(&mut self.rng, &FACTS);
        let told: Vec<_> = self.profiles.iter().map(|profile| facts(profile)[fact].clone()).collect();
        let names: BTreeSet<_> = self.profiles.iter().map(|profile| profile.person.name).collect();
        let mut unknown = values(fact);
        let is_known =
            |value: &String| told.contains(value) || names.iter().any(|name| value.starts_with(name));
        unknown.retain(|value| !is_known(value));
        let question = question.replace("{v}", pick::<String>(&mut self.rng, &unknown));
        let wrong = (0..FIGURINES).map(|at| self.in_its_box(at)).collect();
        let fill = self.in_no_box();
        self.item(Kind::UnanswerableContextToVisual, (fact, question), None, [wrong, fill])
    }

    fn item(
        &mut self,
        kind: Kind,
        (prompt, question): (&str, String),
        right: Option<&str>,
        wrong_and_fill: [Vec<String>; 2],
    ) -> Item {
        let count = between(&mut self.rng, &(4..=6));
        let mut options = options(&mut self.rng, count, right, wrong_and_fill);
        // Case varies between questions, not between the options of one.
        if percent(&mut self.rng, 50) {
            options.texts = options.texts.iter().map(|text| capitalised(text)).collect();
        }
        let prompt = format!("rcp/{prompt}");
        Item { kind, prompt, question, options: options.texts, right: options.right }
    }

    /// `the figurine in the red box`, or by colour and shape.
    fn seen(&mut self, target: usize) -> String {
        let figurine = &self.spec.figurines[target];
        match figurine.stand {
            Some(stand) if percent(&mut self.rng, 75) => format!("the figurine in the {} box", stand.word()),
            _ => format!("the {}", noun(figurine)),
        }
    }

    /// `the robot in the red box`.
    fn in_its_box(&self, target: usize) -> String {
        let figurine = &self.spec.figurines[target];
        let stand = figurine.stand.map_or("", Stand::word);
        format!("the {} in the {stand} box", figurine.shape.word())
    }

    /// Figurines of the same kinds that are in none of these boxes, and of other kinds.
    fn in_no_box(&self) -> Vec<String> {
        let seen: Vec<_> = (0..FIGURINES).map(|at| self.in_its_box(at)).collect();
        let all = Shape::ALL.iter().flat_map(|shape| Stand::ALL.iter().map(move |stand| (shape, stand)));
        let all = all.map(|(shape, stand)| format!("the {} in the {} box", shape.word(), stand.word()));
        all.filter(|text| !seen.contains(text)).collect()
    }
}

fn others(target: usize) -> impl Iterator<Item = usize> {
    (0..FIGURINES).filter(move |&at| at != target)
}
