//! Every call that writes a journal of verdicts fails once.

use std::{
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use super::{
    disks::{Call, Event, Fragile},
    faults::is_full,
};
use crate::{
    Error,
    journal::{Judged, SyncPolicy, VerdictJournal, VerdictManifest},
    judge::{Entailment, JudgeError, RecordedEntailment, RuleEntailment, Verdict},
    runs::Scratch,
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

/// Asks all questions; gives the verdicts that came, how many questions the judge got, and how it ended.
fn ask(disk: &Fragile, path: &Path, policy: SyncPolicy) -> (usize, usize, Result<(), Error>) {
    let judge = Counted(AtomicUsize::new(0));
    let manifest = VerdictManifest { judged: Judged::Texts, judge: judge.identity() };
    let journal = match VerdictJournal::open_on(Box::new(disk.clone()), path, &manifest, policy) {
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
