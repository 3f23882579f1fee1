//! Weight files, indexes and directories that are not what they should be.

use std::{
    fs::{self, File},
    path::Path,
};

use rcmu_model::Error;
use serde_json::json;

use super::kit::{
    CONFIG, GENERATION, INDEX, SINGLE, Scratch, Stored, Weights, assert_growth, file_with, join, peak_kib,
};

#[test]
fn ranges_that_overflow_are_refused_before_they_are_added_up() {
    // Each makes `offset + length` or `8 + header + end` larger than 64 bits, in as few bytes as wished for.
    let quarter = 1_u64 << 62;
    let entry = |name: &str, dtype: &str, side: u64, from: u64, to: u64| {
        format!(r#""{name}":{{"dtype":"{dtype}","shape":[{side}],"data_offsets":[{from},{to}]}}"#)
    };
    let chain: Vec<_> = (0..4_u64)
        .map(|at| {
            entry(
                &at.to_string(),
                "U8",
                quarter - u64::from(at == 3),
                at * quarter,
                at * quarter + (quarter - u64::from(at == 3)),
            )
        })
        .collect();
    let max = u64::MAX;
    let scratch = Scratch::copy_of("tiny", "overflow");
    for header in [
        format!("{{{}}}", entry("x", "U8", max, 0, max)),
        format!("{{{}}}", entry("x", "U8", max - 10, 0, max - 10)),
        format!("{{{}}}", entry("x", "F32", max / 4, 0, max / 4 * 4)),
        format!("{{{}}}", entry("x", "U8", 7, max - 7, max)),
        format!("{{{}}}", chain.join(",")),
        format!("{{{}}}{}", chain.join(","), " ".repeat(600)),
    ] {
        scratch.write(SINGLE, &file_with(header.as_bytes(), &[]));

        let (file, _) = scratch.refused();

        assert_eq!(file, SINGLE, "{header}");
    }
}

#[test]
fn a_repeated_key_in_a_file_is_refused_by_name() {
    let scratch = Scratch::copy_of("tiny", "repeated");
    let mut tensors = Weights::of(&scratch).files.remove(0).1;
    tensors.push(Stored::zeros("model.norm.weight", "I64", 8, &[1]));
    scratch.write(SINGLE, &join(&tensors));

    let (file, problem) = scratch.refused();

    assert_eq!(file, SINGLE);
    assert!(problem.contains("\"model.norm.weight\" is given twice"), "{problem}");
}

#[test]
fn headers_full_of_junk_are_refused_within_little_memory() {
    type Make<'a> = Box<dyn Fn() -> String + 'a>;

    let scratch = Scratch::copy_of("tiny", "junk");
    let full = (8 << 20) - 16;
    let list = |unit: &str| {
        let mut text = String::with_capacity(full);
        while text.len() + unit.len() + 12 < full {
            text.push_str(unit);
        }
        text
    };
    let numbered = |head: &str, entry: &str, tail: &str| {
        use std::fmt::Write;
        let mut text = String::with_capacity(full);
        text.push_str(head);
        let mut at = 0;
        while text.len() + entry.len() + 24 < full {
            let comma = if at == 0 { "" } else { "," };
            write!(text, "{comma}\"{at:x}\":{entry}").unwrap();
            at += 1;
        }
        text.push_str(tail);
        text
    };
    let empty = r#"{"dtype":"U8","shape":[0],"data_offsets":[0,0]}"#;
    let make: [(&str, Make); 8] = [
        ("tensors", Box::new(|| numbered("{", empty, "}"))),
        ("metadata", Box::new(|| numbered(r#"{"__metadata__":{"#, "\"\"", "}}"))),
        ("empty objects", Box::new(|| numbered("{", "{}", "}"))),
        ("objects", Box::new(|| format!("{{\"a\":[{}0]}}", list(r#"{"":0},"#)))),
        ("lists", Box::new(|| format!("{{\"a\":[{}0]}}", list("[0],")))),
        ("sides", Box::new(|| format!("{{\"a\":{{\"shape\":[{}0]}}}}", list("0,")))),
        ("one long name", Box::new(|| format!("{{\"{}\":0}}", list("long")))),
        ("one long text", Box::new(|| format!("{{\"a\":\"{}\"}}", list("\\n")))),
    ];
    let before = peak_kib();
    for (what, text) in make {
        scratch.write(SINGLE, &file_with(text().as_bytes(), &[]));

        let (file, problem) = scratch.refused();

        assert_eq!(file, SINGLE, "{what}");
        assert!(problem.len() < 400, "{what}: {problem}");
    }
    // As large as the format allows, and larger than the file.
    for (header, file) in
        [(99 << 20, 100 << 20), (u64::MAX, 1 << 20), (u64::MAX - 7, 1 << 20), (8 << 20, 1 << 20)]
    {
        scratch.write(SINGLE, &u64::to_le_bytes(header));
        File::options().write(true).open(scratch.dir().join(SINGLE)).unwrap().set_len(file).unwrap();

        assert_eq!(scratch.refused().0, SINGLE, "{header}");
    }
    assert_growth(before, "headers of 8 MiB of junk");
}

#[test]
fn an_index_that_leaves_its_directory_is_refused() {
    let scratch = Scratch::copy_of("tiny_bf16", "traversal");
    let good = scratch.read_json(INDEX);
    let shard = scratch.dir().join("model-00001-of-00002.safetensors");
    for place in [
        json!("../x.safetensors"),
        json!(shard),
        json!("/dev/zero"),
        json!("C:\\x.safetensors"),
        json!("sub/x.safetensors"),
        json!("sub\\x.safetensors"),
        json!("./model-00001-of-00002.safetensors"),
        json!("."),
        json!(".."),
        json!(""),
        json!("a\0b"),
        json!("model-00001-of-00002.safetensors "),
        json!("\u{2024}\u{2024}/x"),
        json!("x".repeat(256)),
        json!(1),
        json!(null),
        json!(["model-00001-of-00002.safetensors"]),
    ] {
        let mut index = good.clone();
        index["weight_map"]["model.norm.weight"] = place.clone();
        scratch.write(INDEX, index.to_string().as_bytes());

        let (file, problem) = scratch.refused();

        assert_eq!(file, INDEX, "{place}");
        assert!(problem.contains("model.norm.weight"), "{place}: {problem}");
    }
}

#[test]
fn an_index_and_its_files_must_agree() {
    let scratch = Scratch::copy_of("tiny_bf16", "index");
    let good = scratch.read_json(INDEX);
    let name = "visual.merger.ln_q.bias";
    let change = |name: &str, value: serde_json::Value| {
        let mut index = good.clone();
        index["weight_map"][name] = value;
        scratch.write(INDEX, index.to_string().as_bytes());
        scratch.refused()
    };
    for key in ["more.weight", ""] {
        assert_eq!(change(key, good["weight_map"][name].clone()).0, INDEX);
    }
    let moved = change(name, json!("model-00001-of-00002.safetensors"));
    assert!(moved.0 == INDEX && moved.1.contains(name), "{moved:?}");
    let mut without = good.clone();
    without["weight_map"].as_object_mut().unwrap().remove(name);
    scratch.write(INDEX, without.to_string().as_bytes());
    assert!(scratch.refused().1.contains(name));
    let many: serde_json::Map<_, _> = (0..20_001).map(|at| (at.to_string(), json!("a"))).collect();
    let shards: serde_json::Map<_, _> = (0..1025).map(|at| (at.to_string(), json!(at.to_string()))).collect();
    for text in [
        String::new(),
        "{".into(),
        "[]".into(),
        "{}".into(),
        r#"{"weight_map": []}"#.into(),
        r#"{"weight_map": {}, "weight_map": {}}"#.into(),
        "[".repeat(100_000),
        json!({ "weight_map": many }).to_string(),
        json!({ "weight_map": shards }).to_string(),
        " ".repeat((8 << 20) + 1),
    ] {
        scratch.write(INDEX, text.as_bytes());

        assert_eq!(scratch.refused().0, INDEX, "{text:.40}");
    }
    scratch.write(INDEX, br#"{"weight_map": {}}"#);
    assert!(matches!(scratch.open(), Err(Error::Weights { problems }) if problems.len() == 57));
}

#[test]
fn missing_files_are_named() {
    for fixture in ["tiny", "tiny_bf16"] {
        let files = Scratch::copy_of(fixture, "missing").files();
        for file in files.iter().filter(|file| *file != GENERATION && *file != INDEX && *file != SINGLE) {
            let scratch = Scratch::copy_of(fixture, "missing");
            scratch.remove(file);

            let result = scratch.open();

            assert!(
                matches!(&result, Err(Error::ReadFile { path, .. }) if path.ends_with(file)),
                "{result:?}"
            );
        }
    }
    let nowhere = Scratch::empty("nowhere");
    assert!(matches!(nowhere.open(), Err(Error::ReadFile { path, .. }) if path.ends_with(CONFIG)));
}

#[test]
fn files_that_can_run_code_are_no_checkpoint() {
    for name in ["pytorch_model.bin", "model.PT", "weights.pth", "model.ckpt", "data.pkl"] {
        let scratch = Scratch::copy_of("tiny", "pickled");
        scratch.remove(SINGLE);
        scratch.write(name, b"\x80\x04");

        let Err(Error::CheckpointFile { path, problem }) = scratch.open() else {
            panic!("{name} was accepted")
        };

        assert_eq!(path, scratch.dir());
        assert!(problem.contains(name) && problem.contains("refused"), "{problem}");
    }
}

#[test]
fn code_named_by_the_settings_is_noted_and_not_run() -> Result<(), Error> {
    let scratch = Scratch::copy_of("tiny", "auto_map");
    let mut config = scratch.read_json(CONFIG);
    config["auto_map"] = json!({ "AutoModel": "evil.Model" });
    scratch.write(CONFIG, config.to_string().as_bytes());
    scratch.write("chat_template.json", b"{{ evil }}");

    let checkpoint = scratch.open()?;

    assert_eq!(checkpoint.notes().len(), 2, "{:?}", checkpoint.notes());
    Ok(())
}

#[cfg(unix)]
#[test]
fn pipes_devices_directories_and_broken_links_are_errors_at_once() {
    use std::{os::unix::fs::symlink, process::Command, sync::mpsc, thread, time::Duration};

    type Put = fn(&Path);

    let put: [(&str, Put); 6] = [
        ("directory", |path| fs::create_dir(path).unwrap()),
        ("pipe", |path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success())),
        ("endless device", |path| symlink("/dev/zero", path).unwrap()),
        ("empty device", |path| symlink("/dev/null", path).unwrap()),
        ("link to itself", |path| symlink(path, path).unwrap()),
        ("broken link", |path| symlink("nowhere", path).unwrap()),
    ];
    for fixture in ["tiny", "tiny_bf16"] {
        for file in Scratch::copy_of(fixture, "special").files() {
            for (what, put) in put {
                let scratch = Scratch::copy_of(fixture, "special");
                scratch.remove(&file);
                put(&scratch.dir().join(&file));
                let (sender, receiver) = mpsc::channel();
                let opened = thread::spawn(move || sender.send(scratch.open()).is_ok());

                let result = receiver.recv_timeout(Duration::from_secs(20));

                let result = result.unwrap_or_else(|_| panic!("{what} for {file} hangs"));
                let named = match &result {
                    Err(Error::ReadFile { path, .. } | Error::CheckpointFile { path, .. }) => {
                        path.ends_with(&file)
                    }
                    _ => false,
                };
                assert!(named, "{what} for {file}: {result:?}");
                assert!(opened.join().unwrap());
            }
        }
    }
}
