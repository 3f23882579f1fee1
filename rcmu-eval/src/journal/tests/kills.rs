//! A process is killed at every call that writes a journal.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
};

use super::{
    disks::{Event, Fragile, STOPPED},
    faults::ends,
};
use crate::{
    journal::{Journal, SyncPolicy, TornTail, canonical::join, disk::System, merge, new_file::write_new},
    run::{Run, RunOptions, RunSummary, Shard},
    runs::{Echo, Logged, Scratch, Undisturbed, dataset, is_kill, options, run, times_asked},
};

const ITEMS: usize = 200;
/// How many items the reports show; the others are in their sums.
const SHOWN: usize = 10;

/// What a child process does, where, and what happens to it.
const JOB: &str = "RCMU_TEST_JOB";
const FOLDER: &str = "RCMU_TEST_FOLDER";
const STOPS: &str = "RCMU_TEST_STOPS";

/// The child's side: does its job until it comes to where it is to be killed.
#[test]
fn child() {
    let Some(folder) = env::var_os(FOLDER).map(PathBuf::from) else { return };
    let stops = env::var(STOPS).unwrap();
    let mut stops = stops.split(' ');
    let event = if stops.next() == Some("within") { Event::StopsWithin } else { Event::StopsAfter };
    let counted = stops.next();
    let at = stops.next().unwrap().parse().unwrap();
    let disk = if counted == Some("write") { Fragile::at_write(event, at) } else { Fragile::new(event, at) };
    if env::var(JOB).unwrap() == "merge" {
        let shards = ["shard-1", "shard-2"].map(|name| folder.join(name));
        let whole = join(&System, &shards).unwrap();
        write_new(&disk, &folder.join("run"), &whole.manifest, whole.records).unwrap();
        return;
    }
    let dataset = dataset(&folder, ITEMS);
    let logged = Logged::new(folder.join("asked"));
    let run = Run::new(&dataset, &logged, options()).unwrap();
    let (path, manifest) = (folder.join("run"), run.manifest());
    let journal = Journal::open_on(Box::new(disk), &path, &manifest, SyncPolicy::EachRecord).unwrap();
    run.fill(journal, &manifest).unwrap();
}

/// Starts a child, kills it when it has stopped, and tells whether it was killed.
fn is_killed(scratch: &Scratch, job: &str, stops: &str) -> bool {
    let name = format!("{}::child", module_path!().split_once("::").unwrap().1);
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([&name, "--exact", "--nocapture", "--test-threads=1"]);
    command.env(FOLDER, scratch.path("")).env(JOB, job).env(STOPS, stops);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let stopped = lines.any(|line| line == STOPPED);
    if stopped {
        child.kill().unwrap();
    }
    let status = child.wait().unwrap();
    assert!(if stopped { is_kill(status) } else { status.success() }, "{stops}: {status}");
    stopped
}

/// Goes on with what a killed process left, on the real disk.
fn resume(scratch: &Scratch, right: &Undisturbed) -> RunSummary {
    let logged = Logged::new(scratch.path("asked"));
    let sync = SyncPolicy::Batch(1000.try_into().unwrap());
    run(&right.dataset, &logged, RunOptions { sync, ..options() }, &scratch.path("run")).unwrap()
}

/// Checks the journal, the report, and which items were asked twice.
fn check(scratch: &Scratch, right: &Undisturbed, place: &str, twice: Option<&str>) {
    let path = scratch.path("run");
    assert!(fs::read(&path).unwrap() == right.bytes, "{place}: the journal is another one");
    right.check(&path, place);
    let times = times_asked(&scratch.path("asked"));
    assert_eq!(times.len(), right.dataset.items().len(), "{place}");
    let again = times.iter().filter(|(_, times)| **times != 1);
    let again: Vec<_> = again.map(|(item, times)| (item.as_str(), *times)).collect();
    let expected: Vec<_> = twice.iter().map(|item| (*item, 2)).collect();
    assert_eq!(again, expected, "{place}: asked more than once");
}

/// Kills a run at each of its writes, each time from its beginning; tells how many there are.
fn kill_at_each_write(name: &str, event: Event) -> usize {
    let scratch = Scratch::new(name);
    let right = Undisturbed::new(&scratch, ITEMS, SHOWN);
    let ends = ends(&right.bytes);
    let path = scratch.path("run");
    let when = if event == Event::StopsWithin { "within" } else { "after" };
    for write in 1.. {
        let _ = (fs::remove_file(&path), fs::remove_file(scratch.path("asked")));
        if !is_killed(&scratch, "run", &format!("{when} write {write}")) {
            check(&scratch, &right, "finished", None);
            return write - 1;
        }
        let place = format!("{when} write {write}");
        let left = fs::read(&path).unwrap();
        let whole = if event == Event::StopsWithin { write - 1 } else { write };
        let good = if whole == 0 { 0 } else { ends[whole - 1] };
        assert!(right.bytes.starts_with(&left), "{place}: the journal is damaged");
        assert!(left.len() >= good && left.len() < ends.get(whole).copied().unwrap_or(good + 1), "{place}");

        let summary = resume(&scratch, &right);

        let records = whole.saturating_sub(1);
        assert_eq!((summary.resumed, summary.made), (records as u64, (ITEMS - records) as u64), "{place}");
        let torn = TornTail { offset: good as u64, bytes: (left.len() - good) as u64 };
        assert_eq!(summary.torn, (event == Event::StopsWithin).then_some(torn), "{place}");
        // The item whose record was being written is asked again, and no other.
        let twice = (event == Event::StopsWithin && write > 1).then(|| format!("item-{}", write - 2));
        check(&scratch, &right, &place, twice.as_deref());
    }
    unreachable!("some number is larger than that of the writes")
}

#[test]
fn a_run_killed_after_any_write_loses_nothing_and_asks_nothing_again() {
    assert_eq!(kill_at_each_write("kills-after", Event::StopsAfter), 1 + ITEMS);
}

#[test]
fn a_run_killed_within_any_write_loses_nothing_and_asks_one_item_again() {
    assert_eq!(kill_at_each_write("kills-within", Event::StopsWithin), 1 + ITEMS);
}

#[test]
fn a_run_killed_at_any_call_while_it_takes_up_a_journal_loses_nothing() {
    let scratch = Scratch::new("kills-opening");
    let right = Undisturbed::new(&scratch, ITEMS, SHOWN);
    let ends = ends(&right.bytes);
    let path = scratch.path("run");
    let records = 120;
    // Torn within a record, torn within the manifest, and not there.
    for (left, calls) in [(ends[records] + 99, 4), (ends[0] - 9, 5), (0, 5)] {
        for (call, when) in (1..=calls).flat_map(|call| [(call, "within"), (call, "after")]) {
            let _ = (fs::remove_file(&path), fs::remove_file(scratch.path("asked")));
            if left > 0 {
                fs::write(&path, &right.bytes[..left]).unwrap();
            }
            assert!(is_killed(&scratch, "run", &format!("{when} call {call}")));

            let summary = resume(&scratch, &right);

            let place = format!("{left} bytes, {when} call {call}");
            let resumed = if left > ends[0] { records } else { 0 };
            assert_eq!(summary.resumed, resumed as u64, "{place}");
            right.check(&path, &place);
            let asked = times_asked(&scratch.path("asked"));
            assert!(asked.len() == ITEMS - resumed && asked.values().all(|times| *times == 1), "{place}");
        }
    }
}

#[test]
fn a_merge_killed_at_any_call_leaves_nothing_or_the_whole_journal() {
    let scratch = Scratch::new("kills-merge");
    let items = 10;
    let right = Undisturbed::new(&scratch, items, items);
    let shards = ["shard-1", "shard-2"].map(|name| scratch.path(name));
    for (index, path) in (1..).zip(&shards) {
        let options = RunOptions { shard: Shard::new(index, 2).unwrap(), ..options() };
        run(&right.dataset, &Echo::new(), options, path).unwrap();
    }
    let path = scratch.path("run");
    let mut kills = 0;
    for (call, when) in (1..).flat_map(|call| [(call, "within"), (call, "after")]) {
        let _ = fs::remove_file(&path);
        if !is_killed(&scratch, "merge", &format!("{when} call {call}")) {
            break;
        }
        kills += 1;
        if !path.exists() {
            merge(&shards, &path).unwrap();
        }
        assert!(fs::read(&path).unwrap() == right.bytes, "{when} call {call}");
        right.check(&path, &format!("{when} call {call}"));
    }
    // Open, cut, write the manifest, write each record, flush, rename, flush the name.
    assert_eq!(kills, 2 * (6 + items));
}
