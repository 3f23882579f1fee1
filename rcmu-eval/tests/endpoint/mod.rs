//! An endpoint that does everything wrong that an endpoint can do, and what has to be searched for the key.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]

pub(crate) mod faults;
pub(crate) mod log;
pub(crate) mod unreachable;

use std::{
    error::Error,
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use rcmu_data::{
    Kind, Sample,
    figurines::{WorldOptions, scene_items},
    remote::{Endpoint, Secret},
};
use rcmu_eval::run::RemoteGenerator;
use serde_json::{Value, json};

/// The key that no output may have.
pub(crate) const KEY: &str = "sk-remote-judge-0123456789";
/// The longest time for one question, with all attempts.
pub(crate) const DEADLINE: Duration = Duration::from_millis(1500);
/// How often a question that failed in passing is asked again.
pub(crate) const RETRIES: [u32; 4] = [0, 1, 2, 5];

/// A question to a judge.
pub(crate) struct Question {
    /// What the reply has to repeat.
    pub(crate) mark: String,
    /// The verdict that gives the best score.
    pub(crate) wanted: &'static str,
}

impl Question {
    fn of(body: &str) -> Self {
        let wanted = if body.contains("hypothesis") { "entail" } else { "yes" };
        Self { mark: mark(body), wanted }
    }

    /// The reply with the verdict that gives the best score.
    pub(crate) fn verdict(&self) -> String {
        verdict(&self.mark, self.wanted)
    }
}

/// What an endpoint does with a question, and with its number from 0.
pub(crate) type Behaviour = fn(&mut TcpStream, &Question, usize);

/// Starts an endpoint; gives its address and the number of questions that it gets.
pub(crate) fn endpoint(behaviour: Behaviour) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/v1", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let number = count.fetch_add(1, Ordering::SeqCst);
            thread::spawn(move || {
                let body = read_request(&stream);
                behaviour(&mut stream, &Question::of(&body), number);
            });
        }
    });
    (address, asked)
}

/// Reads one request and gives its body.
pub(crate) fn read_request(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) < 3 {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap_or_default();
    String::from_utf8_lossy(&body).into_owned()
}

/// The mark that a reply has to repeat: the last one of the question.
pub(crate) fn mark(body: &str) -> String {
    let at = body.rfind('#').unwrap_or(body.len());
    body[at..].chars().take_while(|c| *c == '#' || c.is_ascii_hexdigit()).collect()
}

/// Sends a response with this body and hangs up.
pub(crate) fn send(stream: &mut TcpStream, status: &str, headers: &str, body: &str) {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n");
    // The client may be gone, which is no fault.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
}

/// The body of a chat that says this.
pub(crate) fn chat(content: &Value, finish: &str) -> String {
    json!({"choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": finish}]})
        .to_string()
}

/// Says this and nothing more.
pub(crate) fn say(stream: &mut TcpStream, text: &str) {
    send(stream, "200 OK", "content-type: application/json\r\n", &chat(&json!(text), "stop"));
}

/// The verdict, as it was asked for.
pub(crate) fn verdict(mark: &str, verdict: &str) -> String {
    json!({"mark": mark, "verdict": verdict}).to_string()
}

/// A generator at this address that sends the key.
pub(crate) fn generator(address: &str, retries: u32) -> RemoteGenerator {
    let mut endpoint = Endpoint::new(address, "judge");
    endpoint.api_key = Some(Secret::new(KEY).unwrap());
    (endpoint.deadline, endpoint.retries, endpoint.backoff) = (DEADLINE, retries, Duration::from_millis(20));
    RemoteGenerator::new(endpoint).unwrap()
}

/// A description of a small test scene and its right answer: it has clauses to judge.
pub(crate) fn description() -> Sample {
    let mut options = WorldOptions::test();
    options.mix.description = 50;
    options.layout.side = 64;
    let items = scene_items(3, &options).unwrap();
    items.samples.into_iter().find(|sample| sample.kind == Kind::Description && sample.cited).unwrap()
}

/// Everything that an error says, to people and to programmers.
pub(crate) fn said(error: &dyn Error) -> String {
    let mut said = format!("{error} {error:?} {error:#?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(said, " {error} {error:?}").unwrap();
        cause = error.source();
    }
    said
}

/// Searches every file of a folder for the key; gives how many there are.
pub(crate) fn search(folder: &Path, place: &str) -> usize {
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files += search(&path, place);
        } else {
            let bytes = fs::read(&path).unwrap();
            let found = bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes());
            assert!(!found, "{place}: {} has the key", path.display());
            files += 1;
        }
    }
    files
}
