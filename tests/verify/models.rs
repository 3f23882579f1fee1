//! Corrupted pictures, checkpoints and model data.

use std::fs;

use rcmu::{ComputeDtype, verify::VerifyOptions};
use serde_json::json;

use crate::{
    corruption::{assert_found, spoil, spoil_case, spoil_checkpoint},
    device_name,
    edit::{
        add, add_one, add_one_low, drop_tensor, edit, edit_each_f32, edit_f32, edit_tensor, tensors,
        truncate, write_tensors,
    },
};

const TEXT: &str = "model_text.safetensors";
const MIXED: &str = "model_image_and_video.safetensors";
const BATCH: &str = "model_batch_left_pad.safetensors";

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
            edit_f32(&d.join("images.safetensors"), "normalize_pil", f32::next_up);
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
    assert_found(&[
        spoil_case("logit", "text", "logits", |d| edit_f32(&d.join(TEXT), "logits", |logit| logit + 0.01)),
        spoil_case("logit that is NaN", "text", "logits", |d| {
            edit_f32(&d.join(TEXT), "logits", |_| f32::NAN);
        }),
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
        spoil_case("input id", "text", "prompts", |d| {
            edit_tensor(&d.join(TEXT), "in.input_ids", add_one_low);
        }),
        spoil_case("prompt", "text", "prompts", |d| {
            edit(&d.join("model.json"), |json| json["text"]["prompt"][0] = json!("hello"));
        }),
        spoil_case("margin", "text", "model records", |d| {
            edit(&d.join("model.json"), |json| json["text"]["greedy_smallest_margin"] = json!(0.5));
        }),
        spoil_case("same greedy", "text", "model records", |d| {
            edit(&d.join("model.json"), |json| json["text"]["f32_sdpa"]["same_greedy"] = json!(false));
        }),
        spoil_case("logit in bf16", "text", "stated bf16 noise", |d| {
            edit_f32(&d.join(TEXT), "bf16.last_logits", |logit| logit + 3.0);
        }),
        spoil_case("tensor gone", "text", "hidden states", |d| drop_tensor(&d.join(TEXT), "text.norm")),
        spoil_case("all tensors gone", "text", "prompts", |d| fs::remove_file(d.join(TEXT)).unwrap()),
        spoil_case("patch", "image_and_video", "pixel values of prompts", |d| {
            edit_f32(&d.join(MIXED), "in.pixel_values", f32::next_up);
        }),
        spoil_case("patch of a video", "image_and_video", "pixel values of prompts", |d| {
            edit_f32(&d.join(MIXED), "in.pixel_values_videos", f32::next_down);
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
        spoil_checkpoint("untied logit", "text", "logits, untied", |d| {
            edit_f32(&d.join(TEXT), "untied_last_logits", |logit| logit + 0.01);
        }),
    ]);
}

#[test]
fn a_model_in_bf16_that_is_farther_off_than_the_reference_is_found() {
    if !ComputeDtype::Bf16.is_supported(&VerifyOptions::new(&device_name()).unwrap().device) {
        return;
    }
    // Three times what the reference states of itself: 1.0 for a logit, 0.16 on average, 0.1 for the vision tower.
    assert_found(&[
        spoil_checkpoint("all logits, of the model in bf16", "text", "logits, bf16, mean", |d| {
            edit_each_f32(&d.join(TEXT), "logits", |_, logit| logit + 0.3);
        }),
        spoil_checkpoint("last logits, of the model in bf16", "text", "logits, bf16, mean", |d| {
            edit_each_f32(&d.join(TEXT), "bf16.last_logits", |_, logit| logit + 0.3);
        }),
        spoil_checkpoint("first logit, of the model in bf16", "text", "logits, bf16", |d| {
            edit_each_f32(&d.join(TEXT), "logits", |at, logit| if at == 0 { logit + 3.0 } else { logit });
        }),
        spoil_checkpoint("vision, of the model in bf16", "image_and_video", "vision, bf16", |d| {
            edit_f32(&d.join(MIXED), "vision.merged", |value| value + 0.2);
        }),
    ]);
}
