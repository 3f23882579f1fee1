//! What holds for every scene of the figurine world and everything that is asked about it.

use std::collections::{BTreeMap, BTreeSet};

use rcmu_core::{FinishReason, ImageSize};
use rcmu_data::{
    Error, Kind, Sample, SampleRegion,
    figurines::{Fact, Mix, Split, WorldOptions, is_held_out, is_held_out_pair, samples, scene_items},
};
use rcmu_prompt::{Targets, is_refusal, parse};

const SCENES: u64 = 2000;
const SIDES: [&str; 4] = ["left", "right", "top", "bottom"];

fn presets() -> [WorldOptions; 4] {
    let several = WorldOptions { questions: 12, ..WorldOptions::test() };
    [WorldOptions::grounding(1), WorldOptions::grounding(3), WorldOptions::rcvit(), several]
}

fn all_samples(options: &WorldOptions, scenes: u64) -> impl Iterator<Item = Sample> {
    (0..scenes).flat_map(|seed| scene_items(seed, options).expect("the presets have figurines").samples)
}

fn cited(sample: &Sample) -> &SampleRegion {
    &sample.regions[sample.citations[0] as usize - 1]
}

/// Whether `words` stand in `text` with no letter or digit beside them.
fn says(text: &str, words: &str) -> bool {
    let is_free = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    text.match_indices(words).any(|(at, _)| {
        is_free(text[..at].chars().next_back()) && is_free(text[at + words.len()..].chars().next())
    })
}

/// The region that a V2C question names by what it looks like.
fn meant_by_looks(sample: &Sample) -> Option<&SampleRegion> {
    let (_, how) = sample.provenance.prompt.split_once('/')?;
    let keys: &[&str] = match how {
        "place" => return None,
        "look" => &["colour", "shape"],
        other => &[other],
    };
    let is_meant = |region: &&SampleRegion| {
        keys.iter().all(|key| region.visual.get(*key).is_some_and(|value| says(&sample.question, value)))
    };
    let mut meant = sample.regions.iter().filter(is_meant);
    let it = meant.next();
    assert!(it.is_some() && meant.next().is_none(), "{sample:?}");
    it
}

#[test]
fn the_same_seed_gives_the_same_items() -> Result<(), Error> {
    for options in presets() {
        for seed in [0, 7, u64::MAX] {
            assert_eq!(scene_items(seed, &options)?, scene_items(seed, &options)?);
        }
        assert_ne!(scene_items(1, &options)?.spec, scene_items(2, &options)?.spec);
    }
    Ok(())
}

#[test]
fn other_questions_leave_picture_and_texts_alone() -> Result<(), Error> {
    let (few, many) = (WorldOptions::rcvit(), WorldOptions { questions: 20, ..WorldOptions::rcvit() });
    let texts = |samples: &[Sample]| samples.last().map(|sample| sample.regions.clone());
    for seed in 0..50 {
        let (few, many) = (scene_items(seed, &few)?, scene_items(seed, &many)?);

        assert_eq!(few.spec, many.spec);
        let told = texts(&few.samples).zip(texts(&many.samples));
        assert!(told.is_none_or(|(a, b)| a == b || a.iter().all(|region| region.facts.is_empty())));
    }
    Ok(())
}

#[test]
fn without_a_picture_nothing_is_asked_of_it() -> Result<(), Error> {
    let every = Mix { told: 1, recited: 1, recited_by_look: 1, numbers: 1, ..WorldOptions::rcvit().mix };
    let blind = WorldOptions { mix: every, picture: false, questions: 12, ..WorldOptions::rcvit() };
    let words = WorldOptions { words: Some(5..=5), ..blind.clone() };
    for seed in 0..200 {
        let (facts, random) = (scene_items(seed, &blind)?, scene_items(seed, &words)?);

        assert!(facts.spec.figurines.is_empty() && facts.spec == scene_items(0, &blind)?.spec);
        for sample in facts.samples.iter().chain(&random.samples) {
            sample.check()?;
            let is_read = ["told-", "recited-1"].iter().any(|how| sample.provenance.prompt.starts_with(how));
            assert!(is_read, "{sample:?}");
            let unseen = |region: &SampleRegion| region.region.bbox().is_none() && region.visual.is_empty();
            assert!(sample.regions.iter().all(unseen), "{sample:?}");
        }
        // `It says`, five words: 7 in all; each scene asks for every text once at most.
        assert!(!random.samples.is_empty() && random.samples.len() <= 4);
        for sample in &random.samples {
            assert!(sample.regions.iter().all(|region| region.facts.is_empty()), "{sample:?}");
            assert!(sample.answer.ends_with(&sample.accepted[0]), "{sample:?}");
            assert_eq!(sample.accepted[0].split(' ').count(), 7, "{sample:?}");
            assert!(sample.provenance.prompt.starts_with("recited"), "{sample:?}");
        }
    }
    Ok(())
}

#[test]
fn splits_share_no_seed() {
    for seed in [0, 1, (1 << 48) - 1, 1 << 48, u64::MAX] {
        let ranges = [Split::Train, Split::Validation, Split::Test].map(|split| split.seed(seed) >> 48);
        assert_eq!(ranges, [0, 1, 2]);
    }
}

#[test]
fn every_sample_is_sound() {
    for options in presets() {
        let mut ids = BTreeSet::new();
        for sample in all_samples(&options, SCENES / 4) {
            sample.check().unwrap_or_else(|error| panic!("{error}: {sample:?}"));
            sample.to_question().unwrap_or_else(|error| panic!("{error}: {sample:?}"));
            assert!(ids.insert(sample.id.clone()), "{}", sample.id);
            assert!(!sample.provenance.step.is_empty() && !sample.provenance.prompt.is_empty());
            let words = format!("{} {}", sample.question, sample.answer);
            assert!(!words.contains(['{', '}']) && !words.contains("  "), "{words}");
            assert!(sample.regions.iter().all(|region| region.region.label() == "figurine"));
        }
    }
}

#[test]
fn every_answer_is_read_as_it_is_meant() {
    let size = ImageSize::new(140, 140).expect("the sides are within limits");
    for sample in presets().iter().flat_map(|options| all_samples(options, SCENES / 4)) {
        if !sample.options.is_empty() {
            let letters: Vec<_> = ('A'..='Z').take(sample.options.len()).map(String::from).collect();
            let place =
                letters.iter().position(|letter| *letter == sample.answer).expect("the answer is a letter");
            assert_eq!(is_refusal(&sample.options[place]), !sample.answerable, "{sample:?}");
            assert_eq!(sample.options.iter().filter(|option| is_refusal(option)).count(), 1, "{sample:?}");
            assert_eq!(sample.options.iter().collect::<BTreeSet<_>>().len(), sample.options.len());
            assert_eq!(sample.accepted, [sample.options[place].clone()]);
            continue;
        }
        let answer =
            parse(&sample.answer, Targets::new(sample.regions.len(), 0, size), FinishReason::EndOfText);
        let read: Vec<_> = answer.cited_regions().iter().map(|id| id.number()).collect();
        let expected = if sample.cited { sample.citations.clone() } else { Vec::new() };
        assert_eq!(read, expected, "{sample:?}");
        assert_eq!(answer.refusal.is_some(), !sample.answerable, "{sample:?}");
        assert!(answer.repairs.is_empty(), "{sample:?}");
        let value_is_said = |value: &String| says(&sample.answer.to_lowercase(), &value.to_lowercase());
        let lists = sample.provenance.prompt.starts_with("list");
        assert!(lists || sample.accepted.iter().all(value_is_said), "{sample:?}");
        assert_eq!(sample.accepted.is_empty(), !sample.answerable || sample.kind == Kind::Description);
    }
}

#[test]
fn what_is_seen_names_one_figurine() {
    let options = WorldOptions { choice_percent: 0, ..WorldOptions::rcvit() };
    let mut seen = BTreeMap::new();
    for sample in all_samples(&options, SCENES).filter(|sample| sample.kind == Kind::VisualToContext) {
        let (_, how) = sample.provenance.prompt.split_once('/').expect("the prompt names the expression");
        *seen.entry(how.to_owned()).or_insert(0) += 1;
        let it = cited(&sample);
        let keys = match how {
            "look" => vec!["colour", "shape"],
            "place" => {
                let side =
                    SIDES.into_iter().find(|side| says(&sample.question, side)).expect("a side is named");
                let key = |region: &SampleRegion| {
                    let [x1, y1, x2, y2] =
                        region.region.bbox().expect("every region has a box").xyxy().map(i32::from);
                    match side {
                        "left" => x1 + x2,
                        "right" => -x1 - x2,
                        "top" => y1 + y2,
                        _ => -y1 - y2,
                    }
                };
                let others = sample.regions.iter().filter(|other| *other != it);
                // 120 thousandths between the centres, doubled.
                assert!(others.map(key).all(|other| key(it) + 240 <= other), "{sample:?}");
                continue;
            }
            other => vec![other],
        };
        for key in &keys {
            assert!(says(&sample.question, &it.visual[*key]), "{sample:?}");
        }
        let alike =
            |other: &&SampleRegion| keys.iter().all(|key| other.visual.get(*key) == it.visual.get(*key));
        assert_eq!(sample.regions.iter().filter(alike).count(), 1, "{sample:?}");
    }
    assert!(
        ["look", "shape", "colour", "size", "accessory", "place"].iter().all(|how| seen.contains_key(*how))
    );
}

#[test]
fn what_is_told_names_one_figurine() {
    for sample in all_samples(&WorldOptions::rcvit(), SCENES) {
        let (_, fact) = sample.provenance.prompt.split_once('/').unwrap_or_default();
        match sample.kind {
            Kind::ContextToVisual => {
                let value = &cited(&sample).facts[fact];
                assert!(says(&sample.question, value), "{sample:?}");
                let telling = sample.regions.iter().filter(|region| says(region.region.info(), value));
                assert_eq!(telling.count(), 1, "{sample:?}");
            }
            Kind::UnanswerableContextToVisual => {
                let words: Vec<_> = sample.question.trim_end_matches('?').split(' ').collect();
                let told =
                    |word: &str| sample.regions.iter().any(|region| region.facts.values().any(|v| v == word));
                assert!(!words.into_iter().any(told), "{sample:?}");
                // The kind of fact is told of some figurine, so that only its value gives the answer.
                assert!(sample.regions.iter().any(|region| region.facts.contains_key(fact)), "{sample:?}");
            }
            _ => {}
        }
    }
}

#[test]
fn an_answer_is_in_its_own_text_and_a_missing_fact_is_not() {
    let (mut missing, mut elsewhere, mut checked) = (0, 0, 0);
    for sample in all_samples(&WorldOptions { choice_percent: 0, ..WorldOptions::test() }, SCENES) {
        match sample.kind {
            Kind::VisualToContext => {
                assert!(says(cited(&sample).region.info(), &sample.accepted[0]), "{sample:?}");
            }
            Kind::UnanswerableVisualToContext => {
                let (fact, _) = sample.provenance.prompt.split_once('-').expect("the prompt names the fact");
                let having = sample.regions.iter().any(|region| region.facts.contains_key(fact));
                missing += 1;
                elsewhere += i32::from(having);
                if let Some(it) = meant_by_looks(&sample) {
                    let fact =
                        Fact::ALL.into_iter().find(|known| known.name() == fact).expect("the fact is known");
                    assert!(!it.facts.contains_key(fact.name()), "{sample:?}");
                    assert!(fact.values().iter().all(|value| !says(it.region.info(), value)), "{sample:?}");
                    checked += 1;
                }
            }
            _ => {}
        }
        for region in sample.regions.iter().filter(|region| !region.facts.is_empty()) {
            assert!(region.facts.values().all(|value| says(region.region.info(), value)), "{region:?}");
        }
    }
    assert!(checked * 10 > missing * 8, "{checked} of {missing} are named by their looks");
    assert!(elsewhere * 2 > missing, "{elsewhere} of {missing} missing facts are told of another figurine");
}

#[test]
fn numbers_tell_nothing_about_places() {
    let mut options = WorldOptions::rcvit();
    options.layout.figurines = 4..=4;
    // How often the figurine at each rank has each number; ranked from the left, and as the layout names them.
    let mut counts = [[[0_u32; 4]; 4]; 2];

    for seed in 0..SCENES {
        let items = scene_items(seed, &options).expect("the scene has figurines");
        let Some(sample) = items.samples.iter().find(|sample| sample.regions.len() == 4) else { continue };
        let bbox = |number: usize| sample.regions[number].region.bbox().expect("every region has a box");
        let mut from_left: Vec<_> = (0..4).collect();
        from_left.sort_by_key(|&number| bbox(number).xyxy()[0]);
        for (rank, number) in from_left.into_iter().enumerate() {
            counts[0][rank][number] += 1;
        }
        (0..4).for_each(|number| {
            let rank = items.spec.figurines.iter().position(|it| it.bbox == bbox(number));
            counts[1][rank.expect("every region shows a figurine")][number] += 1;
        });
    }

    for counts in counts {
        let scenes: u32 = counts[0].iter().sum();
        // Chi-square with 9 degrees of freedom is above 33.7 once in 10,000 times.
        let expected = f64::from(scenes) / 4.0;
        let chi_square: f64 =
            counts.iter().flatten().map(|&count| (f64::from(count) - expected).powi(2) / expected).sum();
        assert!(scenes > 1500 && chi_square < 33.7, "{chi_square}: {counts:?}");
    }
}

#[test]
fn the_turns_before_do_not_tell_whom_a_training_question_is_about() -> Result<(), Error> {
    let mut options = WorldOptions { questions: 8, ..WorldOptions::grounding(2) };
    options.mix = Mix { told: 1, ..Mix::default() };
    let (mut pairs, mut alike) = ([0_u32; 2], [0_u32; 2]);
    for seed in 0..500 {
        let numbers: Vec<_> = scene_items(seed, &options)?.samples.iter().map(|s| s.citations[0]).collect();
        for (at, distance) in [1, 2].into_iter().enumerate() {
            let turns = numbers.iter().zip(numbers.iter().skip(distance));
            pairs[at] += turns.clone().count() as u32;
            alike[at] += turns.filter(|(before, now)| before == now).count() as u32;
        }
    }

    // Two figurines: half of some 3000 pairs, standard deviation below 1 %.
    for (alike, pairs) in alike.into_iter().zip(pairs) {
        let share = f64::from(alike) / f64::from(pairs);
        assert!((0.45..=0.55).contains(&share), "{alike} of {pairs}");
    }
    Ok(())
}

#[test]
fn the_cited_number_is_even_and_the_kinds_are_balanced() {
    let mut options = WorldOptions { choice_percent: 0, ..WorldOptions::rcvit() };
    options.layout.figurines = 3..=3;
    let (mut numbers, mut kinds) = ([0_u32; 3], BTreeMap::new());

    for sample in all_samples(&options, SCENES) {
        *kinds.entry(sample.kind).or_insert(0_u32) += 1;
        if matches!(sample.kind, Kind::VisualToContext | Kind::ContextToVisual) {
            numbers[sample.citations[0] as usize - 1] += 1;
        }
    }

    let total: u32 = numbers.iter().sum();
    // 1/3 each, standard deviation sqrt(N * 2/9): five of them.
    let bound = 5.0 * (f64::from(total) * 2.0 / 9.0).sqrt();
    assert!(
        numbers.iter().all(|&count| (f64::from(count) - f64::from(total) / 3.0).abs() < bound),
        "{numbers:?}"
    );
    let share = |kind| f64::from(kinds[&kind]) / f64::from(kinds.values().sum::<u32>());
    for (kind, weight) in [
        (Kind::VisualToContext, 0.25),
        (Kind::ContextToVisual, 0.25),
        (Kind::UnanswerableVisualToContext, 0.125),
        (Kind::UnanswerableContextToVisual, 0.125),
        (Kind::Description, 0.125),
    ] {
        // Questions that were asked before or cannot be asked shift the shares a little.
        assert!((share(kind) - weight).abs() < 0.03, "{kind:?}: {}", share(kind));
    }
}

#[test]
fn held_out_looks_are_in_every_test_scene_and_in_no_training_scene() -> Result<(), Error> {
    for seed in 0..SCENES {
        let count = |options: &WorldOptions| -> Result<usize, Error> {
            let figurines = scene_items(seed, options)?.spec.figurines;
            Ok(figurines.iter().filter(|it| is_held_out(it.shape, it.colour)).count())
        };

        assert_eq!(count(&WorldOptions::rcvit())?, 0);
        assert_eq!(count(&WorldOptions::grounding(1))?, 0);
        assert!(count(&WorldOptions::test())? >= 1);
    }
    Ok(())
}

#[test]
fn held_out_pairs_of_name_and_job_are_in_every_test_scene_and_in_no_training_scene() {
    let pairs = |options: &WorldOptions, seed| {
        let mut options = options.clone();
        options.mix.numbers = 0;
        let items = scene_items(seed, &options).expect("the scene has figurines");
        let regions = items.samples.first().map(|sample| sample.regions.clone()).unwrap_or_default();
        let held_out = |region: &&SampleRegion| {
            region.facts.get("job").is_some_and(|job| is_held_out_pair(&region.facts["owner"], job))
        };
        (!items.samples.is_empty()).then(|| regions.iter().filter(held_out).count())
    };
    for seed in 0..SCENES {
        assert!(pairs(&WorldOptions::rcvit(), seed).is_none_or(|count| count == 0));
        assert!(pairs(&WorldOptions::test(), seed).is_none_or(|count| count >= 1));
    }
}

#[test]
fn the_vocabulary_is_small() {
    let mut words = BTreeSet::new();
    for sample in presets().iter().flat_map(|options| all_samples(options, SCENES / 4)) {
        let infos = sample.regions.iter().map(|region| region.region.info().to_owned());
        for text in infos.chain([sample.question, sample.answer]).chain(sample.options) {
            let is_word = |word: &&str| word.chars().all(char::is_alphabetic) && !word.is_empty();
            words.extend(text.split(|c: char| !c.is_alphanumeric()).filter(is_word).map(str::to_lowercase));
        }
    }
    // 40 names, 12 jobs, 12 cities, 6 pets, 8 colours, 8 shapes and about 100 other words.
    assert!((170..=230).contains(&words.len()), "{} words: {words:?}", words.len());
}

#[test]
fn samples_go_on_as_long_as_they_are_asked_for() -> Result<(), Error> {
    for split in [Split::Train, Split::Validation, Split::Test] {
        let items = samples(split, 5, 100).collect::<Result<Vec<_>, _>>()?;

        assert_eq!(items.len(), 100);
        assert!(items.iter().all(|sample| sample.provenance.split == split.name()));
        assert_eq!(items[0].provenance.seed, Some(split.seed(5)));
    }
    Ok(())
}
