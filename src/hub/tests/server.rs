//! A hub on this machine that answers as a test says.

use std::{
    collections::HashMap,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use sha2::{Digest, Sha256};

pub(super) const REPO: &str = "owner/tiny";
pub(super) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// One answer of the scripted hub.
#[derive(Clone, Default)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    /// Bytes after which the connection is cut.
    pub(super) cut: Option<usize>,
}

impl Reply {
    pub(super) fn new(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub(super) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(super) fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }
}

/// A server of this test, with the heads of all requests it got.
pub(super) struct Server {
    pub(super) address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(super) fn start(answer: impl Fn(&str) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let head = read_head(&mut stream);
                let reply = answer(&head);
                log.lock().unwrap_or_else(PoisonError::into_inner).push(head.clone());
                write_reply(&mut stream, &head, &reply);
            }
        });
        Self { address, requests }
    }

    pub(super) fn requests(&self) -> MutexGuard<'_, Vec<String>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many requests began like this.
    pub(super) fn count(&self, start: &str) -> usize {
        self.requests().iter().filter(|head| head.starts_with(start)).count()
    }
}

fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap().to_ascii_lowercase()
}

fn write_reply(stream: &mut TcpStream, head: &str, reply: &Reply) {
    let length = reply.body.len();
    let headers: Vec<_> = reply.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let text = format!(
        "HTTP/1.1 {} x\r\nconnection: close\r\ncontent-length: {length}\r\n{}\r\n",
        reply.status,
        headers.concat()
    );
    // The client may hang up first, which is no fault.
    let _ = stream.write_all(text.as_bytes());
    if !head.starts_with("head ") {
        let _ = stream.write_all(&reply.body[..reply.cut.unwrap_or(reply.body.len())]);
    }
}

/// The path of a request, and the byte it starts at.
pub(super) fn path_and_start(head: &str) -> (String, usize) {
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let range = head.lines().find_map(|line| line.strip_prefix("range: bytes="));
    (path, range.map_or(0, |range| range.trim_end_matches('-').parse().unwrap()))
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

pub(super) type Files = HashMap<&'static str, Vec<u8>>;

pub(super) fn checkpoint() -> Files {
    HashMap::from([
        ("config.json", b"{}".to_vec()),
        ("preprocessor_config.json", b"{\"a\": 1}".to_vec()),
        ("tokenizer.json", b"{\"model\": {}}".to_vec()),
        ("vocab.json", b"{}".to_vec()),
        ("pytorch_model.bin", b"code".to_vec()),
        ("model.safetensors", (0..=255).cycle().take(100_000).collect()),
    ])
}

pub(super) fn sharded(map: &str) -> Files {
    let mut files = checkpoint();
    files.remove("model.safetensors");
    files.insert("model.safetensors.index.json", format!("{{\"weight_map\": {map}}}").into_bytes());
    files.insert("model-00001-of-00002.safetensors", vec![1; 1000]);
    files.insert("model-00002-of-00002.safetensors", vec![2; 2000]);
    files
}

fn listing(files: &Files) -> Reply {
    let names: Vec<_> = files.keys().map(|name| format!("{{\"rfilename\": \"{name}\"}}")).collect();
    Reply::new(200).body(format!("{{\"sha\": \"{COMMIT}\", \"siblings\": [{}]}}", names.join(",")).as_bytes())
}

/// The bytes of a file from a byte on, with the headers of a file server.
pub(super) fn part(bytes: &[u8], start: usize) -> Reply {
    let range = format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len());
    let reply = Reply::new(if start > 0 { 206 } else { 200 }).body(&bytes[start..]);
    if start > 0 { reply.header("content-range", range) } else { reply }
}

/// Answers as the hub does: small files itself, weights from `elsewhere` if that is given.
pub(super) fn hub(files: &Files, elsewhere: Option<&str>, head: &str) -> Reply {
    let (path, start) = path_and_start(head);
    if let Some("main" | COMMIT) = path.strip_prefix(&format!("/api/models/{REPO}/revision/")) {
        return listing(files);
    }
    let file =
        path.strip_prefix(&format!("/{REPO}/resolve/{COMMIT}/")).and_then(|name| files.get_key_value(name));
    let Some((name, bytes)) = file else { return Reply::new(404) };
    match elsewhere {
        Some(elsewhere) if name.ends_with(".safetensors") => Reply::new(302)
            .header("location", format!("{elsewhere}/{name}?signature=s3cret"))
            .header("x-linked-etag", format!("\"{}\"", sha256(bytes)))
            .header("x-linked-size", bytes.len().to_string()),
        _ => part(bytes, start).header("etag", format!("\"{}\"", &sha256(bytes)[..40])),
    }
}
