//! The files of reports and comparisons: each form under its name, and nothing else.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod reports;
mod runs;

use std::{collections::BTreeMap, fs, path::Path};

use rcmu_eval::{
    Error,
    report::{ComparisonReport, Report},
};
use reports::{comparison_of, csv_records, report_of};
use runs::Scratch;

/// The names of all files of a folder and their texts.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let file = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())
    };
    fs::read_dir(folder).unwrap().map(file).collect()
}

fn named<const N: usize>(files: [(&str, String); N]) -> BTreeMap<String, String> {
    files.map(|(name, text)| (name.to_owned(), text)).into()
}

#[test]
fn a_comparison_is_written_as_page_table_json_and_csv() {
    let scratch = Scratch::new("comparison-files");
    let folder = scratch.path("a/new/one");
    let comparison = comparison_of("accuracy");

    comparison.write(&folder).unwrap();

    let found = files(&folder);
    let expected = [
        ("comparison.html", comparison.to_html().unwrap()),
        ("comparison.md", comparison.to_markdown()),
        ("comparison.json", comparison.to_json().unwrap()),
        ("comparison.csv", comparison.to_csv()),
    ];
    assert_eq!(found, named(expected));
    // Each is what its name says.
    assert!(found["comparison.html"].starts_with("<!DOCTYPE html>"));
    assert!(found["comparison.md"].starts_with("# accuracy\n"));
    // A number that is read may differ from the one that was written in its last bit.
    let back = ComparisonReport::from_json(&found["comparison.json"]).unwrap();
    assert_eq!(back.to_markdown(), comparison.to_markdown());
    assert_eq!(
        csv_records(&found["comparison.csv"]).len(),
        3,
        "the head, a row, and one that is not compared"
    );
}

#[test]
fn a_report_is_written_in_six_files() {
    let scratch = Scratch::new("report-files");
    let folder = scratch.path("report");
    let report = report_of("accuracy");

    report.write(&folder).unwrap();

    let found = files(&folder);
    let expected = [
        ("report.html", report.to_html().unwrap()),
        ("report.md", report.to_markdown()),
        ("report.json", report.to_json().unwrap()),
        ("table.csv", report.to_csv_table()),
        ("items.csv", report.to_csv()),
        ("junit.xml", report.to_junit()),
    ];
    assert_eq!(found, named(expected));
    assert_eq!(Report::from_json(&found["report.json"]).unwrap().to_markdown(), report.to_markdown());
    assert!(found["junit.xml"].starts_with("<?xml"));
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let scratch = Scratch::new("no-folder");
    let file = scratch.path("file");
    fs::write(&file, "").unwrap();

    for result in [comparison_of("a").write(&file), report_of("a").write(&file)] {
        assert!(matches!(result, Err(Error::File { path, .. }) if path == file));
    }
}
