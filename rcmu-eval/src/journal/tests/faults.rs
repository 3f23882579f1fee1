//! Every call that writes a journal fails once.

use std::{fs, path::Path};

use super::disks::{Call, Event, Fragile};
use crate::{
    Error,
    journal::{self, Journal, SyncPolicy},
    run::{Run, RunOptions},
    runs::{Echo, Logged, Scratch, Undisturbed, options, times_asked},
};

const ITEMS: usize = 200;
/// How many items the reports show; the others are in their sums.
const SHOWN: usize = 10;

fn batch(records: u32) -> SyncPolicy {
    SyncPolicy::Batch(records.try_into().unwrap())
}

/// Opens a journal and appends every record that it lacks; tells how many it then had for sure.
fn go_on(disk: &Fragile, path: &Path, right: &Undisturbed, policy: SyncPolicy) -> (usize, Result<(), Error>) {
    let mut journal = match Journal::open_on(Box::new(disk.clone()), path, &right.contents.manifest, policy) {
        Ok(journal) => journal,
        Err(error) => return (0, Err(error)),
    };
    for record in &right.contents.records {
        if journal.find(record.place, record.repeat).is_some() {
            continue;
        }
        if let Err(error) = journal.append(record.clone()) {
            let len = journal.len();
            assert!(matches!(journal.append(record.clone()), Err(Error::JournalBroken { .. })));
            assert!(matches!(journal.flush(), Err(Error::JournalBroken { .. })));
            return (len, Err(error));
        }
    }
    (journal.len(), journal.flush())
}

pub(super) fn is_full(error: &Error, wanted: &Path) -> bool {
    matches!(error, Error::File { path, source } if path == wanted && source.kind() == std::io::ErrorKind::StorageFull)
}

/// How many whole records there are in the first bytes of the right journal.
fn records(right: &Undisturbed, ends: &[usize], bytes: u64) -> usize {
    assert!(bytes as usize <= right.bytes.len());
    ends.iter().skip(1).filter(|&&end| end as u64 <= bytes).count()
}

/// Where the manifest ends, and each record.
pub(super) fn ends(bytes: &[u8]) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut end = 12;
    while end < bytes.len() {
        end += 12 + u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap()) as usize;
        ends.push(end);
    }
    ends
}

/// Lets each call fail while a journal that begins with `start` is filled; tells how many calls there are.
fn fail_each_call(
    name: &str,
    items: usize,
    start: impl Fn(&Undisturbed) -> Option<Vec<u8>>,
    sync_every: u32,
) -> usize {
    let scratch = Scratch::new(name);
    let right = Undisturbed::new(&scratch, items, SHOWN);
    let ends = ends(&right.bytes);
    let path = scratch.path("run");
    let policy = if sync_every == 1 { SyncPolicy::EachRecord } else { batch(sync_every) };
    let start = start(&right);
    for fails_at in 1.. {
        let _ = fs::remove_file(&path);
        if let Some(start) = &start {
            fs::write(&path, start).unwrap();
        }
        let disk = Fragile::new(Event::Fails, fails_at);

        let (acknowledged, result) = go_on(&disk, &path, &right, policy);

        let calls = disk.calls();
        let place = format!("{name}, call {fails_at}, {:?}", calls.made.last());
        let Err(error) = result else {
            assert_eq!(calls.made.len(), fails_at - 1, "the journal is finished when no call fails");
            right.check(&path, &place);
            return fails_at - 1;
        };
        assert!(is_full(&error, &path), "{place}: {error:?}");
        assert_eq!(calls.made.len(), fails_at, "{place}: nothing is done after a failure");
        // Whatever is there is what was there before, or the beginning of the right journal.
        let left = fs::read(&path).ok();
        assert!(
            left == start || left.as_ref().is_some_and(|left| right.bytes.starts_with(left)),
            "{place}: the journal is damaged"
        );
        match journal::read(&path) {
            Ok(contents) => {
                let found = contents.records.len();
                assert!(contents.records == right.contents.records[..found], "{place}");
                assert!(found >= acknowledged, "{place}: {found} of {acknowledged} records");
            }
            Err(Error::NotAJournal { .. }) => assert!(left.unwrap().len() < ends[0], "{place}"),
            Err(Error::File { .. }) => assert!(left.is_none(), "{place}"),
            Err(error) => panic!("{place}: {error}"),
        }
        // What was acknowledged is on the disk, up to what the policy leaves waiting.
        let synced = if calls.synced == 0 { 0 } else { records(&right, &ends, calls.synced) };
        assert!(synced + sync_every as usize > acknowledged || acknowledged == 0, "{place}: {synced}");

        let (_, result) = go_on(&Fragile::whole(), &path, &right, policy);

        result.unwrap_or_else(|error| panic!("{place}: {error}"));
        assert!(fs::read(&path).unwrap() == right.bytes, "{place}: the journal is another one");
        right.check(&path, &place);
    }
    unreachable!("some number is larger than that of the calls")
}

#[test]
fn whichever_call_of_a_new_journal_fails_nothing_is_damaged_or_lost() {
    let calls = fail_each_call("faults-each", ITEMS, |_| None, 1);

    // Open, cut, write, flush, flush the name; then two for each record.
    assert_eq!(calls, 5 + 2 * ITEMS);
}

#[test]
fn whichever_call_of_a_journal_in_batches_fails_nothing_is_damaged_or_lost() {
    let items = 50;
    let new = fail_each_call("faults-batch", items, |_| None, 7);
    let torn = fail_each_call("faults-manifest", items, |right| Some(right.bytes[..100].to_vec()), 25);

    assert_eq!(new, 5 + items + items.div_ceil(7));
    assert_eq!(torn, 5 + items + items / 25);
}

#[test]
fn whichever_call_of_a_resumed_journal_fails_nothing_is_damaged_or_lost() {
    const MISSING: usize = 20;
    let cut = |right: &Undisturbed| right.bytes[..ends(&right.bytes)[ITEMS - MISSING] + 100].to_vec();
    let torn = fail_each_call("faults-torn", ITEMS, |right| Some(cut(right)), 1);
    let zeros = |right: &Undisturbed| Some([cut(right), vec![0; 50]].concat());
    let zeros = fail_each_call("faults-zeros", ITEMS, zeros, 1);

    // Open, cut, flush, flush the name; then two for each record.
    assert_eq!((torn, zeros), (4 + 2 * MISSING, 4 + 2 * MISSING));
}

#[test]
fn what_an_earlier_process_left_is_flushed_before_the_run_goes_on() {
    let scratch = Scratch::new("faults-flushed");
    let right = Undisturbed::new(&scratch, 3, 3);
    let path = scratch.path("run");
    fs::write(&path, &right.bytes[..ends(&right.bytes)[2]]).unwrap();
    let disk = Fragile::whole();

    let policy = batch(1000);
    let journal = Journal::open_on(Box::new(disk.clone()), &path, &right.contents.manifest, policy).unwrap();

    assert_eq!(journal.len(), 2);
    assert_eq!(disk.calls().made, [Call::Open, Call::Sync, Call::SyncName]);
}

#[test]
fn a_batch_is_flushed_when_it_is_full_and_at_the_end() {
    use Call::{Cut, Open, Sync, SyncName, Write};

    let scratch = Scratch::new("faults-full-batch");
    let right = Undisturbed::new(&scratch, 7, 7);
    let disk = Fragile::whole();

    go_on(&disk, &scratch.path("run"), &right, batch(3)).1.unwrap();

    let opened = [Open, Cut, Write, Sync, SyncName];
    let records = [Write, Write, Write, Sync, Write, Write, Write, Sync, Write, Sync];
    assert_eq!(disk.calls().made, [&opened[..], &records].concat());
}

#[test]
fn a_run_stops_at_the_first_failure_and_asks_no_more() {
    let scratch = Scratch::new("faults-run");
    let right = Undisturbed::new(&scratch, ITEMS, SHOWN);
    let (path, log) = (scratch.path("run"), scratch.path("asked"));
    for (fails_at, parallel) in (1..=2 * ITEMS + 5).step_by(31).flat_map(|call| [(call, 1), (call, 4)]) {
        let _ = (fs::remove_file(&path), fs::remove_file(&log));
        let logged = Logged::new(log.clone());
        let options = RunOptions { parallel, ..options() };
        let run = Run::new(&right.dataset, &logged, options.clone()).unwrap();
        let disk = Fragile::new(Event::Fails, fails_at);
        let place = format!("call {fails_at}, {parallel} threads");

        let journal = Journal::open_on(Box::new(disk), &path, &run.manifest(), SyncPolicy::EachRecord);
        let result = journal.and_then(|journal| run.fill(journal, &run.manifest()));

        let error = result.expect_err("a call fails");
        assert!(is_full(&error, &path), "{place}: {error:?}");
        let asked = times_asked(&log).len();
        let recorded = journal::read(&path).map_or(0, |contents| contents.records.len());
        assert!(asked <= recorded + parallel, "{place}: {asked} asked, {recorded} recorded");
        let quick = RunOptions { sync: batch(1000), ..options };
        let summary = Run::new(&right.dataset, &Echo::new(), quick).unwrap().execute(&path).unwrap();
        assert_eq!(summary.resumed, recorded as u64, "{place}");
        right.check(&path, &place);
    }
}
