use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::json;

use crate::{edit::edit, golden};

/// A folder that is removed at the end.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let dir = std::env::temp_dir().join(format!("rcmu-verify-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::write(to, fs::read(from).unwrap()).unwrap();
    }
}

/// A copy of some sections; of the model section one case.
pub(crate) fn copy_sections(dir: &Path, sections: &[&str], case: &str) {
    let take = |names: &[&str]| names.iter().for_each(|name| copy(&golden().join(name), &dir.join(name)));
    take(&["manifest.json"]);
    for section in sections {
        match *section {
            "resize" => take(&["resize.json", "frames.json"]),
            "images" => take(&["images.json", "images.safetensors", "images"]),
            "checkpoint" => take(&["tiny", "tiny_bf16", "tiny_untied", "tiny_v5_layout", "tokenizer_small"]),
            "tokenizer" => take(&["tokenizer_small.json", "tokenizer_small"]),
            "rope" => take(&["rope.json", "tiny"]),
            "sampling" => take(&["sampling.json"]),
            "errors" => take(&["errors.json", "tiny", "images"]),
            "model" => {
                take(&["model.json", "tiny", &format!("model_{case}.safetensors")]);
                if case != "text" {
                    take(&["images.json", "images", "images.safetensors"]);
                }
                edit(&dir.join("model.json"), |json| *json = json!({ case: json[case].take() }));
            }
            other => panic!("no section {other}"),
        }
    }
    edit(&dir.join("manifest.json"), |json| {
        json["sections"] = sections.iter().copied().collect();
    });
}
