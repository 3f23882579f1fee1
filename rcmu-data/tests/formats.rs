//! What every format gives back.
#![allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]

use std::collections::BTreeMap;

use proptest::{
    collection::vec, option, prelude::*, sample::Index, strategy::ValueTree, test_runner::TestRunner,
};
use rcmu_core::{BBox, Region};
use rcmu_data::{
    Error, Kind, PictureSource, Provenance, Sample, SampleReference, SampleRegion,
    figurines::{Accessory, Backdrop, Colour, Figurine, SceneSpec, Shape, Size, Stand},
    formats::{Extras, Layout, SampleReader, SampleWriter, jsonl, llava, qwen, sharegpt},
};

/// Text made of what could break a format.
fn hostile() -> impl Strategy<Value = String> {
    let fragment = prop_oneof![
        4 => prop::sample::select(vec![
            "Bella", " is ", "a dog", ".", " ", "[1]", "[2, 3]", "é", "👩\u{200d}👧", "{", "}", "\"", "\\", ",", "A. ",
            "(1,2),(3,4)", "Picture 1: ",
        ]),
        2 => prop::sample::select(vec![
            "\n", "\r\n", "\0", "\u{2028}", "<image>", "<image>\n", "<img>", "</img>", "<box>", "</box>", "<ref>", "<|im_end|>",
            "<|image_pad|>", "<|box_start|>(1,2),(3,4)<|box_end|>", "<|box_end|>", "[2]: The information of the cat",
            " located at ", " in the image: ", "\nA. ", "\nB. ", "object shown in Picture 1: ",
            "\nAnswer with the option's letter from the given choices directly.",
            "Answer the following question based on the information above and the given image.\n",
            "<|vision_start|><|image_pad|><|vision_end|>", "The person is not in the image.", "[",
        ]),
    ];
    vec(fragment, 0..6).prop_map(|parts| parts.concat())
}

/// Text that every format can carry.
fn plain() -> impl Strategy<Value = String> {
    vec(prop::sample::select(vec!["Bella", " is ", "a dog", ".", "[1]", "é", "\"", "\\", "{", "(1,2)"]), 1..6)
        .prop_map(|parts| format!("x{}", parts.concat()))
}

fn grid_box() -> impl Strategy<Value = BBox> {
    [0..=1000_u16, 0..=1000, 0..=1000, 0..=1000]
        .prop_map(|[a, b, c, d]| BBox::new(a.min(c), b.min(d), a.max(c), b.max(d)).unwrap())
}

fn facts() -> impl Strategy<Value = BTreeMap<String, String>> {
    prop::collection::btree_map("[a-z]{1,4}", hostile(), 0..3)
}

fn file() -> impl Strategy<Value = PictureSource> {
    "[a-z]{1,8}(/[a-z é]{1,3})?\\.png".prop_map(PictureSource::File)
}

fn drawn() -> impl Strategy<Value = PictureSource> {
    (any::<u32>(), 64..=1024_u32, vec((grid_box(), any::<bool>()), 0..3)).prop_map(|(seed, side, boxes)| {
        let figurines = boxes.into_iter().map(|(bbox, dressed)| Figurine {
            shape: Shape::Owl,
            colour: Colour::Red,
            size: Size::Small,
            accessory: dressed.then_some(Accessory::Bow),
            stand: dressed.then_some(Stand::Blue),
            bbox,
        });
        PictureSource::Figurines(Box::new(SceneSpec {
            version: SceneSpec::VERSION,
            side,
            backdrop: Backdrop::Meadow,
            backdrop_seed: seed,
            figurines: figurines.collect(),
        }))
    })
}

fn sample<T: Strategy<Value = String> + Clone + 'static>(
    text: T,
    picture: impl Strategy<Value = PictureSource> + Clone + 'static,
) -> impl Strategy<Value = Sample> {
    let filled = text.clone().prop_map(|text| if text.trim().is_empty() { "dog".to_owned() } else { text });
    let region = (filled.clone(), option::of(grid_box()), text.clone(), facts(), facts());
    let reference = (picture.clone(), text, facts());
    let provenance = (hostile(), hostile(), option::of(any::<u64>()));
    let accepted = hostile().prop_map(|text| if text.trim().is_empty() { "dog".to_owned() } else { text });
    let words = (filled.clone(), vec(filled.clone(), 0..4), filled.clone(), vec(accepted, 0..3));
    let flags = (any::<bool>(), any::<bool>(), any::<Index>(), prop::sample::select(Kind::ALL.to_vec()));
    let shown = (picture, vec(reference, 0..3), vec(region, 0..4));
    (filled, shown, words, flags, provenance).prop_map(
        |(id, (picture, references, regions), (question, options, answer, accepted), flags, provenance)| {
            let (cited, answerable, cite, kind) = flags;
            let targets = regions.len() + references.len();
            let citations =
                if answerable && targets > 0 { vec![cite.index(targets) as u32 + 1] } else { vec![] };
            let regions = regions.into_iter().map(|(label, bbox, info, facts, visual)| SampleRegion {
                region: Region::new(label, bbox, info).unwrap(),
                facts,
                visual,
            });
            let references =
                references.into_iter().map(|(picture, info, facts)| SampleReference { picture, info, facts });
            let (maker, step, seed) = provenance;
            let options = if options.len() == 1 { vec![] } else { options };
            // A right option, told by its letter or by its text.
            let answer = match options.len() {
                0 => answer,
                count if cited => char::from(b'A' + cite.index(count) as u8).to_string(),
                count => options[cite.index(count)].clone(),
            };
            Sample {
                id,
                picture,
                references: references.collect(),
                regions: regions.collect(),
                kind,
                question,
                options,
                cited,
                answer,
                accepted,
                citations,
                answerable,
                provenance: Provenance { maker, step, seed, ..Provenance::default() },
            }
        },
    )
}

/// Gives every sample an id of its own.
fn numbered(mut samples: Vec<Sample>) -> Vec<Sample> {
    for (number, sample) in samples.iter_mut().enumerate() {
        sample.id.push_str(&number.to_string());
    }
    samples
}

type Write = fn(Layout, Extras) -> SampleWriter<Vec<u8>>;
type Read = fn(&[u8]) -> SampleReader<&[u8]>;

/// The conversation formats: name, writer, reader.
const CONVERSATIONS: [(&str, Write, Read); 3] = [
    ("LLaVA", |l, e| llava::write(Vec::new(), "f", l, e).unwrap(), |bytes| llava::read(bytes, "f")),
    ("ShareGPT", |l, e| sharegpt::write(Vec::new(), "f", l, e).unwrap(), |bytes| sharegpt::read(bytes, "f")),
    ("Qwen", |l, e| qwen::write(Vec::new(), "f", l, e).unwrap(), |bytes| qwen::read(bytes, "f")),
];

fn jsonl_bytes(samples: &[Sample]) -> Vec<u8> {
    let mut writer = jsonl::write(Vec::new(), "f").unwrap();
    for sample in samples {
        writer.write(sample).unwrap();
    }
    writer.finish().unwrap()
}

/// Writes the samples that the writer takes; gives them with the bytes.
fn write_some(write: Write, layout: Layout, extras: Extras, samples: &[Sample]) -> (Vec<Sample>, Vec<u8>) {
    let mut writer = write(layout, extras);
    let taken = samples.iter().filter(|sample| match writer.write(sample) {
        Ok(()) => true,
        Err(Error::Field { .. } | Error::Core(_)) => false,
        Err(other) => panic!("{other}"),
    });
    (taken.cloned().collect(), writer.finish().unwrap())
}

/// What a conversation format carries.
fn carried(sample: &Sample) -> impl PartialEq + std::fmt::Debug {
    let regions: Vec<_> = sample.regions.iter().map(|region| region.region.clone()).collect();
    let references: Vec<_> = sample
        .references
        .iter()
        .map(|reference| (reference.picture.clone(), reference.info.clone()))
        .collect();
    let has_context = !regions.is_empty() || !references.is_empty();
    (
        (sample.id.clone(), sample.picture.clone(), references, regions),
        (sample.question.clone(), sample.options.clone(), sample.answer.clone()),
        has_context.then_some(sample.cited),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn jsonl_gives_back_every_sample(samples in vec(sample(hostile().boxed(), prop_oneof![file(), drawn()].boxed()), 0..4)) {
        let samples = numbered(samples);

        let bytes = jsonl_bytes(&samples);
        let mut reader = jsonl::read(&bytes[..], "f");
        let read: Vec<_> = reader.by_ref().collect::<Result<_, _>>().unwrap();

        prop_assert_eq!(read, samples);
        prop_assert!(reader.repairs().is_empty(), "{:?}", reader.repairs());
    }

    #[test]
    fn conversations_give_back_what_they_carry(
        samples in vec(sample(prop_oneof![3 => plain(), 1 => hostile()].boxed(), file().boxed()), 0..4), lines: bool,
    ) {
        let samples = numbered(samples);
        let layout = if lines { Layout::Lines } else { Layout::Array };
        for (name, write, read) in CONVERSATIONS {
            let (taken, bytes) = write_some(write, layout, Extras::Omit, &samples);
            let mut reader = read(&bytes);
            let found: Vec<Sample> = reader.by_ref().collect::<Result<_, _>>().unwrap();

            let expected: Vec<_> = taken.iter().map(carried).collect();
            prop_assert_eq!(found.iter().map(carried).collect::<Vec<_>>(), expected, "{}", name);
            prop_assert!(reader.repairs().is_empty(), "{}: {:?}", name, reader.repairs());
        }
    }

    #[test]
    fn conversations_with_extras_give_back_everything(
        samples in vec(sample(prop_oneof![3 => plain(), 1 => hostile()].boxed(), file().boxed()), 0..4),
    ) {
        let samples = numbered(samples);
        for (name, write, read) in CONVERSATIONS {
            let (taken, bytes) = write_some(write, Layout::Array, Extras::Write, &samples);
            let found: Vec<Sample> = read(&bytes).collect::<Result<_, _>>().unwrap();

            prop_assert_eq!(found, taken, "{}", name);
        }
    }

    #[test]
    fn plain_samples_are_never_refused(sample in sample(plain().boxed(), file().boxed())) {
        for (name, write, _) in CONVERSATIONS {
            for extras in [Extras::Omit, Extras::Write] {
                let written = write(Layout::Lines, extras).write(&sample);
                prop_assert!(written.is_ok(), "{}: {:?}", name, written);
            }
        }
    }

    #[test]
    fn damaged_files_are_refused_or_mended_but_never_panic(
        sample in sample(hostile().boxed(), file().boxed()),
        damage in vec((any::<Index>(), 0..4_u8, prop::sample::select(br#"{}[]",:\\n0x<"#.to_vec())), 1..4),
    ) {
        let mut files = vec![("JSONL", jsonl_bytes(std::slice::from_ref(&sample)), (|bytes| jsonl::read(bytes, "f")) as Read)];
        for (name, write, read) in CONVERSATIONS {
            let (_, bytes) = write_some(write, Layout::Array, Extras::Write, std::slice::from_ref(&sample));
            files.push((name, bytes, read));
        }
        for (name, mut bytes, read) in files {
            for (at, how, byte) in &damage {
                let at = at.index(bytes.len() + 1);
                match how {
                    0 if at < bytes.len() => bytes[at] = *byte,
                    1 if at < bytes.len() => { bytes.remove(at); }
                    2 => bytes.truncate(at),
                    _ => bytes.insert(at, *byte),
                }
            }
            let mut errors = 0;
            for result in read(&bytes) {
                match result {
                    Ok(sample) => prop_assert!(sample.check().is_ok(), "{}", name),
                    Err(Error::Line { line, .. }) => {
                        prop_assert!(line >= 1);
                        errors += 1;
                    }
                    Err(other) => prop_assert!(false, "{}: {:?}", name, other),
                }
                prop_assert!(errors <= bytes.len() + 1);
            }
        }
    }

    #[test]
    fn any_bytes_end(bytes in vec(any::<u8>(), 0..200)) {
        prop_assert!(jsonl::read(&bytes[..], "f").count() <= bytes.len() + 1);
        for (_, _, read) in CONVERSATIONS {
            prop_assert!(read(&bytes).count() <= bytes.len() + 1);
        }
    }
}

#[test]
fn a_refused_sample_leaves_the_file_as_it_was() {
    let mut runner = TestRunner::deterministic();
    let good = sample(plain().boxed(), file().boxed()).new_tree(&mut runner).unwrap().current();
    let bad = Sample { picture: PictureSource::File("/a.png".into()), ..good.clone() };
    let mut writer = llava::write(Vec::new(), "f", Layout::Array, Extras::Write).unwrap();

    assert!(writer.write(&bad).is_err());
    writer.write(&good).unwrap();
    let twice = writer.write(&good).unwrap_err().to_string();
    let bytes = writer.finish().unwrap();

    assert!(twice.ends_with("is the id of sample 1 too"), "{twice}");
    assert_eq!(llava::read(&bytes[..], "f").collect::<Result<Vec<_>, _>>().unwrap(), [good]);
}

/// A disk that fails.
struct Broken;

impl std::io::Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::Error::other("broken"))
    }
}

#[test]
fn samples_come_before_the_rest_of_the_file_is_read() {
    let mut runner = TestRunner::deterministic();
    let good = sample(plain().boxed(), file().boxed()).new_tree(&mut runner).unwrap().current();
    let bytes = jsonl_bytes(std::slice::from_ref(&good));
    let input = std::io::BufReader::with_capacity(64, std::io::Read::chain(&bytes[..], Broken));

    let results: Vec<_> = jsonl::read(input, "f").collect();

    assert!(matches!(&results[..], [Ok(sample), Err(Error::File { .. })] if *sample == good));
}
