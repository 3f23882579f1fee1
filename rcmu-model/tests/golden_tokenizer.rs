//! The tokenizer against the ids and texts of the reference.
#![allow(clippy::unwrap_used, reason = "a broken fixture should stop the test")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use rcmu_core::{Prompt, SpecialToken, Trust};
use rcmu_model::{
    Error,
    tokenizer::{SlotKind, Specials, Tokenizer},
};
use serde_json::Value;

/// The golden directory: `RCMU_GOLDEN`, or the subset in the repository.
fn golden() -> PathBuf {
    std::env::var_os("RCMU_GOLDEN").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/golden")),
        PathBuf::from,
    )
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))).unwrap()
}

/// A tokenizer and what the reference says about it.
struct Case {
    tokenizer: Tokenizer,
    expected: Value,
}

/// The home-made tokenizer of the fixtures; the published one where `RCMU_QWEN_TOKENIZER` names its directory.
fn cases() -> Vec<Case> {
    let mut cases = vec![case(&golden().join("tokenizer_small"), 1024, "tokenizer_small.json")];
    match std::env::var_os("RCMU_QWEN_TOKENIZER") {
        Some(dir) => cases.push(case(Path::new(&dir), 151_936, "tokenizer_qwen.json")),
        None => println!("skipped: RCMU_QWEN_TOKENIZER names no directory with the published tokenizer"),
    }
    cases
}

fn case(dir: &Path, vocab_rows: usize, expected: &str) -> Case {
    Case {
        tokenizer: Tokenizer::from_dir(dir, vocab_rows).unwrap(),
        expected: json(&golden().join(expected)),
    }
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

fn ids(value: &Value) -> Vec<u32> {
    value["ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

#[test]
fn control_tokens_have_the_ids_of_the_file() {
    for Case { tokenizer, expected } in cases() {
        for token in SpecialToken::ALL {
            let id = tokenizer.id(token);

            assert_eq!(expected["special_ids"][token.as_str()], id, "{token}");
            assert_eq!(tokenizer.special(id), Some(token));
            assert!(tokenizer.is_control(id));
        }
        assert_eq!(tokenizer.len() as u64, expected["vocab_size_with_specials"].as_u64().unwrap());
        assert_eq!(tokenizer.control_tokens().count(), 14);
        assert!(tokenizer.notes().is_empty());
    }
}

#[test]
fn strings_become_the_ids_of_the_reference() {
    for Case { tokenizer, expected } in cases() {
        let mut clean = 0;
        for row in list(&expected, "strings") {
            let text = text(row, "text");
            let expected = ids(row);

            assert_eq!(tokenizer.encode_reference(text).unwrap(), expected, "{text:?}");
            let plain = tokenizer.encode_text(text).unwrap();
            if expected.iter().any(|id| tokenizer.is_control(*id)) {
                assert!(!plain.iter().any(|id| tokenizer.is_control(*id)), "{text:?}");
            } else {
                assert_eq!(plain, expected, "{text:?}");
                clean += 1;
            }
        }
        println!("{} strings, {clean} without control tokens", list(&expected, "strings").len());
        assert!(clean > 50);
    }
}

#[test]
fn ids_become_the_texts_of_the_reference() {
    for Case { tokenizer, expected } in cases() {
        for row in list(&expected, "strings") {
            let ids = ids(row);

            assert_eq!(tokenizer.decode(&ids, Specials::Keep), text(row, "decoded"));
            assert_eq!(tokenizer.decode(&ids, Specials::Skip), text(row, "decoded_skip_special"));
        }
    }
}

#[test]
fn streams_give_the_settled_part_of_each_prefix() {
    for Case { tokenizer, expected } in cases() {
        for row in list(&expected, "streaming") {
            let mut stream = tokenizer.stream(Specials::Keep);
            let mut said = String::new();
            for (id, prefix) in ids(row).into_iter().zip(list(row, "prefix_decodes")) {
                said.extend(stream.push(id));

                // The reference shows an unfinished character as U+FFFD.
                assert_eq!(said, prefix.as_str().unwrap().trim_end_matches('\u{fffd}'));
            }
            assert_eq!(stream.finish(), None);
            assert_eq!(said, tokenizer.decode(&ids(row), Specials::Keep));
        }
    }
}

#[test]
fn rendered_chats_become_the_ids_of_the_reference() {
    for Case { tokenizer, expected } in cases() {
        for row in list(&expected, "chats") {
            let rendered = text(row, "rendered");

            assert_eq!(tokenizer.encode_reference(rendered).unwrap(), ids(row), "{rendered:?}");
            let prompt = Prompt::from_reference_text(rendered);
            assert_eq!(tokenizer.encode(&prompt).unwrap().ids(), ids(row), "{rendered:?}");
        }
    }
}

/// The chat as typed pieces: what people wrote is untrusted.
fn typed(chat: &Value) -> Prompt {
    let mut prompt = Prompt::new();
    let mut pictures = [0, 0];
    let messages = list(chat, "messages");
    if messages.first().is_some_and(|message| message["role"] != "system") {
        prompt.push_special(SpecialToken::ImStart).push_template("system\nYou are a helpful assistant.");
        prompt.push_special(SpecialToken::ImEnd).push_template("\n");
    }
    for message in messages {
        prompt.push_special(SpecialToken::ImStart).push_template(text(message, "role")).push_template("\n");
        let parts = match &message["content"] {
            Value::String(text) => &vec![serde_json::json!({ "type": "text", "text": text })],
            Value::Array(parts) => parts,
            other => panic!("unknown content {other}"),
        };
        for part in parts {
            let (kind, name) = match part["type"].as_str() {
                Some("image" | "image_url") => (0, "Picture"),
                Some("video") => (1, "Video"),
                _ => {
                    prompt.push_untrusted(text(part, "text"));
                    continue;
                }
            };
            pictures[kind] += 1;
            if chat["add_vision_id"] == true {
                prompt.push_template(&format!("{name} {}: ", pictures[kind]));
            }
            if kind == 0 {
                prompt.push_image()
            } else {
                prompt.push_video()
            };
        }
        prompt.push_special(SpecialToken::ImEnd).push_template("\n");
    }
    if chat["add_generation_prompt"] == true {
        prompt.push_special(SpecialToken::ImStart).push_template("assistant\n");
    }
    prompt
}

#[test]
fn typed_chats_become_the_ids_of_the_reference_unless_tokens_are_written() {
    for Case { tokenizer, expected } in cases() {
        let mut clean = 0;
        for chat in list(&expected, "chats") {
            let prompt = typed(chat);
            assert_eq!(prompt.to_reference_text(), text(chat, "rendered"));

            let encoded = tokenizer.encode(&prompt).unwrap();

            let untrusted = encoded.spans().iter().filter(|span| span.trust == Trust::Untrusted);
            assert!(
                untrusted
                    .flat_map(|span| &encoded.ids()[span.range.clone()])
                    .all(|id| !tokenizer.is_control(*id))
            );
            if Prompt::from_reference_text(text(chat, "rendered")).pieces().len() > prompt.pieces().len() {
                assert_ne!(encoded.ids(), ids(chat), "{}", chat["name"]);
            } else {
                assert_eq!(encoded.ids(), ids(chat), "{}", chat["name"]);
                clean += 1;
            }
        }
        println!("{clean} of {} chats without written control tokens", list(&expected, "chats").len());
        assert!(clean >= 50);
    }
}

#[test]
fn the_older_files_give_the_same_tokenizer() {
    let new = golden().join("tokenizer_small");
    let old = std::env::temp_dir().join(format!("rcmu-older-tokenizer-{}", std::process::id()));
    fs::create_dir_all(&old).unwrap();
    for name in ["vocab.json", "merges.txt", "tokenizer_config.json"] {
        fs::copy(new.join(name), old.join(name)).unwrap();
    }

    let tokenizer = Tokenizer::from_dir(&old, 1024);

    fs::remove_dir_all(&old).unwrap();
    let tokenizer = tokenizer.unwrap();
    for row in list(&json(&golden().join("tokenizer_small.json")), "strings") {
        assert_eq!(tokenizer.encode_reference(text(row, "text")).unwrap(), ids(row));
        assert_eq!(tokenizer.decode(&ids(row), Specials::Skip), text(row, "decoded_skip_special"));
    }
}

#[test]
fn files_that_are_not_files_are_refused() {
    let dir = std::env::temp_dir().join(format!("rcmu-hostile-tokenizer-{}", std::process::id()));
    fs::create_dir_all(dir.join("tokenizer.json")).unwrap();

    let folder = Tokenizer::from_dir(&dir, 1024);
    fs::remove_dir(dir.join("tokenizer.json")).unwrap();
    let nothing = Tokenizer::from_dir(&dir, 1024);
    fs::File::create(dir.join("tokenizer.json")).unwrap().set_len((64 << 20) + 1).unwrap();
    let large = Tokenizer::from_dir(&dir, 1024);

    fs::remove_dir_all(&dir).unwrap();
    assert!(
        matches!(folder, Err(Error::TokenizerFile { problem: "is not a regular file", .. })),
        "{folder:?}"
    );
    assert!(
        matches!(nothing, Err(Error::ReadFile { ref path, .. }) if path.ends_with("vocab.json")),
        "{nothing:?}"
    );
    assert!(matches!(large, Err(Error::TokenizerFile { problem: "is larger than 64 MiB", .. })), "{large:?}");
}

#[test]
fn both_forms_of_merges_are_read() {
    let mut file = json(&golden().join("tokenizer_small/tokenizer.json"));
    let pair = |merge: &Value| match merge {
        Value::String(text) => text.split(' ').map(str::to_owned).collect::<Vec<_>>(),
        other => serde_json::from_value(other.clone()).unwrap(),
    };
    let pairs: Vec<_> = list(&file["model"], "merges").iter().map(pair).collect();
    let strings: Vec<_> = pairs.iter().map(|pair| pair.join(" ")).collect();
    let expected = json(&golden().join("tokenizer_small.json"));

    for merges in [serde_json::json!(pairs), serde_json::json!(strings)] {
        file["model"]["merges"] = merges;
        let tokenizer = Tokenizer::from_json(file.to_string().as_bytes(), 1024).unwrap();

        for row in list(&expected, "strings") {
            assert_eq!(tokenizer.encode_reference(text(row, "text")).unwrap(), ids(row));
        }
    }
}

#[test]
fn pictures_and_places_are_counted_as_in_the_reference() {
    let errors = json(&golden().join("errors.json"));
    let tokenizer = Tokenizer::from_dir(&golden().join("tokenizer_small"), 1024).unwrap();
    // A place with `<|vision_start|>` and `<|vision_end|>` around it, then one more token: 9 ids with 6 for the image.
    let cases = [
        ("one placeholder, one image", 1, 1),
        ("two placeholders, one image", 2, 1),
        ("one placeholder, two images", 1, 2),
        ("no placeholder, one image", 0, 1),
        ("one placeholder, no image", 1, 0),
    ];
    for (name, slots, images) in cases {
        let mut prompt = Prompt::new();
        (0..slots).for_each(|_| {
            prompt.push_image();
        });
        prompt.push_untrusted("a");
        let encoded = tokenizer.encode(&prompt).unwrap();

        let expanded = encoded.expand(&vec![6; images], &[]);

        match expanded {
            Ok(ids) => {
                assert_eq!(errors[name]["seq_len"], ids.len(), "{name}");
                let pads = ids.iter().filter(|id| tokenizer.special(**id) == Some(SpecialToken::ImagePad));
                assert_eq!(errors[name]["image_tokens"], pads.count(), "{name}");
            }
            Err(Error::VisualCount { kind: SlotKind::Image, slots: found, given }) => {
                assert_eq!((found, given), (slots, images), "{name}");
                assert_eq!(errors[name]["error"], "ValueError", "{name}");
            }
            Err(other) => panic!("{name}: {other}"),
        }
    }
}

#[test]
fn a_typed_image_pad_takes_no_picture() {
    let tokenizer = Tokenizer::from_dir(&golden().join("tokenizer_small"), 1024).unwrap();
    let mut prompt = Prompt::new();
    prompt.push_image().push_untrusted("<|image_pad|>");

    // An error of the reference; here the typed token is text.
    let encoded = tokenizer.encode(&prompt).unwrap();

    assert_eq!(encoded.slots().len(), 1);
    assert!(encoded.expand(&[6], &[]).is_ok());
}

#[test]
fn expanding_repeats_pads_in_place() {
    let tokenizer = Tokenizer::from_dir(&golden().join("tokenizer_small"), 1024).unwrap();
    let [start, end, image, video] =
        [SpecialToken::VisionStart, SpecialToken::VisionEnd, SpecialToken::ImagePad, SpecialToken::VideoPad]
            .map(|token| tokenizer.id(token));
    let mut prompt = Prompt::new();
    prompt.push_video().push_image().push_image();
    let encoded = tokenizer.encode(&prompt).unwrap();

    let ids = encoded.expand(&[1, 2], &[3]).unwrap();

    assert_eq!(ids, [start, video, video, video, end, start, image, end, start, image, image, end]);
    assert_eq!(encoded.expanded_len(&[1, 2], &[3]).unwrap(), ids.len());
    let no_tokens = encoded.expand(&[1, 0], &[3]);
    assert!(matches!(no_tokens, Err(Error::VisualTokens { kind: SlotKind::Image, index: 1, tokens: 0 })));
    let too_many = encoded.expanded_len(&[1, usize::MAX], &[3]);
    assert!(matches!(too_many, Err(Error::VisualTokens { .. })));
}
