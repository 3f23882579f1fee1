//! Every call that reads a journal fails once, or gives less than was asked for.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::faults::ends;
use crate::{
    Error,
    journal::{
        Contents, Journal, SyncPolicy,
        canonical::join,
        disk::{Disk, System},
        read::read_on,
        repair::repair_on,
    },
    run::{RunOptions, Shard},
    runs::{Echo, Scratch, Undisturbed, options, run},
};

const ITEMS: usize = 30;
/// The most bytes that one read gives: there are many reads even of a small journal.
const STEP: usize = 61;

/// What happens at one of the reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// It fails.
    Fails,
    /// It says that the file has ended.
    Ends,
    /// It gives one byte.
    IsShort,
    /// A signal comes, and it has to be tried again.
    IsInterrupted,
}

impl Event {
    /// Whether a reader can go on.
    const fn is_harmless(self) -> bool {
        matches!(self, Self::IsShort | Self::IsInterrupted)
    }
}

/// A disk that counts the calls by which it is read, opening and asking for a length too, and at one of them something
/// happens.
#[derive(Clone, Debug)]
struct Flaky {
    event: Event,
    at: usize,
    calls: Arc<AtomicUsize>,
}

impl Flaky {
    fn new(event: Event, at: usize) -> Self {
        Self { event, at, calls: Arc::default() }
    }

    /// Whether this is the call.
    fn is_it(&self) -> bool {
        self.calls.fetch_add(1, Ordering::SeqCst) + 1 == self.at
    }

    /// Whether so many calls were made that it happened.
    fn has_happened(&self) -> bool {
        self.calls.load(Ordering::SeqCst) >= self.at
    }

    fn whole<T>(&self, call: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        // Opening and asking for a length give no bytes: they can fail, and nothing else.
        if self.is_it() && self.event == Event::Fails { Err(failure()) } else { call() }
    }
}

fn failure() -> io::Error {
    // EIO: no kind of errors in the library is this one, so that nothing else is taken for it.
    io::Error::from_raw_os_error(5)
}

impl Disk for Flaky {
    fn open_to_read(&self, path: &Path) -> io::Result<File> {
        self.whole(|| System.open_to_read(path))
    }

    fn len(&self, file: &File) -> io::Result<u64> {
        self.whole(|| System.len(file))
    }

    fn read(&self, file: &File, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(STEP);
        match (self.is_it(), self.event) {
            (true, Event::Fails) => Err(failure()),
            (true, Event::Ends) => Ok(0),
            (true, Event::IsShort) => System.read(file, &mut buffer[..1]),
            (true, Event::IsInterrupted) => Err(io::ErrorKind::Interrupted.into()),
            (false, _) => System.read(file, &mut buffer[..most]),
        }
    }
}

/// Whether the error names one of these files, and what happened to it.
fn is_told(error: &Error, event: Event, files: &[PathBuf]) -> bool {
    let Error::File { path, source } = error else { return false };
    let is_it = match event {
        Event::Ends => source.kind() == io::ErrorKind::UnexpectedEof,
        _ => source.raw_os_error() == Some(5),
    };
    is_it && files.contains(path)
}

/// Lets something happen at each read of these files in turn: the result is the right one, or the error tells what
/// happened, and no file is changed. Gives the number of reads.
fn disturb_each_read<T: PartialEq>(
    files: &[PathBuf],
    right: &T,
    work: impl Fn(&Flaky) -> Result<T, Error>,
) -> usize {
    let before: Vec<_> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    let mut reads = 0;
    for event in [Event::Fails, Event::Ends, Event::IsShort, Event::IsInterrupted] {
        for at in 1.. {
            let disk = Flaky::new(event, at);

            let result = work(&disk);

            let place = format!("{event:?} at read {at} of {}", files[0].display());
            match result {
                Ok(found) => assert!(found == *right, "{place}: another result"),
                Err(error) => {
                    assert!(!event.is_harmless(), "{place}: {error:?}");
                    assert!(is_told(&error, event, files), "{place}: {error:?}");
                }
            }
            for (file, before) in files.iter().zip(&before) {
                assert!(fs::read(file).unwrap() == *before, "{place}: a file is another one");
            }
            if !disk.has_happened() {
                reads = at - 1;
                break;
            }
        }
    }
    reads
}

/// Journals of one run: whole, torn within a record, torn and filled with zeros, torn within the manifest.
fn journals(scratch: &Scratch, right: &Undisturbed) -> [PathBuf; 4] {
    let ends = ends(&right.bytes);
    let torn = &right.bytes[..ends[(ends.len() - 1) / 2] + 50];
    let journals = [
        ("whole", right.bytes.clone()),
        ("torn", torn.to_vec()),
        ("zeros", [torn, &[0; 5000]].concat()),
        ("manifest", right.bytes[..ends[0] - 9].to_vec()),
    ];
    journals.map(|(name, bytes)| {
        let path = scratch.path(name);
        fs::write(&path, bytes).unwrap();
        path
    })
}

#[test]
fn whichever_read_of_a_journal_is_disturbed_the_contents_are_right_or_there_are_none() {
    let scratch = Scratch::new("reads-read");
    let right = Undisturbed::new(&scratch, ITEMS, ITEMS);
    let [whole, torn, zeros, _] = journals(&scratch, &right);

    for path in [whole, torn, zeros] {
        let undisturbed = read_on(&System, &path).unwrap();
        let reads = disturb_each_read(std::slice::from_ref(&path), &undisturbed, |disk| read_on(disk, &path));

        // Open, length, all bytes.
        let bytes = fs::metadata(&path).unwrap().len() as usize;
        assert!(reads >= 2 + bytes / STEP, "{reads} reads of {bytes} bytes");
    }
}

#[test]
fn whichever_read_while_a_journal_is_opened_is_disturbed_nothing_is_cut_and_the_next_run_finishes_it() {
    let scratch = Scratch::new("reads-open");
    // After each disturbance a run finishes the journal: few items do.
    let right = Undisturbed::new(&scratch, 6, 6);
    for path in journals(&scratch, &right) {
        let bytes = fs::read(&path).unwrap();
        for event in [Event::Fails, Event::Ends, Event::IsShort, Event::IsInterrupted] {
            for at in 1.. {
                fs::write(&path, &bytes).unwrap();
                let disk = Flaky::new(event, at);
                let place = format!("{event:?} at read {at} of {}", path.display());
                let (own, manifest) = (Box::new(disk.clone()), &right.contents.manifest);

                let opened = Journal::open_on(own, &path, manifest, SyncPolicy::EachRecord);

                match opened {
                    Ok(journal) => {
                        let expected = read_on(&System, &path).unwrap().records.len();
                        assert_eq!(journal.len(), expected, "{place}");
                    }
                    Err(error) => {
                        assert!(!event.is_harmless(), "{place}: {error:?}");
                        assert!(is_told(&error, event, std::slice::from_ref(&path)), "{place}: {error:?}");
                        assert!(fs::read(&path).unwrap() == bytes, "{place}: the journal is another one");
                    }
                }
                run(&right.dataset, &Echo::new(), quick(), &path).unwrap();
                assert!(fs::read(&path).unwrap() == right.bytes, "{place}: answers are lost");
                if !disk.has_happened() {
                    break;
                }
            }
        }
    }
}

/// A run that does not wait for the disk.
fn quick() -> RunOptions {
    RunOptions { sync: SyncPolicy::Batch(1000.try_into().unwrap()), ..options() }
}

#[test]
fn whichever_read_of_a_merge_is_disturbed_the_whole_is_right_or_there_is_none() {
    let scratch = Scratch::new("reads-merge");
    let right = Undisturbed::new(&scratch, ITEMS, ITEMS);
    let shards: Vec<_> = (1..=3).map(|index| scratch.path(&format!("shard-{index}"))).collect();
    for (index, path) in (1..).zip(&shards) {
        let options = RunOptions { shard: Shard::new(index, 3).unwrap(), ..quick() };
        run(&right.dataset, &Echo::new(), options, path).unwrap();
    }

    let reads = disturb_each_read(&shards, &right.contents, |disk| join(disk, &shards));

    assert!(reads > right.bytes.len() / STEP, "{reads}");
}

#[test]
fn whichever_read_of_a_repair_is_disturbed_no_record_is_given_up() {
    let scratch = Scratch::new("reads-repair");
    let right = Undisturbed::new(&scratch, ITEMS, ITEMS);
    let (path, copy) = (scratch.path("damaged"), scratch.path("copy"));
    let mut damaged = right.bytes.clone();
    damaged[ends(&right.bytes)[9] + 50] ^= 1;
    fs::write(&path, damaged).unwrap();
    let repaired = |disk: &dyn Disk| {
        let _ = fs::remove_file(&copy);
        let report = repair_on(disk, &path, &copy);
        assert_eq!(report.is_ok(), copy.exists());
        report.map(|report| (report, fs::read(&copy).unwrap()))
    };
    let undisturbed = repaired(&System).unwrap();
    assert_eq!((undisturbed.0.kept, undisturbed.0.lost.len()), (ITEMS as u64 - 1, 1));

    let reads = disturb_each_read(std::slice::from_ref(&path), &undisturbed, |disk| repaired(disk));

    assert!(reads > right.bytes.len() / STEP, "{reads}");
}

#[test]
fn damage_with_zeros_and_good_records_behind_it_is_no_torn_tail_whichever_read_is_disturbed() {
    let scratch = Scratch::new("reads-zeros");
    let right = Undisturbed::new(&scratch, ITEMS, ITEMS);
    let path = scratch.path("damaged");
    let ends = ends(&right.bytes);
    // A record whose payload is zeros, as after a power cut, with all later records behind it.
    let mut damaged = right.bytes.clone();
    damaged[ends[4] + 12..ends[5]].fill(0);
    fs::write(&path, damaged).unwrap();

    for event in [Event::Fails, Event::Ends, Event::IsShort, Event::IsInterrupted] {
        for at in 1.. {
            let disk = Flaky::new(event, at);

            let result: Result<Contents, Error> = read_on(&disk, &path);

            let error = result.expect_err("it is damaged");
            let is_damage = matches!(error, Error::JournalCorrupt { offset, .. } if offset == ends[4] as u64);
            let told = !event.is_harmless() && is_told(&error, event, std::slice::from_ref(&path));
            assert!(is_damage || told, "{event:?} at read {at}: {error:?}");
            if !disk.has_happened() {
                assert!(is_damage && at > ends[4] / STEP, "{event:?}");
                break;
            }
        }
    }
}
