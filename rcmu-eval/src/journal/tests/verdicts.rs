//! Every call that writes a journal of verdicts fails once.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use rcmu_data::Sample;

use super::{
    disks::{Call, Event, Fragile},
    faults::is_full,
};
use crate::{
    Error,
    journal::{Judged, RecordKey, SyncPolicy, VerdictJournal, VerdictManifest},
    judge::{
        Entailment, FactVision, JudgeError, Judges, RecordedEntailment, RuleEntailment, Verdict, VisionCheck,
    },
    report::{Report, ReportOptions, totals},
    runs::{Right, Scratch, numbers, options, run},
};

const QUESTIONS: usize = 12;

/// The rules, counted.
struct Counted(AtomicUsize);

impl Entailment for Counted {
    fn identity(&self) -> String {
        "counted".into()
    }

    fn entails(&self, premise: &str, hypothesis: &str) -> Result<Verdict, JudgeError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        RuleEntailment.entails(premise, hypothesis)
    }
}

/// Opens the journal of this judge's verdicts on a disk.
fn open(
    disk: &Fragile,
    path: &Path,
    policy: SyncPolicy,
    judge: &Counted,
) -> Result<VerdictJournal<Verdict>, Error> {
    let manifest = VerdictManifest { judged: Judged::Texts, judge: judge.identity() };
    VerdictJournal::open_on(Box::new(disk.clone()), path, &manifest, policy)
}

/// Asks all questions; gives the verdicts that came, how many questions the judge got, and how it ended.
fn ask(disk: &Fragile, path: &Path, policy: SyncPolicy) -> (usize, usize, Result<(), Error>) {
    let judge = Counted(AtomicUsize::new(0));
    let journal = match open(disk, path, policy, &judge) {
        Ok(journal) => journal,
        Err(error) => return (0, 0, Err(error)),
    };
    let recorded = RecordedEntailment::with(journal, &judge);
    let mut verdicts = 0;
    for age in 0..QUESTIONS {
        match recorded.entails("age: 3", &format!("age: {age}")) {
            Ok(verdict) => {
                assert_eq!(verdict == Verdict::Entail, age == 3, "{age}");
                verdicts += 1;
            }
            Err(error) => assert!(matches!(error, JudgeError::Unrecorded), "{error}"),
        }
    }
    let end = recorded.finish();
    (verdicts, judge.0.load(Ordering::SeqCst), end)
}

#[test]
fn a_call_that_fails_ends_the_scoring_and_loses_no_verdict() {
    let scratch = Scratch::new("verdict-faults");
    for (name, policy) in
        [("each", SyncPolicy::EachRecord), ("batch", SyncPolicy::Batch(5.try_into().unwrap()))]
    {
        let whole = Fragile::whole();
        let end = ask(&whole, &scratch.path(&format!("{name}-whole")), policy);
        assert!(matches!(end, (QUESTIONS, QUESTIONS, Ok(()))), "{end:?}");
        let calls = whole.calls().made;
        let count = |wanted: Call| calls.iter().filter(|&&call| call == wanted).count();
        assert_eq!(count(Call::Write), 1 + QUESTIONS);
        let flushes = if name == "each" { QUESTIONS } else { 3 }; // after five, ten, and at the end
        assert_eq!(count(Call::Sync), 1 + flushes, "{name}");

        for at in 1..=calls.len() {
            let path = scratch.path(&format!("{name}-{at}"));
            let (verdicts, asked, end) = ask(&Fragile::new(Event::Fails, at), &path, policy);

            let error = end.expect_err("a call failed");
            assert!(is_full(&error, &path), "{name}, call {at}: {error}");
            assert!(asked <= verdicts + 1, "{name}, call {at}: nobody asks what cannot be kept");
            let (all, again, end) = ask(&Fragile::whole(), &path, policy);
            assert!(end.is_ok(), "{name}, call {at}: {end:?}");
            assert_eq!(all, QUESTIONS);
            assert!(
                again <= QUESTIONS - verdicts,
                "{name}, call {at}: {verdicts} verdicts, then {again} asked"
            );
        }
    }
}

#[test]
fn totals_make_verdicts_safe_and_there_are_none_when_they_cannot_be() {
    let scratch = Scratch::new("verdict-totals");
    let (dataset, answers) = (numbers(&scratch.path(""), 5), scratch.path("run"));
    run(&dataset, &Right, options(), &answers).unwrap();
    let sum = |entailment: &dyn Entailment| -> Result<Report, Error> {
        let judges = Judges { entailment, vision: &FactVision };
        totals(&dataset, &answers, &judges, &ReportOptions::default())
    };
    let counted = || Counted(AtomicUsize::new(0));
    let recorded = |disk: &Fragile, path: &Path| {
        let judge = counted();
        let journal = open(disk, path, SyncPolicy::Batch(1000.try_into().unwrap()), &judge)?;
        let recorded = RecordedEntailment::with(journal, &judge);
        // What the disk was asked for is counted before the journal is closed.
        sum(&recorded).map(|report| (report, disk.calls(), recorded.len()))
    };
    let path = scratch.path("whole");

    let (report, calls, verdicts) = recorded(&Fragile::whole(), &path).unwrap();

    assert_eq!(report.to_json().unwrap(), sum(&counted()).unwrap().to_json().unwrap());
    assert!(verdicts >= 5, "there is something to ask: {verdicts}");
    assert_eq!(calls.made.iter().filter(|&&call| call == Call::Write).count(), 1 + verdicts);
    assert_eq!(calls.synced, fs::metadata(&path).unwrap().len(), "all verdicts are flushed");
    for at in 1..=calls.made.len() {
        let path = scratch.path(&at.to_string());
        let error = recorded(&Fragile::new(Event::Fails, at), &path).expect_err("a call failed");
        assert!(is_full(&error, &path), "call {at}: {error}");
    }
}

/// A check of pictures that cannot keep what it sees.
struct Forgetful;

impl VisionCheck for Forgetful {
    fn identity(&self) -> String {
        FactVision.identity()
    }

    fn shows(&self, sample: &Sample, index: usize, words: &str) -> Result<Option<bool>, JudgeError> {
        FactVision.shows(sample, index, words)
    }

    fn question_key(&self, sample: &Sample, index: usize, words: &str) -> Result<RecordKey, JudgeError> {
        FactVision.question_key(sample, index, words)
    }

    fn finish(&self) -> Result<(), Error> {
        Err(Error::JournalBroken { path: "pictures".into() })
    }
}

#[test]
fn totals_ask_the_judge_of_pictures_to_finish_too() {
    let scratch = Scratch::new("verdict-totals-pictures");
    let (dataset, answers) = (numbers(&scratch.path(""), 1), scratch.path("run"));
    run(&dataset, &Right, options(), &answers).unwrap();
    let judges = Judges { entailment: &RuleEntailment, vision: &Forgetful };

    let result = totals(&dataset, &answers, &judges, &ReportOptions::default());

    assert!(matches!(result, Err(Error::JournalBroken { .. })), "{result:?}");
}
