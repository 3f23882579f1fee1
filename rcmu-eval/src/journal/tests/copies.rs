//! Every call that writes a copy of a journal fails once.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Barrier,
    thread,
};

use super::{
    disks::{Event, Fragile},
    faults::{ends, is_full},
};
use crate::{
    Error,
    journal::{
        Contents,
        canonical::join,
        disk::{Disk, System},
        new_file::write_new,
        read,
        repair::repair_on,
    },
    run::{RunOptions, Shard},
    runs::{Echo, Scratch, Undisturbed, options, run},
};

const ITEMS: usize = 200;
/// Open, cut, write the manifest, write each record, flush, rename, flush the name.
const CALLS: usize = 6 + ITEMS;

/// All files of a folder.
fn files(scratch: &Scratch) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(scratch.path("")).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Writes a copy of what a journal holds.
fn write(disk: &dyn Disk, copy: &Path, contents: Contents) -> Result<(), Error> {
    write_new(disk, copy, &contents.manifest, contents.records)
}

/// Lets each call fail while a copy is written, and then none; tells how many calls there are.
fn fail_each_call<T>(scratch: &Scratch, write: impl Fn(&Fragile, &Path) -> Result<T, Error>) -> usize {
    let copy = scratch.path("copy");
    let before = files(scratch);
    for fails_at in 1.. {
        let disk = Fragile::new(Event::Fails, fails_at);

        let result = write(&disk, &copy);

        let made = disk.calls().made;
        let Err(error) = result else {
            let mut after = files(scratch);
            assert!(after.remove(&copy).is_some() && after == before, "one file is new");
            assert_eq!(made.len(), fails_at - 1);
            return made.len();
        };
        assert!(is_full(&error, &copy), "call {fails_at}: {error:?}");
        assert_eq!(made.len(), fails_at, "nothing is done after a failure");
        assert!(files(scratch) == before, "call {fails_at}, {:?}: a failed copy leaves nothing", made.last());
    }
    unreachable!("some number is larger than that of the calls")
}

#[test]
fn whichever_call_of_a_merge_fails_nothing_is_left_and_the_next_one_goes_through() {
    let scratch = Scratch::new("copies-merge");
    let right = Undisturbed::new(&scratch, ITEMS, ITEMS);
    let shards: Vec<_> = (1..=3).map(|index| scratch.path(&format!("shard-{index}"))).collect();
    for (index, path) in (1..).zip(&shards) {
        let options = RunOptions { shard: Shard::new(index, 3).unwrap(), ..options() };
        run(&right.dataset, &Echo::new(), options, path).unwrap();
    }

    let whole = join(&System, &shards).unwrap();
    let calls = fail_each_call(&scratch, |disk, copy| write(disk, copy, whole.clone()));

    assert_eq!(calls, CALLS);
    assert!(fs::read(scratch.path("copy")).unwrap() == right.bytes);
    right.check(&scratch.path("copy"), "merged");
}

#[test]
fn whichever_call_of_a_canonical_copy_fails_nothing_is_left_and_the_next_one_goes_through() {
    let scratch = Scratch::new("copies-canonical");
    let right = Undisturbed::new(&scratch, ITEMS, ITEMS);
    let path = scratch.path("threads");
    run(&right.dataset, &Echo::new(), RunOptions { parallel: 4, ..options() }, &path).unwrap();
    let mut contents = read(&path).unwrap();
    contents.sort();

    let calls = fail_each_call(&scratch, |disk, copy| write(disk, copy, contents.clone()));

    assert_eq!(calls, CALLS);
    assert!(fs::read(scratch.path("copy")).unwrap() == right.bytes);
    right.check(&scratch.path("copy"), "canonical");
}

#[test]
fn whichever_call_of_a_repair_fails_nothing_is_left_and_the_next_one_goes_through() {
    let scratch = Scratch::new("copies-repair");
    let right = Undisturbed::new(&scratch, ITEMS, ITEMS);
    let path = scratch.path("damaged");
    let mut damaged = right.bytes.clone();
    damaged[ends(&right.bytes)[99] + 50] ^= 1;
    fs::write(&path, damaged).unwrap();
    assert!(matches!(read(&path), Err(Error::JournalCorrupt { .. })));

    let calls = fail_each_call(&scratch, |disk, copy| {
        let report = repair_on(disk, &path, copy)?;
        assert_eq!((report.kept, report.lost.len()), (ITEMS as u64 - 1, 1));
        Ok(report)
    });

    assert_eq!(calls, CALLS - 1);
    let copy = scratch.path("copy");
    let summary = run(&right.dataset, &Echo::new(), options(), &copy).unwrap();
    assert_eq!((summary.resumed, summary.made), (ITEMS as u64 - 1, 1));
    right.check(&copy, "repaired and resumed");
}

#[test]
fn a_copy_that_was_killed_before_is_written_anew() {
    let scratch = Scratch::new("copies-part");
    let right = Undisturbed::new(&scratch, 5, 5);
    let part = scratch.path("copy.part");
    fs::write(&part, [&right.bytes[..], b"and more than the copy has"].concat()).unwrap();

    write(&Fragile::whole(), &scratch.path("copy"), right.contents.clone()).unwrap();

    assert!(fs::read(scratch.path("copy")).unwrap() == right.bytes);
    assert!(!part.exists());
}

#[test]
fn of_many_merges_into_one_file_at_a_time_one_writes_it() {
    let scratch = Scratch::new("copies-race");
    let right = Undisturbed::new(&scratch, ITEMS, 5);
    let shards: Vec<_> = (1..=3).map(|index| scratch.path(&format!("shard-{index}"))).collect();
    for (index, path) in (1..).zip(&shards) {
        let options = RunOptions { shard: Shard::new(index, 3).unwrap(), ..options() };
        run(&right.dataset, &Echo::new(), options, path).unwrap();
    }
    let copy = scratch.path("copy");
    let mut before = files(&scratch);
    before.insert(copy.clone(), right.bytes.clone());
    for round in 0..20 {
        let _ = fs::remove_file(&copy);
        let start = Barrier::new(8);
        let results: Vec<_> = thread::scope(|scope| {
            let work = || {
                let whole = join(&System, &shards).unwrap();
                start.wait();
                write(&System, &copy, whole)
            };
            let merges: Vec<_> = (0..8).map(|_| scope.spawn(work)).collect();
            merges.into_iter().map(|merge| merge.join().unwrap()).collect()
        });

        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "round {round}: {results:?}");
        for error in results.iter().filter_map(|result| result.as_ref().err()) {
            let told = match error {
                Error::ResultsLocked { path, pid } => *path == copy && *pid == Some(std::process::id()),
                Error::File { path, source } => {
                    *path == copy && source.kind() == std::io::ErrorKind::AlreadyExists
                }
                _ => false,
            };
            assert!(told, "round {round}: {error:?}");
        }
        assert!(
            files(&scratch) == before,
            "round {round}: the copy is another one, or something else is left"
        );
    }
}

#[test]
fn a_copy_that_another_process_is_writing_is_refused_and_left_alone() {
    let scratch = Scratch::new("copies-locked");
    let right = Undisturbed::new(&scratch, 5, 5);
    let (copy, part) = (scratch.path("copy"), scratch.path("copy.part"));
    let other = fs::File::create(&part).unwrap();
    fs::write(&part, b"half").unwrap();
    other.lock().unwrap();

    let refused = write(&System, &copy, right.contents.clone()).unwrap_err();

    assert!(matches!(&refused, Error::ResultsLocked { path, .. } if *path == copy), "{refused:?}");
    assert_eq!((fs::read(&part).unwrap(), copy.exists()), (b"half".to_vec(), false));
    drop(other);
    write(&System, &copy, right.contents.clone()).unwrap();
    assert!(fs::read(&copy).unwrap() == right.bytes && !part.exists());
}
