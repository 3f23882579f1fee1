//! Whatever stands in a journal or a reply: no panic, and nothing that was not said before.

#![allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]

mod injections;
mod runs;
mod verdicts;

use std::{fs, path::Path, sync::OnceLock, thread};

use injections::Replies;
use proptest::{collection::vec, prelude::*, sample::Index};
use rcmu_eval::{
    Error,
    journal::{self, Record},
    judge::{Entailment, GeneratorJudge, JudgeError, RecordedEntailment, Verdict},
    report::Report,
    run::Replay,
};
use runs::{Echo, Scratch, dataset, options, run};
use serde_json::Value;
use verdicts::{Careful, Mood, batch, ends};

/// Records of the journals that are damaged.
const ITEMS: usize = 6;

/// One thing that happens to bytes.
#[derive(Clone, Debug)]
enum Damage {
    Turn(Index, u8),
    Zero(Index, usize),
    Remove(Index, usize),
    Insert(Index, Vec<u8>),
    Repeat(Index, usize, Index),
    Cut(Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    use Damage::{Cut, Insert, Remove, Repeat, Turn, Zero};
    let at = any::<Index>;
    prop_oneof![
        4 => (at(), 1_u8..).prop_map(|(at, mask)| Turn(at, mask)),
        1 => (at(), 1_usize..300).prop_map(|(at, len)| Zero(at, len)),
        2 => (at(), 1_usize..300).prop_map(|(at, len)| Remove(at, len)),
        2 => (at(), vec(any::<u8>(), 1..40)).prop_map(|(at, bytes)| Insert(at, bytes)),
        2 => (at(), 1_usize..300, at()).prop_map(|(from, len, to)| Repeat(from, len, to)),
        1 => at().prop_map(Cut),
    ]
}

/// The bytes after some damage.
fn damaged(bytes: &[u8], damages: &[Damage]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for damage in damages {
        let size = bytes.len() + 1;
        let range = |at: &Index, len: usize| at.index(size)..(at.index(size) + len).min(size - 1);
        match damage {
            Damage::Turn(at, mask) => {
                bytes.iter_mut().skip(at.index(size)).take(1).for_each(|byte| *byte ^= mask);
            }
            Damage::Zero(at, len) => bytes[range(at, *len)].fill(0),
            Damage::Remove(at, len) => drop(bytes.drain(range(at, *len))),
            Damage::Insert(at, new) => {
                drop(bytes.splice(at.index(size)..at.index(size), new.iter().copied()));
            }
            Damage::Repeat(from, len, to) => {
                let copy = bytes[range(from, *len)].to_vec();
                bytes.splice(to.index(size)..to.index(size), copy);
            }
            Damage::Cut(at) => bytes.truncate(at.index(size)),
        }
    }
    bytes
}

/// A head, and the frames of a journal in any order, some left out, some several times; and more damage.
fn shuffled(bytes: &[u8], order: &[Index]) -> Vec<u8> {
    let ends: Vec<_> = [12].into_iter().chain(ends(bytes)).collect();
    let frames = order.iter().map(|at| at.index(ends.len() - 1));
    let parts = frames.map(|at| &bytes[ends[at]..ends[at + 1]]);
    [&bytes[..12]].into_iter().chain(parts).flatten().copied().collect()
}

/// Frames whose checksums are right, whatever they hold.
fn framed(payloads: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for payload in payloads {
        let length = (payload.len() as u32).to_le_bytes();
        bytes.extend(length);
        bytes.extend(crc32fast::hash(&length).to_le_bytes());
        bytes.extend(crc32fast::hash(payload).to_le_bytes());
        bytes.extend(payload);
    }
    bytes
}

/// The payloads of a journal.
fn payloads(bytes: &[u8]) -> Vec<Vec<u8>> {
    let ends: Vec<_> = [12].into_iter().chain(ends(bytes)).collect();
    ends.windows(2).map(|pair| bytes[pair[0] + 12..pair[1]].to_vec()).collect()
}

/// A journal of answers to which nothing happened: its bytes and records.
fn answers() -> &'static (Vec<u8>, Vec<Record>) {
    static ANSWERS: OnceLock<(Vec<u8>, Vec<Record>)> = OnceLock::new();
    ANSWERS.get_or_init(|| {
        let scratch = Scratch::new("hostile-answers");
        let path = scratch.path("run");
        run(&dataset(&scratch.path(""), ITEMS), &Echo::new(), options(), &path).unwrap();
        (fs::read(&path).unwrap(), journal::read(&path).unwrap().records)
    })
}

/// What is asked of judges.
fn questions() -> impl Iterator<Item = String> {
    (0..ITEMS).map(|age| format!("age: {}", 30 + age * 2))
}

/// Verdicts with the numbers of their questions.
type Said = Vec<(usize, Verdict)>;

/// The verdicts that a journal has, by the number of their questions; and how many it says it has.
fn recorded(path: &Path) -> Result<(Said, usize), Error> {
    let silent = Careful::new(Mood::Fails);
    let judge = RecordedEntailment::open(path, &silent, batch())?;
    let verdict = |(at, question): (usize, String)| Some((at, judge.entails("age: 34", &question).ok()?));
    Ok((questions().enumerate().filter_map(verdict).collect(), judge.len()))
}

/// A journal of verdicts to which nothing happened: its bytes and verdicts.
fn verdicts() -> &'static (Vec<u8>, Said) {
    static VERDICTS: OnceLock<(Vec<u8>, Said)> = OnceLock::new();
    VERDICTS.get_or_init(|| {
        let scratch = Scratch::new("hostile-verdicts");
        let (path, rules) = (scratch.path("verdicts"), Careful::new(Mood::Rules));
        let judge = RecordedEntailment::open(&path, &rules, batch()).unwrap();
        questions().for_each(|question| assert!(judge.entails("age: 34", &question).is_ok()));
        drop(judge);
        let (verdicts, count) = recorded(&path).unwrap();
        assert_eq!((verdicts.len(), count), (ITEMS, ITEMS));
        (fs::read(path).unwrap(), verdicts)
    })
}

/// A folder of this thread's own.
fn scratch() -> Scratch {
    Scratch::new(&format!("hostile-{:?}", thread::current().id()))
}

/// Checks everything that can be done with a file that may have answers.
fn check_answers(bytes: &[u8]) -> Result<(), TestCaseError> {
    let scratch = scratch();
    let records = &answers().1;
    let (path, copy) = (scratch.path("run"), scratch.path("copy"));
    fs::write(&path, bytes).unwrap();
    let _ = fs::remove_file(&copy);

    if let Ok(contents) = journal::read(&path) {
        prop_assert!(contents.records.len() <= records.len());
        prop_assert!(contents.records.iter().all(|record| records.contains(record)));
        prop_assert_eq!(&journal::manifest(&path).unwrap(), &contents.manifest);
    }
    match journal::repair(&path, &copy) {
        Ok(report) => {
            let copied = journal::read(&copy).unwrap();
            prop_assert_eq!(copied.records.len() as u64, report.kept);
            prop_assert!(copied.records.len() <= records.len());
            prop_assert!(copied.records.iter().all(|record| records.contains(record)));
            prop_assert!(report.lost.iter().map(|lost| lost.bytes).sum::<u64>() <= bytes.len() as u64);
        }
        Err(error) => {
            prop_assert!(matches!(error, Error::NotAJournal { .. }), "{}", error);
            prop_assert!(!copy.exists());
        }
    }
    prop_assert!(fs::read(&path).unwrap() == bytes, "what is read or repaired stays as it is");
    // Resumed, it has all answers, or is refused and stays as it is.
    if run(&dataset(&scratch.path(""), ITEMS), &Echo::new(), options(), &path).is_ok() {
        let mut contents = journal::read(&path).unwrap();
        contents.sort();
        prop_assert_eq!(&contents.records, records);
    } else {
        prop_assert!(fs::read(&path).unwrap() == bytes);
    }
    Ok(())
}

/// Checks everything that can be done with a file that may have verdicts.
fn check_verdicts(bytes: &[u8]) -> Result<(), TestCaseError> {
    let scratch = scratch();
    let said = &verdicts().1;
    let (path, copy) = (scratch.path("verdicts"), scratch.path("copy"));
    fs::write(&path, bytes).unwrap();
    let _ = fs::remove_file(&copy);

    match journal::repair(&path, &copy) {
        Ok(report) => {
            let (found, count) = recorded(&copy).unwrap();
            prop_assert_eq!((found.len(), count as u64), (count, report.kept));
            prop_assert!(found.iter().all(|verdict| said.contains(verdict)), "{:?}", found);
        }
        Err(error) => prop_assert!(matches!(error, Error::NotAJournal { .. }), "{}", error),
    }
    prop_assert!(fs::read(&path).unwrap() == bytes);
    match recorded(&path) {
        Ok((found, count)) => {
            prop_assert_eq!(found.len(), count, "no verdict on a question that was not asked");
            prop_assert!(found.iter().all(|verdict| said.contains(verdict)), "{:?}", found);
        }
        Err(_) => prop_assert!(fs::read(&path).unwrap() == bytes),
    }
    Ok(())
}

/// What a judge makes of a reply in which `MARK` stands for the mark.
fn judged(reply: &str) -> (Result<Verdict, JudgeError>, Result<u8, JudgeError>) {
    let generator = Replies(|mark: &str| reply.replace("MARK", mark));
    let judge = GeneratorJudge::new(&generator, 3);
    (judge.entails("age: 34", "age: 41"), judge.rate("Who?", "Lily", "Tom"))
}

/// Whether a reply says this and nothing else, by another reader of JSON.
fn says(reply: &str, name: &str, value: &Value) -> bool {
    let reply: Value = serde_json::from_str(reply).unwrap_or_default();
    let fields = reply.as_object().map_or(0, serde_json::Map::len);
    fields == 2 && reply["mark"] == "MARK" && reply[name] == *value
}

fn check_reply(reply: &str) -> Result<(), TestCaseError> {
    let (verdict, score) = judged(reply);
    if let Ok(verdict) = verdict {
        prop_assert!(
            says(reply, "verdict", &serde_json::to_value(verdict).unwrap()),
            "{:?} is {:?}",
            reply,
            verdict
        );
    }
    if let Ok(score) = score {
        prop_assert!(score <= 10 && says(reply, "score", &score.into()), "{:?} is {}", reply, score);
    }
    Ok(())
}

const REPLIES: [&str; 2] = [r#"{"mark": "MARK", "verdict": "neutral"}"#, r#"{"mark": "MARK", "score": 4}"#];

#[test]
fn what_is_not_damaged_is_read() {
    check_answers(&answers().0).unwrap();
    check_verdicts(&verdicts().0).unwrap();
    assert_eq!(judged(REPLIES[0]).0.unwrap(), Verdict::Neutral);
    assert_eq!(judged(REPLIES[1]).1.unwrap(), 4);
}

proptest! {
    // Each case writes and flushes some files.
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_damaged_journal_of_answers_has_none_that_was_not_given(damages in vec(damage(), 1..5)) {
        check_answers(&damaged(&answers().0, &damages))?;
    }

    #[test]
    fn frames_of_answers_in_any_order_give_each_once(order in vec(any::<Index>(), 0..12), damages in vec(damage(), 0..2)) {
        check_answers(&damaged(&shuffled(&answers().0, &order), &damages))?;
    }

    #[test]
    fn a_damaged_journal_of_verdicts_has_none_that_was_not_given(damages in vec(damage(), 1..5)) {
        check_verdicts(&damaged(&verdicts().0, &damages))?;
    }

    #[test]
    fn frames_of_verdicts_in_any_order_give_each_once(order in vec(any::<Index>(), 0..12), damages in vec(damage(), 0..2)) {
        check_verdicts(&damaged(&shuffled(&verdicts().0, &order), &damages))?;
    }

    #[test]
    fn any_bytes_are_no_journal(bytes in vec(any::<u8>(), 0..400), head in 0_usize..=12) {
        for whole in [&answers().0, &verdicts().0] {
            let bytes = [&whole[..head], &bytes].concat();
            check_answers(&bytes)?;
            check_verdicts(&bytes)?;
        }
    }

    #[test]
    fn frames_with_right_checksums_hold_no_more_than_they_are(
        damages in vec((any::<Index>(), damage()), 0..4),
        is_about_answers in any::<bool>(),
    ) {
        let scratch = scratch();
        let (path, copy) = (scratch.path("journal"), scratch.path("copy"));
        let whole = if is_about_answers { &answers().0 } else { &verdicts().0 };
        let mut payloads = payloads(whole);
        for (at, damage) in damages {
            let payload = at.get_mut(&mut payloads);
            *payload = damaged(payload, &[damage]);
        }
        fs::write(&path, [&whole[..12], &framed(&payloads)].concat()).unwrap();

        let kept = journal::repair(&path, &copy).map_or(0, |report| report.kept);
        let read = journal::read(&path).map_or(0, |contents| contents.records.len());
        let judged = recorded(&path).map_or(0, |(_, count)| count);

        prop_assert!(kept <= ITEMS as u64 && read <= ITEMS && judged <= ITEMS);
    }
}

proptest! {
    #[test]
    fn a_damaged_reply_says_what_it_says(which in 0_usize..2, damages in vec(damage(), 0..4)) {
        check_reply(&String::from_utf8_lossy(&damaged(REPLIES[which].as_bytes(), &damages)))?;
    }

    #[test]
    fn pieces_of_replies_say_what_they_say(
        pieces in vec(prop_oneof![
            proptest::sample::select(vec![
                "{", "}", ":", ",", " ", "\"mark\"", "\"MARK\"", "\"verdict\"", "\"score\"", "\"entail\"", "\"neutral\"",
                "10", "11", "-1", "4.0", "1e1", "null", "[", "]", "```", REPLIES[0], REPLIES[1],
            ]).prop_map(str::to_owned),
            ".{0,4}",
        ], 0..12),
    ) {
        check_reply(&pieces.concat())?;
    }

    #[test]
    fn an_object_of_any_fields_says_what_it_says(fields in vec(proptest::sample::select(vec![
        r#""mark": "MARK""#, r#""mark": "MARK""#, r#""mark": "MARK""#, r#""mark": "other""#,
        r#""verdict": "entail""#, r#""verdict": "neutral""#, r#""verdict": "yes""#,
        r#""score": 4"#, r#""score": 11"#, r#""why": "it is so""#,
    ]), 1..5)) {
        check_reply(&format!("{{{}}}", fields.join(", ")))?;
    }

    #[test]
    fn damaged_predictions_and_reports_are_refused_or_read(damages in vec(damage(), 0..4)) {
        let scratch = scratch();
        let path = scratch.path("answers.jsonl");
        let lines = b"{\"item\": \"a\", \"text\": \"Lily.\"}\n{\"item\": \"b\", \"failed\": \"nothing came\"}\n";
        fs::write(&path, damaged(lines, &damages)).unwrap();
        let report = b"{\"version\": 1, \"title\": \"t\", \"model\": \"m\", \"mode\": \"full\", \"rows\": [], \"items\": []}";
        let report = damaged(report, &damages);

        // Neither panics; what they say is tested with their writers.
        let _ = Replay::from_predictions(&path);
        let _ = Report::from_json(&String::from_utf8_lossy(&report));
    }
}
