//! A path that cannot be written is named by the error, and nothing is changed.

#![allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]

mod runs;

use std::{
    fs,
    path::{Path, PathBuf},
};

use rcmu_eval::{
    Error,
    journal::{self, SyncPolicy},
    judge::{FactVision, Judges, RecordedEntailment, RecordedVision, RuleEntailment},
    metrics::BootstrapOptions,
    report::{ReportOptions, Scores},
    run::write_predictions,
};
use runs::{Echo, Scratch, dataset, options, run};

/// Everything that writes a file, by name; gets a folder with a finished run of two items, and the path to write.
type Writes = fn(&Path, &Path) -> Result<(), Error>;

const WRITES: [(&str, Writes); 8] = [
    ("a run", |folder, path| run(&dataset(folder, 2), &Echo::new(), options(), path).map(drop)),
    ("verdicts about texts", |_, path| {
        RecordedEntailment::open(path, &RuleEntailment, SyncPolicy::EachRecord).map(drop)
    }),
    ("verdicts about pictures", |_, path| {
        RecordedVision::open(path, &FactVision, SyncPolicy::EachRecord).map(drop)
    }),
    ("repair", |folder, path| journal::repair(folder.join("good"), path).map(drop)),
    ("canonical", |folder, path| journal::canonical(folder.join("good"), path)),
    ("merge", |folder, path| journal::merge(&[folder.join("good")], path)),
    ("without failures", |folder, path| journal::without_failures(folder.join("good"), path).map(drop)),
    ("predictions", |folder, path| {
        write_predictions(&journal::read(folder.join("good")).unwrap(), path).map(drop)
    }),
];

/// A folder with a finished run, a file and a folder in it.
fn folder(name: &str) -> Scratch {
    let scratch = Scratch::new(name);
    run(&dataset(&scratch.path(""), 2), &Echo::new(), options(), &scratch.path("good")).unwrap();
    fs::write(scratch.path("file"), "mine").unwrap();
    fs::create_dir(scratch.path("folder")).unwrap();
    scratch
}

/// The names and bytes of all files of a folder.
fn files(folder: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.map(|path| (path.clone(), fs::read(path).ok())).collect();
    files.sort();
    files
}

/// Writes everything to this path: each time the error names it, and the folder stays as it is.
fn check(scratch: &Scratch, path: &Path) {
    let before = files(&scratch.path(""));
    for (name, write) in WRITES {
        match write(&scratch.path(""), path).expect_err(name) {
            Error::File { path: found, source } => {
                assert_eq!(found, path, "{name}");
                assert!(!source.to_string().is_empty(), "{name}");
            }
            other => panic!("{name}, {}: {other:?}", path.display()),
        }
        assert!(files(&scratch.path("")) == before, "{name}, {}: nothing is changed", path.display());
    }
}

#[test]
fn a_folder_that_is_not_there_is_not_made() {
    let scratch = folder("unwritable-none");

    check(&scratch, &scratch.path("none").join("journal"));
}

#[test]
fn a_file_has_no_files_in_it() {
    let scratch = folder("unwritable-file");

    check(&scratch, &scratch.path("file").join("journal"));
}

#[test]
fn a_folder_is_no_file() {
    let scratch = folder("unwritable-folder");

    check(&scratch, &scratch.path("folder"));
}

#[cfg(unix)]
#[test]
fn a_name_that_is_too_long_is_none() {
    let scratch = folder("unwritable-long");

    check(&scratch, &scratch.path(&"x".repeat(300)));
}

#[cfg(target_os = "linux")]
#[test]
fn a_device_is_no_file() {
    check(&folder("unwritable-device"), Path::new("/dev/full"));
}

#[cfg(unix)]
#[test]
fn a_folder_and_a_file_that_may_only_be_read_stay_as_they_are() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = folder("unwritable-permission");
    let (closed, read_only) = (scratch.path("folder"), scratch.path("read-only"));
    fs::copy(scratch.path("good"), &read_only).unwrap();
    for (path, mode) in [(&closed, 0o555), (&read_only, 0o444)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    if fs::write(closed.join("probe"), "").is_ok() {
        eprintln!("skipped: this user may write where nobody may, as root does");
        return;
    }

    check(&scratch, &closed.join("journal"));
    check(&scratch, &read_only);
    fs::set_permissions(closed, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_report_and_a_comparison_name_the_folder_that_cannot_be_made() {
    let scratch = folder("unwritable-report");
    let (dataset, contents) = (dataset(&scratch.path(""), 2), journal::read(scratch.path("good")).unwrap());
    let scores = Scores::of(&dataset, &contents, &Judges::rules()).unwrap();
    let comparison = scores.compare(&scores, &BootstrapOptions::default()).unwrap();

    for path in [scratch.path("file"), scratch.path("file").join("report")] {
        let report = scores.report(&ReportOptions::default()).unwrap();
        for result in [report.write(&path), comparison.write(&path)] {
            assert!(matches!(&result, Err(Error::File { path: found, .. }) if *found == path), "{result:?}");
        }
    }
    assert_eq!(fs::read(scratch.path("file")).unwrap(), b"mine");
}
