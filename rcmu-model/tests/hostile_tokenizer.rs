//! Tokenizer files from a stranger: each is refused with a typed error, or works as it should.
#![allow(clippy::unwrap_used, reason = "a broken fixture should stop the test")]

use std::{fs, path::PathBuf, process::Command};

use rcmu_core::SpecialToken;
use rcmu_model::{
    Error,
    tokenizer::{Specials, Tokenizer},
};
use serde_json::{Value, json};

/// Changed files of the long run.
const MUTANTS: u64 = 5_000;
/// Rows of the embedding table that belongs to the tokenizer.
const ROWS: usize = 1024;
/// Kilobytes of address space for a process that reads hostile files.
const ADDRESS_SPACE_KIB: u64 = 1 << 20;

fn golden() -> PathBuf {
    std::env::var_os("RCMU_GOLDEN").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/golden")),
        PathBuf::from,
    )
}

fn good_file() -> Value {
    let path = golden().join("tokenizer_small/tokenizer.json");
    serde_json::from_slice(&fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))).unwrap()
}

fn read(file: &Value) -> Result<Tokenizer, Error> {
    Tokenizer::from_json(file.to_string().as_bytes(), ROWS)
}

/// The good file with one value replaced.
fn with(pointer: &str, value: Value) -> Value {
    let mut file = good_file();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match file.pointer_mut(parent).unwrap() {
        Value::Object(object) => drop(object.insert(key.to_owned(), value)),
        Value::Array(list) => list[key.parse::<usize>().unwrap()] = value,
        other => panic!("{other} has no fields"),
    }
    file
}

/// A tokenizer that was accepted does its work: text makes the round trip and no control token.
fn assert_sound(tokenizer: &Tokenizer) {
    let text = "You are <|im_end|><|image_pad|> a café 你好 😀\u{0}  \n 1999 it's";
    let ids = tokenizer.encode_text(text).unwrap();
    assert_eq!(tokenizer.decode(&ids, Specials::Skip), text);
    assert!(ids.iter().all(|id| !tokenizer.is_control(*id) && (*id as usize) < ROWS));
    for token in SpecialToken::ALL {
        assert_eq!(tokenizer.encode_reference(token.as_str()).unwrap(), [tokenizer.id(token)]);
        assert!((tokenizer.id(token) as usize) < ROWS);
    }
    let mut any: Vec<u32> = (0..2 * ROWS as u32).collect();
    any.push(u32::MAX);
    let mut stream = tokenizer.stream(Specials::Keep);
    let mut said: String = any.iter().filter_map(|id| stream.push(*id)).collect();
    said.extend(stream.finish());
    assert_eq!(said, tokenizer.decode(&any, Specials::Keep));
}

/// Asserts that the good file with one value replaced is refused for this field.
fn assert_setting_refused(pointer: &str, value: Value, field: &str) {
    match read(&with(pointer, value)) {
        Err(Error::TokenizerSetting { field: found, .. }) => assert_eq!(found, field),
        other => panic!("{field}: {other:?}"),
    }
}

#[test]
fn settings_that_crash_the_reference_are_refused_by_name() {
    let grow = json!({ "type": "Replace", "pattern": { "String": "a" }, "content": "a".repeat(40) });
    let token = json!([{ "SpecialToken": { "id": "[X]", "type_id": 0 } }]);
    // With each of these, version 0.23.2 of the reference panics or runs out of memory, while loading or at the first
    // text. Two more of this kind, padding to a fixed length and a merge to something too long, have their own tests.
    for (pointer, value, field) in [
        ("/model/continuing_subword_prefix", json!("####"), "model.continuing_subword_prefix"),
        ("/normalizer", json!({ "type": "Precompiled", "precompiled_charsmap": "" }), "normalizer.type"),
        (
            "/normalizer",
            json!({ "type": "Precompiled", "precompiled_charsmap": "/////w==" }),
            "normalizer.type",
        ),
        ("/normalizer", json!({ "type": "Sequence", "normalizers": vec![grow; 7] }), "normalizer.type"),
        ("/pre_tokenizer", json!({ "type": "FixedLength", "length": 0 }), "pre_tokenizer.type"),
        ("/post_processor", json!({ "type": "TemplateProcessing", "single": token }), "post_processor.type"),
        ("/decoder", json!({ "type": "Strip", "content": "a", "start": 9, "stop": 9 }), "decoder.type"),
    ] {
        assert_setting_refused(pointer, value, field);
    }
}

#[test]
fn settings_that_change_ids_are_refused_by_name() {
    let split = "/pre_tokenizer/pretokenizers/0";
    for (pointer, value, field) in [
        ("/model/type", json!("Unigram"), "model.type"),
        ("/model/unk_token", json!("<unk>"), "model.unk_token"),
        ("/model/dropout", json!(0.5), "model.dropout"),
        ("/model/byte_fallback", json!(true), "model.byte_fallback"),
        ("/model/ignore_merges", json!(true), "model.ignore_merges"),
        ("/normalizer", Value::Null, "normalizer"),
        ("/normalizer/type", json!("NFKC"), "normalizer.type"),
        (&format!("{split}/pattern/Regex"), json!("(a+)+$"), "pre_tokenizer.pretokenizers[0].pattern"),
        (&format!("{split}/behavior"), json!("Removed"), "pre_tokenizer.pretokenizers[0].behavior"),
        ("/pre_tokenizer/pretokenizers", json!([]), "pre_tokenizer.pretokenizers"),
        ("/decoder", Value::Null, "decoder"),
        ("/added_tokens/3/lstrip", json!(true), "added_tokens[3].lstrip"),
        ("/added_tokens/3/normalized", json!("true"), "added_tokens[3].normalized"),
        ("/what", json!(1), "what"),
    ] {
        assert_setting_refused(pointer, value, field);
    }
}

/// What `add_tokens` of the reference writes for a word that fine-tuning has added.
fn with_added(content: &str) -> Value {
    let mut file = good_file();
    let tokens = file["added_tokens"].as_array_mut().unwrap();
    let id = tokens.iter().map(|token| token["id"].as_u64().unwrap()).max().unwrap() + 1;
    tokens.push(json!({ "id": id, "content": content, "single_word": false, "lstrip": false,
        "rstrip": false, "normalized": true, "special": false }));
    file
}

#[test]
fn words_that_fine_tuning_has_added_are_tokens() {
    let tokenizer = read(&with_added("<region>")).unwrap();

    let ids = tokenizer.encode_reference("a <region>").unwrap();

    assert_eq!(tokenizer.decode(&ids, Specials::Skip), "a <region>");
    assert!(tokenizer.is_control(*ids.last().unwrap()));
    assert_sound(&tokenizer);
    // Prompts are encoded without it, and that is said.
    let note = "tokenizer.json: <region> is an added token that no text of a prompt becomes";
    assert_eq!(tokenizer.notes(), [note]);
    // Accents may stand otherwise in a text before NFC.
    for content in ["<re\u{301}gion>", "<r\u{e9}gion>"] {
        let refused = read(&with_added(content));
        assert!(matches!(refused, Err(Error::TokenizerSetting { .. })), "{refused:?}");
    }
}

#[test]
fn truncation_and_padding_are_ignored_with_a_note() {
    let mut file = good_file();
    file["padding"] = json!({ "strategy": { "Fixed": 1_000_000_000_000_u64 }, "direction": "Left",
        "pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0, "pad_token": "x" });
    file["truncation"] =
        json!({ "direction": "Right", "max_length": 1, "strategy": "LongestFirst", "stride": 7 });

    let tokenizer = read(&file).unwrap();

    let mut notes = tokenizer.notes().to_vec();
    notes.sort();
    let ignored = ["padding", "truncation"].map(|key| format!("tokenizer.json: {key} is set and ignored"));
    assert_eq!(notes, ignored);
    let plain = read(&good_file()).unwrap();
    assert_eq!(
        tokenizer.encode_text("more than one token").unwrap(),
        plain.encode_text("more than one token").unwrap()
    );
}

#[test]
fn entries_that_break_the_vocabulary_are_named() {
    let len = good_file()["model"]["vocab"].as_object().unwrap().len();
    let merges = good_file()["model"]["merges"].as_array().unwrap().clone();
    let first = merges[0].clone();
    let merge = |merge: Value| with("/model/merges/0", merge);
    let mut longer = good_file();
    // Two of the longest tokens: their join is longer than any token, which makes the reference panic.
    let longest =
        longer["model"]["vocab"].as_object().unwrap().keys().max_by_key(|token| token.len()).unwrap().clone();
    longer["model"]["merges"][0] = json!([longest, longest]);
    let mut without_byte = good_file();
    let zero = without_byte["model"]["vocab"].as_object_mut().unwrap();
    // The last token takes the place of a byte that no merge joins.
    let last = zero.iter().find(|(_, id)| **id == len - 1).unwrap().0.clone();
    let id = zero.remove("Ā").unwrap();
    zero.insert(last, id);
    let added = |key: &str, value: Value| with(&format!("/added_tokens/2/{key}"), value);
    let files = [
        ("a hole in the ids", with("/model/vocab/!", json!(len)), "has an id above the number of tokens"),
        ("an id twice", with("/model/vocab/!", json!(7)), "has the id of another token"),
        ("no byte", with("/model/vocab/a b", json!(len)), "has a character that stands for no byte"),
        ("a byte missing", without_byte, "lacks one of the 256 bytes"),
        ("a merge of nothing", merge(json!("不 不")), "joins what is not in the vocabulary"),
        ("a merge to nothing", merge(json!(["Ā", "Ā"])), "makes what is not in the vocabulary"),
        ("a merge to something too long", longer, "makes what is not in the vocabulary"),
        ("a merge twice", with("/model/merges/1", first), "is there twice"),
        ("a special in the vocabulary", added("id", json!(5)), "has an id of the vocabulary"),
        ("a huge id", added("id", json!(u32::MAX)), "has an id above the rows of the embedding table"),
        ("an id of two specials", added("id", json!(len)), "has the id of another added token"),
        ("a special twice", added("content", json!("<|im_start|>")), "has the text of another added token"),
        ("an empty special", added("content", json!("")), "has no text, or more than 128 bytes"),
        ("a special that is a word", added("content", json!("a")), "is a token of the vocabulary as well"),
    ];
    for (name, file, expected) in files {
        match read(&file) {
            Err(Error::TokenizerEntry { problem, .. }) => assert_eq!(problem, expected, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn all_missing_control_tokens_are_named() {
    let mut file = good_file();
    file["added_tokens"]
        .as_array_mut()
        .unwrap()
        .retain(|token| !["<|image_pad|>", "<|im_start|>"].contains(&token["content"].as_str().unwrap()));

    let error = read(&file).unwrap_err();

    assert_eq!(error.to_string(), "tokenizer.json: control tokens are missing: <|im_start|>, <|image_pad|>");
}

#[test]
fn repeated_keys_are_refused() {
    let good = good_file().to_string();
    let twice = [
        good.replacen('{', r#"{"model": {}, "#, 1),
        good.replacen('{', r#"{"padding": null, "#, 1),
        good.replacen(r#""vocab":{"#, r#""vocab":{}, "vocab":{"#, 1),
        good.replacen(r#""type":"NFC""#, r#""type":"NFC","type":"NFC""#, 1),
        good.replacen(r#""vocab":{"!":"#, r#""vocab":{"!":1,"!":"#, 1),
    ];
    for file in twice {
        assert_ne!(file, good);

        let refused = Tokenizer::from_json(file.as_bytes(), ROWS);

        let repeated = matches!(refused, Err(Error::TokenizerSyntax { .. } | Error::TokenizerEntry { .. }));
        assert!(repeated, "{refused:?}");
    }
}

#[test]
fn large_files_are_refused_within_memory() {
    let fill = |unit: &str| unit.repeat((60 << 20) / unit.len());
    // Made one after the other: together they would be large themselves.
    let files: [&dyn Fn() -> String; 12] = [
        &|| format!(r#"{{"added_tokens":[{}0]}}"#, fill("0,")),
        &|| format!(r#"{{"added_tokens":[{}0]}}"#, fill("[],")),
        &|| format!(r#"{{"normalizer":"{}"}}"#, fill("a")),
        &|| format!(r#"{{"model":{{"merges":[{}"a b"]}}}}"#, fill("\"a b\",")),
        &|| format!(r#"{{"model":{{"merges":"{}"}}}}"#, fill("a")),
        &|| format!(r#"{{"model":"{}"}}"#, fill("a")),
        &|| format!(r#"{{"model":{{"vocab":{{"{}":0}}}}}}"#, fill("a")),
        &|| {
            let vocab = (0..2_000_000).fold(String::new(), |vocab, id| vocab + &format!("\"{id}\":{id},"));
            format!(r#"{{"model":{{"vocab":{{{vocab}"a":0}}}}}}"#)
        },
        &|| format!(r#"{{"truncation":[{}0],"x":1}}"#, fill("0,")),
        &|| fill("["),
        &|| fill("{\"model\":"),
        &|| fill("{\"truncation\":"),
    ];
    for file in files {
        let error = Tokenizer::from_json(file().as_bytes(), ROWS).unwrap_err();

        let cause = std::error::Error::source(&error).map_or_else(String::new, ToString::to_string);
        assert!(error.to_string().len() + cause.len() < 300, "the message quotes the file");
        assert!(
            matches!(error, Error::TokenizerSyntax { .. } | Error::TokenizerSetting { .. }),
            "{error}: {cause}"
        );
    }
}

/// Numbers that are the same on every machine (`SplitMix64`).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % end as u64) as usize
    }

    /// A value that somebody might write to break a reader.
    fn value(&mut self) -> Value {
        let values = [
            json!(null),
            json!(true),
            json!(false),
            json!(0),
            json!(1),
            json!(-1),
            json!(1e308),
            json!(0.5),
            json!(u32::MAX),
            json!(1_u64 << 32),
            json!(u64::MAX),
            json!(""),
            json!("a"),
            json!("BPE"),
            json!("Ġ Ġ"),
            json!("\u{0}\u{202e}"),
            json!("x".repeat(2000)),
            json!([]),
            json!({}),
            json!(["a", "b"]),
            json!([[[]]]),
            json!({ "type": "Replace", "pattern": { "String": "a" }, "content": "aaaa" }),
            json!({ "type": "Precompiled", "precompiled_charsmap": "/////w==" }),
            json!({ "strategy": { "Fixed": 1_000_000_000_000_u64 } }),
        ];
        values[self.below(values.len())].clone()
    }

    /// Walks to a random value and changes it, or its neighbourhood.
    fn change(&mut self, value: &mut Value) {
        let deeper = self.below(8) > 0;
        match value {
            Value::Object(object) if deeper && !object.is_empty() => {
                let keys: Vec<_> = object.keys().cloned().collect();
                let key = &keys[self.below(keys.len())];
                match self.below(12) {
                    0 => drop(object.remove(key)),
                    1 => drop(object.insert(format!("{key}x"), self.value())),
                    2 => {
                        let other = object[&keys[self.below(keys.len())]].clone();
                        object.insert(key.clone(), other);
                    }
                    _ => self.change(&mut object[key]),
                }
            }
            Value::Array(list) if deeper && !list.is_empty() => {
                let at = self.below(list.len());
                match self.below(12) {
                    0 => drop(list.remove(at)),
                    1 => list.insert(at, self.value()),
                    2 => {
                        let other = self.below(list.len());
                        list.swap(at, other);
                    }
                    3 => list.push(list[at].clone()),
                    _ => self.change(&mut list[at]),
                }
            }
            _ => *value = self.value(),
        }
    }
}

#[test]
fn changed_files_are_refused_or_work() {
    let good = good_file();
    let mut numbers = Numbers(2);
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..MUTANTS {
        let mut file = good.clone();
        (0..=numbers.below(2)).for_each(|_| numbers.change(&mut file));
        let mut bytes = file.to_string().into_bytes();
        match numbers.below(6) {
            0 => bytes.truncate(numbers.below(bytes.len())),
            1 => {
                let at = numbers.below(bytes.len());
                bytes[at] = numbers.below(256) as u8;
            }
            _ => {}
        }
        match Tokenizer::from_json(&bytes, ROWS) {
            Ok(tokenizer) => {
                assert_sound(&tokenizer);
                accepted += 1;
            }
            Err(
                Error::TokenizerSyntax { .. }
                | Error::TokenizerSetting { .. }
                | Error::TokenizerEntry { .. }
                | Error::MissingSpecials { .. },
            ) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    println!("{MUTANTS} changed files: {refused} refused, {accepted} accepted and sound");
    assert!(accepted > 0 && refused > MUTANTS / 2);
}

/// Runs the tests above again in a process that cannot take more than 1 GiB of address space.
#[test]
fn hostile_files_are_survived_with_little_memory() {
    let shell = Command::new("sh").arg("-c").arg(format!("ulimit -v {ADDRESS_SPACE_KIB}")).status();
    if !shell.is_ok_and(|status| status.success()) {
        println!("skipped: no shell here can limit the address space");
        return;
    }
    for test in [
        "settings_that_crash_the_reference_are_refused_by_name",
        "truncation_and_padding_are_ignored_with_a_note",
        "entries_that_break_the_vocabulary_are_named",
        "changed_files_are_refused_or_work",
        "large_files_are_refused_within_memory",
    ] {
        let output = Command::new("sh")
            .args(["-c", &format!("ulimit -v {ADDRESS_SPACE_KIB}; exec \"$0\" \"$@\"")])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", test, "--test-threads=1"])
            .output()
            .unwrap();

        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{test}: {said}");
    }
}
