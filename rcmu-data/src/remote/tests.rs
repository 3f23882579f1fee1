use std::{
    error::Error,
    io::Write,
    thread,
    time::{Duration, Instant},
};

use super::{
    testing::{ScriptedEndpoint, Step},
    *,
};

const KEY: &str = "sk-test-0123456789abcdef";
const DEADLINE: Duration = Duration::from_millis(1500);
const GOOD: &str = r#"{"choices":[{"message":{"content":"Hello."},"finish_reason":"stop"}]}"#;

fn client(address: &str, retries: u32) -> ChatClient {
    let mut endpoint = Endpoint::new(format!("{address}/v1"), "m");
    endpoint.api_key = Some(Secret::new(KEY).unwrap());
    (endpoint.deadline, endpoint.retries, endpoint.backoff) = (DEADLINE, retries, Duration::from_millis(20));
    ChatClient::new(endpoint).unwrap()
}

fn ask(client: &ChatClient) -> Result<ChatReply, RemoteError> {
    client.chat(&[ChatMessage::text(ChatRole::User, "the prompt")], &ChatOptions::default())
}

/// The error with all its causes, as a log would show it.
fn printed(error: &RemoteError) -> String {
    let mut text = format!("{error:?} {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text} {error:?} {error}");
        cause = error.source();
    }
    text
}

fn ok(body: &str) -> Step {
    Step::reply(200, "content-type: application/json\r\n", body)
}

/// What an endpoint does wrong, whether it is tried again, and how the error is told.
type Fault = (&'static str, Step, bool, fn(&RemoteError) -> bool);

#[allow(clippy::too_many_lines, reason = "one table")]
fn faults() -> Vec<Fault> {
    use RemoteError as E;
    let html = "<!DOCTYPE html><html>sk-test-0123456789abcdef</html>";
    let head = |rest: &str| format!("HTTP/1.1 200 x\r\n{rest}\r\n\r\n").into_bytes();
    let second = Duration::from_millis(100);
    let echo = format!(r#"{{"error": {{"message": "bad key {KEY}", "code": "{KEY}", "type": "{KEY}"}}}}"#);
    let cut = Step::Raw([head("content-length: 500"), GOOD[..30].into()].concat());
    vec![
        ("429", Step::reply(429, "", ""), true, |e| matches!(e, E::RateLimited { retry_after: None })),
        (
            "429 with a date",
            Step::reply(429, "retry-after: Fri, 31 Dec 1999 23:59:59 GMT\r\n", ""),
            true,
            |e| matches!(e, E::RateLimited { retry_after: None }),
        ),
        ("500 that shows the key", Step::reply(500, "", &echo), true, |e| {
            matches!(e, E::Status { status: 500, code: None, .. })
        }),
        ("502 with HTML", Step::reply(502, "", html), true, |e| {
            matches!(e, E::Status { status: 502, code: None, .. })
        }),
        (
            "503 with a code",
            Step::reply(503, "", r#"{"error": {"code": "overloaded"}}"#),
            true,
            |e| matches!(e, E::Status { status: 503, code: Some(code), .. } if code == "overloaded"),
        ),
        ("hanging up", Step::Raw(vec![]), true, |e| matches!(e, E::Connection { .. })),
        ("a cut head", Step::Raw(b"HTTP/1.1 200".to_vec()), true, |e| matches!(e, E::Connection { .. })),
        ("no HTTP", Step::Raw(b"SSH-2.0-OpenSSH\r\n\r\n".to_vec()), true, |e| {
            matches!(e, E::Connection { .. })
        }),
        ("a cut body", cut, true, |e| matches!(e, E::Connection { .. })),
        ("truncated JSON", ok(&GOOD[..40]), true, |e| matches!(e, E::Json { truncated: true, .. })),
        ("an empty body", ok(""), true, |e| matches!(e, E::Json { truncated: true, .. })),
        ("400", Step::reply(400, "", &echo), false, |e| {
            matches!(e, E::Status { status: 400, code: None, .. })
        }),
        ("404", Step::reply(404, "", "x"), false, |e| matches!(e, E::Status { status: 404, .. })),
        ("401", Step::reply(401, "", &echo), false, |e| matches!(e, E::Unauthorized { status: 401 })),
        ("403", Step::reply(403, "", &echo), false, |e| matches!(e, E::Unauthorized { status: 403 })),
        ("HTML", Step::reply(200, "content-type: Text/HTML; charset=utf-8\r\n", "x"), false, |e| {
            matches!(e, E::Html)
        }),
        ("HTML that says it is JSON", ok(html), false, |e| matches!(e, E::Html)),
        ("JSON twice", ok(&GOOD.repeat(2)), false, |e| matches!(e, E::Json { truncated: false, .. })),
        ("no UTF-8", Step::reply(200, "", b"{\"choices\": \"\xFF\"}"), false, |e| {
            matches!(e, E::Json { truncated: false, .. })
        }),
        ("deep JSON", ok(&"[".repeat(100_000)), false, |e| matches!(e, E::Json { truncated: false, .. })),
        ("a list", ok("[]"), false, |e| matches!(e, E::Json { truncated: false, .. })),
        ("NaN", ok(r#"{"choices": NaN}"#), false, |e| matches!(e, E::Json { truncated: false, .. })),
        ("no choices", ok("{}"), false, |e| matches!(e, E::NoChoices)),
        ("empty choices", ok(r#"{"choices": []}"#), false, |e| matches!(e, E::NoChoices)),
        ("no message", ok(r#"{"choices": [1]}"#), false, |e| matches!(e, E::Json { .. })),
        (
            "no text",
            ok(r#"{"choices": [{"message": {"content": null}, "finish_reason": "length"}]}"#),
            false,
            |e| matches!(e, E::NoText { finish: ChatFinish::Length }),
        ),
        ("a blank text", ok(r#"{"choices": [{"message": {"content": " "}}]}"#), false, |e| {
            matches!(e, E::NoText { .. })
        }),
        ("a number", ok(r#"{"choices": [{"message": {"content": 10}}]}"#), false, |e| {
            matches!(e, E::Json { .. })
        }),
        ("a refusal", ok(r#"{"choices": [{"message": {"content": null, "refusal": "No."}}]}"#), false, |e| {
            matches!(e, E::Refused)
        }),
        (
            "a filter",
            ok(r#"{"choices": [{"message": {"content": "x"}, "finish_reason": "content_filter"}]}"#),
            false,
            |e| matches!(e, E::Refused),
        ),
        ("an error with status 200", ok(&echo), false, |e| {
            matches!(e, E::Status { status: 200, code: None, .. })
        }),
        (
            "a gigabyte",
            Step::Flood { first: head("content-length: 1000000000"), kibibyte: vec![b' '; 1024] },
            false,
            |e| matches!(e, E::BodyTooLarge { limit: 1_048_576 }),
        ),
        (
            "endless chunks",
            Step::Flood {
                first: head("transfer-encoding: chunked"),
                kibibyte: [&b"3f9\r\n"[..], &[b' '; 1017], b"\r\n"].concat(),
            },
            false,
            |e| matches!(e, E::BodyTooLarge { .. }),
        ),
        (
            "endless headers",
            Step::Flood {
                first: b"HTTP/1.1 200 x\r\n".to_vec(),
                kibibyte: [&b"x-a: "[..], &[b'x'; 1017], b"\r\n"].concat(),
            },
            true,
            |e| matches!(e, E::Connection { .. }),
        ),
        ("silence", Step::Hang, false, |e| matches!(e, E::Timeout { .. })),
        (
            "a dripping body",
            Step::Drip { first: head("content-length: 5000"), byte: b' ', pause: second },
            false,
            |e| matches!(e, E::Timeout { .. }),
        ),
        (
            "dripping chunks",
            Step::Drip {
                first: [head("transfer-encoding: chunked"), b"ffff\r\n".to_vec()].concat(),
                byte: b' ',
                pause: second,
            },
            false,
            |e| matches!(e, E::Timeout { .. }),
        ),
        (
            "a dripping head",
            Step::Drip { first: b"HTTP/1.1 200 x\r\nx-a: ".to_vec(), byte: b'x', pause: second },
            false,
            |e| matches!(e, E::Timeout { .. }),
        ),
    ]
}

#[test]
fn every_fault_is_told_in_time_and_without_the_key() {
    let tests = faults().into_iter().flat_map(|fault| [0, 2].map(|retries| (fault.clone(), retries)));
    let tests: Vec<_> = tests
        .map(|((name, step, passing, is_expected), retries)| {
            thread::spawn(move || {
                let endpoint = ScriptedEndpoint::start(vec![step]);
                let client = client(&endpoint.address, retries);
                let start = Instant::now();

                let error = ask(&client).expect_err(name);

                assert!(
                    start.elapsed() <= DEADLINE + Duration::from_secs(1),
                    "{name}: {:?}",
                    start.elapsed()
                );
                assert!(is_expected(&error), "{name}: {error:?}");
                let text = format!("{} {client:?}", printed(&error));
                assert!(!text.contains(KEY) && !text.contains("the prompt"), "{name}: {text}");
                let requests = if passing { retries as usize + 1 } else { 1 };
                assert_eq!(endpoint.requests().len(), requests, "{name}");
            })
        })
        .collect();
    assert!(tests.len() >= 2 * 30);
    for test in tests {
        test.join().expect("this fault is told");
    }
}

#[test]
fn what_fails_in_passing_is_tried_again() {
    for (name, step, passing, _) in faults() {
        if !passing || name == "endless headers" {
            continue;
        }
        let endpoint = ScriptedEndpoint::start(vec![step, Step::answer("Hello.")]);

        let reply = ask(&client(&endpoint.address, 1)).unwrap_or_else(|error| panic!("{name}: {error:?}"));

        assert_eq!((reply.text.as_str(), reply.finish_reason), ("Hello.", ChatFinish::Stop), "{name}");
    }
}

#[test]
fn the_request_is_sent_as_json_with_the_key_in_its_header() {
    let endpoint = ScriptedEndpoint::start(vec![Step::answer("Hello.")]);

    ask(&client(&endpoint.address, 0)).unwrap();

    let requests = endpoint.requests();
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("authorization: Bearer {KEY}")), "{head}");
    let expected = r#"{"model":"m","messages":[{"role":"user","content":"the prompt"}],"stream":false}"#;
    assert_eq!(body, expected);
}

#[test]
fn a_wait_that_the_endpoint_asks_for_is_kept() {
    for status in [429, 503] {
        let wait = Step::reply(status, "Retry-After: 1\r\n", "");
        let endpoint = ScriptedEndpoint::start(vec![wait, Step::answer("Hello.")]);
        let start = Instant::now();

        ask(&client(&endpoint.address, 1)).unwrap();

        assert!(start.elapsed() >= Duration::from_secs(1), "{status}");
    }
}

#[test]
fn a_wait_beyond_the_deadline_fails_at_once() {
    let endpoint = ScriptedEndpoint::start(vec![Step::reply(429, "retry-after: 3600\r\n", "")]);
    let start = Instant::now();

    let error = ask(&client(&endpoint.address, 5)).unwrap_err();

    assert!(matches!(error, RemoteError::RateLimited { retry_after: Some(wait) } if wait.as_secs() == 3600));
    assert!(start.elapsed() < DEADLINE / 2);
    assert_eq!(endpoint.requests().len(), 1);
}

#[test]
fn a_redirect_gets_neither_the_key_nor_the_prompt() {
    for status in [301, 302, 303, 307, 308] {
        let other = ScriptedEndpoint::start(vec![Step::answer("Hello.")]);
        let location = format!("location: {}/v1/chat/completions\r\n", other.address);
        let endpoint = ScriptedEndpoint::start(vec![Step::reply(status, &location, "")]);

        let error = ask(&client(&endpoint.address, 2)).unwrap_err();

        assert!(matches!(error, RemoteError::Redirect { status: found } if found == status), "{error:?}");
        assert_eq!((endpoint.requests().len(), other.requests().len()), (1, 0));
    }
}

#[test]
fn a_key_that_the_endpoint_sends_back_is_blotted_out() {
    let endpoint = ScriptedEndpoint::start(vec![Step::answer(&format!("Your key is {KEY}!"))]);

    assert_eq!(ask(&client(&endpoint.address, 0)).unwrap().text, "Your key is ***!");
}

#[test]
fn a_placeholder_for_a_key_stays_in_the_answer() {
    let body = r#"{"choices": [{"message": {"content": "none of them"}, "finish_reason": "none"}]}"#;
    let endpoint = ScriptedEndpoint::start(vec![ok(body)]);
    let mut told = client(&endpoint.address, 0).endpoint().clone();
    told.api_key = Some(Secret::new("none").unwrap());

    let reply = ask(&ChatClient::new(told).unwrap()).unwrap();

    assert_eq!(
        (reply.text.as_str(), reply.finish_reason),
        ("none of them", ChatFinish::Other("none".into()))
    );
}

#[test]
fn no_key_is_taken_for_the_name_of_an_error() {
    for key in ["token-abc123", "none"] {
        let body = format!(r#"{{"error": {{"code": "{key}"}}}}"#);
        let endpoint = ScriptedEndpoint::start(vec![Step::reply(400, "", &body)]);
        let mut told = client(&endpoint.address, 0).endpoint().clone();
        told.api_key = Some(Secret::new(key).unwrap());

        let error = ask(&ChatClient::new(told).unwrap()).unwrap_err();

        assert!(matches!(&error, RemoteError::Status { code: None, .. }), "{error:?}");
        assert!(!error.to_string().contains(key), "{error}");
    }
}

#[test]
fn a_key_in_the_place_of_the_finish_reason_is_left_out() {
    let body = |text: &str| {
        let message = serde_json::json!({"content": text});
        ok(&serde_json::json!({"choices": [{"message": message, "finish_reason": KEY}]}).to_string())
    };
    let endpoint = ScriptedEndpoint::start(vec![body("Hm."), body("")]);
    let client = client(&endpoint.address, 0);

    assert_eq!(ask(&client).unwrap().finish_reason, ChatFinish::Other(String::new()));
    let error = ask(&client).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(KEY), "{error:?}");
}

#[test]
fn an_answer_in_parts_is_put_together() {
    let body = r#"{"choices": [{"message": {"content": [{"type": "text", "text": "Hel"}, {"text": "lo."}, {"x": 1}]}}], "x": 1}"#;
    let endpoint = ScriptedEndpoint::start(vec![ok(&format!("\u{feff} {body}"))]);

    let reply = ask(&client(&endpoint.address, 0)).unwrap();

    assert_eq!((reply.text.as_str(), reply.finish_reason), ("Hello.", ChatFinish::Other(String::new())));
}

#[test]
fn a_closed_port_and_a_port_without_tls_are_failed_connections() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let plain = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let without_tls = format!("https://{}", plain.local_addr().unwrap());
    thread::spawn(move || {
        for stream in plain.incoming() {
            let _ = stream.unwrap().write_all(b"HTTP/1.1 400 this port speaks no TLS\r\n\r\n");
        }
    });

    for address in [closed, without_tls] {
        let error = ask(&client(&address, 1)).unwrap_err();
        assert!(matches!(error, RemoteError::Connection { .. }), "{error:?}");
        assert!(!printed(&error).contains(KEY));
    }
}

#[test]
fn a_key_is_never_printed() {
    let endpoint = client("http://127.0.0.1:1", 0).endpoint().clone();

    assert_eq!(format!("{:?}", endpoint.api_key), "Some(***)");
    assert!(!format!("{endpoint:?}").contains(KEY));
    for key in ["", "a b", "a\r\nx: y", "é"] {
        assert!(Secret::new(key).is_err());
    }
    let error = Secret::from_env("RCMU_TEST_NO_SUCH_VARIABLE").unwrap_err();
    assert_eq!(error.to_string(), "the key is not in the variable RCMU_TEST_NO_SUCH_VARIABLE");
}
