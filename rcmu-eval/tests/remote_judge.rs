//! A judge behind an endpoint that does everything wrong that an endpoint can do.

#![cfg(feature = "remote")]
#![allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rcmu_core::FinishReason;
use rcmu_data::{
    Kind, Sample,
    figurines::{WorldOptions, scene_items},
    remote::{Endpoint, Secret},
};
use rcmu_eval::{
    ItemScore, Outcome,
    judge::{FactVision, GeneratorJudge, GeneratorVision, Judges},
    run::RemoteGenerator,
    scorers::score_item,
};
use serde_json::{Value, json};

const KEY: &str = "sk-remote-judge-0123456789";
const DEADLINE: Duration = Duration::from_millis(1500);

/// What the endpoint does with a question whose mark it has been told.
type Behaviour = fn(&mut TcpStream, mark: &str, asked: usize);

/// Starts an endpoint; gives its address and the number of questions that it gets.
fn endpoint(behaviour: Behaviour) -> (String, Arc<AtomicUsize>) {
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
fn read_request(stream: &TcpStream) -> String {
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
fn mark(body: &str) -> String {
    let at = body.rfind('#').unwrap_or(body.len());
    body[at..].chars().take_while(|c| *c == '#' || c.is_ascii_hexdigit()).collect()
}

/// Sends a response with this body and hangs up.
fn send(stream: &mut TcpStream, status: &str, headers: &str, body: &str) {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n");
    // The client may be gone, which is no fault.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
}

/// The body of a chat that says this.
fn chat(content: &Value, finish: &str) -> String {
    json!({"choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": finish}]})
        .to_string()
}

/// Says this and nothing more.
fn say(stream: &mut TcpStream, text: &str) {
    send(stream, "200 OK", "content-type: application/json\r\n", &chat(&json!(text), "stop"));
}

/// The verdict, as it was asked for.
fn verdict(mark: &str, verdict: &str) -> String {
    json!({"mark": mark, "verdict": verdict}).to_string()
}

/// A description of a test scene and its right answer: it has clauses to judge.
fn description() -> Sample {
    let mut options = WorldOptions::test();
    options.mix.description = 50;
    let items = scene_items(3, &options).unwrap();
    items.samples.into_iter().find(|sample| sample.kind == Kind::Description && sample.cited).unwrap()
}

/// Scores the right answer with a judge at this address, and says how long it took.
fn judged(address: &str) -> (ItemScore, Duration) {
    let mut endpoint = Endpoint::new(address, "judge");
    endpoint.api_key = Some(Secret::new(KEY).unwrap());
    (endpoint.deadline, endpoint.retries, endpoint.backoff) = (DEADLINE, 2, Duration::from_millis(20));
    let generator = RemoteGenerator::new(endpoint).unwrap();
    let judge = GeneratorJudge::new(&generator, 5).with_timeout(DEADLINE);
    let sample = description();
    let start = Instant::now();
    let judges = Judges { entailment: &judge, vision: &FactVision };
    let score = score_item(&sample, &sample.answer, FinishReason::EndOfText, &judges);
    (score, start.elapsed())
}

#[test]
fn a_judge_that_replies_as_asked_is_believed() {
    let (address, asked) = endpoint(|stream, mark, _| say(stream, &verdict(mark, "entail")));

    let (score, _) = judged(&address);

    assert_eq!(score.outcome, Outcome::Scored, "{score:?}");
    assert!(asked.load(Ordering::SeqCst) >= 2, "the judge was asked");
    assert!((score.measures["rcid_accuracy"] - 1.0).abs() < 1e-12, "{score:?}");
}

#[test]
fn a_judge_that_says_no_takes_the_score() {
    let (address, _) = endpoint(|stream, mark, _| say(stream, &verdict(mark, "contradict")));

    let (score, _) = judged(&address);

    assert_eq!(score.outcome, Outcome::Scored, "{score:?}");
    assert!(score.measures["rcid_accuracy"] < 0.5, "{score:?}");
}

#[test]
fn a_judge_that_fails_in_passing_is_asked_again() {
    let (address, asked) = endpoint(|stream, mark, number| match number % 2 {
        0 => send(stream, "503 Busy", "retry-after: 0\r\n", ""),
        _ => say(stream, &verdict(mark, "entail")),
    });

    let (score, _) = judged(&address);

    assert_eq!(score.outcome, Outcome::Scored, "{score:?}");
    assert!(asked.load(Ordering::SeqCst) >= 4, "each question was asked twice");
}

#[test]
fn a_judge_that_sees_is_shown_the_picture() {
    let (address, _) = endpoint(|stream, mark, _| say(stream, &verdict(mark, "yes")));
    let generator = RemoteGenerator::new(Endpoint::new(address, "judge")).unwrap();
    let open = |sample: &Sample| sample.picture.open(Path::new("."));
    let vision = GeneratorVision::new(GeneratorJudge::new(&generator, 5), &open);
    let sample = description();

    let shown = rcmu_eval::judge::VisionCheck::shows(&vision, &sample, 0, "a red robot");

    assert_eq!(shown.unwrap(), Some(true));
}

/// Everything that may go wrong, by name.
const FAULTS: [(&str, Behaviour); 26] = [
    ("hangs up", |_, _, _| {}),
    ("never replies", |stream, _, _| {
        let _ = stream.read(&mut [0]);
    }),
    ("sends its body drop by drop", |stream, _, _| {
        let mut open = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n{").is_ok();
        while open {
            thread::sleep(Duration::from_millis(50));
            open = stream.write_all(b" ").is_ok();
        }
    }),
    ("sends without an end", |stream, _, _| {
        let mut open = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").is_ok();
        while open {
            open = stream.write_all(&[b' '; 65536]).is_ok();
        }
    }),
    ("says 429 with a long wait", |stream, _, _| {
        send(stream, "429 Slow", "retry-after: 3600\r\n", "");
    }),
    ("says 429 without a wait", |stream, _, _| send(stream, "429 Slow", "", "")),
    ("says 500", |stream, _, _| send(stream, "500 Broken", "", "{\"score\": 10}")),
    ("says 503 with a verdict in its body", |stream, mark, _| {
        send(stream, "503 Busy", "", &chat(&json!(verdict(mark, "entail")), "stop"));
    }),
    ("refuses the key and repeats it", |stream, _, _| {
        send(
            stream,
            "401 No",
            "",
            &format!("{{\"error\": {{\"code\": \"{KEY}\", \"message\": \"{KEY}\"}}}}"),
        );
    }),
    ("sends elsewhere", |stream, _, _| {
        send(stream, "307 Elsewhere", "location: http://127.0.0.1:9/v1/chat/completions\r\n", "");
    }),
    ("sends a page", |stream, _, _| {
        send(stream, "200 OK", "content-type: text/html\r\n", "<html>score: 10</html>");
    }),
    ("sends half an object", |stream, mark, _| {
        let body = chat(&json!(verdict(mark, "entail")), "stop");
        send(stream, "200 OK", "", &body[..body.len() / 2]);
    }),
    ("sends less than it says", |stream, _, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"choices\": [");
    }),
    ("sends no choices", |stream, _, _| send(stream, "200 OK", "", "{\"choices\": []}")),
    ("sends an error with status 200", |stream, _, _| {
        send(stream, "200 OK", "", "{\"error\": {\"message\": \"overloaded\"}}");
    }),
    ("says nothing", |stream, _, _| say(stream, "")),
    ("says null", |stream, _, _| send(stream, "200 OK", "", &chat(&Value::Null, "stop"))),
    ("refuses", |stream, _, _| say(stream, "I cannot help with that.")),
    ("is cut", |stream, mark, _| {
        send(stream, "200 OK", "", &chat(&json!(verdict(mark, "entail")), "length"));
    }),
    ("says it in prose", |stream, mark, _| say(stream, &format!("{mark}: it entails, 11/10"))),
    ("says it twice", |stream, mark, _| say(stream, &verdict(mark, "entail").repeat(2))),
    ("says it in a code fence", |stream, mark, _| {
        say(stream, &format!("```json\n{}\n```", verdict(mark, "entail")));
    }),
    ("repeats another mark", |stream, _, _| say(stream, &verdict("#0123456789abcdef", "entail"))),
    ("repeats no mark", |stream, _, _| say(stream, "{\"verdict\": \"entail\"}")),
    ("gives a score where a verdict was asked for", |stream, mark, _| {
        say(stream, &json!({"mark": mark, "score": 10}).to_string());
    }),
    ("says not a number", |stream, mark, _| {
        say(stream, &format!("{{\"mark\": \"{mark}\", \"verdict\": NaN}}"));
    }),
];

#[test]
fn no_fault_becomes_a_score_or_shows_the_key_or_outlasts_the_deadline() {
    let runs: Vec<_> = FAULTS
        .into_iter()
        .map(|(name, behaviour)| {
            thread::spawn(move || {
                let (address, asked) = endpoint(behaviour);
                let (score, took) = judged(&address);
                (name, score, took, asked.load(Ordering::SeqCst))
            })
        })
        .collect();
    for run in runs {
        let (name, score, took, asked) = run.join().unwrap();

        assert_eq!((score.outcome, score.measures.len()), (Outcome::JudgeFailed, 0), "{name}: {score:?}");
        assert!(!serde_json::to_string(&score).unwrap().contains(KEY), "{name}: {score:?}");
        assert!(took <= DEADLINE + Duration::from_secs(1), "{name} took {took:?}");
        assert!((1..=3).contains(&asked), "{name}: asked {asked} times");
        println!("{name}: {} ({asked} times, {took:.1?})", score.how);
    }
}
