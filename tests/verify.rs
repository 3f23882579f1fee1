//! The verification kit on the golden data of the repository: they pass, and corrupted ones do not.
#![allow(clippy::unwrap_used, reason = "a broken fixture should stop the test")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use rcmu::verify::{Report, Verdict, VerifyOptions, run};
use serde_json::{Value, json};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden")
}

fn device_name() -> String {
    std::env::var("RCMU_DEVICE").unwrap_or_else(|_| "flex".to_owned())
}

fn verify(dir: &Path) -> Report {
    run(dir, &VerifyOptions::new(&device_name()).unwrap()).unwrap()
}

/// A folder that is removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
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

fn copy(from: &Path, to: &Path) {
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
fn copy_sections(dir: &Path, sections: &[&str], case: &str) {
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
                take(&["model.json", "images.json", "images", "tiny", &format!("model_{case}.safetensors")]);
                edit(&dir.join("model.json"), |json| *json = json!({ case: json[case].take() }));
            }
            other => panic!("no section {other}"),
        }
    }
    edit(&dir.join("manifest.json"), |json| {
        json["sections"] = sections.iter().filter(|name| **name != "images_only").copied().collect();
    });
    if sections.contains(&"model") && !sections.contains(&"images") {
        // The pictures' records belong to another section; here they only name the files.
        let records: Value = serde_json::from_slice(&fs::read(dir.join("images.json")).unwrap()).unwrap();
        assert!(records.is_object());
    }
}

fn edit(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut json = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    change(&mut json);
    fs::write(path, serde_json::to_vec(&json).unwrap()).unwrap();
}

/// Header and data of a safetensors file.
fn tensors(path: &Path) -> (Value, Vec<u8>) {
    let bytes = fs::read(path).unwrap();
    let len = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    (serde_json::from_slice(&bytes[8..8 + len]).unwrap(), bytes[8 + len..].to_vec())
}

fn write_tensors(path: &Path, header: &Value, data: &[u8]) {
    let header = serde_json::to_vec(header).unwrap();
    let bytes = [&(header.len() as u64).to_le_bytes()[..], &header, data].concat();
    fs::write(path, bytes).unwrap();
}

/// Changes the data of one tensor.
fn edit_tensor(path: &Path, name: &str, change: impl FnOnce(&mut [u8])) {
    let (header, mut data) = tensors(path);
    let [start, end] = [0, 1].map(|at| header[name]["data_offsets"][at].as_u64().unwrap() as usize);
    change(&mut data[start..end]);
    write_tensors(path, &header, &data);
}

/// Changes the last number of an f32 tensor.
fn edit_f32(path: &Path, name: &str, change: impl FnOnce(f32) -> f32) {
    edit_tensor(path, name, |bytes| {
        let at = bytes.len() - 4;
        let old = f32::from_le_bytes(bytes[at..].try_into().unwrap());
        bytes[at..].copy_from_slice(&change(old).to_le_bytes());
    });
}

/// Adds to the last byte.
fn add_one(bytes: &mut [u8]) {
    let last = bytes.last_mut().unwrap();
    *last = if *last == 255 { 254 } else { *last + 1 };
}

/// Adds to the first byte, the lowest of an i64.
fn add_one_low(bytes: &mut [u8]) {
    bytes[0] ^= 1;
}

/// Takes a tensor away; the others move up.
fn drop_tensor(path: &Path, name: &str) {
    let (mut header, data) = tensors(path);
    let mut kept = Vec::new();
    header.as_object_mut().unwrap().remove(name);
    let names: Vec<String> = header.as_object().unwrap().keys().cloned().collect();
    for name in names.iter().filter(|name| *name != "__metadata__") {
        let [start, end] = [0, 1].map(|at| header[name]["data_offsets"][at].as_u64().unwrap() as usize);
        let begin = kept.len();
        kept.extend_from_slice(&data[start..end]);
        header[name]["data_offsets"] = json!([begin, kept.len()]);
    }
    write_tensors(path, &header, &kept);
}

fn truncate(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() * 2 / 3]).unwrap();
}

/// The first entry of a list that has a key.
fn first_with<'a>(rows: &'a mut Value, key: &str) -> &'a mut Value {
    rows.as_array_mut().unwrap().iter_mut().find(|row| row.pointer(key).is_some()).unwrap()
}

fn add(value: &mut Value, amount: i64) {
    *value = json!(value.as_i64().unwrap() + amount);
}

/// A way to spoil some sections, and the stage that must find it.
struct Corruption {
    name: &'static str,
    sections: &'static [&'static str],
    case: &'static str,
    stage: &'static str,
    apply: fn(&Path),
}

/// A shorthand for tables.
const fn spoil(
    name: &'static str,
    sections: &'static [&'static str],
    stage: &'static str,
    apply: fn(&Path),
) -> Corruption {
    Corruption { name, sections, case: "text", stage, apply }
}

const fn spoil_case(
    name: &'static str,
    case: &'static str,
    stage: &'static str,
    apply: fn(&Path),
) -> Corruption {
    Corruption { name, sections: &["model"], case, stage, apply }
}

fn assert_found(corruptions: &[Corruption]) {
    for Corruption { name, sections, case, stage, apply } in corruptions {
        let scratch = Scratch::new(name);
        copy_sections(&scratch.0, sections, case);
        apply(&scratch.0);

        let report = verify(&scratch.0);

        assert!(!report.passed(), "{name} was not found\n{report}");
        let missed: Vec<&str> =
            report.stages().iter().filter(|s| s.verdict() == Verdict::Miss).map(|s| s.name()).collect();
        assert!(missed.contains(stage), "{name}: expected a miss of {stage}, found {missed:?}\n{report}");
    }
}

#[test]
fn the_golden_data_of_the_repository_pass_on_every_stage() {
    let report = verify(&golden());

    println!("{report}");
    assert!(report.passed(), "{report}");
    let stages: Vec<&str> = report.stages().iter().map(|stage| stage.name()).collect();
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
        if section == "model" {
            fs::write(scratch.0.join("images.json"), "{}").unwrap();
            fs::remove_file(scratch.0.join("images.json")).unwrap();
        }

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
    for (file, section) in [("resize.json", "resize"), ("sampling.json", "sampling"), ("errors.json", "errors")] {
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
fn corrupted_files_and_tables_are_found() {
    assert_found(&[
        spoil("manifest gone", &["sampling"], "files", |d| fs::remove_file(d.join("manifest.json")).unwrap()),
        spoil("file gone", &["resize"], "files", |d| fs::remove_file(d.join("frames.json")).unwrap()),
        spoil("json cut", &["resize"], "files", |d| truncate(&d.join("resize.json"))),
        spoil("json is no text", &["resize"], "files", |d| fs::write(d.join("frames.json"), [0xff, 0]).unwrap()),
        spoil("deep json", &["resize"], "files", |d| fs::write(d.join("deep.json"), "[".repeat(1 << 20)).unwrap()),
        spoil("key twice", &["sampling"], "files", |d| {
            let text = fs::read_to_string(d.join("sampling.json")).unwrap();
            fs::write(d.join("sampling.json"), text.replacen('{', r#"{"top_k": 1, "#, 1)).unwrap();
        }),
        spoil("other positions", &["rope"], "positions", |d| {
            edit(&d.join("manifest.json"), |json| json["transformers"] = json!("4.57.6"));
        }),
        spoil("side", &["resize"], "resize tables", |d| {
            edit(&d.join("resize.json"), |rows| {
                add(first_with(rows, "/transformers/0").pointer_mut("/transformers/0").unwrap(), 28);
            });
        }),
        spoil("class of an error", &["resize"], "resize tables", |d| {
            edit(&d.join("resize.json"), |rows| {
                first_with(rows, "/qwen_vl_utils/error")["qwen_vl_utils"]["error"] = json!("KeyError");
            });
        }),
        spoil("words of an error", &["resize"], "resize tables", |d| {
            edit(&d.join("resize.json"), |rows| {
                let message = &mut first_with(rows, "/transformers/error")["transformers"]["message"];
                *message = json!(message.as_str().unwrap().replace("201.0", "201.5"));
            });
        }),
        spoil("result for an error", &["resize"], "resize tables", |d| {
            edit(&d.join("resize.json"), |rows| {
                first_with(rows, "/transformers/error")["transformers"] = json!([28, 5600]);
            });
        }),
        spoil("field gone", &["resize"], "resize tables", |d| {
            edit(&d.join("resize.json"), |rows| drop(rows[0].as_object_mut().unwrap().remove("factor")));
        }),
        spoil("frame", &["resize"], "video frames", |d| {
            edit(&d.join("frames.json"), |rows| {
                add(first_with(rows, "/qwen_vl_utils_indices/1").pointer_mut("/qwen_vl_utils_indices/1").unwrap(), 1);
            });
        }),
        spoil("number of frames", &["resize"], "video frames", |d| {
            edit(&d.join("frames.json"), |rows| {
                add(&mut first_with(rows, "/transformers_indices/1")["transformers_nframes"], 2);
            });
        }),
        spoil("token kept", &["sampling"], "sampling, tokens kept", |d| {
            edit(&d.join("sampling.json"), |rows| add(&mut rows[0]["kept"][0], 1));
        }),
        spoil("probability", &["sampling"], "sampling, probabilities", |d| {
            edit(&d.join("sampling.json"), |rows| rows[1]["probabilities"][3] = json!(0.01));
        }),
        spoil("null for a number", &["sampling"], "sampling, tokens kept", |d| {
            edit(&d.join("sampling.json"), |rows| rows[2]["logits"][0] = Value::Null);
        }),
        spoil("position", &["rope"], "positions", |d| {
            edit(&d.join("rope.json"), |json| add(&mut json["cases"][1]["position_ids"][2][0][4], 1));
        }),
        spoil("rope delta", &["rope"], "positions", |d| {
            edit(&d.join("rope.json"), |json| add(&mut json["cases"][10]["rope_deltas"][0], 1));
        }),
        spoil("cosine", &["rope"], "rotary tables", |d| {
            edit(&d.join("rope.json"), |json| json["text_cos_sin"]["cos"][2][1] = json!(0.5));
        }),
        spoil("expected error", &["errors"], "errors", |d| {
            edit(&d.join("errors.json"), |json| {
                json["two placeholders, one image"] = json!({"seq_len": 18, "image_tokens": 12});
            });
        }),
        spoil("expected success", &["errors"], "errors", |d| {
            edit(&d.join("errors.json"), |json| add(&mut json["image 1x200"]["seq_len"], 1));
        }),
        spoil("shape of logits", &["errors"], "errors", |d| {
            edit(&d.join("errors.json"), |json| add(&mut json["forward, as many as features"][1], 1));
        }),
        spoil("features counted", &["errors"], "errors", |d| {
            edit(&d.join("errors.json"), |json| {
                let message = &mut json["forward, one image token missing"]["message"];
                *message = json!(message.as_str().unwrap().replace("features: 6", "features: 7"));
            });
        }),
    ]);
}

#[test]
fn corrupted_tokenizer_data_are_found() {
    assert_found(&[
        spoil("id of a string", &["tokenizer"], "small tokenizer", |d| {
            edit(&d.join("tokenizer_small.json"), |json| {
                add(first_with(&mut json["strings"], "/ids/0").pointer_mut("/ids/0").unwrap(), 1);
            });
        }),
        spoil("decoded string", &["tokenizer"], "small tokenizer", |d| {
            edit(&d.join("tokenizer_small.json"), |json| json["strings"][1]["decoded"] = json!("x"));
        }),
        spoil("normal form", &["tokenizer"], "small tokenizer", |d| {
            edit(&d.join("tokenizer_small.json"), |json| json["strings"][1]["nfc"] = json!(false));
        }),
        spoil("stream", &["tokenizer"], "small tokenizer", |d| {
            edit(&d.join("tokenizer_small.json"), |json| json["streaming"][0]["prefix_decodes"][2] = json!("本"));
        }),
        spoil("special id", &["tokenizer"], "small tokenizer", |d| {
            edit(&d.join("tokenizer_small.json"), |json| add(&mut json["special_ids"]["<|im_end|>"], 1));
        }),
        spoil("hash", &["tokenizer"], "small tokenizer", |d| {
            let merges = d.join("tokenizer_small/merges.txt");
            fs::write(&merges, [fs::read(&merges).unwrap(), b"\n".to_vec()].concat()).unwrap();
        }),
        spoil("tokenizer cut", &["tokenizer"], "small tokenizer", |d| {
            truncate(&d.join("tokenizer_small/tokenizer.json"));
        }),
        spoil("rendered chat", &["tokenizer"], "small tokenizer's chats", |d| {
            edit(&d.join("tokenizer_small.json"), |json| {
                let text = &mut json["chats"][0]["rendered"];
                *text = json!(text.as_str().unwrap().replace("helpful", "useful"));
            });
        }),
        spoil("id of a chat", &["tokenizer"], "small tokenizer's chats", |d| {
            edit(&d.join("tokenizer_small.json"), |json| add(&mut json["chats"][3]["ids"][5], 1));
        }),
        spoil("template", &["tokenizer"], "small tokenizer's chats", |d| {
            edit(&d.join("tokenizer_small.json"), |json| json["chat_template"] = json!("{{ messages }}"));
        }),
    ]);
}

#[test]
fn corrupted_pictures_are_found() {
    assert_found(&[
        spoil("pixel", &["images"], "decoded pictures", |d| {
            edit_tensor(&d.join("images.safetensors"), "rgba/rgb", add_one);
        }),
        spoil("pixel of a dialect", &["images"], "decoded pictures", |d| {
            edit_tensor(&d.join("images.safetensors"), "rgba/rgb_load_image", add_one);
        }),
        spoil("resized pixel", &["images"], "resized pictures", |d| {
            edit_tensor(&d.join("images.safetensors"), "tiny_13x9/resized_torchvision", add_one);
        }),
        spoil("tensor of a picture gone", &["images"], "picture records", |d| {
            drop_tensor(&d.join("images.safetensors"), "palette/resized_pil");
        }),
        spoil("normalised value", &["images"], "pixel values", |d| {
            edit_f32(&d.join("images.safetensors"), "normalize_pil", |value| value.next_up());
        }),
        spoil("normalised NaN", &["images"], "pixel values", |d| {
            edit_f32(&d.join("images.safetensors"), "normalize_torchvision", |_| f32::NAN);
        }),
        spoil("turned shape", &["images"], "decoded pictures", |d| {
            let path = d.join("images.safetensors");
            let (mut header, data) = tensors(&path);
            header["tiny_13x9/rgb"]["shape"] = json!([9, 13, 3]);
            write_tensors(&path, &header, &data);
        }),
        spoil("tensors cut", &["images"], "files", |d| truncate(&d.join("images.safetensors"))),
        spoil("grid", &["images"], "picture records", |d| {
            edit(&d.join("images.json"), |json| add(&mut json["gray16"]["grid_thw"][1], 2));
        }),
        spoil("flag", &["images"], "picture records", |d| {
            edit(&d.join("images.json"), |json| json["bilevel"]["rgb_processor_differs"] = json!(true));
        }),
        spoil("sum", &["images"], "picture records", |d| {
            edit(&d.join("images.json"), |json| json["bilevel"]["pixel_values_pil_sum"] = json!(1.5));
        }),
        spoil("picture cut", &["images"], "picture records", |d| truncate(&d.join("images/noise.png"))),
        spoil("picture gone", &["images"], "picture records", |d| {
            fs::remove_file(d.join("images/palette.png")).unwrap();
        }),
        spoil("path out of the directory", &["images"], "picture records", |d| {
            edit(&d.join("images.json"), |json| json["bilevel"]["file"] = json!("../../bilevel.png"));
        }),
    ]);
}

#[test]
fn corrupted_checkpoints_are_found() {
    const WEIGHT: &str = "model.layers.0.mlp.up_proj.weight";
    assert_found(&[
        spoil("weight", &["checkpoint"], "checkpoint weights", |d| {
            edit_f32(&d.join("tiny/model.safetensors"), WEIGHT, |value| value + 0.5);
        }),
        spoil("weight of the untied", &["checkpoint"], "checkpoint weights", |d| {
            edit_tensor(&d.join("tiny_untied/model.safetensors"), "model.norm.weight", add_one_low);
        }),
        spoil("weight that is NaN", &["checkpoint"], "checkpoint weights", |d| {
            edit_f32(&d.join("tiny/model.safetensors"), WEIGHT, |_| f32::NAN);
        }),
        spoil("weight gone", &["checkpoint"], "checkpoint weights", |d| {
            drop_tensor(&d.join("tiny_v5_layout/model.safetensors"), "model.visual.merger.ln_q.bias");
        }),
        spoil("shard gone", &["checkpoint"], "checkpoint weights", |d| {
            fs::remove_file(d.join("tiny_bf16/model-00002-of-00002.safetensors")).unwrap();
        }),
        spoil("weights cut", &["checkpoint"], "checkpoint weights", |d| {
            truncate(&d.join("tiny_bf16/model-00001-of-00002.safetensors"));
        }),
        spoil("config", &["checkpoint"], "checkpoint settings", |d| {
            edit(&d.join("tiny/config.json"), |json| json["hidden_size"] = json!("64"));
        }),
        spoil("copy of the tokenizer", &["checkpoint"], "checkpoint settings", |d| {
            fs::write(d.join("tiny_bf16/merges.txt"), "#version: 0.2\n").unwrap();
        }),
        spoil("weight under the logits", &["model"], "logits", |d| {
            edit_f32(&d.join("tiny/model.safetensors"), WEIGHT, |value| value + 5.0);
        }),
    ]);
}

#[test]
fn corrupted_model_data_are_found() {
    const TEXT: &str = "model_text.safetensors";
    const MIXED: &str = "model_image_and_video.safetensors";
    const BATCH: &str = "model_batch_left_pad.safetensors";
    assert_found(&[
        spoil_case("logit", "text", "logits", |d| edit_f32(&d.join(TEXT), "logits", |logit| logit + 0.01)),
        spoil_case("logit that is NaN", "text", "logits", |d| edit_f32(&d.join(TEXT), "logits", |_| f32::NAN)),
        spoil_case("hidden state", "text", "hidden states", |d| {
            edit_f32(&d.join(TEXT), "text.layer.1", |_| f32::INFINITY);
        }),
        spoil_case("greedy id", "text", "greedy ids", |d| {
            edit_tensor(&d.join(TEXT), "greedy_ids", add_one_low);
        }),
        spoil_case("greedy id of the record", "text", "greedy ids", |d| {
            edit(&d.join("model.json"), |json| add(&mut json["text"]["greedy_ids"][0][15], 1));
        }),
        spoil_case("decoded logit", "text", "decoded logits", |d| {
            edit_f32(&d.join(TEXT), "greedy_logits", |logit| logit - 0.01);
        }),
        spoil_case("input id", "text", "prompts", |d| edit_tensor(&d.join(TEXT), "in.input_ids", add_one_low)),
        spoil_case("prompt", "text", "prompts", |d| {
            edit(&d.join("model.json"), |json| json["text"]["prompt"][0] = json!("hello"));
        }),
        spoil_case("margin", "text", "model records", |d| {
            edit(&d.join("model.json"), |json| json["text"]["greedy_smallest_margin"] = json!(0.5));
        }),
        spoil_case("same greedy", "text", "model records", |d| {
            edit(&d.join("model.json"), |json| json["text"]["f32_sdpa"]["same_greedy"] = json!(false));
        }),
        spoil_case("logit in bf16", "text", "logits, bf16", |d| {
            edit_f32(&d.join(TEXT), "bf16.last_logits", |logit| logit + 3.0);
        }),
        spoil_case("tensor gone", "text", "hidden states", |d| drop_tensor(&d.join(TEXT), "text.norm")),
        spoil_case("all tensors gone", "text", "prompts", |d| fs::remove_file(d.join(TEXT)).unwrap()),
        spoil_case("patch", "image_and_video", "pixel values of prompts", |d| {
            edit_f32(&d.join(MIXED), "in.pixel_values", |value| value.next_up());
        }),
        spoil_case("patch of a video", "image_and_video", "pixel values of prompts", |d| {
            edit_f32(&d.join(MIXED), "in.pixel_values_videos", |value| value.next_down());
        }),
        spoil_case("grid of a video", "image_and_video", "pixel values of prompts", |d| {
            edit_tensor(&d.join(MIXED), "in.video_grid_thw", add_one_low);
        }),
        spoil_case("position id", "image_and_video", "positions of prompts", |d| {
            edit_tensor(&d.join(MIXED), "position_ids", add_one_low);
        }),
        spoil_case("vision of a video", "image_and_video", "vision", |d| {
            edit_f32(&d.join(MIXED), "vision_2.merged", |value| value + 0.001);
        }),
        spoil_case("mask", "batch_left_pad", "prompts", |d| {
            edit_tensor(&d.join(BATCH), "in.attention_mask", add_one_low);
        }),
        spoil_case("row alone", "batch_left_pad", "batches", |d| {
            edit(&d.join("model.json"), |json| {
                add(&mut json["batch_left_pad"]["rows_alone_greedy_ids"][1][2], 1);
            });
        }),
        Corruption {
            name: "untied logit",
            sections: &["model", "checkpoint"],
            case: "text",
            stage: "logits, untied",
            apply: |d| edit_f32(&d.join(TEXT), "untied_last_logits", |logit| logit + 0.01),
        },
    ]);
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
