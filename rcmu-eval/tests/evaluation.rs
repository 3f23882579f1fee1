//! From a dataset over a run and its journal to a report and a comparison.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{fs, path::PathBuf};

use rcmu_core::ScriptedGenerator;
use rcmu_data::{Kind, figurines::WorldOptions};
use rcmu_eval::{
    Error, Outcome,
    dataset::{Dataset, figurine_bench, figurine_scenes},
    journal::{self, Contents},
    judge::Judges,
    metrics::BootstrapOptions,
    report::{Report, ReportOptions, Scores, Verdict},
    run::{Mode, Run, RunOptions},
};

fn dataset() -> Dataset {
    scenes(3)
}

/// Small pictures, which are drawn quickly.
fn scenes(seed: u64) -> Dataset {
    let mut world = WorldOptions::test().simple();
    world.layout.side = 64;
    figurine_scenes(seed, 12, &world).unwrap()
}

/// Runs with these answers, and reads the journal.
fn run(name: &str, dataset: &Dataset, answers: Vec<String>, mode: Mode) -> Contents {
    let folder: PathBuf = std::env::temp_dir().join(format!("rcmu-evaluation-{}-{name}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("run.journal");
    let generator = ScriptedGenerator::new(answers);
    let options = RunOptions { mode, ..RunOptions::default() };
    Run::new(dataset, &generator, options).unwrap().execute(&path).unwrap();
    let contents = journal::read(&path).unwrap();
    fs::remove_dir_all(folder).unwrap();
    contents
}

fn right(dataset: &Dataset) -> Vec<String> {
    dataset.items().iter().map(|item| item.answer.clone()).collect()
}

fn report(dataset: &Dataset, contents: &Contents) -> Report {
    Scores::of(dataset, contents, &Judges::rules()).unwrap().report(&ReportOptions::default()).unwrap()
}

fn value(report: &Report, measure: &str, slice: &str) -> Option<f64> {
    report.rows.iter().find(|row| row.measure == measure && row.slice == slice).map(|row| row.value)
}

#[test]
fn right_answers_are_right_and_have_their_pictures() {
    let dataset = dataset();
    let contents = run("right", &dataset, right(&dataset), Mode::Full);

    let report = report(&dataset, &contents);

    assert_eq!(value(&report, "accuracy", "all"), Some(1.0));
    assert_eq!(value(&report, "citation_f1_micro", "all"), Some(1.0));
    assert_eq!(value(&report, "context_followed", "all"), None, "nothing was permuted");
    assert_eq!(report.total(), dataset.items().len());
    let png = &report.pictures[report.items[0].picture.unwrap()];
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    assert_eq!(report.pictures.len(), 12, "items about one scene share its picture");
    assert!(report.to_html().unwrap().contains("accuracy"));
}

#[test]
fn pages_show_wrong_items_first_and_files_hold_all() {
    let dataset = dataset();
    let mut answers = right(&dataset);
    let last = answers.len() - 1;
    answers[last] = "Nothing of the kind.".into();
    let contents = run("wrong", &dataset, answers, Mode::Full);

    let options = ReportOptions { shown: Some(2), ..ReportOptions::default() };
    let report = Scores::of(&dataset, &contents, &Judges::rules()).unwrap().report(&options).unwrap();

    // Shown are the wrong item, which is the last, and the first of the right ones.
    let [first, wrong] = [0, last].map(|at| &dataset.items()[at].id);
    assert_eq!(report.items[last].verdict(), Verdict::Wrong);
    let pictured: Vec<_> = report.items.iter().filter(|item| item.picture.is_some()).collect();
    assert_eq!(pictured.iter().map(|item| &item.sample.id).collect::<Vec<_>>(), [first, wrong]);
    let (page, list) = (report.to_html().unwrap(), report.to_markdown());
    assert_eq!(page.matches("<details class=\"item ").count(), 2);
    assert!(page.find(wrong.as_str()) < page.find(first.as_str()));
    let items = list.split("## Items").nth(1).unwrap();
    assert_eq!(items.lines().filter(|line| line.starts_with("| ")).count(), 1 + 2);
    for item in dataset.items() {
        assert_eq!(report.to_csv().matches(&format!("\n{},", item.id)).count(), 1, "{}", item.id);
        assert_eq!(report.to_junit().matches(&format!("name=\"{}\"", item.id)).count(), 1, "{}", item.id);
    }
    assert_eq!(report.items.len(), dataset.items().len());
    assert_eq!(
        report.items.iter().map(|item| &item.sample).collect::<Vec<_>>(),
        dataset.items().iter().collect::<Vec<_>>()
    );
}

#[test]
fn who_follows_permuted_contexts_is_seen() {
    let dataset = dataset();
    let mode = Mode::PermutedContexts { seed: 1 };
    let moved: Vec<_> = dataset.items().iter().map(|item| mode.moved(item)).collect();
    let followed = dataset.items().iter().zip(&moved);
    let followed = followed.map(|(item, moved)| moved.as_ref().unwrap_or(item).answer.clone()).collect();

    let blind = report(&dataset, &run("blind", &dataset, right(&dataset), mode));
    let reader = report(&dataset, &run("reader", &dataset, followed, mode));

    let count = moved.iter().flatten().count();
    assert!(count > 10, "{count} items can tell");
    assert_eq!(value(&blind, "context_followed", "all"), Some(0.0));
    assert_eq!(value(&reader, "context_followed", "all"), Some(1.0));
    assert!(value(&reader, "accuracy", "all") < Some(1.0));
}

#[test]
fn rotated_questions_are_right_in_all_rotations_or_in_some() {
    let plain = figurine_bench(3, 2).unwrap();
    let dataset = plain.rotated().unwrap();
    let questions = plain.items().len();
    assert_eq!(dataset.items().len(), plain.items().iter().map(|item| item.options.len()).sum::<usize>());
    // A guesser that always says `A` is right in one rotation of each question.
    let guesses = vec!["A".to_owned(); dataset.items().len()];

    let knows = report(&dataset, &run("knows", &dataset, right(&dataset), Mode::Full));
    let guesser = report(&dataset, &run("guesses", &dataset, guesses, Mode::Full));

    let share =
        plain.items().iter().map(|item| 1.0 / item.options.len() as f64).sum::<f64>() / questions as f64;
    assert_eq!(value(&knows, "rotation_accuracy", "all"), Some(1.0));
    assert_eq!(value(&knows, "rotation_all", "all"), Some(1.0));
    assert!((value(&guesser, "rotation_accuracy", "all").unwrap() - share).abs() < 1e-12);
    assert_eq!(value(&guesser, "rotation_all", "all"), Some(0.0));
    let row = knows.rows.iter().find(|row| row.measure == "rotation_all").unwrap();
    assert_eq!(row.count, questions);
}

#[test]
fn what_was_not_asked_is_no_wrong_answer() {
    let dataset = dataset();
    let mut contents = run("cut", &dataset, right(&dataset), Mode::Full);
    contents.records.truncate(10);

    let report = report(&dataset, &contents);

    assert_eq!(value(&report, "accuracy", "all"), Some(1.0));
    assert_eq!(report.count(Outcome::ModelFailed), dataset.items().len() - 10);
}

#[test]
fn a_journal_of_other_items_is_refused() {
    let dataset = dataset();
    let contents = run("other", &dataset, right(&dataset), Mode::Full);
    let other = scenes(4);

    let error = Scores::of(&other, &contents, &Judges::rules()).unwrap_err();

    assert!(matches!(error, Error::OtherDataset { .. }), "{error}");
}

#[test]
fn two_runs_are_compared_item_by_item() {
    let dataset = dataset();
    let wrong = right(&dataset).iter().map(|_| "Nobody.".to_owned()).collect();
    let (first, second) =
        (run("first", &dataset, wrong, Mode::Full), run("second", &dataset, right(&dataset), Mode::Full));
    let judges = Judges::rules();
    let first = Scores::of(&dataset, &first, &judges).unwrap();
    let second = Scores::of(&dataset, &second, &judges).unwrap();

    let comparison = first.compare(&second, &BootstrapOptions::default()).unwrap();

    let row = comparison.rows.iter().find(|row| row.slice == Kind::VisualToContext.name()).unwrap();
    assert_eq!((row.comparison.paired.first, row.comparison.paired.second), (0.0, 1.0));
    assert!(comparison.to_markdown().contains("accuracy"));
}
