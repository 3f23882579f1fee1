//! Corrupted files, tables and tokenizer data.

use std::fs;

use serde_json::{Value, json};

use crate::{
    corruption::{assert_found, spoil},
    edit::{add, edit, first_with, truncate},
};

#[test]
fn corrupted_files_and_tables_are_found() {
    assert_found(&[
        spoil("manifest gone", &["sampling"], "files", |d| fs::remove_file(d.join("manifest.json")).unwrap()),
        spoil("file gone", &["resize"], "files", |d| fs::remove_file(d.join("frames.json")).unwrap()),
        spoil("json cut", &["resize"], "files", |d| truncate(&d.join("resize.json"))),
        spoil("json is no text", &["resize"], "files", |d| {
            fs::write(d.join("frames.json"), [0xff, 0]).unwrap();
        }),
        spoil("deep json", &["resize"], "files", |d| {
            fs::write(d.join("deep.json"), "[".repeat(1 << 20)).unwrap();
        }),
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
                add(
                    first_with(rows, "/qwen_vl_utils_indices/1")
                        .pointer_mut("/qwen_vl_utils_indices/1")
                        .unwrap(),
                    1,
                );
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
            edit(&d.join("tokenizer_small.json"), |json| {
                json["streaming"][0]["prefix_decodes"][2] = json!("本");
            });
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
