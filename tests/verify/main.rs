//! The verification kit on the golden data of the repository: they pass, and corrupted ones do not.
#![allow(clippy::unwrap_used, reason = "a broken fixture should stop the test")]

mod corruption;
mod edit;
mod models;
mod scratch;
mod tables;

use std::{
    fs,
    path::{Path, PathBuf},
};

use rcmu::WeightFormat;
use rcmu::verify::{Report, Stage, VerifyOptions, run};
use serde_json::json;

use crate::{
    edit::edit,
    scratch::{Scratch, copy_sections},
};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden")
}

fn device_name() -> String {
    std::env::var("RCMU_DEVICE").unwrap_or_else(|_| "flex".to_owned())
}

fn verify(dir: &Path) -> Report {
    run(dir, &VerifyOptions::new(&device_name()).unwrap()).unwrap()
}

#[test]
fn the_golden_data_of_the_repository_pass_on_every_stage() {
    let report = verify(&golden());

    println!("{report}");
    assert!(report.passed(), "{report}");
    let stages: Vec<&str> = report.stages().iter().map(Stage::name).collect();
    for stage in [
        "files",
        "resize tables",
        "video frames",
        "decoded pictures",
        "resized pictures",
        "pixel values",
        "picture records",
        "checkpoint settings",
        "checkpoint weights",
        "small tokenizer",
        "small tokenizer's chats",
        "positions",
        "rotary tables",
        "sampling, tokens kept",
        "sampling, probabilities",
        "prompts",
        "positions of prompts",
        "vision",
        "hidden states",
        "logits",
        "logits, untied",
        "greedy ids",
        "decoded logits",
        "batches",
        "errors",
    ] {
        assert!(stages.contains(&stage), "{stage} is missing");
    }
}

#[test]
fn every_section_passes_alone() {
    for section in ["resize", "images", "checkpoint", "tokenizer", "rope", "sampling", "model", "errors"] {
        let scratch = Scratch::new(&format!("alone {section}"));
        copy_sections(&scratch.0, &[section], "text");
        let report = verify(&scratch.0);

        assert!(report.passed(), "{section}\n{report}");
    }
}

#[test]
fn what_is_not_checked_is_listed_by_name() {
    let scratch = Scratch::new("unchecked");
    copy_sections(&scratch.0, &["sampling"], "text");
    fs::write(scratch.0.join("notes.txt"), "x").unwrap();
    fs::write(scratch.0.join("more.json"), r#"{"rows": [{"a": 1}, {"a": 2}], "b": null}"#).unwrap();
    edit(&scratch.0.join("sampling.json"), |rows| rows[0]["min_p"] = json!(0.1));

    let report = verify(&scratch.0);

    assert!(report.passed(), "{report}");
    let names: Vec<&str> = report.unchecked().iter().map(|(name, _)| name.as_str()).collect();
    for name in ["notes.txt", "more.json: rows[*].a", "more.json: b", "sampling.json: [*].min_p"] {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }
    assert!(!names.iter().any(|name| name.ends_with("[*].logits")), "{names:?}");
}

#[test]
fn sections_without_a_row_do_not_pass() {
    for (file, section) in
        [("resize.json", "resize"), ("sampling.json", "sampling"), ("errors.json", "errors")]
    {
        let scratch = Scratch::new(&format!("empty {file}"));
        copy_sections(&scratch.0, &[section], "text");
        let empty = if file == "errors.json" { "{}" } else { "[]" };
        fs::write(scratch.0.join(file), empty).unwrap();

        assert!(!verify(&scratch.0).passed(), "{file}");
    }
    let nothing = Scratch::new("nothing");
    assert!(!verify(&nothing.0).passed());
    assert!(run(&nothing.0.join("absent"), &VerifyOptions::new(&device_name()).unwrap()).is_err());
}

#[test]
fn packed_weights_that_lose_nothing_pass_on_every_stage() {
    if device_name() != "flex" {
        return;
    }
    // The weights of the golden checkpoints are numbers that bf16 has.
    for format in [WeightFormat::F32, WeightFormat::Bf16] {
        let options = VerifyOptions::new("flex").unwrap().with_weights(Some(format.into()));
        let report = run(&golden(), &options).unwrap();

        assert!(report.passed(), "{format:?}: {report}");
    }
}

#[test]
fn no_corruption_of_single_bytes_panics() {
    // A linear congruential generator (Knuth): the places are the same in every run.
    let mut state = 20_u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    for (section, files) in [
        ("resize", &["resize.json", "frames.json"][..]),
        ("rope", &["rope.json", "tiny/config.json"]),
        ("sampling", &["sampling.json", "manifest.json"]),
        ("images", &["images.json", "images.safetensors", "images/rgba.png", "images/cmyk_jpeg.jpg"]),
        ("errors", &["errors.json", "tiny/model.safetensors", "tiny/tokenizer.json"]),
        ("model", &["model.json", "model_text.safetensors"]),
    ] {
        for (round, file) in files.iter().enumerate() {
            let scratch = Scratch::new(&format!("bytes {section} {round}"));
            copy_sections(&scratch.0, &[section], "text");
            let path = scratch.0.join(file);
            let mut bytes = fs::read(&path).unwrap();
            for _ in 0..4 {
                // Half of the places are in the first thousand bytes, where the headers are.
                let within = if random(2) == 0 { bytes.len().min(1000) } else { bytes.len() };
                let at = random(within);
                bytes[at] = random(256) as u8;
            }
            fs::write(&path, bytes).unwrap();

            let _ = verify(&scratch.0);
        }
    }
}
