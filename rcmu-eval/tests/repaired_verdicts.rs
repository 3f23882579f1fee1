//! A damaged journal of verdicts is repaired, and no verdict is lost but the damaged ones.
#![allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]

mod runs;
mod verdicts;

use std::{fs, path::Path};

use rcmu_eval::{
    Error,
    journal::{self, Lost, RepairReport},
    judge::{Entailment, RecordedEntailment, RecordedVision, VisionCheck},
};
use runs::Scratch;
use verdicts::{Answers, Careful, Mood, Undisturbed, batch, ends};

/// Questions of the small journals.
const QUESTIONS: usize = 4;

fn ask_about_texts(path: &Path, judge: &Careful) {
    let recorded = RecordedEntailment::open(path, judge, batch()).unwrap();
    for age in 1..=QUESTIONS {
        recorded.entails("age: 3", &format!("age: {age}")).unwrap();
    }
}

fn ask_about_pictures(path: &Path, judge: &Careful) {
    let recorded = RecordedVision::open(path, judge, batch()).unwrap();
    let dataset = runs::dataset(path.parent().unwrap(), 1);
    for number in 1..=QUESTIONS {
        recorded.shows(&dataset.items()[0], 1, &format!("A dog with the number {number}.")).unwrap();
    }
}

/// Damages each byte of a small journal in turn: the copy has every other record as it was, and is gone on with.
fn damage_each_byte(name: &str, ask: fn(&Path, &Careful)) {
    let scratch = Scratch::new(name);
    let (path, copy) = (scratch.path("verdicts"), scratch.path("copy"));
    ask(&path, &Careful::new(Mood::Rules));
    let bytes = fs::read(&path).unwrap();
    let begins: Vec<_> = [12].into_iter().chain(ends(&bytes)).collect();
    assert_eq!(begins.len(), 2 + QUESTIONS);

    for (at, mask) in (0..bytes.len()).flat_map(|at| [(at, 0x01), (at, 0x80)]) {
        let mut damaged = bytes.clone();
        damaged[at] ^= mask;
        fs::write(&path, &damaged).unwrap();
        let _ = fs::remove_file(&copy);

        let report = journal::repair(&path, &copy);

        assert!(fs::read(&path).unwrap() == damaged, "{at}: the damaged file stays as it is");
        let frame = begins.iter().rposition(|&begin| begin <= at);
        // The file's head is not needed; its manifest is.
        if frame == Some(0) {
            assert!(matches!(report, Err(Error::NotAJournal { .. })), "{at}: {report:?}");
            assert!(!copy.exists());
            continue;
        }
        let (lost, kept) = frame.map_or((0..12, QUESTIONS), |at| (begins[at]..begins[at + 1], QUESTIONS - 1));
        let mut whole = bytes.clone();
        if frame.is_some() {
            whole.drain(lost.clone());
        }
        let lost = vec![Lost { offset: lost.start as u64, bytes: lost.len() as u64 }];
        assert_eq!(report.unwrap(), RepairReport { kept: kept as u64, repeated: 0, lost }, "{at}");
        assert!(fs::read(&copy).unwrap() == whole, "{at}: what is not damaged is copied as it is");
        let judge = Careful::new(Mood::Rules);
        ask(&copy, &judge);
        assert_eq!(judge.count(), QUESTIONS - kept, "{at}: what is lost is asked again");
    }
}

#[test]
fn of_verdicts_about_texts_each_damaged_byte_loses_its_own_alone() {
    damage_each_byte("repair-texts", ask_about_texts);
}

#[test]
fn of_verdicts_about_pictures_each_damaged_byte_loses_its_own_alone() {
    damage_each_byte("repair-pictures", ask_about_pictures);
}

#[test]
fn a_journal_repaired_in_place_is_gone_on_with_and_the_damaged_one_kept() {
    let scratch = Scratch::new("repair-place");
    let answers = Answers::new(&scratch.path("run"), 8);
    let right = Undisturbed::new(&scratch, answers, &Careful::new(Mood::Rules));
    let path = scratch.path("undisturbed");
    let ends = ends(&right.journal);
    let record = |at: usize| right.journal[ends[at]..ends[at + 1]].to_vec();
    // A bit in the third record, seven bytes between two records, the first record once more, a torn tail.
    let mut third = record(2);
    third[20] ^= 1;
    let last = ends.len() - 2;
    let torn = record(last)[..40].to_vec();
    let middle = right.journal[ends[3]..ends[last]].to_vec();
    let parts = [right.journal[..ends[2]].to_vec(), third, b"garbage".to_vec(), middle, record(0), torn];
    let damaged = parts.concat();
    fs::write(&path, &damaged).unwrap();

    let (report, kept) = journal::in_place(&path, |from, to| journal::repair(from, to)).unwrap();

    let begin = |part: usize| parts[..part].iter().map(Vec::len).sum::<usize>();
    let lost = [(begin(1), begin(3)), (begin(5), damaged.len())];
    let lost = lost.map(|(from, to)| Lost { offset: from as u64, bytes: (to - from) as u64 }).to_vec();
    assert_eq!(report, RepairReport { kept: right.questions as u64 - 2, repeated: 1, lost });
    assert_eq!(kept, scratch.path("undisturbed.kept"));
    assert!(fs::read(kept).unwrap() == damaged);
    let judge = Careful::new(Mood::Rules);
    assert!(right.answers.recorded(&path, &judge, 1).unwrap() == right.report);
    assert_eq!(judge.count(), 2, "what is lost is asked again");
}

#[test]
fn a_verdict_that_this_program_does_not_know_is_lost_and_told() {
    let scratch = Scratch::new("repair-unknown");
    let (path, copy) = (scratch.path("verdicts"), scratch.path("copy"));
    ask_about_texts(&path, &Careful::new(Mood::Rules));
    let bytes = fs::read(&path).unwrap();
    // What pictures show is known, but is no verdict about texts.
    for verdict in ["perhaps", "yes"] {
        let end = *ends(&bytes).last().unwrap();
        let key = "0".repeat(64);
        let payload = format!(r#"{{"record":{{"key":"{key}","verdict":"{verdict}"}}}}"#);
        let length = (payload.len() as u32).to_le_bytes();
        let mut strange = length.to_vec();
        strange.extend(crc32fast::hash(&length).to_le_bytes());
        strange.extend(crc32fast::hash(payload.as_bytes()).to_le_bytes());
        strange.extend(payload.as_bytes());
        fs::write(&path, [bytes.as_slice(), &strange].concat()).unwrap();
        let _ = fs::remove_file(&copy);

        let report = journal::repair(&path, &copy).unwrap();

        let lost = vec![Lost { offset: end as u64, bytes: strange.len() as u64 }];
        assert_eq!(report, RepairReport { kept: QUESTIONS as u64, repeated: 0, lost }, "{verdict}");
        assert!(fs::read(&copy).unwrap() == bytes, "{verdict}");
    }
}
