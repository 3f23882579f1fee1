//! Ten thousand changed checkpoints: each is refused, or holds the same numbers.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rcmu_model::{
    Error,
    weights::{Checkpoint, expected_tensors},
};
use serde_json::{Value, json};

use super::kit::{
    CONFIG, GENERATION, INDEX, Numbers, Scratch, assert_growth, file_with, header_len, peak_kib,
};

/// Changed checkpoints of the long run.
const MUTANTS: usize = 10_000;
/// The longest that one may take; 100 ms is the aim, and the machine may be busy.
const MAX_TIME: Duration = Duration::from_secs(2);

type Values = BTreeMap<String, Vec<f32>>;

fn values(checkpoint: &Checkpoint) -> Result<Values, Error> {
    let tensors = expected_tensors(checkpoint.config()).into_iter();
    tensors.map(|tensor| Ok((tensor.name.clone(), checkpoint.read_f32(&tensor.name)?))).collect()
}

/// What became of a changed checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Refused,
    Same,
    /// The change was made to the numbers themselves, or says that they have another format.
    OtherNumbers,
    BrokenNumber,
}

/// Bytes that mean something in JSON, digits above all.
const BYTES: &[u8] = b"0123456789{}[]\",:\\ -+.eE\0\n\xff\xc3ntfBFx";

/// Numbers at the ends of ranges.
const NUMBERS: [&str; 12] = [
    "0",
    "1",
    "-1",
    "2147483648",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "1e9",
    "0.5",
    "1e400",
    "null",
];

/// Changes a text that is, or was, JSON.
fn change_json(numbers: &mut Numbers, text: &mut Vec<u8>) {
    let at = numbers.below(text.len());
    let to = (at + 1 + numbers.below(24)).min(text.len());
    match numbers.below(8) {
        0 => text[at] ^= 1 << numbers.below(8),
        1 => text[at] = *numbers.one_of(BYTES),
        2 => text.insert(at, *numbers.one_of(BYTES)),
        3 => drop(text.remove(at)),
        4 => drop(text.drain(at..to)),
        5 => {
            let piece = text[at..to].to_vec();
            let other = numbers.below(text.len());
            text.splice(other..other, piece);
        }
        6 => text.truncate(at.max(1)),
        _ => {
            // The number from here on, whole.
            let Some(from) = (at..text.len()).find(|&i| text[i].is_ascii_digit()) else { return };
            let len = text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            text.splice(from..from + len, numbers.one_of(&NUMBERS).bytes());
        }
    }
}

/// Changes a header that stays well-formed JSON.
fn change_entries(numbers: &mut Numbers, header: &mut Value) {
    let names: Vec<String> =
        header.as_object().unwrap().keys().filter(|name| *name != "__metadata__").cloned().collect();
    let (name, other) = (numbers.one_of(&names).clone(), numbers.one_of(&names).clone());
    let interesting = || json!([0, 1, 2, 64, 65, u32::MAX, u64::MAX, -1, 0.5, "64", null, [0], {}]);
    let value = numbers.one_of(interesting().as_array().unwrap()).clone();
    let entry = &mut header[&name];
    match numbers.below(9) {
        0 => entry["data_offsets"][numbers.below(2)] = value,
        1 => entry["shape"][0] = value,
        2 => entry["shape"].as_array_mut().unwrap().push(value),
        3 => {
            let name = numbers.one_of(&["F32", "F64", "I64", "BOOL", "F8_E4M3", "bf16", ""]);
            entry["dtype"] = json!(name);
        }
        4 => entry["more"] = value,
        5 => *entry = value,
        6 => drop(header.as_object_mut().unwrap().remove(&name)),
        7 => {
            let moved = header.as_object_mut().unwrap().remove(&name).unwrap();
            header[format!("{name}{}", numbers.one_of(&[".", "\u{0}", "\u{202e}", "_scale"]))] = moved;
        }
        _ => {
            // Of tensors with as many bytes, the exchange would be another good checkpoint.
            let offsets = [&name, &other].map(|name| header[name]["data_offsets"].clone());
            let bytes = |pair: &Value| pair[1].as_u64().unwrap() - pair[0].as_u64().unwrap();
            if bytes(&offsets[0]) == bytes(&offsets[1]) {
                header[&name]["data_offsets"][1] = json!(0);
            } else {
                header[&name]["data_offsets"] = offsets[1].clone();
                header[&other]["data_offsets"] = offsets[0].clone();
            }
        }
    }
}

/// Changes a weight file; true if the numbers may then be others.
fn change_weights(numbers: &mut Numbers, bytes: &mut Vec<u8>) -> bool {
    let start = 8 + header_len(bytes);
    match numbers.below(10) {
        0..5 => {
            let mut header = bytes[8..start].to_vec();
            for _ in 0..=numbers.below(2) {
                change_json(numbers, &mut header);
            }
            let data = bytes[start..].to_vec();
            let fitting = file_with(&header, &data);
            // The length of the header is set right, or left as it was.
            let len = if numbers.below(4) == 0 { bytes[..8].to_vec() } else { fitting[..8].to_vec() };
            *bytes = [&len, &fitting[8..]].concat();
        }
        5 | 6 => {
            let mut header = serde_json::from_slice(&bytes[8..start]).unwrap();
            change_entries(numbers, &mut header);
            *bytes = file_with(header.to_string().as_bytes(), &bytes[start..]);
        }
        7 => {
            let len =
                [0, 1, 7, start as u64 - 9, start as u64 - 7, u64::MAX, u64::MAX - 7, bytes.len() as u64];
            bytes[..8].copy_from_slice(&numbers.one_of(&len).to_le_bytes());
        }
        8 => match numbers.below(3) {
            0 => bytes.truncate(numbers.below(bytes.len())),
            1 => drop(bytes.remove(start + numbers.below(bytes.len() - start))),
            _ => bytes.push(0),
        },
        _ => {
            let at = start + numbers.below(bytes.len() - start);
            bytes[at] ^= 1 << numbers.below(8);
            return true;
        }
    }
    // The other format of two bytes: a header may say so, and the numbers are then others.
    let header = &bytes[..bytes.len().min(2 * start)];
    String::from_utf8_lossy(header).contains("\"F16\"")
}

/// Opens and reads everything; anything but a typed error or good numbers ends the test.
fn judge(scratch: &Scratch, original: &Values, may_differ: bool, case: &str) -> Outcome {
    let Ok(checkpoint) = scratch.open() else { return Outcome::Refused };
    match values(&checkpoint) {
        Ok(found) if found == *original => Outcome::Same,
        Ok(found) => {
            assert!(may_differ && found.keys().eq(original.keys()), "{case}: other numbers");
            Outcome::OtherNumbers
        }
        Err(Error::NonFiniteWeight { .. }) if may_differ => Outcome::BrokenNumber,
        Err(error) => panic!("{case}: opened, then {error:?}"),
    }
}

#[test]
fn mutants_are_refused_or_hold_the_same_numbers() -> Result<(), Error> {
    let mut numbers = Numbers(7);
    let mut outcomes: BTreeMap<Outcome, usize> = BTreeMap::new();
    let mut slowest = Duration::ZERO;
    let layouts: Vec<_> =
        ["tiny_bf16", "tiny_v5_layout"].map(|name| Scratch::copy_of(name, "mutants")).into();
    let originals = layouts.iter().map(|scratch| values(&scratch.open()?)).collect::<Result<Vec<_>, _>>()?;
    let files: Vec<Vec<_>> = layouts
        .iter()
        .map(|scratch| scratch.files().into_iter().map(|file| (scratch.read(&file), file)).collect())
        .collect();
    let before = peak_kib();
    for mutant in 0..MUTANTS {
        let layout = usize::from(mutant % 4 == 0);
        let (scratch, original) = (&layouts[layout], &originals[layout]);
        let (good, file) = numbers.one_of(&files[layout]);
        let mut bytes = good.clone();
        let may_differ = if [CONFIG, GENERATION, INDEX].contains(&file.as_str()) {
            for _ in 0..=numbers.below(2) {
                change_json(&mut numbers, &mut bytes);
            }
            false
        } else {
            change_weights(&mut numbers, &mut bytes)
        };
        scratch.write(file, &bytes);

        let start = Instant::now();
        let outcome = judge(scratch, original, may_differ, &format!("mutant {mutant} of {file}"));

        slowest = slowest.max(start.elapsed());
        *outcomes.entry(outcome).or_default() += 1;
        scratch.write(file, good);
    }
    println!("{MUTANTS} mutants: {outcomes:?}, slowest {slowest:?}");
    assert_growth(before, "mutants");
    assert!(slowest < MAX_TIME);
    // The run means something only if many get through the first checks and some through all.
    assert!(outcomes[&Outcome::Same] > MUTANTS / 100 && outcomes[&Outcome::Refused] > MUTANTS / 2);
    Ok(())
}

#[test]
fn a_checkpoint_cut_anywhere_is_refused() {
    let scratch = Scratch::copy_of("tiny_bf16", "cut");
    let mut cuts = 0;
    for file in scratch.files() {
        let good = scratch.read(&file);
        let places: Vec<usize> = if !file.contains(".safetensors") || file == INDEX {
            // Without the line break at its end a JSON file is whole.
            (0..good.trim_ascii_end().len()).collect()
        } else {
            let start = 8 + header_len(&good);
            let header: Value = serde_json::from_slice(&good[8..start]).unwrap();
            let ends =
                header.as_object().unwrap().values().filter_map(|entry| entry["data_offsets"][1].as_u64());
            let ends =
                ends.flat_map(|end| (start + end as usize).saturating_sub(1)..start + end as usize + 2);
            let edges = (0..10).chain(start - 2..start + 2).chain((8..start).step_by(7));
            edges.chain(ends).filter(|&place| place < good.len()).collect()
        };
        for place in places {
            scratch.write(&file, &good[..place]);
            cuts += 1;

            assert!(scratch.open().is_err(), "{file} cut at {place}");
        }
        scratch.write(&file, &good);
    }
    println!("{cuts} cuts, all refused");
    assert!(scratch.open().is_ok());
}
