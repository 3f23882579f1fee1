//! What the cache holds, and what is asked of the hub when it does.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use super::{
    folder::{Folder, names_in},
    server::{COMMIT, REPO, Reply, Server, checkpoint, hub, part, path_and_start},
};
use crate::hub::{HubError, Network, Progress, fetch};

/// The files of the scripted checkpoint that a call brings.
const EXPECTED: [&str; 4] =
    ["config.json", "model.safetensors", "preprocessor_config.json", "tokenizer.json"];

#[test]
fn a_checkpoint_is_downloaded_once_and_then_read_from_the_cache() {
    let files = checkpoint();
    let (served, weights) = (files.clone(), files["model.safetensors"].clone());
    let store = Server::start(move |head| part(&weights, path_and_start(head).1));
    let elsewhere = store.address.clone();
    let server = Server::start(move |head| hub(&served, Some(&elsewhere), head));
    let folder = Folder::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let mut options = folder.options(&server.address);
    options.progress = Some(Arc::new(move |progress: Progress<'_>| {
        log.lock().unwrap().push((progress.file.to_owned(), progress.bytes_done, progress.bytes_total));
    }));

    let snapshot = fetch(REPO, &options).unwrap();

    assert!(snapshot.ends_with(format!("models--owner--tiny/snapshots/{COMMIT}")));
    assert_eq!(names_in(&snapshot), EXPECTED);
    for name in EXPECTED {
        assert_eq!(fs::read(snapshot.join(name)).unwrap(), files[name], "{name}");
    }
    let last = seen.lock().unwrap().last().cloned();
    assert_eq!(last, Some(("model.safetensors".to_owned(), 100_000, Some(100_000))));

    let asked = server.requests().len() + store.requests().len();
    assert_eq!(fetch(REPO, &options).unwrap(), snapshot);
    options.network = Network::Never;
    assert_eq!(fetch(REPO, &options).unwrap(), snapshot);
    options.revision = COMMIT.to_owned();
    assert_eq!(fetch(REPO, &options).unwrap(), snapshot);
    assert_eq!(server.requests().len() + store.requests().len(), asked);

    options.network = Network::Always;
    options.revision = "main".to_owned();
    assert_eq!(fetch(REPO, &options).unwrap(), snapshot);
    assert_eq!(server.requests().len() + store.requests().len(), asked + 1);
}

#[test]
fn a_branch_that_moves_to_what_cannot_be_fetched_stays_where_it_was() {
    let moved = Arc::new(AtomicU32::new(0));
    let served = Arc::clone(&moved);
    let server = Server::start(move |head| {
        if served.load(Ordering::Relaxed) > 0 && head.contains("/revision/main") {
            // A commit without files.
            let commit = "f".repeat(40);
            return Reply::new(200).body(format!(r#"{{"sha": "{commit}", "siblings": []}}"#).as_bytes());
        }
        hub(&checkpoint(), None, head)
    });
    let folder = Folder::new();
    let mut options = folder.options(&server.address);
    options.retries = 0;
    let snapshot = fetch(REPO, &options).unwrap();
    moved.store(1, Ordering::Relaxed);
    options.network = Network::Always;
    let failed = fetch(REPO, &options);

    options.network = Network::Never;
    assert!(failed.is_err(), "{failed:?}");
    assert_eq!(fetch(REPO, &options).unwrap(), snapshot);
}

#[test]
fn a_later_call_uses_what_an_earlier_one_left() {
    let server = Server::start(move |head| {
        let mut reply = hub(&checkpoint(), None, head);
        let first = !head.contains("range: bytes=30000-");
        if head.contains("model.safetensors") && head.starts_with("get") && first {
            reply.cut = Some(30_000);
        }
        reply
    });
    let folder = Folder::new();
    let mut options = folder.options(&server.address);
    options.retries = 0;

    assert!(matches!(fetch(REPO, &options), Err(HubError::Transport { .. })));
    options.network = Network::Never;
    let error = fetch(REPO, &options).unwrap_err();
    assert!(matches!(error, HubError::NotCached { missing, .. } if missing == ["model.safetensors"]));
    options.network = Network::WhenNeeded;
    let snapshot = fetch(REPO, &options).unwrap();

    assert_eq!(fs::metadata(snapshot.join("model.safetensors")).unwrap().len(), 100_000);
    assert_eq!(server.count(&format!("get /{REPO}/resolve/{COMMIT}/config.json")), 1);
}

#[test]
fn without_network_an_empty_cache_is_an_error() {
    let folder = Folder::new();
    let mut options = folder.options("http://127.0.0.1:1");
    options.network = Network::Never;

    let error = fetch(REPO, &options).unwrap_err();

    assert!(matches!(error, HubError::NotCached { missing, .. } if missing == ["main"]));
    assert!(!folder.0.exists(), "nothing is written");
}

#[test]
fn two_calls_at_once_make_one_whole_file() {
    let server = Server::start(|head| hub(&checkpoint(), None, head));
    let folder = Folder::new();
    let options = folder.options(&server.address);

    let snapshots: Vec<PathBuf> = thread::scope(|scope| {
        let calls: Vec<_> = (0..4).map(|_| scope.spawn(|| fetch(REPO, &options).unwrap())).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });

    for snapshot in snapshots {
        assert_eq!(fs::read(snapshot.join("model.safetensors")).unwrap(), checkpoint()["model.safetensors"]);
    }
    let repo = folder.0.join("models--owner--tiny");
    assert_eq!(names_in(&repo.join("refs")), ["main"]);
    assert_eq!(names_in(&repo.join("snapshots").join(COMMIT)), EXPECTED);
    assert!(!names_in(&repo.join("blobs")).iter().any(|name| name.ends_with("incomplete")));
}

/// A snapshot as another client leaves it that was asked for these files only.
fn fill(folder: &Folder, files: &[&str]) -> PathBuf {
    let repo = folder.0.join("models--owner--tiny");
    let snapshot = repo.join("snapshots").join(COMMIT);
    fs::create_dir_all(repo.join("refs")).unwrap();
    fs::create_dir_all(&snapshot).unwrap();
    fs::write(repo.join("refs/main"), COMMIT).unwrap();
    for file in files {
        fs::write(snapshot.join(file), &checkpoint()[file]).unwrap();
    }
    snapshot
}

#[test]
fn optional_files_that_another_client_left_out_are_fetched() {
    let server = Server::start(|head| hub(&checkpoint(), None, head));
    let folder = Folder::new();
    let snapshot = fill(&folder, &["config.json", "tokenizer.json", "model.safetensors"]);
    let mut options = folder.options(&server.address);

    options.network = Network::Never;
    assert_eq!(fetch(REPO, &options).unwrap(), snapshot);
    options.network = Network::WhenNeeded;
    assert_eq!(fetch(REPO, &options).unwrap(), snapshot);

    assert_eq!(names_in(&snapshot), EXPECTED);
    assert_eq!(
        fs::read(snapshot.join("preprocessor_config.json")).unwrap(),
        checkpoint()["preprocessor_config.json"]
    );
    let asked = server.requests().len();
    assert_eq!(server.count(&format!("get /api/models/{REPO}/revision/{COMMIT} ")), 1);
    assert_eq!(fetch(REPO, &options).unwrap(), snapshot);
    assert_eq!(server.requests().len(), asked, "what is not there has been remembered");
}

#[test]
fn a_file_that_another_client_has_looked_for_in_vain_is_not_asked_for() {
    let folder = Folder::new();
    let snapshot = fill(&folder, &EXPECTED);
    let lacking = folder.0.join("models--owner--tiny/.no_exist").join(COMMIT);
    fs::create_dir_all(&lacking).unwrap();
    for file in [
        "generation_config.json",
        "processor_config.json",
        "video_preprocessor_config.json",
        "tokenizer_config.json",
        "chat_template.json",
        "chat_template.jinja",
    ] {
        fs::write(lacking.join(file), "").unwrap();
    }

    // Nobody answers there.
    assert_eq!(fetch(REPO, &folder.options("http://127.0.0.1:1")).unwrap(), snapshot);
}

#[test]
fn without_a_network_what_another_client_has_fetched_is_used() {
    let folder = Folder::new();
    let snapshot = fill(&folder, &["config.json", "tokenizer.json", "model.safetensors"]);

    // Nobody answers there.
    assert_eq!(fetch(REPO, &folder.options("http://127.0.0.1:1")).unwrap(), snapshot);
}

#[test]
fn optional_files_that_cannot_be_asked_for_are_no_defaults() {
    let server = Server::start(|_| Reply::new(403));
    let folder = Folder::new();
    fill(&folder, &["config.json", "tokenizer.json", "model.safetensors"]);

    let result = fetch(REPO, &folder.options(&server.address));

    assert!(matches!(result, Err(HubError::Status { status: 403, .. })), "{result:?}");
}
