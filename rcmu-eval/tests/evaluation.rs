//! From a dataset over a run and its journal to a report and a comparison.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use rcmu_core::ScriptedGenerator;
use rcmu_data::{Kind, PictureSource, Sample, figurines::WorldOptions};
use rcmu_eval::{
    Error, Outcome, SummaryRow,
    dataset::{Dataset, figurine_bench, figurine_scenes},
    journal::{self, Contents, Journal, SyncPolicy},
    judge::{self, Entailment, FactVision, JudgeError, Judges, RuleEntailment, VisionCheck},
    metrics::BootstrapOptions,
    report::{Report, ReportOptions, Scores, Uncompared, Verdict, totals},
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

/// Learns which questions there are, and later fails at all others.
#[derive(Default)]
struct Learner {
    known: Mutex<BTreeSet<[String; 2]>>,
    has_learnt: AtomicBool,
}

impl Entailment for Learner {
    fn identity(&self) -> String {
        "learner-1".into()
    }

    fn entails(&self, premise: &str, hypothesis: &str) -> Result<judge::Verdict, JudgeError> {
        let is_new = self.known.lock().unwrap().insert([premise, hypothesis].map(str::to_owned));
        if is_new && self.has_learnt.load(Ordering::SeqCst) {
            return Err(JudgeError::Empty);
        }
        RuleEntailment.entails(premise, hypothesis)
    }
}

#[test]
fn a_judge_that_fails_at_the_permuted_contexts_takes_no_answer_out_of_the_count() {
    let dataset = dataset();
    let mode = Mode::PermutedContexts { seed: 1 };
    let contents = run("judged", &dataset, right(&dataset), mode);
    let mut plain = contents.clone();
    plain.manifest.mode = Mode::Full;
    let learner = Learner::default();
    let judges = Judges { entailment: &learner, vision: &FactVision };
    Scores::of(&dataset, &plain, &judges).unwrap();
    learner.has_learnt.store(true, Ordering::SeqCst);

    let judged = Scores::of(&dataset, &contents, &judges).unwrap().report(&quick()).unwrap();

    let row = |report: &Report| {
        let mut rows = report.rows.iter();
        rows.find(|row| row.measure == "context_followed" && row.slice == "all").cloned().unwrap()
    };
    let by_rules = Scores::of(&dataset, &contents, &Judges::rules()).unwrap().report(&quick()).unwrap();
    assert_eq!(judged.failures(), 0);
    assert_eq!(row(&judged), row(&by_rules));
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
fn a_picture_that_is_cut_off_leaves_its_items_without_one() {
    let folder = std::env::temp_dir().join(format!("rcmu-cut-off-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    // Noise, so that the pixels are most of the file.
    let noise = image::RgbImage::from_fn(64, 64, |x, y| image::Rgb([x, y, x * y].map(|v| (v * 37) as u8)));
    noise.save(folder.join("whole.png")).unwrap();
    let whole = fs::read(folder.join("whole.png")).unwrap();
    fs::write(folder.join("cut.png"), &whole[..whole.len() / 2]).unwrap();
    let mut items: Vec<_> = scenes(3).items().iter().take(2).map(|item| Sample::clone(item)).collect();
    for (item, name) in items.iter_mut().zip(["cut.png", "whole.png"]) {
        item.picture = PictureSource::File(name.into());
    }
    let dataset = Dataset::new("cut-off", &folder, items).unwrap();

    let report = report(&dataset, &run("cut-off", &dataset, right(&dataset), Mode::Full));

    let places: Vec<_> = report.items.iter().map(|item| item.picture).collect();
    assert_eq!((places, report.pictures.len()), (vec![None, Some(0)], 1));
    assert!(report.to_html().is_ok());
    fs::remove_dir_all(folder).unwrap();
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
    let judged = comparison.settings.iter().find(|setting| setting.name == "Judges").unwrap();
    let names = format!("{}, {}", RuleEntailment.identity(), FactVision.identity());
    assert_eq!((&judged.first, &judged.second), (&names, &names));
    assert!(comparison.to_markdown().contains("| Judges | "));
    assert!(comparison.to_html().unwrap().contains("<dt>Judges</dt>"));
}

/// The rules under another name.
struct Renamed;

impl Entailment for Renamed {
    fn identity(&self) -> String {
        "renamed-1".into()
    }

    fn entails(&self, premise: &str, hypothesis: &str) -> Result<judge::Verdict, JudgeError> {
        RuleEntailment.entails(premise, hypothesis)
    }
}

#[test]
fn runs_that_different_judges_scored_are_not_compared() {
    let dataset = dataset();
    let contents = run("judges", &dataset, right(&dataset), Mode::Full);
    let first = Scores::of(&dataset, &contents, &Judges::rules()).unwrap();
    let judges = Judges { entailment: &Renamed, vision: &FactVision };
    let second = Scores::of(&dataset, &contents, &judges).unwrap();

    let error = first.compare(&second, &BootstrapOptions::default()).unwrap_err();

    assert!(matches!(&error, Error::OtherJudges { second, .. } if second.contains("renamed-1")), "{error}");
}

/// A report with few draws.
fn quick() -> ReportOptions {
    ReportOptions { bootstrap: BootstrapOptions { resamples: 20, seed: 0 }, ..ReportOptions::default() }
}

/// Measure and slice of every row.
fn keys<'a>(rows: impl IntoIterator<Item = (&'a str, &'a str)>) -> BTreeSet<(String, String)> {
    rows.into_iter().map(|(measure, slice)| (measure.to_owned(), slice.to_owned())).collect()
}

#[test]
fn every_row_of_either_table_is_compared_or_said_not_to_be() {
    let dataset = dataset();
    let answers = right(&dataset);
    let half = answers.iter().enumerate();
    let half = half.map(|(at, answer)| if at % 2 == 0 { answer.clone() } else { "Nobody [9].".into() });
    let plain = run("plain", &dataset, half.collect(), Mode::Full);
    let permuted = run("permuted", &dataset, answers, Mode::PermutedContexts { seed: 1 });
    let judges = Judges::rules();
    let first = Scores::of(&dataset, &plain, &judges).unwrap();
    let second = Scores::of(&dataset, &permuted, &judges).unwrap();

    let comparison = first.compare(&second, &BootstrapOptions { resamples: 20, seed: 0 }).unwrap();

    let table =
        |scores: &Scores<'_>| scores.report(&ReportOptions { shown: Some(0), ..quick() }).unwrap().rows;
    let (one, other) = (table(&first), table(&second));
    let tables = keys(one.iter().chain(&other).map(|row| (row.measure.as_str(), row.slice.as_str())));
    let compared =
        keys(comparison.rows.iter().map(|row| (row.comparison.measure.as_str(), row.slice.as_str())));
    let others = keys(comparison.uncompared.iter().map(|row| (row.measure.as_str(), row.slice.as_str())));
    assert_eq!(tables, &compared | &others);
    assert!(compared.is_disjoint(&others));
    for measure in
        ["accuracy_macro", "abstention_f1", "bind_gap", "citation_f1_micro", "citation_invalid_micro"]
    {
        assert!(compared.contains(&(measure.into(), "all".into())), "{measure}");
    }
    let of = |rows: &[SummaryRow]| keys(rows.iter().map(|row| (row.measure.as_str(), row.slice.as_str())));
    assert_eq!(others, &of(&one) ^ &of(&other), "what both tables have is compared");
    let row = comparison.uncompared.iter().find(|row| row.measure == "context_followed").unwrap();
    assert_eq!((row.why, row.first), (Uncompared::OnlySecond, 0));
    // A row over all that both measured has the values of the tables; one that declines can be compared on some alone.
    for row in &comparison.rows {
        let value = |rows: &[SummaryRow]| {
            let mut same = rows.iter();
            same.find(|own| (&own.measure, &own.slice) == (&row.comparison.measure, &row.slice)).cloned()
        };
        let (own, theirs) = (value(&one).unwrap(), value(&other).unwrap());
        let paired = &row.comparison.paired;
        assert_eq!(paired.count + row.comparison.only_in_first, own.count, "{row:?}");
        assert_eq!(paired.count + row.comparison.only_in_second, theirs.count, "{row:?}");
        if row.comparison.only_in_first == 0 {
            assert!((paired.first - own.value).abs() < 1e-12, "{row:?}");
        }
        if row.comparison.only_in_second == 0 {
            assert!((paired.second - theirs.value).abs() < 1e-12, "{row:?}");
        }
    }
}

#[test]
fn runs_that_share_no_item_are_compared_on_nothing() {
    let dataset = dataset();
    let whole = run("whole", &dataset, right(&dataset), Mode::Full);
    let (mut head, mut tail) = (whole.clone(), whole);
    tail.records = head.records.split_off(dataset.items().len() / 2);
    let judges = Judges::rules();
    let first = Scores::of(&dataset, &head, &judges).unwrap();
    let second = Scores::of(&dataset, &tail, &judges).unwrap();

    let comparison = first.compare(&second, &BootstrapOptions::default()).unwrap();

    assert_eq!(comparison.rows, []);
    let accuracy = comparison.uncompared.iter().find(|row| row.measure == "accuracy" && row.slice == "all");
    assert_eq!(accuracy.map(|row| row.why), Some(Uncompared::NothingShared));
    assert!(comparison.to_markdown().contains("it has no value over the items that both runs measured"));
}

#[test]
fn citations_of_nothing_are_in_the_table_with_their_denominators() {
    let dataset = dataset();
    let cites = dataset.items().len() - 1;
    // Every answer cites 1, which is there, and a third of them 99 besides; the last one cites nothing.
    let replies = (0..=cites).map(|at| match at {
        _ if at == cites => "Nobody.".into(),
        _ if at % 3 == 0 => "Somebody [1], [99].".into(),
        _ => "Somebody [1].".into(),
    });

    let report = report(&dataset, &run("nothing", &dataset, replies.collect(), Mode::Full));

    // `n` answers cite both: each has 1 / 2, and together they cite `cites + n` numbers.
    let n = cites.div_ceil(3) as f64;
    let of = |measure: &str| {
        let row = report.rows.iter().find(|row| row.measure == measure && row.slice == "all").unwrap();
        (row.value, row.count)
    };
    let (share, count) = of("citation_invalid");
    assert!((share - n / 2.0 / cites as f64).abs() < 1e-12 && count == cites);
    let (share, count) = of("citation_invalid_micro");
    assert!((share - n / (cites as f64 + n)).abs() < 1e-12 && count == cites);
    assert_eq!(report.items[0].invalid, [99]);
    for text in [report.to_markdown().replace('\\', ""), report.to_csv_table(), report.to_html().unwrap()] {
        assert!(text.contains("citation_invalid_micro"));
    }
}

#[test]
fn without_context_every_number_points_at_nothing() {
    let dataset = dataset();
    let replies = vec!["Somebody [1].".to_owned(); dataset.items().len()];

    let report = report(&dataset, &run("no-context", &dataset, replies, Mode::NoContext));

    assert_eq!(value(&report, "citation_invalid", "all"), Some(1.0));
    assert_eq!(value(&report, "citation_invalid_micro", "all"), Some(1.0));
    assert!(report.items.iter().all(|item| item.invalid == [1] && item.cited.is_empty()));
}

#[test]
fn totals_have_the_table_of_the_report_with_all_items() {
    let folder = std::env::temp_dir().join(format!("rcmu-totals-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let check = |name: &str, dataset: &Dataset, contents: &Contents| {
        let path = folder.join(name);
        let mut journal = Journal::open(&path, &contents.manifest, SyncPolicy::default()).unwrap();
        // In another order than the dataset's, as several threads leave them.
        for record in contents.records.iter().rev() {
            journal.append(record.clone()).unwrap();
        }
        drop(journal);

        let found = totals(dataset, &path, &Judges::rules(), &quick()).unwrap();

        let whole = Scores::of(dataset, contents, &Judges::rules()).unwrap();
        let whole = whole.report(&ReportOptions { shown: Some(0), ..quick() }).unwrap();
        assert_eq!(found, Report { items: Vec::new(), ..whole.clone() }, "{name}");
        assert_eq!(found.headline(), whole.headline(), "{name}");
    };
    let dataset = dataset();
    let answers = right(&dataset);
    let mixed = answers.iter().enumerate().map(|(at, answer)| match at % 4 {
        0 => "It is a blue cat.[1]".into(),
        1 => "The text does not say that. [9]".into(),
        _ => answer.clone(),
    });
    let mut cut = run("totals-cut", &dataset, mixed.collect(), Mode::Full);
    cut.records.truncate(40);
    check("cut", &dataset, &cut);
    let blind = run("totals-blind", &dataset, answers.clone(), Mode::NoContext);
    check("blind", &dataset, &blind);
    let permuted = run("totals-permuted", &dataset, answers, Mode::PermutedContexts { seed: 1 });
    check("permuted", &dataset, &permuted);
    let rotated = figurine_bench(3, 1).unwrap().rotated().unwrap();
    let guesses = vec!["A".to_owned(); rotated.items().len()];
    check("rotated", &rotated, &run("totals-rotated", &rotated, guesses, Mode::Full));
    let error = totals(&rotated, folder.join("cut"), &Judges::rules(), &quick()).unwrap_err();
    assert!(matches!(error, Error::OtherDataset { .. }), "{error}");
    fs::remove_dir_all(folder).unwrap();
}
