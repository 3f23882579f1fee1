//! An endpoint on this machine that does what a test says.
#![allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// What the endpoint does with one request.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Sends these bytes as they are and hangs up.
    Raw(Vec<u8>),
    /// Sends these bytes, then one byte again and again, with a pause after each.
    Drip { first: Vec<u8>, byte: u8, pause: Duration },
    /// Sends these bytes, then a kibibyte again and again, as fast as it can.
    Flood { first: Vec<u8>, kibibyte: Vec<u8> },
    /// Sends nothing and keeps the connection.
    Hang,
}

impl Step {
    /// A reply with these header lines, each ended by `\r\n`.
    pub(crate) fn reply(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let head = format!(
            "HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
            body.len()
        );
        Self::Raw([head.as_bytes(), body].concat())
    }

    /// A good answer that says this.
    pub(crate) fn answer(text: &str) -> Self {
        let message = serde_json::json!({"role": "assistant", "content": text, "refusal": null});
        let body = serde_json::json!({"choices": [{"message": message, "finish_reason": "stop"}]});
        Self::reply(200, "content-type: application/json\r\n", body.to_string())
    }
}

/// A scripted endpoint, with all requests it got.
pub(crate) struct ScriptedEndpoint {
    /// Its address, without a path.
    pub(crate) address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl ScriptedEndpoint {
    /// Does one step for each request in order, the last one for all further requests.
    pub(crate) fn start(steps: Vec<Step>) -> Self {
        let last = steps.len() - 1;
        Self::answering(move |number, _| steps[number.min(last)].clone())
    }

    /// Does what `answer` makes of the number of the request, from 0, and its text.
    pub(crate) fn answering(answer: impl Fn(usize, &str) -> Step + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let request = read_request(&mut stream);
                let step = {
                    let mut log = log.lock().unwrap();
                    log.push(request);
                    answer(log.len() - 1, log.last().unwrap())
                };
                // Its own thread: a step may last longer than the client waits.
                thread::spawn(move || act(stream, &step));
            }
        });
        Self { address, requests }
    }

    /// The requests so far, heads and bodies.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn act(mut stream: TcpStream, step: &Step) {
    // The client may hang up first, which is no fault.
    match step {
        Step::Raw(bytes) => {
            let _ = stream.write_all(bytes);
        }
        Step::Drip { first, byte, pause } => {
            let mut open = stream.write_all(first).is_ok();
            while open {
                thread::sleep(*pause);
                open = stream.write_all(&[*byte]).is_ok();
            }
        }
        Step::Flood { first, kibibyte } => {
            let mut open = stream.write_all(first).is_ok();
            while open {
                open = stream.write_all(kibibyte).is_ok();
            }
        }
        Step::Hang => {
            let _ = stream.read(&mut [0]);
        }
    }
}

/// Reads a head and as many bytes as it says.
fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
        bytes.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    let _ = stream.read_exact(&mut body);
    bytes.extend(body);
    String::from_utf8_lossy(&bytes).into_owned()
}
