//! Every tensor, with every fault a tensor can have.

use std::{fs::OpenOptions, io::Seek, io::Write};

use rcmu_model::{
    Error, WeightFormat,
    weights::{Checkpoint, CheckpointLimits, Scan, expected_tensors, pack_checkpoint},
};

use super::kit::{FIXTURES, Numbers, Scratch, Stored, Weights};

const HEAD: &str = "lm_head.weight";

#[derive(Clone, Copy, Debug)]
enum Fault {
    Dropped,
    Reshaped,
    Whole,
    Double,
    Renamed,
    Extra,
    /// The same name once more: in the other shard, or in the same file.
    Repeated,
    /// The same tensor once more, by its name in another layout.
    Alias,
}

const FAULTS: [Fault; 8] = [
    Fault::Dropped,
    Fault::Reshaped,
    Fault::Whole,
    Fault::Double,
    Fault::Renamed,
    Fault::Extra,
    Fault::Repeated,
    Fault::Alias,
];

/// The name of a tensor in the files of the hub.
fn hub_name(name: &str) -> String {
    name.replace("model.language_model.", "model.").replace("model.visual.", "visual.")
}

/// The name in the layout that the file does not have.
fn other_name(name: &str) -> String {
    let hub = hub_name(name);
    if hub != name {
        return hub;
    }
    match (name.strip_prefix("model."), name.strip_prefix("visual.")) {
        (Some(rest), _) => format!("model.language_model.{rest}"),
        (_, Some(rest)) => format!("model.visual.{rest}"),
        _ => name.to_owned(),
    }
}

/// Another shape of as many values.
fn reshaped(shape: &[u64]) -> Vec<u64> {
    let turned: Vec<u64> = shape.iter().rev().copied().collect();
    if turned == shape { [&[1], shape].concat() } else { turned }
}

fn apply(fault: Fault, weights: &mut Weights, file: usize, at: usize) {
    let other = (file + 1) % weights.files.len();
    let (_, tensors) = &mut weights.files[file];
    let Stored { name, shape, .. } = tensors[at].clone();
    match fault {
        Fault::Dropped => drop(tensors.remove(at)),
        Fault::Reshaped => tensors[at].shape = reshaped(&shape),
        Fault::Whole => tensors[at] = Stored::zeros(&name, "I64", 8, &shape),
        Fault::Double => tensors[at] = Stored::zeros(&name, "F64", 8, &shape),
        Fault::Renamed => tensors[at].name.push('x'),
        Fault::Extra => tensors.push(Stored::zeros(&format!("{name}.more"), "F32", 4, &[2])),
        Fault::Repeated => {
            let twin = tensors[at].clone();
            weights.files[other].1.push(twin);
        }
        Fault::Alias => {
            let twin = Stored { name: other_name(&name), ..tensors[at].clone() };
            weights.files[other].1.push(twin);
        }
    }
}

/// How many problems a fault makes where it is the only one.
fn problems_of(fault: Fault, name: &str) -> usize {
    match fault {
        // Without a head of its own the model takes the embedding table.
        Fault::Dropped if name == HEAD => 0,
        Fault::Renamed if name != HEAD => 2,
        _ => 1,
    }
}

#[test]
fn every_fault_of_every_tensor_is_found_and_named() {
    let mut count = 0;
    for fixture in FIXTURES {
        let scratch = Scratch::copy_of(fixture, "faults");
        let weights = Weights::of(&scratch);
        for (file, at) in weights.places() {
            let name = &weights.files[file].1[at].name;
            for fault in FAULTS {
                if matches!(fault, Fault::Alias) && name == HEAD {
                    continue;
                }
                let mut changed = weights.clone();
                apply(fault, &mut changed, file, at);
                changed.write(&scratch);

                let result = scratch.open();

                let case = format!("{fixture}: {fault:?} {name}");
                count += 1;
                match (fault, result) {
                    (Fault::Repeated | Fault::Alias, Err(Error::CheckpointFile { problem, .. })) => {
                        // The text of a repeated name is cut at 80 characters.
                        assert!(
                            problem.contains(name) || problem.contains(&other_name(name)),
                            "{case}: {problem}"
                        );
                    }
                    (Fault::Dropped, Ok(checkpoint)) if name == HEAD => {
                        assert!(checkpoint.config().tie_word_embeddings && checkpoint.notes().len() == 1);
                    }
                    (_, Err(Error::Weights { problems })) => {
                        assert_eq!(problems.len(), problems_of(fault, name), "{case}: {problems:?}");
                        let hub = hub_name(name);
                        assert!(
                            problems.iter().all(|problem| problem.starts_with(&hub)),
                            "{case}: {problems:?}"
                        );
                    }
                    (_, other) => panic!("{case}: {other:?}"),
                }
            }
        }
    }
    println!("{count} faults, all named");
}

#[test]
fn all_faults_are_listed_at_once() {
    for fixture in FIXTURES {
        let scratch = Scratch::copy_of(fixture, "at_once");
        let mut weights = Weights::of(&scratch);
        let mut expected = 0;
        for (_, tensors) in &mut weights.files {
            // From the end, so that what is dropped or added moves nothing.
            for at in (0..tensors.len()).rev() {
                let fault = FAULTS[at % 6];
                expected += problems_of(fault, &tensors[at].name);
                let mut alone = Weights { files: vec![(String::new(), std::mem::take(tensors))] };
                apply(fault, &mut alone, 0, at);
                *tensors = alone.files.remove(0).1;
            }
        }
        weights.write(&scratch);

        let Err(Error::Weights { problems }) = scratch.open() else { panic!("{fixture} was accepted") };

        assert_eq!(problems.len(), expected, "{fixture}: {problems:#?}");
    }
}

#[test]
fn all_layouts_hold_the_same_values() -> Result<(), Error> {
    let [plain, sharded, _, renamed] = FIXTURES.map(|name| Scratch::copy_of(name, "layouts"));
    let expected = plain.open()?;

    for other in [sharded.open()?, renamed.open()?] {
        assert_eq!(other.config(), expected.config());
        for tensor in expected_tensors(expected.config()) {
            let (found, wanted) = (other.read_f32(&tensor.name)?, expected.read_f32(&tensor.name)?);
            assert_eq!(found.len(), tensor.shape.iter().product::<usize>());
            assert!(found == wanted, "{} differs", tensor.name);
        }
    }
    Ok(())
}

#[test]
fn a_broken_number_in_any_tensor_is_found_with_its_place() -> Result<(), Error> {
    let mut skip = CheckpointLimits::default();
    skip.scan = Scan::Skip;
    let mut numbers = Numbers(3);
    for fixture in FIXTURES {
        let scratch = Scratch::copy_of(fixture, "broken");
        let weights = Weights::of(&scratch);
        for (file, at) in weights.places() {
            let (file, tensors) = &weights.files[file];
            let tensor = &tensors[at];
            let name = hub_name(&tensor.name);
            let (value, size) = match tensor.dtype.as_str() {
                "F32" => ([f32::NAN, f32::INFINITY, f32::NEG_INFINITY].map(f32::to_bits), 4),
                // Not a number, infinity, minus infinity as bfloat16.
                _ => ([0x7FC0, 0x7F80, 0xFF80], 2),
            };
            let index = numbers.below(tensor.data.len() / size);
            let path = scratch.dir().join(file);
            let start = (scratch.read(file).len()
                - tensors.iter().map(|tensor| tensor.data.len()).sum::<usize>())
                as u64;
            let before: usize = tensors_before(tensors, at);
            let place = start + (before + index * size) as u64;
            let put = |bytes: &[u8]| {
                let mut file = OpenOptions::new().write(true).open(&path).unwrap();
                file.seek(std::io::SeekFrom::Start(place)).unwrap();
                file.write_all(bytes).unwrap();
            };
            put(&numbers.one_of(&value).to_le_bytes()[..size]);

            let checkpoint = scratch.open()?;

            let is_named = |error: Option<Error>| matches!(error, Some(Error::NonFiniteWeight { name: found, index: place }) if found == name && place == index);
            assert!(is_named(checkpoint.read_f32(&name).err()), "{fixture}: {name}");
            assert!(is_named(checkpoint.read_bf16(&name).err()), "{fixture}: {name}");
            let lax = Checkpoint::open(scratch.dir(), &skip)?;
            assert!(!lax.read_f32(&name)?[index].is_finite(), "{fixture}: {name}");
            put(&tensor.data[index * size..][..size]);
            assert!(scratch.open()?.read_f32(&name).is_ok(), "{fixture}: {name}");
        }
    }
    Ok(())
}

#[test]
fn no_broken_number_is_packed_unseen() {
    let mut skip = CheckpointLimits::default();
    skip.scan = Scan::Skip;
    let scratch = Scratch::copy_of(FIXTURES[0], "hidden");
    let mut weights = Weights::of(&scratch);
    let (file, at) = weights
        .places()
        .into_iter()
        .find(|&(file, at)| {
            hub_name(&weights.files[file].1[at].name) == "model.layers.0.mlp.down_proj.weight"
        })
        .unwrap();
    assert_eq!(weights.files[file].1[at].dtype, "F32");
    for broken in [f32::NAN, f32::NEG_INFINITY] {
        weights.files[file].1[at].data[80..84].copy_from_slice(&broken.to_le_bytes());
        weights.write(&scratch);
        for format in [WeightFormat::Q8, WeightFormat::Q4, WeightFormat::F16] {
            let out = Scratch::empty("hidden-out");
            let packed = pack_checkpoint(scratch.dir(), out.dir(), format.into(), &skip, &mut |_| {});
            assert!(
                matches!(packed, Err(Error::NonFiniteWeight { index: 20, .. })),
                "{format:?}: {packed:?}"
            );
        }
    }
}

#[test]
fn no_broken_scale_is_packed_anew_unseen() {
    let mut skip = CheckpointLimits::default();
    skip.scan = Scan::Skip;
    let packed = Scratch::empty("scales");
    let original = Scratch::copy_of(FIXTURES[0], "scales-of");
    pack_checkpoint(original.dir(), packed.dir(), WeightFormat::Q8.into(), &skip, &mut |_| {}).unwrap();
    let mut weights = Weights::of(&packed);
    let (file, at) = weights
        .places()
        .into_iter()
        .find(|&(file, at)| {
            weights.files[file].1[at].name.starts_with("model.layers.0.mlp.down_proj.weight.")
        })
        .unwrap();
    // The last two bytes are the scale of the last group.
    let end = weights.files[file].1[at].data.len();
    for broken in [0x7e00_u16, 0x7c00, 0xfc00] {
        weights.files[file].1[at].data[end - 2..].copy_from_slice(&broken.to_le_bytes());
        weights.write(&packed);
        for format in [WeightFormat::Q4, WeightFormat::F16, WeightFormat::Bf16, WeightFormat::F32] {
            let out = Scratch::empty("scales-out");
            let made = pack_checkpoint(packed.dir(), out.dir(), format.into(), &skip, &mut |_| {});
            assert!(
                matches!(made, Err(Error::NonFiniteWeight { .. })),
                "{broken:#x} to {format:?}: {made:?}"
            );
        }
    }
}

/// Bytes of the tensors that stand before one; the fixtures' files have them in the order of their names.
fn tensors_before(tensors: &[Stored], at: usize) -> usize {
    tensors[..at].iter().map(|tensor| tensor.data.len()).sum()
}
