//! A judge is asked each question once, whatever happens to the process that asks.
#![allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]

mod runs;
mod verdicts;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rcmu_core::CancelToken;
use rcmu_eval::{
    Error, Outcome, journal,
    judge::{Entailment, FactVision, JudgeError, Judges, RecordedEntailment, RecordedVision, Verdict},
    report::{ScoreOptions, Scores},
    run::Progress,
};
use runs::{Scratch, times_asked};
use verdicts::{Answers, Careful, Mood, Undisturbed, batch, ends, forms, hypothesis};

/// Answers that are judged.
const ITEMS: usize = 8;

/// The scoring of some answers by the rules.
fn undisturbed(scratch: &Scratch) -> Undisturbed {
    Undisturbed::new(scratch, Answers::new(&scratch.path("run"), ITEMS), &Careful::new(Mood::Rules))
}

#[test]
fn each_question_is_asked_once_and_a_second_scoring_asks_nothing() {
    let scratch = Scratch::new("verdicts-once");
    let right = undisturbed(&scratch);
    let plain = Careful::new(Mood::Rules);
    let path = scratch.path("undisturbed");

    let without = right.answers.report(&plain);
    let silent = Careful::new(Mood::Fails);
    let again = right.answers.recorded(&path, &silent, 1).unwrap();

    assert_eq!(right.report, without, "a report is the same with a journal and without");
    assert_eq!(right.report, again);
    assert_eq!(silent.count(), 0, "all verdicts are in the journal");
    assert_eq!(plain.asked().len(), right.questions);
    assert!(plain.count() > right.questions, "some questions are asked about several answers");
    assert_eq!(fs::read(path).unwrap(), right.journal);
}

#[test]
fn a_journal_cut_anywhere_goes_on_with_the_same_verdicts() {
    let scratch = Scratch::new("verdicts-cut");
    let right = undisturbed(&scratch);
    let ends = ends(&right.journal);
    assert_eq!(ends.len(), 1 + right.questions, "a manifest and a record for each question");
    let path = scratch.path("cut");

    // Every byte of the manifest and of the first and the last record, and every end of a record, whole or torn.
    let whole = |len: &usize| *len <= ends[1] || *len >= ends[ends.len() - 2] || ends.contains(len);
    let lens = (0..=right.journal.len()).filter(|len| whole(len) || ends.contains(&(len + 1)));
    for len in lens {
        fs::write(&path, &right.journal[..len]).unwrap();
        let judge = Careful::new(Mood::Rules);
        let recorded = RecordedEntailment::open(&path, &judge, batch()).unwrap();
        let scores = right.answers.scores(&Judges { entailment: &recorded, vision: &FactVision });

        let begin = [0].iter().chain(&ends).rev().find(|&&end| end <= len).unwrap();
        let torn = recorded.torn().map(|torn| (torn.offset, torn.bytes));
        let expected = (len > *begin).then_some((*begin as u64, (len - begin) as u64));
        assert_eq!(torn, expected, "{len} bytes");
        let kept = ends.iter().skip(1).filter(|&&end| end <= len).count();
        assert_eq!(judge.count(), right.questions - kept, "{len} bytes: what is missing is asked");
        assert!(forms(&scores) == right.report, "{len} bytes: the report is another one");
        assert!(fs::read(&path).unwrap() == right.journal, "{len} bytes: the journal is another one");
    }
}

#[test]
fn a_byte_that_is_not_what_was_written_is_told_and_nothing_is_changed() {
    let scratch = Scratch::new("verdicts-flip");
    let right = undisturbed(&scratch);
    let ends = ends(&right.journal);
    let (path, judge) = (scratch.path("flipped"), Careful::new(Mood::Rules));

    for at in 0..right.journal.len() {
        let mut bytes = right.journal.clone();
        bytes[at] ^= 0x10;
        fs::write(&path, &bytes).unwrap();

        let error = right.answers.recorded(&path, &judge, 1).unwrap_err();

        let begin = ends.iter().rev().find(|&&end| end <= at).copied().unwrap_or(12) as u64;
        match error {
            Error::NotAJournal { .. } if at < 8 => {}
            Error::JournalVersion { .. } if (8..12).contains(&at) => {}
            Error::JournalCorrupt { offset, .. } if at >= 12 => assert_eq!(offset, begin, "byte {at}"),
            other => panic!("byte {at}: {other}"),
        }
        assert!(fs::read(&path).unwrap() == bytes, "byte {at}: a file that is refused stays as it is");
    }
    assert_eq!(judge.count(), 0);
}

/// The folder in which a child process has to score, and at which question it dies.
const CHILD: (&str, &str) = ("RCMU_TEST_VERDICTS_FOLDER", "RCMU_TEST_VERDICTS_DIES");

/// The child's side: scores until it dies.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(CHILD.0).map(PathBuf::from) else { return };
    let at = std::env::var(CHILD.1).unwrap().parse().unwrap();
    let judge = Careful { log: Some(folder.join("asked")), ..Careful::new(Mood::Dies(at)) };
    let answers = Answers::new(&folder.join("run"), ITEMS);
    answers.recorded(&folder.join("verdicts"), &judge, 1).unwrap();
}

#[test]
fn a_process_that_dies_within_every_question_asks_each_of_them_twice_at_most() {
    let scratch = Scratch::new("verdicts-die");
    let right = undisturbed(&scratch);
    let killed = Scratch::new("verdicts-died");
    let mut deaths = 0;

    // A child gets one verdict and dies at the question after it, so that each journal has one record more.
    loop {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["child", "--exact", "--test-threads=1"]).stdout(Stdio::null()).stderr(Stdio::null());
        command.env(CHILD.0, killed.path("")).env(CHILD.1, "2");
        if command.status().unwrap().success() {
            break;
        }
        deaths += 1;
        assert!(deaths <= right.questions, "each child comes one question further");
        let records = ends(&fs::read(killed.path("verdicts")).unwrap()).len() - 1;
        assert_eq!(records, deaths, "a verdict is on the disk before the next question");
    }

    let times = times_asked(&killed.path("asked"));
    assert_eq!((deaths, times.len()), (right.questions - 1, right.questions));
    assert_eq!(times.values().sum::<u64>(), (right.questions + deaths) as u64);
    assert!(times.values().all(|&times| times <= 2), "{times:?}");
    assert!(fs::read(killed.path("verdicts")).unwrap() == right.journal);
    let silent = Careful::new(Mood::Fails);
    assert_eq!(right.answers.recorded(&killed.path("verdicts"), &silent, 1).unwrap(), right.report);
}

#[test]
fn a_verdict_that_failed_is_asked_again_and_never_recorded() {
    let scratch = Scratch::new("verdicts-failed");
    let right = undisturbed(&scratch);
    let path = scratch.path("failed");
    let broken = Careful::new(Mood::FailsAt("owner"));
    let recorded = RecordedEntailment::open(&path, &broken, batch()).unwrap();
    let judges = Judges { entailment: &recorded, vision: &FactVision };

    let scores = right.answers.scores(&judges);

    let failed = scores.items().iter().filter(|score| score.outcome == Outcome::JudgeFailed);
    assert!(failed.clone().count() > 0, "some items cannot be judged");
    assert!(failed.clone().all(|score| score.measures.is_empty() && score.how.contains("mark")));
    let good = broken.asked().keys().filter(|question| !hypothesis(question).contains("owner")).count();
    assert_eq!(recorded.len(), good, "only verdicts are recorded");
    drop(recorded);
    let failing = right.answers.recorded(&path, &Careful::new(Mood::Fails), 1).unwrap();
    assert_ne!(failing, right.report);
    let whole = Careful::new(Mood::Rules);
    assert_eq!(right.answers.recorded(&path, &whole, 1).unwrap(), right.report);
    assert_eq!(whole.count(), right.questions - good, "what has a verdict is not asked again");
}

#[test]
fn another_judge_is_refused_with_what_differs() {
    let scratch = Scratch::new("verdicts-other");
    let right = undisturbed(&scratch);
    let path = scratch.path("undisturbed");
    let differences = |error: Error| match error {
        Error::JudgeChanged { differences, .. } => {
            differences.iter().map(ToString::to_string).collect::<Vec<_>>()
        }
        other => panic!("expected differences, found {other}"),
    };
    let other = Careful { name: "careful-2", ..Careful::new(Mood::Rules) };

    let texts = RecordedEntailment::open(&path, &other, batch()).err().unwrap();
    let pictures = RecordedVision::open(&path, &other, batch()).err().unwrap();

    let name = r#"`judge` is "careful-1", not "careful-2""#;
    assert!(texts.to_string().contains("has the verdicts of another judge: `judge` is"), "{texts}");
    assert_eq!(differences(texts), [name]);
    assert_eq!(differences(pictures), [name, r#"`judged` is "texts", not "pictures""#]);
    assert_eq!(fs::read(&path).unwrap(), right.journal, "a file that is refused stays as it is");
}

#[test]
fn a_journal_of_answers_is_none_of_verdicts() {
    let scratch = Scratch::new("verdicts-kind");
    let right = undisturbed(&scratch);
    let (run, judge) = (scratch.path("run"), Careful::new(Mood::Rules));
    let before = fs::read(&run).unwrap();

    let as_verdicts = RecordedEntailment::open(&run, &judge, batch()).err().unwrap();
    let (judged, copy) = (scratch.path("undisturbed"), scratch.path("copy"));
    let as_answers = [
        journal::read(&judged).map(drop),
        journal::manifest(&judged).map(drop),
        journal::read_each(&judged, |_| ()).map(drop),
        journal::canonical(&judged, &copy),
        journal::merge(&[&judged], &copy),
        journal::without_failures(&judged, &copy).map(drop),
    ];

    let (answers, verdicts) = ("answers of a model", "verdicts of a judge");
    assert_eq!(as_verdicts.to_string(), format!("{} holds {answers}, not {verdicts}", run.display()));
    for error in as_answers.map(Result::unwrap_err) {
        assert_eq!(error.to_string(), format!("{} holds {verdicts}, not {answers}", judged.display()));
    }
    assert_eq!(fs::read(run).unwrap(), before);
    assert_eq!(fs::read(judged).unwrap(), right.journal);
    assert!(!copy.exists());
}

#[test]
fn a_second_writer_is_told_who_writes() {
    let scratch = Scratch::new("verdicts-lock");
    let (path, judge) = (scratch.path("verdicts"), Careful::new(Mood::Rules));
    let first = RecordedEntailment::open(&path, &judge, batch()).unwrap();

    let second = RecordedEntailment::open(&path, &judge, batch()).err().unwrap();
    drop(first);

    assert!(
        matches!(&second, Error::ResultsLocked { pid: Some(pid), .. } if *pid == std::process::id()),
        "{second}"
    );
    assert!(RecordedEntailment::open(&path, &judge, batch()).is_ok(), "the lock ends with its holder");
}

#[test]
fn many_threads_give_the_bytes_of_one() {
    let scratch = Scratch::new("verdicts-parallel");
    let right = undisturbed(&scratch);
    let records = |bytes: &[u8]| {
        let ends = ends(bytes);
        let mut records: Vec<_> = ends.windows(2).map(|pair| bytes[pair[0]..pair[1]].to_vec()).collect();
        records.sort();
        records
    };

    for parallel in [2, 3, 8, 32] {
        let path = scratch.path(&format!("parallel-{parallel}"));
        let judge = Careful { delay: Duration::from_millis(1), ..Careful::new(Mood::Rules) };
        let report = right.answers.recorded(&path, &judge, parallel).unwrap();

        assert!(report == right.report, "{parallel} threads: the report is another one");
        assert_eq!(judge.count(), right.questions, "{parallel} threads: each question is asked once");
        assert_eq!(records(&fs::read(path).unwrap()), records(&right.journal), "{parallel} threads");
        // A judge that always fails: whatever thread asks, the same items fail.
        let failing = Careful::new(Mood::FailsAt("owner"));
        let path = scratch.path(&format!("failing-{parallel}"));
        assert!(right.answers.recorded(&path, &failing, parallel).unwrap() == right.answers.report(&failing));
    }
}

#[test]
fn threads_with_one_question_get_one_verdict() {
    let scratch = Scratch::new("verdicts-threads");
    let fickle = Careful { delay: Duration::from_millis(20), ..Careful::new(Mood::Changes) };
    let recorded = RecordedEntailment::open(scratch.path("verdicts"), &fickle, batch()).unwrap();

    let verdicts: Vec<_> = std::thread::scope(|scope| {
        let asked: Vec<_> =
            (0..8).map(|_| scope.spawn(|| recorded.entails("age: 41", "age: 41").unwrap())).collect();
        asked.into_iter().map(|thread| thread.join().unwrap()).collect()
    });

    assert_eq!(verdicts, [Verdict::Entail; 8]);
    assert_eq!(fickle.count(), 1);
}

/// Panics once.
struct Clumsy(AtomicBool);

impl Entailment for Clumsy {
    fn identity(&self) -> String {
        "clumsy".into()
    }

    fn entails(&self, _: &str, _: &str) -> Result<Verdict, JudgeError> {
        assert!(!self.0.swap(false, Ordering::SeqCst), "it panics, as the test wants");
        Ok(Verdict::Entail)
    }
}

#[test]
fn a_judge_that_panics_lets_the_next_thread_ask() {
    let scratch = Scratch::new("verdicts-panic");
    let clumsy = Clumsy(AtomicBool::new(true));
    let recorded = RecordedEntailment::open(scratch.path("verdicts"), &clumsy, batch()).unwrap();

    let first = std::thread::scope(|scope| {
        scope.spawn(|| recorded.entails("a", "b")).join().map(|verdict| verdict.is_ok())
    });

    assert!(first.is_err(), "the panic is the judge's");
    assert_eq!(recorded.len(), 0);
    assert_eq!(recorded.entails("a", "b").unwrap(), Verdict::Entail);
}

#[test]
fn a_scoring_that_is_cancelled_keeps_its_verdicts_and_gives_no_scores() {
    let scratch = Scratch::new("verdicts-cancel");
    let right = undisturbed(&scratch);

    for parallel in [1, 4] {
        let path = scratch.path(&format!("cancelled-{parallel}"));
        let cancel = CancelToken::new();
        let judge = Careful::new(Mood::Cancels(cancel.clone(), 6));
        let recorded = RecordedEntailment::open(&path, &judge, batch()).unwrap();
        let judges = Judges { entailment: &recorded, vision: &FactVision };
        let options = ScoreOptions { parallel, cancel, ..ScoreOptions::default() };

        let result = Scores::with_options(&right.answers.dataset, &right.answers.contents, &judges, &options);

        assert!(matches!(result, Err(Error::Cancelled)), "{result:?}");
        assert_eq!(recorded.len(), 5, "what was said before it was cancelled");
        assert!(judge.count() <= 5 + parallel, "each thread asks one question more at most");
        drop(recorded);
        let resumed = Careful::new(Mood::Rules);
        assert_eq!(right.answers.recorded(&path, &resumed, 1).unwrap(), right.report);
        assert_eq!(resumed.count(), right.questions - 5);
    }
}

#[test]
fn progress_counts_answers_and_failures() {
    let scratch = Scratch::new("verdicts-progress");
    let answers = Answers::new(&scratch.path("run"), ITEMS);
    let heard = Mutex::new(Vec::new());
    let watcher = |progress: &Progress| heard.lock().unwrap().push(*progress);
    let judge = Careful::new(Mood::Fails);
    let judges = Judges { entailment: &judge, vision: &FactVision };
    let options = ScoreOptions { parallel: 3, on_progress: Some(&watcher), ..ScoreOptions::default() };

    let scores = Scores::with_options(&answers.dataset, &answers.contents, &judges, &options).unwrap();

    let mut heard = heard.into_inner().unwrap();
    heard.sort_by_key(|progress| progress.done);
    let done: Vec<_> = heard.iter().map(|progress| progress.done).collect();
    assert_eq!(done, (1..=ITEMS as u64).collect::<Vec<_>>());
    assert!(heard.iter().all(|progress| progress.total == ITEMS as u64));
    let failed = scores.items().iter().filter(|score| score.outcome == Outcome::JudgeFailed).count();
    assert_eq!(heard.last().unwrap().failed, failed as u64);
    assert!(failed > 0);
}

#[test]
fn a_number_of_threads_out_of_range_is_refused() {
    let scratch = Scratch::new("verdicts-range");
    let answers = Answers::new(&scratch.path("run"), 1);

    for parallel in [0, 257] {
        let options = ScoreOptions { parallel, ..ScoreOptions::default() };
        let result = Scores::with_options(&answers.dataset, &answers.contents, &Judges::rules(), &options);

        assert!(matches!(result, Err(Error::RunOption { option: "parallel", .. })), "{result:?}");
    }
}

#[test]
fn verdicts_about_pictures_are_kept_too() {
    let scratch = Scratch::new("verdicts-seen");
    let answers = Answers::new(&scratch.path("run"), ITEMS);
    let path: &Path = &scratch.path("verdicts");
    let judge = Careful::new(Mood::Rules);
    let report = answers.seen(path, &judge).unwrap();
    let asked = judge.count();
    assert!(asked > 10, "there is something to see: {asked}");
    let bytes = fs::read(path).unwrap();
    let (all, half) = (ends(&bytes), asked / 2);
    assert_eq!(all.len(), 1 + asked);

    let silent = Careful::new(Mood::Fails);
    assert_eq!(answers.seen(path, &silent).unwrap(), report);
    assert_eq!(silent.count(), 0);

    fs::write(path, &bytes[..all[half] + 5]).unwrap();
    let judge = Careful::new(Mood::Rules);
    assert_eq!(answers.seen(path, &judge).unwrap(), report);
    assert_eq!(judge.count(), asked - half);
    assert!(fs::read(path).unwrap() == bytes);
}
