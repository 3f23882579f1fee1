//! Each definition of the evaluation says whether it is ours or theirs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where definitions stand; elsewhere sources are those of file formats.
const FOLDERS: [&str; 4] = ["src/metrics", "src/scorers", "src/dataset", "src/judge"];
/// How the section may begin; the last is that of another definition.
const BEGINNINGS: [&str; 3] = ["Theirs: ", "Ours", "As ["];

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The lines after the heads of sections on sources.
fn sources(text: &str) -> Vec<&str> {
    let lines = || text.lines().map(str::trim_start);
    let heads = lines().zip(lines().skip(2)).filter(|(head, _)| *head == "/// # Source");
    heads.map(|(_, line)| line.trim_start_matches("/// ")).collect()
}

#[test]
fn every_source_says_whose_it_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for path in FOLDERS.iter().flat_map(|folder| files(&root.join(folder))) {
        for source in sources(&fs::read_to_string(&path).unwrap()) {
            count += 1;
            let says = BEGINNINGS.iter().any(|beginning| source.starts_with(beginning));
            assert!(says, "{}: {source}", path.display());
        }
    }
    assert!(count > 40, "only {count} were found");
    for (name, file) in [
        ("pub struct Tally", "src/metrics/summary/tally.rs"),
        ("pub struct RcidScore", "src/scorers/rcid/mod.rs"),
        ("pub fn rcid_score", "src/scorers/rcid/mod.rs"),
        ("pub fn score_open", "src/scorers/open_answer.rs"),
        ("pub fn rotated_questions", "src/scorers/rotation.rs"),
        ("pub fn is_insufficient", "src/dataset/insufficient.rs"),
    ] {
        let text = fs::read_to_string(root.join(file)).unwrap();
        let before = &text[..text.find(name).unwrap()];
        let docs = before.rsplit("\n\n").next().unwrap();
        assert!(docs.contains("/// # Source"), "{name}");
    }
}
