//! An endpoint that does everything wrong that an endpoint can do, and what has to be searched for the key.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]

use std::{
    collections::BTreeMap,
    error::Error,
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc, Mutex, Once,
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

/// What the endpoint does with a question whose mark it has been told.
pub(crate) type Behaviour = fn(&mut TcpStream, mark: &str, asked: usize);

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
                behaviour(&mut stream, &mark(&body), number);
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

/// What comes of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comes {
    /// No text; another attempt may do better.
    Passing,
    /// No text, and no other attempt.
    Final,
    /// A text, that is no verdict.
    Text,
}

use Comes::{Final, Passing, Text};

/// Everything that may go wrong, by name.
pub(crate) const FAULTS: [(&str, Comes, Behaviour); 35] = [
    ("hangs up", Passing, |_, _, _| {}),
    ("never replies", Final, |stream, _, _| {
        let _ = stream.read(&mut [0]);
    }),
    ("sends its body drop by drop", Final, |stream, _, _| {
        let mut open = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n{").is_ok();
        while open {
            thread::sleep(Duration::from_millis(50));
            open = stream.write_all(b" ").is_ok();
        }
    }),
    ("sends without an end", Final, |stream, _, _| {
        let mut open = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").is_ok();
        while open {
            open = stream.write_all(&[b' '; 65536]).is_ok();
        }
    }),
    ("says 429 with a long wait", Final, |stream, _, _| {
        send(stream, "429 Slow", "retry-after: 3600\r\n", "");
    }),
    ("says 429 without a wait", Passing, |stream, _, _| send(stream, "429 Slow", "", "")),
    ("says 500", Passing, |stream, _, _| send(stream, "500 Broken", "", "{\"score\": 10}")),
    ("says 503 with a verdict in its body", Passing, |stream, mark, _| {
        send(stream, "503 Busy", "", &chat(&json!(verdict(mark, "entail")), "stop"));
    }),
    ("refuses the key and repeats it", Final, |stream, _, _| {
        send(
            stream,
            "401 No",
            "",
            &format!("{{\"error\": {{\"code\": \"{KEY}\", \"message\": \"{KEY}\"}}}}"),
        );
    }),
    ("sends elsewhere", Final, |stream, _, _| {
        send(stream, "307 Elsewhere", "location: http://127.0.0.1:9/v1/chat/completions\r\n", "");
    }),
    ("sends a page", Final, |stream, _, _| {
        send(stream, "200 OK", "content-type: text/html\r\n", "<html>score: 10</html>");
    }),
    ("sends half an object", Passing, |stream, mark, _| {
        let body = chat(&json!(verdict(mark, "entail")), "stop");
        send(stream, "200 OK", "", &body[..body.len() / 2]);
    }),
    ("sends less than it says", Passing, |stream, _, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"choices\": [");
    }),
    ("sends no choices", Final, |stream, _, _| send(stream, "200 OK", "", "{\"choices\": []}")),
    ("sends an error with status 200", Final, |stream, _, _| {
        send(stream, "200 OK", "", "{\"error\": {\"message\": \"overloaded\"}}");
    }),
    ("says nothing", Final, |stream, _, _| say(stream, "")),
    ("says null", Final, |stream, _, _| send(stream, "200 OK", "", &chat(&Value::Null, "stop"))),
    ("refuses", Text, |stream, _, _| say(stream, "I cannot help with that.")),
    ("is cut", Text, |stream, mark, _| {
        send(stream, "200 OK", "", &chat(&json!(verdict(mark, "entail")), "length"));
    }),
    ("says it in prose", Text, |stream, mark, _| say(stream, &format!("{mark}: it entails, 11/10"))),
    ("says it twice", Text, |stream, mark, _| say(stream, &verdict(mark, "entail").repeat(2))),
    ("says it in a code fence", Text, |stream, mark, _| {
        say(stream, &format!("```json\n{}\n```", verdict(mark, "entail")));
    }),
    ("repeats another mark", Text, |stream, _, _| say(stream, &verdict("#0123456789abcdef", "entail"))),
    ("repeats no mark", Text, |stream, _, _| say(stream, "{\"verdict\": \"entail\"}")),
    ("gives a score where a verdict was asked for", Text, |stream, mark, _| {
        say(stream, &json!({"mark": mark, "score": 10}).to_string());
    }),
    ("says not a number", Text, |stream, mark, _| {
        say(stream, &format!("{{\"mark\": \"{mark}\", \"verdict\": NaN}}"));
    }),
    ("says the key", Text, |stream, mark, _| say(stream, &format!("{mark} {KEY}"))),
    ("says the key in another notation", Text, |stream, _, _| {
        let key = KEY.replace('-', "\\u002d");
        let body = chat(&json!("KEY"), "stop").replace("KEY", &key);
        send(stream, "200 OK", "", &body);
    }),
    ("says nothing and gives the key as its reason", Final, |stream, _, _| {
        send(stream, "200 OK", "", &chat(&json!(""), KEY));
    }),
    ("says something and gives the key as its reason", Text, |stream, _, _| {
        send(stream, "200 OK", "", &chat(&json!("Hm."), KEY));
    }),
    ("names the key as its error with status 200", Final, |stream, _, _| {
        send(stream, "200 OK", "", &json!({"error": {"code": KEY, "type": KEY, "message": KEY}}).to_string());
    }),
    ("names the key as its error with status 400", Final, |stream, _, _| {
        send(stream, "400 Bad", "", &json!({"error": {"code": KEY, "type": KEY}}).to_string());
    }),
    ("sends elsewhere with the key", Final, |stream, _, _| {
        send(
            stream,
            "302 Found",
            &format!("location: http://127.0.0.1:9/?key={KEY}\r\nx-key: {KEY}\r\n"),
            "",
        );
    }),
    ("begins with the key", Passing, |stream, _, _| {
        let _ = stream.write_all(format!("{KEY} 200 OK\r\n{KEY}\r\n\r\n{KEY}").as_bytes());
    }),
    ("sends the key where a length belongs", Passing, |stream, _, _| {
        let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {KEY}\r\n\r\n{{}}").as_bytes());
    }),
];

/// Checks how often an endpoint was asked one question in this time.
pub(crate) fn check_asked(place: &str, comes: Comes, asked: usize, retries: u32, took: Duration) {
    let most = if comes == Passing { retries as usize + 1 } else { 1 };
    assert!((1..=most).contains(&asked), "{place}: asked {asked} times, {retries} retries");
    // Waits of 20, 40, 80, 160 and 320 ms: where there was time for all attempts, all were made.
    assert!(
        asked == most || took > DEADLINE / 2,
        "{place}: asked {asked} times, {retries} retries, {took:?}"
    );
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

/// Begins to keep what is logged, at every level.
pub(crate) fn keep_log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&LOGGER).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
    });
}

/// Searches for the key what is logged at `trace,ureq=debug,ureq_proto=debug`.
pub(crate) fn check_log() {
    let log = LOGGER.log.lock().unwrap();
    assert!(log.lines().count() > FAULTS.len(), "the log tells of requests");
    let leaks: Vec<_> = log.lines().filter(|line| line.contains(KEY)).collect();
    assert!(leaks.is_empty(), "{leaks:#?}");
    assert!(log.contains(r#""location": "******""#), "it does not tell where an endpoint sends to");
    // At the level trace the client shows every byte, which is why it is left out. Once it does not, it can be let in.
    assert!(LOGGER.sent.lock().unwrap().values().any(|sent| sent.contains(KEY)), "the client shows the key");
}

static LOGGER: Logger = Logger { log: Mutex::new(String::new()), sent: Mutex::new(BTreeMap::new()) };

struct Logger {
    log: Mutex<String>,
    /// What the client shows of the bytes that it sends and gets, by thread.
    sent: Mutex<BTreeMap<String, String>>,
}

impl log::Log for Logger {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() < log::Level::Trace || !metadata.target().starts_with("ureq")
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            let (level, target) = (record.level(), record.target());
            writeln!(self.log.lock().unwrap(), "{level} {target}: {}", record.args()).unwrap();
        } else if let Some((_, shown)) = record.args().to_string().rsplit_once(' ') {
            // Rows of 16 bytes: their digits, and then those that can be shown.
            let thread = format!("{:?}", thread::current().id());
            self.sent.lock().unwrap().entry(thread).or_default().push_str(shown);
        }
    }

    fn flush(&self) {}
}
