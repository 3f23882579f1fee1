//! Checkpoints whose files change.

use std::fs;

use rcmu_model::Error;

use super::kit::{SINGLE, Scratch};

#[test]
fn a_file_replaced_after_it_was_checked_is_refused() {
    let scratch = Scratch::copy_of("tiny", "replaced");
    let checkpoint = scratch.open().unwrap();
    checkpoint.read_f32("model.norm.weight").unwrap();

    let mut bytes = scratch.read(SINGLE);
    *bytes.last_mut().unwrap() ^= 1;
    scratch.write("new", &bytes);
    fs::rename(scratch.dir().join("new"), scratch.dir().join(SINGLE)).unwrap();

    let result = checkpoint.read_f32("model.norm.weight");
    assert!(matches!(result, Err(Error::CheckpointFile { .. })), "{result:?}");
}

#[test]
fn another_last_value_of_a_tensor_changes_the_fingerprint() {
    let scratch = Scratch::copy_of("tiny", "fingerprint");
    let before = scratch.open().unwrap().fingerprint();

    let mut bytes = scratch.read(SINGLE);
    *bytes.last_mut().unwrap() ^= 0x80; // the sign of the last value of the file
    scratch.write(SINGLE, &bytes);

    assert_ne!(scratch.open().unwrap().fingerprint(), before);
}
