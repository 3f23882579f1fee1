//! The verdicts of a judge behind an endpoint: what is kept of them, and what is not.

#![cfg(feature = "remote")]
#![allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]

mod runs;
mod verdicts;

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use rcmu_data::remote::{Endpoint, Secret};
use rcmu_eval::{
    judge::{FactVision, GeneratorJudge, GeneratorVision, Judges, RecordedEntailment, RecordedVision},
    report::{ScoreOptions, Scores},
    run::RemoteGenerator,
};
use runs::Scratch;
use serde_json::{Value, json};
use verdicts::{Answers, batch, ends, forms};

const KEY: &str = "sk-recorded-judge-0123456789";

/// Starts an endpoint that says `entail` or `yes`, and at every question whose number, from 0, `refuses` it repeats the
/// key; gives its address and the number of questions that it gets.
fn endpoint(refuses: fn(usize) -> bool) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/v1", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let count = Arc::clone(&count);
            thread::spawn(move || reply(stream.unwrap(), refuses(count.fetch_add(1, Ordering::SeqCst))));
        }
    });
    (address, asked)
}

/// Reads one question and replies.
fn reply(mut stream: TcpStream, refuses: bool) {
    let mut reader = BufReader::new(&stream);
    let (mut length, mut knows_key) = (0, false);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) < 3 {
            break;
        }
        knows_key |= line.contains(KEY);
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    assert!(knows_key, "the key is sent to its endpoint");
    let body: Value = serde_json::from_slice(&body).unwrap();
    let question = body["messages"].to_string();
    let mark = &question[question.rfind('#').unwrap()..][..17];
    let verdict = if question.contains("hypothesis") { "entail" } else { "yes" };
    let (status, text) = if refuses {
        ("401 No", json!({"error": {"code": KEY, "message": KEY}}))
    } else {
        let content = json!({"mark": mark, "verdict": verdict}).to_string();
        ("200 OK", json!({"choices": [{"message": {"content": content}, "finish_reason": "stop"}]}))
    };
    let text = text.to_string();
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", text.len());
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(text.as_bytes()));
}

fn generator(address: &str) -> RemoteGenerator {
    let mut endpoint = Endpoint::new(address, "judge");
    endpoint.api_key = Some(Secret::new(KEY).unwrap());
    (endpoint.retries, endpoint.deadline) = (0, Duration::from_secs(20));
    RemoteGenerator::new(endpoint).unwrap()
}

#[test]
fn the_key_is_in_no_journal_and_no_report_whatever_the_endpoint_says() {
    let scratch = Scratch::new("verdicts-key");
    let answers = Answers::new(&scratch.path("run"), 6);
    let (path, (address, _)) = (scratch.path("verdicts"), endpoint(|number| number % 4 == 3));
    let remote = generator(&address);
    let judge = GeneratorJudge::new(&remote, 0);

    let report = answers.recorded(&path, &judge, 4).unwrap().concat();

    assert!(report.contains("judge_failed"), "some questions are refused");
    let bytes = fs::read(&path).unwrap();
    assert!(ends(&bytes).len() > 2, "some have a verdict");
    assert!(String::from_utf8_lossy(&bytes).contains(&address), "the journal says who judged");
    for file in fs::read_dir(scratch.path("")).unwrap() {
        let file = file.unwrap().path();
        let text = fs::read(&file).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains(KEY), "{}", file.display());
    }
    assert!(!report.contains(KEY));
}

#[test]
fn texts_and_pictures_are_asked_of_endpoints_once() {
    let scratch = Scratch::new("verdicts-remote");
    let answers = Answers::new(&scratch.path("run"), 6);
    let (address, asked) = endpoint(|_| false);
    let remote = generator(&address);
    let score = |parallel| {
        let texts = GeneratorJudge::new(&remote, 0);
        let open = |sample: &rcmu_data::Sample| sample.picture.open(answers.dataset.folder());
        let sees = GeneratorVision::new(texts.clone(), &open);
        let texts = RecordedEntailment::open(scratch.path("texts"), &texts, batch()).unwrap();
        let sees = RecordedVision::open(scratch.path("pictures"), &sees, batch()).unwrap();
        let judges = Judges { entailment: &texts, vision: &sees };
        let options = ScoreOptions { parallel, ..ScoreOptions::default() };
        let scores = Scores::with_options(&answers.dataset, &answers.contents, &judges, &options).unwrap();
        (forms(&scores), texts.len() + sees.len(), texts.len())
    };

    let (first, verdicts, texts) = score(8);
    let count = asked.load(Ordering::SeqCst);
    let (second, ..) = score(1);

    assert_eq!(first, second);
    assert!(0 < texts && texts < verdicts, "both kinds were asked: {texts} of {verdicts}");
    assert_eq!(count, verdicts, "each question is asked once");
    assert_eq!(asked.load(Ordering::SeqCst), count, "the second scoring asks nothing");
    let rules = answers.report(&rcmu_eval::judge::RuleEntailment);
    assert_ne!(first, rules, "the endpoint has another opinion");
    let judges = Judges { entailment: &rcmu_eval::judge::RuleEntailment, vision: &FactVision };
    assert_eq!(forms(&answers.scores(&judges)), rules);
}
