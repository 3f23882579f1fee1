//! Of many processes one writes a journal.
#![allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]

mod runs;

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rcmu_eval::{
    Error,
    dataset::Dataset,
    journal::{self, Journal, Manifest, SyncPolicy},
    run::Run,
};
use runs::{Echo, Scratch, dataset, options, run};

/// Names the journal that a child process has to open.
const OPENS: &str = "RCMU_TEST_OPENS";

fn manifest(dataset: &Dataset) -> Manifest {
    Run::new(dataset, &Echo::new(), options()).unwrap().manifest()
}

/// The child's side: opens the journal, says what came of it, and holds it until its input ends.
#[test]
fn child() {
    let Some(path) = std::env::var_os(OPENS).map(PathBuf::from) else { return };
    let contents = journal::read(&path).unwrap();
    let opened = Journal::open(&path, &contents.manifest, SyncPolicy::EachRecord);
    let result = match &opened {
        Ok(_) => "writer".to_owned(),
        Err(Error::ResultsLocked { pid, .. }) => format!("locked by {pid:?}"),
        Err(error) => format!("error: {error}"),
    };
    println!("\nRESULT {result}");
    std::io::stdout().flush().unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

fn opener(path: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["child", "--exact", "--nocapture", "--test-threads=1"]).env(OPENS, path);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

fn result(child: &mut Child) -> String {
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    let mut lines = lines.map_while(Result::ok);
    lines
        .find_map(|line| line.strip_prefix("RESULT ").map(str::to_owned))
        .expect("the child says what came of it")
}

#[test]
fn of_eight_processes_one_writes_and_the_others_are_told_which() {
    let scratch = Scratch::new("eight");
    let dataset = dataset(&scratch.path(""), 2);
    let path = scratch.path("run");
    run(&dataset, &Echo::new(), options(), &path).unwrap();

    let mut children: Vec<_> = (0..8).map(|_| opener(&path)).collect();
    let results: Vec<_> = children.iter_mut().map(result).collect();

    let writer = results.iter().position(|result| result == "writer").expect("one process writes");
    let locked = format!("locked by Some({})", children[writer].id());
    for (at, result) in results.iter().enumerate() {
        assert!(at == writer || *result == locked, "{results:?}");
    }
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
