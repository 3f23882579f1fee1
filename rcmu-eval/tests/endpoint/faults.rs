//! Everything that an endpoint can do wrong.

use std::{
    io::{Read, Write},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use super::{Behaviour, DEADLINE, KEY, chat, endpoint, say, send, unreachable::UNREACHABLE, verdict};

/// What comes of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comes {
    /// No text; another attempt may do better.
    Passing,
    /// No text, and no other attempt.
    Final,
    /// A text, that is no verdict.
    Text,
    /// No text, and the endpoint never gets the question.
    Unasked,
}

use Comes::{Final, Passing, Text, Unasked};

/// An endpoint that fails.
pub(crate) struct Fault {
    /// Its number, from 0.
    pub(crate) number: usize,
    /// What it does wrong.
    pub(crate) name: &'static str,
    pub(crate) comes: Comes,
    pub(crate) address: String,
    asked: Arc<AtomicUsize>,
}

impl Fault {
    /// Starts an endpoint for everything that may go wrong.
    pub(crate) fn all() -> Vec<Self> {
        let behaves = FAULTS.into_iter().map(|(name, comes, behaviour)| {
            let (address, asked) = endpoint(behaviour);
            (name, comes, address, asked)
        });
        let is_never_asked = UNREACHABLE.into_iter().map(|(name, start)| {
            let asked = Arc::default();
            (name, Unasked, start(Arc::clone(&asked)), asked)
        });
        let all = behaves.chain(is_never_asked).enumerate();
        all.map(|(number, (name, comes, address, asked))| Self { number, name, comes, address, asked })
            .collect()
    }

    /// Checks how often the endpoint was asked one question in this time.
    pub(crate) fn check_asked(&self, place: &str, retries: u32, took: Duration) {
        let asked = self.asked.load(Ordering::SeqCst);
        let most = match self.comes {
            Unasked => return assert_eq!(asked, 0, "{place}: the key comes to nobody"),
            Passing => retries as usize + 1,
            Final | Text => 1,
        };
        assert!((1..=most).contains(&asked), "{place}: asked {asked} times, {retries} retries");
        // Waits of 20, 40, 80, 160 and 320 ms: where there was time for all attempts, all were made.
        assert!(
            asked == most || took > DEADLINE / 2,
            "{place}: asked {asked} times, {retries} retries, {took:?}"
        );
    }
}

/// Everything that an endpoint may do with a question, by name.
const FAULTS: [(&str, Comes, Behaviour); 37] = [
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
    ("says 503 with a verdict in its body", Passing, |stream, question, _| {
        send(stream, "503 Busy", "", &chat(&json!(question.verdict()), "stop"));
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
    ("sends half an object", Passing, |stream, question, _| {
        let body = chat(&json!(question.verdict()), "stop");
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
    ("is cut", Text, |stream, question, _| {
        send(stream, "200 OK", "", &chat(&json!(question.verdict()), "length"));
    }),
    ("says it in prose", Text, |stream, question, _| {
        say(stream, &format!("{}: {}, 11/10", question.mark, question.wanted));
    }),
    ("says it twice", Text, |stream, question, _| say(stream, &question.verdict().repeat(2))),
    ("says it in a code fence", Text, |stream, question, _| {
        say(stream, &format!("```json\n{}\n```", question.verdict()));
    }),
    ("repeats another mark", Text, |stream, question, _| {
        say(stream, &verdict("#0123456789abcdef", question.wanted));
    }),
    ("repeats no mark", Text, |stream, question, _| {
        say(stream, &json!({"verdict": question.wanted}).to_string());
    }),
    ("gives a score where a verdict was asked for", Text, |stream, question, _| {
        say(stream, &json!({"mark": question.mark, "score": 10}).to_string());
    }),
    ("gives a verdict of another kind", Text, |stream, question, _| {
        say(stream, &verdict(&question.mark, "seen"));
    }),
    ("says not a number", Text, |stream, question, _| {
        say(stream, &format!("{{\"mark\": \"{}\", \"verdict\": NaN}}", question.mark));
    }),
    ("says the key", Text, |stream, question, _| say(stream, &format!("{} {KEY}", question.mark))),
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
    ("speaks TLS where HTTP is wanted", Passing, |stream, _, _| {
        let _ = stream.write_all(&[21, 3, 3, 0, 2, 2, 40]);
    }),
    ("begins with the key", Passing, |stream, _, _| {
        let _ = stream.write_all(format!("{KEY} 200 OK\r\n{KEY}\r\n\r\n{KEY}").as_bytes());
    }),
    ("sends the key where a length belongs", Passing, |stream, _, _| {
        let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {KEY}\r\n\r\n{{}}").as_bytes());
    }),
];
