//! Downloads from a scripted hub on this machine.

mod cache;
mod folder;
mod server;

use std::{
    fs,
    net::TcpListener,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use folder::Folder;
use server::{COMMIT, REPO, Reply, Server, checkpoint, hub, part, path_and_start, sharded};

use super::*;

const SECRET: &str = "hf_secret";

#[test]
fn the_token_stays_with_the_hub() {
    let files = checkpoint();
    let weights = files["model.safetensors"].clone();
    let store = Server::start(move |head| part(&weights, path_and_start(head).1));
    let elsewhere = store.address.clone();
    let server = Server::start(move |head| hub(&files, Some(&elsewhere), head));
    let folder = Folder::new();
    let mut options = folder.options(&server.address);
    options.token = Some(Token::new(SECRET));

    fetch(REPO, &options).unwrap();

    assert!(server.requests().iter().all(|head| head.contains("authorization: bearer hf_secret")));
    assert_eq!(store.count("get /model.safetensors"), 1);
    assert!(!store.requests().iter().any(|head| head.contains("authorization") || head.contains(SECRET)));
}

#[test]
fn errors_and_options_do_not_show_secrets() {
    let server = Server::start(|_| Reply::new(401));
    let store = Server::start(|_| Reply::new(403));
    let elsewhere = store.address.clone();
    let redirecting = Server::start(move |head| hub(&checkpoint(), Some(&elsewhere), head));
    let folder = Folder::new();

    for address in [&server.address, &redirecting.address] {
        let mut options = folder.options(address);
        options.token = Some(Token::new(SECRET));
        let error = fetch(REPO, &options).unwrap_err();

        let shown = format!("{error} {error:?} {options:?}");
        assert!(matches!(error, HubError::Status { status: 401 | 403, .. }), "{error}");
        assert!(!shown.contains(SECRET) && !shown.contains("s3cret"), "{shown}");
    }
    assert_eq!(server.requests().len(), 1, "a refusal is not tried again");
}

#[test]
fn a_token_is_not_sent_in_the_clear() {
    let folder = Folder::new();
    let mut options = folder.options("http://hub.example");
    options.token = Some(Token::new(SECRET));
    assert!(matches!(fetch(REPO, &options), Err(HubError::Endpoint { .. })));

    options.endpoint = "https://hub.example".to_owned();
    options.token = Some(Token::new("a\r\nb: c"));
    assert!(matches!(fetch(REPO, &options), Err(HubError::Token)));

    for endpoint in
        ["hub.example", "ftp://hub.example", "https://user:pass@hub.example", "https://a b", "https://a?b"]
    {
        let error = fetch(REPO, &folder.options(endpoint)).unwrap_err();
        assert!(matches!(error, HubError::Endpoint { .. }), "{endpoint}");
        assert!(!error.to_string().contains("pass@"));
    }
}

#[test]
fn a_cut_download_goes_on_where_it_stopped() {
    let files = checkpoint();
    let cuts = AtomicU32::new(0);
    let server = Server::start(move |head| {
        let mut reply = hub(&files, None, head);
        if head.contains("model.safetensors") && head.starts_with("get") {
            // Two attempts of three are cut.
            reply.cut = (cuts.fetch_add(1, Ordering::Relaxed) < 2).then_some(40_000);
        }
        reply
    });
    let folder = Folder::new();

    let snapshot = fetch(REPO, &folder.options(&server.address)).unwrap();

    assert_eq!(fs::read(snapshot.join("model.safetensors")).unwrap(), checkpoint()["model.safetensors"]);
    let starts: Vec<_> = server
        .requests()
        .iter()
        .filter(|head| head.starts_with("get") && head.contains("model.safetensors"))
        .map(|head| path_and_start(head).1)
        .collect();
    assert_eq!(starts, [0, 40_000, 80_000]);
}

#[test]
fn shards_are_downloaded_by_the_index() {
    let map = r#"{"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors",
                  "c": "model-00001-of-00002.safetensors"}"#;
    let server = Server::start(move |head| hub(&sharded(map), None, head));
    let folder = Folder::new();

    let snapshot = fetch(REPO, &folder.options(&server.address)).unwrap();

    assert_eq!(fs::read(snapshot.join("model-00001-of-00002.safetensors")).unwrap(), vec![1; 1000]);
    assert_eq!(fs::read(snapshot.join("model-00002-of-00002.safetensors")).unwrap(), vec![2; 2000]);
    assert_eq!(server.count(&format!("get /{REPO}/resolve/{COMMIT}/model-00001-of-00002")), 1);
}

#[test]
fn shards_with_hostile_names_are_refused() {
    for name in [
        "../x.safetensors",
        "/etc/x.safetensors",
        "a/b.safetensors",
        "pytorch_model.bin",
        ".safetensors",
        "a\\\\b.safetensors",
        "x.safetensors?y",
    ] {
        let map = format!("{{\"a\": \"{name}\"}}");
        let server = Server::start(move |head| hub(&sharded(&map), None, head));
        let folder = Folder::new();

        let error = fetch(REPO, &folder.options(&server.address)).unwrap_err();

        assert!(matches!(error, HubError::UnsafeName { .. }), "{name}: {error}");
        assert_eq!(server.count(&format!("get /{REPO}/resolve/{COMMIT}/model-")), 0);
    }
}

#[test]
fn missing_files_are_named() {
    for file in ["config.json", "tokenizer.json", "model.safetensors", "model-00003.safetensors"] {
        let mut files = if file.starts_with("model-") {
            sharded("{\"a\": \"model-00003.safetensors\"}")
        } else {
            checkpoint()
        };
        files.remove(file);
        files.remove("vocab.json");
        let server = Server::start(move |head| hub(&files, None, head));
        let folder = Folder::new();

        let error = fetch(REPO, &folder.options(&server.address)).unwrap_err();

        assert!(matches!(&error, HubError::MissingFile { file: named, .. } if named == file), "{error}");
    }
}

#[test]
fn a_damaged_download_is_refused_and_not_kept() {
    let store = Server::start(|_| Reply::new(200).body(&vec![9; 100_000]));
    let elsewhere = store.address.clone();
    let server = Server::start(move |head| hub(&checkpoint(), Some(&elsewhere), head));
    let folder = Folder::new();

    let error = fetch(REPO, &folder.options(&server.address)).unwrap_err();

    assert!(matches!(&error, HubError::Corrupt { file, .. } if file == "model.safetensors"), "{error}");
    let snapshot = folder.0.join("models--owner--tiny/snapshots").join(COMMIT);
    assert!(!snapshot.join("model.safetensors").exists());
}

#[test]
fn a_download_longer_than_announced_is_refused() {
    let store = Server::start(|_| Reply::new(200).body(&vec![9; 100_001]));
    let elsewhere = store.address.clone();
    let server = Server::start(move |head| hub(&checkpoint(), Some(&elsewhere), head));
    let folder = Folder::new();

    let error = fetch(REPO, &folder.options(&server.address)).unwrap_err();

    assert!(
        matches!(&error, HubError::Corrupt { problem, .. } if problem == "more than 100000 bytes"),
        "{error}"
    );
}

#[test]
fn passing_faults_are_tried_again_a_limited_number_of_times() {
    for status in [429, 500, 502, 503, 504] {
        let server = Server::start(move |_| Reply::new(status).header("retry-after", "0"));
        let folder = Folder::new();

        let error = fetch(REPO, &folder.options(&server.address)).unwrap_err();

        assert!(matches!(error, HubError::Status { status: found, .. } if found == status));
        assert_eq!(server.requests().len(), 3, "one attempt and two more");
    }
}

#[test]
fn a_silent_hub_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = Folder::new();
    let mut options = folder.options(&format!("http://{}", listener.local_addr().unwrap()));
    options.timeout = Duration::from_millis(100);

    assert!(matches!(fetch(REPO, &options), Err(HubError::Transport { .. })));
}

#[test]
fn answers_that_make_no_sense_are_refused() {
    let listing = |sha: &str| format!("{{\"sha\": \"{sha}\", \"siblings\": []}}");
    let bodies =
        ["", "[]", "<html>", &listing("../../x"), &listing(""), &"[".repeat(100_000)].map(str::to_owned);
    for body in bodies {
        let server = Server::start(move |_| Reply::new(200).body(body.as_bytes()));
        let folder = Folder::new();

        assert!(matches!(fetch(REPO, &folder.options(&server.address)), Err(HubError::Response { .. })));
    }
}

#[test]
fn hashes_that_could_leave_the_cache_are_refused() {
    for etag in ["\"../../x\"", "\"\"", "\"..\"", "\"a/b\"", "\"a.incomplete\""] {
        let server = Server::start(move |head| {
            let mut reply = hub(&checkpoint(), None, head);
            reply.headers.retain(|(name, _)| name != "etag");
            reply.header("etag", etag)
        });
        let folder = Folder::new();

        let error = fetch(REPO, &folder.options(&server.address)).unwrap_err();
        assert!(matches!(error, HubError::Response { .. }), "{etag}: {error}");
    }
}

#[test]
fn redirects_are_followed_within_limits() {
    let folder = Folder::new();
    for location in
        ["/again", "file:///etc/passwd", "http://user@127.0.0.1/", "http:\\\\127.0.0.1", "relative", ""]
    {
        let server = Server::start(move |_| Reply::new(307).header("location", location));

        let error = fetch(REPO, &folder.options(&server.address)).unwrap_err();

        assert!(matches!(error, HubError::Response { .. }), "{location}: {error}");
        assert!(server.requests().len() <= 6, "{location}");
    }
}

#[test]
fn a_renamed_repository_is_followed_on_the_hub_itself() {
    let server = Server::start(|head| {
        let (path, _) = path_and_start(head);
        match path.strip_prefix("/moved") {
            Some(rest) => hub(&checkpoint(), None, &head.replacen(&path, rest, 1)),
            None => Reply::new(307).header("location", format!("/moved{path}")),
        }
    });
    let folder = Folder::new();
    let mut options = folder.options(&server.address);
    options.token = Some(Token::new(SECRET));

    let snapshot = fetch(REPO, &options).unwrap();

    assert!(snapshot.join("model.safetensors").is_file());
    assert!(server.requests().iter().all(|head| head.contains("authorization")));
}
