//! Of many processes one writes a journal.
#![allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]

mod runs;

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Once,
    thread,
    time::Duration,
};

use rcmu_core::{Control, GenerateError};
use rcmu_eval::{
    Error, Reply,
    dataset::Dataset,
    journal::{self, Journal, Manifest, SyncPolicy},
    run::{Answerer, Asked, Run},
};
use runs::{Echo, Logged, Scratch, Undisturbed, dataset, options, run, times_asked};

/// Names the journal that a child process has to open.
const OPENS: &str = "RCMU_TEST_OPENS";
/// Names the folder in which a child process has to run.
const RUNS: &str = "RCMU_TEST_RUNS";
/// Items of that run.
const ITEMS: usize = 200;

fn manifest(dataset: &Dataset) -> Manifest {
    Run::new(dataset, &Echo::new(), options()).unwrap().manifest()
}

/// The child's side: opens the journal, says what came of it, and holds it until its input ends.
#[test]
fn child() {
    let Some(path) = std::env::var_os(OPENS).map(PathBuf::from) else { return };
    let contents = journal::read(&path).unwrap();
    let opened = Journal::open(&path, &contents.manifest, SyncPolicy::EachRecord);
    tell(opened.as_ref().map(|_| ()));
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// Says what came of opening a journal.
fn tell(opened: Result<(), &Error>) {
    let result = match opened {
        Ok(()) => "writer".to_owned(),
        Err(Error::ResultsLocked { pid, .. }) => format!("locked by {pid:?}"),
        Err(error) => format!("error: {error}"),
    };
    println!("\nRESULT {result}");
    std::io::stdout().flush().unwrap();
}

/// Says that it writes when it is first asked, and answers when its input has ended.
struct Gate {
    logged: Logged,
    first: Once,
}

impl Answerer for Gate {
    fn identity(&self) -> String {
        self.logged.identity()
    }

    fn answer(&self, asked: &Asked<'_>, control: &Control) -> Result<Option<Reply>, GenerateError> {
        self.first.call_once(|| {
            tell(Ok(()));
            std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
        });
        self.logged.answer(asked, control)
    }
}

/// The child's side: runs when it is told to, and says what came of it.
#[test]
fn running_child() {
    let Some(folder) = std::env::var_os(RUNS).map(PathBuf::from) else { return };
    let gate = Gate { logged: Logged::new(folder.join("asked")), first: Once::new() };
    let dataset = dataset(&folder, ITEMS);
    std::io::stdin().read_line(&mut String::new()).unwrap();
    if let Err(error) = run(&dataset, &gate, options(), &folder.join("run")) {
        tell(Err(&error));
    }
}

fn spawn(test: &str, variable: &str, path: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(variable, path);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

fn result(child: &mut Child) -> String {
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    let mut lines = lines.map_while(Result::ok);
    lines
        .find_map(|line| line.strip_prefix("RESULT ").map(str::to_owned))
        .expect("the child says what came of it")
}

/// Which of the children writes; the others have been told.
fn writer(children: &mut [Child]) -> usize {
    let results: Vec<_> = children.iter_mut().map(result).collect();
    let writer = results.iter().position(|result| result == "writer").expect("one process writes");
    let locked = format!("locked by Some({})", children[writer].id());
    for (at, result) in results.iter().enumerate() {
        assert!(at == writer || *result == locked, "{results:?}");
    }
    writer
}

#[test]
fn of_eight_processes_one_writes_and_the_others_are_told_which() {
    let scratch = Scratch::new("eight");
    let dataset = dataset(&scratch.path(""), 2);
    let path = scratch.path("run");
    run(&dataset, &Echo::new(), options(), &path).unwrap();

    let mut children: Vec<_> = (0..8).map(|_| spawn("child", OPENS, &path)).collect();
    let writer = writer(&mut children);

    // This process is refused too, until the writer is gone, whatever way it goes.
    assert!(matches!(
        Journal::open(&path, &manifest(&dataset), SyncPolicy::EachRecord),
        Err(Error::ResultsLocked { pid, .. }) if pid == Some(children[writer].id())
    ));
    assert_eq!(journal::read(&path).unwrap().records.len(), 2, "reading needs no lock");
    children[writer].kill().unwrap();
    for child in &mut children {
        drop(child.stdin.take());
        child.wait().unwrap();
    }
    assert_eq!(Journal::open(&path, &manifest(&dataset), SyncPolicy::EachRecord).unwrap().len(), 2);
}

#[test]
fn of_eight_processes_that_begin_a_run_at_once_one_asks_and_records() {
    let scratch = Scratch::new("eight-runs");
    let right = Undisturbed::new(&scratch, ITEMS, ITEMS);
    for round in 0..3 {
        let own = Scratch::new(&format!("eight-runs-{round}"));
        // The picture is there before they all want to write it.
        dataset(&own.path(""), ITEMS);
        let mut children: Vec<_> = (0..8).map(|_| spawn("running_child", RUNS, &own.path(""))).collect();

        for child in &mut children {
            child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
        }
        writer(&mut children);

        for child in &mut children {
            drop(child.stdin.take());
            assert!(child.wait().unwrap().success());
        }
        right.check(&own.path("run"), &format!("round {round}"));
        let times = times_asked(&own.path("asked"));
        assert!(times.len() == ITEMS && times.values().all(|times| *times == 1), "round {round}");
    }
}

#[test]
fn a_run_that_waits_for_a_repair_goes_on_in_the_repaired_journal() {
    let scratch = Scratch::new("waits-for-repair");
    let dataset = dataset(&scratch.path(""), 20);
    let path = scratch.path("run");
    // Two of the items, 5 and 15, get no text.
    run(&dataset, &Echo::new(), options(), &path).unwrap();

    let summary = thread::scope(|scope| {
        let mut waiting = None;
        let change = |from: &Path, to: &Path| {
            waiting = Some(scope.spawn(|| run(&dataset, &Echo::new(), options(), &path)));
            // The run opens the journal meanwhile, and waits until it is unlocked.
            thread::sleep(Duration::from_millis(100));
            journal::without_failures(from, to)
        };
        journal::in_place(&path, change).unwrap();
        waiting.expect("the journal was changed").join().unwrap().unwrap()
    });

    assert_eq!((summary.resumed, summary.made), (18, 2));
    assert_eq!(journal::read(&path).unwrap().missing(), 0);
}
