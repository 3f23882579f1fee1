//! The shipped benchmark is the same everywhere, and what its files say is right by rules of its readers, not its maker.
#![allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]

#[path = "../examples/benchmark.rs"]
mod benchmark_command;
mod runs;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use benchmark_command::command;
use rcmu_core::Picture;
use rcmu_data::{
    PictureSource, Sample, SampleReference,
    figurines::{Figurine, SceneSpec},
};
use rcmu_eval::dataset::{BenchFiles, Format, Group, Opened, RcpBench, RcpQuestion, figurine_bench};
use runs::Scratch;
use sha2::{Digest, Sha256};

#[test]
fn seed_0_gives_these_items_and_these_pixels() {
    // A determinism check: it says that nothing has changed, not that anything is right. The digests are of our own run;
    // a change of them needs another version of the benchmark's maker.
    let all = BenchFiles::new(0, 100).unwrap();
    let digest = Sha256::digest(all.items().as_bytes());
    assert_eq!(format!("{digest:x}"), "8cee5e41e06f2281b53a54b3c652a66099bc2f587e4f044a20d1470a98dcb038");

    // All 500 pictures, by their pixels: the bytes of a PNG file are its compressor's.
    let digests = all.digests().unwrap();
    assert_eq!(all.pictures().len(), 500);
    assert_eq!(digests.items, format!("{digest:x}"));
    assert_eq!(digests.pictures, "cfa8e1bbdfddae94661cb95e8f60c7b7e58a602021452c8a3de312a03bf726ab");
}

/// The pixels of a picture that is drawn, and of one that was written.
fn pixels(source: &PictureSource, folder: &Path) -> Vec<u8> {
    match source {
        PictureSource::File(name) => image::open(folder.join(name)).unwrap().into_rgb8().into_raw(),
        drawn => match drawn.open(folder).unwrap() {
            (Picture::Rgb { pixels, .. }, _) => pixels.to_vec(),
            (other, _) => panic!("{other:?} is not drawn"),
        },
    }
}

#[test]
fn the_command_writes_and_checks_the_files() {
    let scratch = Scratch::new("shipped-command");
    let folder = scratch.path("bench");
    let out = folder.to_str().unwrap();
    let said = |words: &[&str]| command(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>());

    let made = said(&["--items", "2", "--seed", "9", "--out", out]).unwrap();
    let checked = said(&["--items", "2", "--seed", "9", "--out", out, "--check"]).unwrap();

    assert!(made.starts_with("2 sets, 10 pictures; the items are "), "{made}");
    assert_eq!(made.lines().skip(1).collect::<Vec<_>>(), checked.lines().skip(1).collect::<Vec<_>>());
    let message = |words: &[&str]| said(words).expect_err("it is refused").to_string();
    assert!(message(&["--items", "2", "--seed", "8", "--out", out, "--check"]).contains(" faults in "));
    assert!(message(&["--items", "2", "--seed", "9", "--out", out]).starts_with("cannot use "));
    assert!(message(&["--items", "two"]).starts_with("--items two is no number; usage: "));
    assert!(message(&["--nothing", "2"]).starts_with("usage: "));
    assert!(message(&["--seed"]).starts_with("usage: "));
}

/// A sentence of the benchmark around its one variable part, and the fact that it asks for or goes by.
const ASKED_BY_LOOK: [(&str, &str, &str); 6] = [
    ("Who is the owner of ", "?", "owner"),
    ("How old is the owner of ", "?", "age"),
    ("What is the job of the owner of ", "?", "job"),
    ("Where was ", " made?", "origin"),
    ("How much did ", " cost?", "price"),
    ("Where was ", " found?", "story"),
];
const ASKED_BY_FACT: [(&str, &str, &str); 6] = [
    ("Which figurine is owned by a ", "?", "job"),
    ("Which figurine is owned by ", "?", "owner"),
    ("Which figurine belongs to someone who is ", " years old?", "age"),
    ("Which figurine was made in ", "?", "origin"),
    ("Which figurine cost ", "?", "price"),
    ("Which figurine was found ", "?", "story"),
];

/// The fact that a question is about, and what stands in its variable part.
fn taken_apart<'a>(
    question: &'a str,
    forms: &[(&str, &str, &'static str)],
) -> Option<(&'static str, &'a str)> {
    forms
        .iter()
        .find_map(|(before, after, fact)| Some((*fact, question.strip_prefix(before)?.strip_suffix(after)?)))
}

/// `text` in lower case as words, between spaces.
fn words(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    format!(" {} ", words.collect::<Vec<_>>().join(" ").to_lowercase())
}

fn says(text: &str, value: &str) -> bool {
    words(text).contains(&words(value))
}

/// Whether an option says that there is no answer, told by its words alone.
fn gives_up(option: &str) -> bool {
    says(option, "not enough information") || says(option, "cannot be answered")
}

/// The names by which questions and options call a figurine.
fn names(figurine: &Figurine) -> [String; 3] {
    let (shape, stand) = (figurine.shape.word(), figurine.stand.unwrap().word());
    [
        format!("the figurine in the {stand} box"),
        format!("the {} {shape}", figurine.colour.word()),
        format!("the {shape} in the {stand} box"),
    ]
}

fn scene(picture: &PictureSource) -> &SceneSpec {
    match picture {
        PictureSource::Figurines(spec) => spec,
        other => panic!("{other:?} is not drawn"),
    }
}

/// The text of the right option, worked out from the scenes and the facts; none when nothing tells it.
fn right_answer(drawn: &Sample, question: &str, group: Group) -> Option<String> {
    let query = &scene(&drawn.picture).figurines;
    let look = |figurine: &Figurine| (figurine.shape, figurine.colour, figurine.accessory);
    let reference_of = |figurine: &Figurine| {
        let mut found =
            drawn.references.iter().filter(|own| look(&scene(&own.picture).figurines[0]) == look(figurine));
        let reference = found.next().unwrap();
        assert!(found.next().is_none(), "two references show one figurine");
        reference
    };
    match group {
        Group::VisualToContext => {
            let (fact, name) = taken_apart(question, &ASKED_BY_LOOK)?;
            let mut named = query.iter().filter(|own| names(own)[..2].iter().any(|own| own == name));
            let figurine = named.next().unwrap_or_else(|| panic!("{question}: nothing is called so"));
            assert!(named.next().is_none(), "{question}: two are called so");
            Some(reference_of(figurine).facts[fact].clone())
        }
        Group::ContextToVisual => {
            let (fact, value) = taken_apart(question, &ASKED_BY_FACT).unwrap_or_else(|| panic!("{question}"));
            let mut told = query.iter().filter(|own| reference_of(own).facts[fact] == value);
            let figurine = told.next()?;
            assert!(told.next().is_none(), "{question}: two have this value");
            Some(names(figurine)[2].clone())
        }
    }
}

/// What must not be told of anything when a question has no answer: the value it goes by, or all that it offers.
fn unknown_values(question: &RcpQuestion) -> Vec<&str> {
    if let Some((_, value)) = taken_apart(&question.question, &ASKED_BY_FACT) {
        return vec![value];
    }
    question.options.iter().map(String::as_str).filter(|option| !gives_up(option)).collect()
}

#[test]
fn the_written_items_are_right_by_the_scenes_and_the_facts() {
    let scratch = Scratch::new("shipped-files");
    let folder = scratch.path("bench");
    let (seed, sets) = (0, 100);
    // Without the pictures, for the sake of time.
    let path = folder.join("benchmark.jsonl");
    fs::create_dir_all(&folder).unwrap();
    fs::write(&path, BenchFiles::new(seed, sets).unwrap().items()).unwrap();
    let drawn = figurine_bench(seed, sets).unwrap();
    let bench = RcpBench::open(&path).unwrap();
    let mut kinds: BTreeMap<(bool, bool), usize> = BTreeMap::new();
    let (mut places, mut counts, mut cases) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());

    assert_eq!(bench.items.len(), sets);
    for (item, drawn) in bench.items.iter().zip(drawn.items().chunks(10)) {
        let drawn = &drawn[0];
        let query = &scene(&drawn.picture).figurines;
        assert_eq!((item.references.len(), query.len()), (4, 4));
        assert_eq!(query.iter().map(|own| own.stand.unwrap().word()).collect::<BTreeSet<_>>().len(), 4);
        for (own, known) in item.references.iter().zip(&drawn.references) {
            assert_eq!(own.facts, known.facts);
            assert!((100..=130).contains(&own.info.split_whitespace().count()), "{}", own.info);
            for (fact, value) in &own.facts {
                assert!(says(&own.info, value), "{fact}: {value} is not told in {}", own.info);
            }
        }
        for question in &item.questions {
            let shown = format!("{}: {} {:?}", question.id, question.question, question.options);
            let lower: BTreeSet<_> = question.options.iter().map(|option| words(option)).collect();
            assert_eq!(lower.len(), question.options.len(), "options differ: {shown}");
            let mut given_up = (0..).zip(&question.options).filter(|(_, option)| gives_up(option));
            let (place, option) = given_up.next().unwrap_or_else(|| panic!("{shown}"));
            assert!(given_up.next().is_none(), "{shown}");
            let right = &question.options[usize::from(question.answer.as_bytes()[0] - b'A')];
            let worked_out = right_answer(drawn, &question.question, question.group);

            if let Some(answer) = &worked_out {
                assert_eq!(words(right), words(answer), "{shown}");
                assert_eq!(question.citations.len(), 1, "{shown}");
            } else {
                assert!(gives_up(right), "{shown}");
                assert!(question.citations.is_empty(), "{shown}");
                for value in unknown_values(question) {
                    let tells = |own: &SampleReference| says(&own.info, value);
                    assert!(!item.references.iter().any(tells), "{value} is told: {shown}");
                }
            }
            *kinds.entry((question.group == Group::VisualToContext, worked_out.is_some())).or_default() += 1;
            places.insert((question.options.len(), place));
            counts.insert(question.options.len());
            cases.insert(option.clone());
        }
    }

    // Ten questions a set: each figurine in both directions, and one of each direction without an answer.
    let expected =
        [((false, false), sets), ((false, true), 4 * sets), ((true, false), sets), ((true, true), 4 * sets)];
    assert_eq!(kinds, BTreeMap::from(expected));
    assert_eq!((counts.into_iter().collect::<Vec<_>>(), places.len()), (vec![4, 5, 6], 4 + 5 + 6));
    assert!(cases.len() > 3, "wording and case vary: {cases:?}");
}

#[test]
fn the_written_files_are_asked_as_the_drawn_ones_are() {
    let scratch = Scratch::new("shipped-asked");
    let folder = scratch.path("bench");
    let files = BenchFiles::new(7, 1).unwrap();
    let path = files.write(&folder).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), files.items());
    let drawn = figurine_bench(7, 1).unwrap();

    let opened = Opened::read(path, None).unwrap();

    assert_eq!((opened.format, opened.dataset.name()), (Format::Rcp, "benchmark"));
    for (own, known) in opened.dataset.items().iter().zip(drawn.items()) {
        let (scene, question) = own.open(opened.dataset.folder()).unwrap();
        assert_eq!((scene.references().len(), question), (4, known.to_question().unwrap()));
        let own_pictures = own.references.iter().map(|reference| &reference.picture).chain([&own.picture]);
        let drawn_pictures = known.references.iter().map(|reference| &reference.picture);
        for (file, picture) in own_pictures.zip(drawn_pictures.chain([&known.picture])) {
            assert!(matches!(file, PictureSource::File(_)), "{file:?}");
            assert!(
                pixels(file, &folder) == pixels(picture, &folder),
                "{file:?} has other pixels than were drawn"
            );
        }
        let with_files = Sample {
            picture: known.picture.clone(),
            references: known.references.clone(),
            ..(**own).clone()
        };
        assert_eq!(with_files, **known);
    }
}
