//! What becomes of a journal that was cut, damaged or refused by the disk.
#![allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]

mod runs;

use std::{fs, path::PathBuf, process::Command};

use rcmu_core::GenerateOptions;
use rcmu_eval::{
    Error,
    dataset::Dataset,
    journal::{self, Contents, Journal, Manifest, SyncPolicy},
    run::{Mode, Run, RunOptions, Shard},
};
use runs::{Echo, Scratch, dataset, options, run};

fn manifest(dataset: &Dataset) -> Manifest {
    Run::new(dataset, &Echo::new(), options()).unwrap().manifest()
}

/// The bytes of a journal of some items, and where its frames end.
fn small(scratch: &Scratch, items: usize) -> (Dataset, Vec<u8>, Vec<usize>) {
    let dataset = dataset(&scratch.path(""), items);
    let path = scratch.path("small");
    run(&dataset, &Echo::new(), options(), &path).unwrap();
    let bytes = fs::read(path).unwrap();
    let mut ends = vec![12];
    while let Some(&end) = ends.last()
        && end < bytes.len()
    {
        let length = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap()) as usize;
        ends.push(end + 12 + length);
    }
    assert_eq!(ends.len(), items + 2, "head, manifest and one frame an item");
    (dataset, bytes, ends)
}

#[test]
fn a_journal_cut_at_any_byte_is_resumed_to_the_same_bytes() {
    let scratch = Scratch::new("cut");
    let (dataset, bytes, ends) = small(&scratch, 3);
    let path = scratch.path("run");
    // Each write boundary, and each byte between: what a kill can leave behind.
    for cut in 0..=bytes.len() {
        fs::write(&path, &bytes[..cut]).unwrap();
        let whole = ends.iter().skip(2).filter(|&&end| end <= cut).count() as u64;
        // Before the end of the manifest there is nothing to go on with.
        let good = ends.iter().copied().filter(|&end| end <= cut && end != ends[0]).max().unwrap_or(0);
        let sync = SyncPolicy::Batch(7.try_into().unwrap());

        let summary = run(&dataset, &Echo::new(), RunOptions { sync, ..options() }, &path)
            .unwrap_or_else(|error| panic!("{cut}: {error}"));

        assert_eq!((summary.resumed, summary.made), (whole, 3 - whole), "{cut}");
        let torn = summary.torn.map(|torn| (torn.offset as usize, torn.bytes as usize));
        assert_eq!(torn, (good < cut).then_some((good, cut - good)), "{cut}");
        assert_eq!(fs::read(&path).unwrap(), bytes, "{cut}");
    }
}

#[test]
fn a_journal_with_any_byte_changed_is_refused_at_its_record_and_left_alone() {
    let scratch = Scratch::new("flip");
    let (dataset, bytes, ends) = small(&scratch, 3);
    let manifest = manifest(&dataset);
    let path = scratch.path("run");
    for at in 0..bytes.len() {
        for mask in [0x01_u8, 0x80, bytes[at]] {
            let mut flipped = bytes.clone();
            flipped[at] ^= mask; // the last mask makes it zero
            if flipped == bytes {
                continue;
            }
            fs::write(&path, &flipped).unwrap();
            let frame = ends.iter().copied().filter(|&end| end <= at).max().unwrap_or(0);

            match Journal::open(&path, &manifest, SyncPolicy::EachRecord).map(|journal| journal.torn()) {
                Err(Error::NotAJournal { .. }) => assert!(at < 8, "{at}"),
                Err(Error::JournalVersion { .. }) => assert!((8..12).contains(&at), "{at}"),
                Err(Error::JournalCorrupt { offset, .. }) => assert_eq!(offset as usize, frame, "{at}"),
                // The last byte of all became zero, as a power cut leaves it.
                Ok(Some(torn)) => {
                    assert_eq!((torn.offset as usize, at, flipped[at]), (frame, bytes.len() - 1, 0));
                    continue;
                }
                other => panic!("{at} ^ {mask:#x}: {other:?}"),
            }
            assert_eq!(fs::read(&path).unwrap(), flipped, "{at}: a refused file is left as it is");
        }
    }
}

#[test]
fn a_power_cut_that_leaves_zeros_is_a_torn_tail() {
    let scratch = Scratch::new("zeros");
    let (dataset, bytes, ends) = small(&scratch, 3);
    let path = scratch.path("run");
    let last = ends[ends.len() - 2];
    for kept in last..bytes.len() {
        let mut zeros = bytes.clone();
        zeros[kept..].fill(0);
        zeros.extend([0; 100]);
        fs::write(&path, &zeros).unwrap();

        let summary = run(&dataset, &Echo::new(), options(), &path).unwrap();

        assert_eq!((summary.resumed, summary.torn.unwrap().offset), (2, last as u64), "{kept}");
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

#[test]
fn a_repair_copies_the_good_records_and_lists_what_is_lost() {
    let scratch = Scratch::new("repair");
    let (dataset, bytes, ends) = small(&scratch, 5);
    let (path, copy) = (scratch.path("run"), scratch.path("copy"));
    for at in (0..bytes.len()).step_by(7) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        fs::write(&path, &flipped).unwrap();
        let _ = fs::remove_file(&copy);
        let frame = ends.iter().rposition(|&end| end <= at);

        let report = journal::repair(&path, &copy);

        match frame {
            // The file's head is not needed; its manifest is.
            Some(0) => {
                assert!(matches!(report, Err(Error::NotAJournal { .. })), "{at}");
                assert!(!copy.exists());
                continue;
            }
            None => assert_eq!(report.unwrap().kept, 5),
            Some(frame) => {
                let report = report.unwrap();
                let lost: Vec<_> =
                    report.lost.iter().map(|lost| (lost.offset as usize, lost.bytes as usize)).collect();
                assert_eq!(lost, [(ends[frame], ends[frame + 1] - ends[frame])], "{at}");
                assert_eq!((report.kept, report.repeated), (4, 0));
            }
        }
        assert_eq!(fs::read(&path).unwrap(), flipped, "the damaged file stays as it is");
        run(&dataset, &Echo::new(), options(), &copy).unwrap();
        let sorted = scratch.path("sorted");
        journal::canonical(&copy, &sorted).unwrap();
        assert_eq!(fs::read(&sorted).unwrap(), bytes);
        fs::remove_file(sorted).unwrap();
    }
}

#[test]
fn no_copy_is_written_over_a_file() {
    let scratch = Scratch::new("over");
    let (_, _, _) = small(&scratch, 2);
    let (path, there) = (scratch.path("small"), scratch.path("there"));
    fs::write(&there, "mine").unwrap();

    let results = [
        journal::repair(&path, &there).map(|_| ()),
        journal::canonical(&path, &there),
        journal::merge(&[&path], &there),
        journal::without_failures(&path, &there).map(|_| ()),
    ];

    assert!(results.iter().all(|result| matches!(result, Err(Error::File { .. }))), "{results:?}");
    assert_eq!(fs::read(&there).unwrap(), b"mine");
}

#[test]
fn a_copy_without_failures_asks_them_again() {
    let scratch = Scratch::new("failures-again");
    let (dataset, _, _) = small(&scratch, 7);
    let copy = scratch.path("copy");

    assert_eq!(journal::without_failures(scratch.path("small"), &copy).unwrap(), 1);

    let echo = Echo::new();
    let summary = run(&dataset, &echo, options(), &copy).unwrap();
    assert_eq!((summary.resumed, echo.calls()), (6, 1));
}

#[test]
fn a_record_that_stands_twice_is_an_error() {
    let scratch = Scratch::new("twice");
    let (dataset, bytes, ends) = small(&scratch, 2);
    let path = scratch.path("run");
    let last = &bytes[ends[2]..ends[3]];
    fs::write(&path, [&bytes, last].concat()).unwrap();

    assert!(
        matches!(journal::read(&path), Err(Error::RecordedTwice { item, repeat: 0, .. }) if item == "item-1")
    );
    assert!(matches!(run(&dataset, &Echo::new(), options(), &path), Err(Error::RecordedTwice { .. })));
    let report = journal::repair(&path, scratch.path("copy")).unwrap();
    assert_eq!((report.kept, report.repeated), (2, 1));
}

#[test]
fn a_foreign_file_is_never_written_to() {
    let scratch = Scratch::new("foreign");
    let dataset = dataset(&scratch.path(""), 2);
    let path = scratch.path("run");
    for text in ["R2", "my notes, which are longer than a head", "RCMUJRNX\u{1}\0\0\0"] {
        fs::write(&path, text).unwrap();

        assert!(
            matches!(run(&dataset, &Echo::new(), options(), &path), Err(Error::NotAJournal { .. })),
            "{text}"
        );
        assert_eq!(fs::read(&path).unwrap(), text.as_bytes());
    }
    assert!(matches!(journal::read(scratch.path("none")), Err(Error::File { .. })));
    assert!(matches!(run(&dataset, &Echo::new(), options(), &scratch.path("")), Err(Error::File { .. })));
}

#[test]
fn every_changed_setting_is_listed() {
    let scratch = Scratch::new("manifest");
    let dataset = dataset(&scratch.path(""), 2);
    let other = runs::dataset(&scratch.path(""), 3);
    let renamed = Dataset::new("others", scratch.path(""), dataset.items().to_vec()).unwrap();
    let path = scratch.path("run");
    run(&dataset, &Echo::new(), options(), &path).unwrap();
    let bytes = fs::read(&path).unwrap();
    let changed = |set: fn(&mut RunOptions)| {
        let mut options = options();
        set(&mut options);
        options
    };
    let generate = |set: fn(&mut GenerateOptions)| {
        let mut options = options();
        set(&mut options.generate);
        options
    };
    let cases: [(&Dataset, RunOptions, &[&str]); 19] = [
        (&other, options(), &["dataset.hash", "dataset.items"]),
        (&renamed, options(), &["dataset.name"]),
        (&dataset, changed(|o| o.mode = Mode::NoBoxes), &["mode"]),
        (&dataset, changed(|o| o.mode = Mode::PermutedContexts { seed: 1 }), &["mode"]),
        (&dataset, changed(|o| o.repeats = 2), &["repeats"]),
        (&dataset, changed(|o| o.shard = Shard::new(1, 2).unwrap()), &["shard"]),
        (&dataset, changed(|o| o.chain = "2".into()), &["chain"]),
        (&dataset, changed(|o| o.timeout = Some(std::time::Duration::from_secs(9))), &["timeout_secs"]),
        (&dataset, generate(|o| o.seed = 1), &["options.seed"]),
        (&dataset, generate(|o| o.max_new_tokens = 17), &["options.max_new_tokens"]),
        (&dataset, generate(|o| o.sample = None), &["options.sample"]),
        (&dataset, generate(|o| o.temperature = Some(0.5)), &["options.temperature"]),
        (&dataset, generate(|o| o.top_k = Some(5)), &["options.top_k"]),
        (&dataset, generate(|o| o.repetition_penalty = Some(1.1)), &["options.repetition_penalty"]),
        (&dataset, generate(|o| o.presence_penalty = Some(0.5)), &["options.presence_penalty"]),
        (&dataset, generate(|o| o.frequency_penalty = Some(0.5)), &["options.frequency_penalty"]),
        (&dataset, generate(|o| o.logit_bias = [(7, -1.0)].into()), &["options.logit_bias"]),
        (&dataset, generate(|o| o.stop = vec!["x".into()]), &["options.stop"]),
        (
            &other,
            generate(|o| (o.top_p, o.min_p, o.seed) = (Some(0.5), Some(0.1), 3)),
            &["dataset.hash", "dataset.items", "options.min_p", "options.seed", "options.top_p"],
        ),
    ];
    for (dataset, options, expected) in cases {
        match run(dataset, &Echo::new(), options, &path) {
            Err(error @ Error::ManifestChanged { .. }) => {
                let message = error.to_string();
                let Error::ManifestChanged { differences, .. } = error else { unreachable!("matched above") };
                let fields: Vec<_> = differences.iter().map(|difference| difference.field.as_str()).collect();
                assert_eq!(fields, expected);
                assert!(
                    expected.iter().all(|field| message.contains(&format!("`{field}` is "))),
                    "{message}"
                );
            }
            other => panic!("{expected:?}: {other:?}"),
        }
    }
    // What does not change an answer may change.
    let free = changed(|o| (o.parallel, o.sync) = (4, SyncPolicy::Batch(2.try_into().unwrap())));
    assert_eq!(run(&dataset, &Echo::new(), free, &path).unwrap().resumed, 2);
    let model = Manifest { model: "another".into(), version: "0.0.0".into(), ..manifest(&dataset) };
    assert!(
        matches!(Journal::open(&path, &model, SyncPolicy::EachRecord), Err(Error::ManifestChanged { differences, .. })
        if differences.iter().map(ToString::to_string).collect::<Vec<_>>()
            == [r#"`model` is "echo-1", not "another""#.to_owned(), format!(r#"`version` is "{}", not "0.0.0""#, env!("CARGO_PKG_VERSION"))])
    );
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

/// The child's side: runs into the limit of a file's size.
#[test]
fn limited_child() {
    let Some(folder) = std::env::var_os("RCMU_TEST_LIMITED").map(PathBuf::from) else { return };
    let dataset = dataset(&folder, 40);
    let result = run(&dataset, &Echo::new(), options(), &folder.join("run"));
    println!("\nRESULT {}", if matches!(result, Err(Error::File { .. })) { "stopped" } else { "went on" });
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_takes_no_more_stops_the_run_and_keeps_what_it_has() {
    let scratch = Scratch::new("limit");
    let dataset = dataset(&scratch.path(""), 40);
    let path = scratch.path("run");
    run(&dataset, &Echo::new(), options(), &path).unwrap();
    let bytes = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let exe = std::env::current_exe().unwrap();
    // In blocks of 512 bytes (1024 in some shells); a write over the limit is cut there and fails.
    let script = "trap '' XFSZ; ulimit -f 8; exec \"$0\" limited_child --exact --nocapture";

    let output =
        Command::new("sh").args(["-c", script]).arg(exe).env("RCMU_TEST_LIMITED", scratch.path("")).output();

    let output = String::from_utf8(output.unwrap().stdout).unwrap();
    assert!(output.contains("RESULT stopped"), "{output}");
    let cut = fs::read(&path).unwrap();
    assert!(cut.len() < bytes.len() && bytes.starts_with(&cut), "{} of {} bytes", cut.len(), bytes.len());
    let Contents { records, torn, .. } = journal::read(&path).unwrap();
    assert!(!records.is_empty() && torn.is_some());
    assert_eq!(run(&dataset, &Echo::new(), options(), &path).unwrap().resumed, records.len() as u64);
    assert_eq!(fs::read(&path).unwrap(), bytes);
}
