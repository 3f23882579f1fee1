use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use rcmu_core::{
    Control, Event, FinishReason, GenerateError, GenerateOptions, Generation, Generator, Request, Stats,
};
use rcmu_data::remote::{ChatClient, ChatFinish, ChatOptions, ChatReply, Endpoint, RemoteError};

use super::chat::chat_messages;

/// How often a waiting request looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(20);

/// A model behind an OpenAI-compatible endpoint.
///
/// The prompt is sent as the turns of a chat: its texts, the two tokens around a box written out, and its pictures
/// inside the request, all in order; other control tokens are the endpoint's own business. A question that is cancelled
/// or over its deadline is given up at once, with an empty text; its connection ends with the deadline of the endpoint.
///
/// The key is in no error and no debug output. The HTTP client logs every byte at the level trace, the key too: leave the
/// targets `ureq` and `ureq_proto` at debug, where neither the key nor the target of a redirection is shown.
///
/// # Examples
///
/// ```no_run
/// use rcmu_data::remote::Endpoint;
/// use rcmu_eval::{dataset::figurine_bench, run::{RemoteGenerator, Run, RunOptions}};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let generator = RemoteGenerator::new(Endpoint::new("http://127.0.0.1:8000/v1", "rc-qwen2vl-2b"))?;
/// let options = RunOptions { parallel: 8, ..RunOptions::default() };
/// Run::new(&figurine_bench(1, 10)?, &generator, options)?.execute("run.journal")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RemoteGenerator {
    client: ChatClient,
}

impl RemoteGenerator {
    /// Prepares an endpoint; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// As [`ChatClient::new`].
    pub fn new(endpoint: Endpoint) -> Result<Self, RemoteError> {
        Ok(Self { client: ChatClient::new(endpoint)? })
    }

    /// Waits for the reply, or for a reason to stop.
    fn wait(&self, request: &Request, control: &Control) -> Result<Waited, GenerateError> {
        let messages = chat_messages(request).map_err(|problem| GenerateError::Request(problem.into()))?;
        let options = chat_options(&request.options)?;
        if let Some(reason) = control.stop_reason() {
            return Ok(Waited::Stopped(reason));
        }
        let (sender, receiver) = mpsc::channel();
        let client = self.client.clone();
        // On its own, because a request cannot be called back; the endpoint's deadline ends it.
        thread::spawn(move || sender.send(client.chat(&messages, &options)));
        loop {
            let left = control
                .deadline
                .map_or(LOOK, |deadline| deadline.saturating_duration_since(Instant::now()).min(LOOK));
            match receiver.recv_timeout(left) {
                Ok(Ok(reply)) => return Ok(Waited::Reply(reply)),
                Ok(Err(error)) => return Err(failure(error)),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(GenerateError::Engine("the request was abandoned".into()));
                }
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(reason) = control.stop_reason() {
                        return Ok(Waited::Stopped(reason));
                    }
                }
            }
        }
    }
}

/// How waiting ended.
enum Waited {
    Reply(ChatReply),
    Stopped(FinishReason),
}

impl Generator for RemoteGenerator {
    fn identity(&self) -> String {
        let endpoint = self.client.endpoint();
        format!("{} at {}", endpoint.model, endpoint.base_url.trim_end_matches('/'))
    }

    fn generate(
        &self,
        request: &Request,
        control: &Control,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Generation, GenerateError> {
        request.options.check().map_err(|error| GenerateError::Request(Box::new(error)))?;
        let (text, finish) = match self.wait(request, control)? {
            Waited::Stopped(reason) => (String::new(), reason),
            Waited::Reply(ChatReply { text, finish_reason: ChatFinish::Length }) => {
                (text, FinishReason::MaxTokens)
            }
            Waited::Reply(reply) => (reply.text, FinishReason::EndOfText),
        };
        // The endpoint counts its own tokens.
        on_event(Event::Started { prompt_tokens: 0, image_tokens: 0 });
        if !text.is_empty() {
            on_event(Event::Text(text.clone()));
        }
        let stats = Stats::default();
        on_event(Event::Finished { reason: finish, stats: stats.clone() });
        Ok(Generation { text, token_ids: Vec::new(), finish, stats, logprobs: Vec::new() })
    }
}

/// The settings that an endpoint knows; one that it does not is an error, because it would change nothing.
fn chat_options(options: &GenerateOptions) -> Result<ChatOptions, GenerateError> {
    if options.grammar.is_some() {
        return Err(GenerateError::Unsupported { option: "grammar" });
    }
    let greedy = options.sample == Some(false);
    let unknown = [
        ("top_k", options.top_k.is_some() && !greedy),
        ("top_p", options.top_p.is_some() && !greedy),
        ("min_p", options.min_p.is_some() && !greedy),
        ("repetition_penalty", options.repetition_penalty.is_some()),
        ("presence_penalty", options.presence_penalty.is_some()),
        ("frequency_penalty", options.frequency_penalty.is_some()),
        ("logit_bias", !options.logit_bias.is_empty()),
        ("logprobs", options.logprobs.is_some()),
    ];
    if let Some((name, _)) = unknown.into_iter().find(|(_, is_set)| *is_set) {
        return Err(GenerateError::Request(format!("`{name}` cannot be sent to an endpoint").into()));
    }
    // Through its shortest text: 0.7 stays 0.7.
    let temperature = options.temperature.and_then(|value| value.to_string().parse().ok());
    Ok(ChatOptions {
        temperature: if greedy { Some(0.0) } else { temperature },
        max_tokens: Some(options.max_new_tokens),
        seed: Some(options.seed),
        stop: options.stop.clone(),
    })
}

fn failure(error: RemoteError) -> GenerateError {
    match error {
        RemoteError::Endpoint { .. } | RemoteError::Key { .. } | RemoteError::Request { .. } => {
            GenerateError::Request(Box::new(error))
        }
        error => GenerateError::Engine(Box::new(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader, Read, Write},
        net::TcpListener,
    };

    use rcmu_core::{CancelToken, Grammar, Prompt};
    use rcmu_data::remote::Secret;
    use serde_json::{Value, json};

    use super::*;

    /// Answers one request with this body, or never; gives the JSON that it got.
    fn endpoint(answer: Option<Value>) -> (String, thread::JoinHandle<Value>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/v1/", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut input = BufReader::new(stream.try_clone().unwrap());
            let mut length = 0;
            loop {
                let mut line = String::new();
                input.read_line(&mut line).unwrap();
                if line.trim().is_empty() {
                    break;
                }
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            input.read_exact(&mut body).unwrap();
            match answer {
                Some(answer) => {
                    let answer = answer.to_string();
                    let head = format!(
                        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\ncontent-type: application/json\r\n\r\n",
                        answer.len()
                    );
                    stream.write_all((head + &answer).as_bytes()).unwrap();
                }
                // Until the client hangs up.
                None => drop(stream.read(&mut [0])),
            }
            serde_json::from_slice(&body).unwrap()
        });
        (address, server)
    }

    fn generator(address: &str) -> RemoteGenerator {
        let mut endpoint = Endpoint::new(address, "m");
        endpoint.api_key = Some(Secret::new("sk-hidden").unwrap());
        endpoint.deadline = Duration::from_secs(3);
        endpoint.retries = 0;
        RemoteGenerator::new(endpoint).unwrap()
    }

    fn request(options: GenerateOptions) -> Request {
        let text = "<|im_start|>user\nWho?<|im_end|>\n<|im_start|>assistant\n";
        Request { prompt: Prompt::from_reference_text(text), visuals: vec![], options }
    }

    #[test]
    fn an_answer_comes_with_its_end_and_the_settings_are_sent() {
        let answer = json!({"choices": [{"message": {"content": "Lily."}, "finish_reason": "length"}]});
        let (address, server) = endpoint(Some(answer));
        let generator = generator(&address);
        let options = GenerateOptions { seed: 7, stop: vec!["\n".into()], ..GenerateOptions::greedy(9) };
        let mut events = 0;

        let generation =
            generator.generate(&request(options), &Control::default(), &mut |_| events += 1).unwrap();

        assert_eq!((generation.text.as_str(), generation.finish), ("Lily.", FinishReason::MaxTokens));
        assert_eq!(events, 3);
        let sent = server.join().unwrap();
        assert_eq!(sent["messages"], json!([{"role": "user", "content": "Who?"}]));
        assert_eq!(
            [&sent["temperature"], &sent["max_tokens"], &sent["seed"], &sent["stop"]],
            [&json!(0.0), &json!(9), &json!(7), &json!(["\n"])]
        );
        let address = address.trim_end_matches('/');
        assert_eq!(Generator::identity(&generator), format!("m at {address}"), "the key is no part of it");
    }

    #[test]
    fn a_waiting_request_is_given_up_at_once() {
        for by_deadline in [false, true] {
            let (address, _server) = endpoint(None);
            let cancel = CancelToken::new();
            let deadline = by_deadline.then(|| Instant::now() + Duration::from_millis(60));
            let control = Control { cancel: cancel.clone(), deadline };
            let begun = Instant::now();
            if !by_deadline {
                thread::spawn(move || {
                    thread::sleep(Duration::from_millis(60));
                    cancel.cancel();
                });
            }

            let generation = generator(&address)
                .generate(&request(GenerateOptions::greedy(9)), &control, &mut |_| {})
                .unwrap();

            let expected = if by_deadline { FinishReason::Deadline } else { FinishReason::Cancelled };
            assert_eq!((generation.text.as_str(), generation.finish), ("", expected));
            assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        }
    }

    #[test]
    fn a_failure_of_the_endpoint_is_the_engines() {
        let (address, _server) = endpoint(Some(json!({"choices": []})));

        let error = generator(&address).generate(
            &request(GenerateOptions::greedy(9)),
            &Control::default(),
            &mut |_| {},
        );

        assert!(
            matches!(error, Err(GenerateError::Engine(source)) if source.to_string() == "the reply has no choices")
        );
    }

    #[test]
    fn settings_that_an_endpoint_does_not_know_are_refused() {
        let options =
            GenerateOptions { sample: Some(true), temperature: Some(0.7), ..GenerateOptions::default() };
        assert_eq!(chat_options(&options).unwrap().temperature, Some(0.7));

        let options = GenerateOptions { top_p: Some(0.5), ..options };
        assert!(matches!(chat_options(&options), Err(GenerateError::Request(_))));
        assert!(
            chat_options(&GenerateOptions { sample: Some(false), ..options.clone() }).is_ok(),
            "no effect"
        );
        let grammar = Some(Grammar::new("start: \"a\"").unwrap());
        assert!(matches!(
            chat_options(&GenerateOptions { grammar, ..GenerateOptions::greedy(1) }),
            Err(GenerateError::Unsupported { option: "grammar" })
        ));
        let penalty = GenerateOptions { repetition_penalty: Some(1.1), ..GenerateOptions::greedy(1) };
        assert!(chat_options(&penalty).is_err());
        let set: [fn(&mut GenerateOptions); 4] = [
            |o| o.presence_penalty = Some(0.5),
            |o| o.frequency_penalty = Some(0.5),
            |o| o.logit_bias = [(7, 1.0)].into(),
            |o| o.logprobs = Some(0),
        ];
        for set in set {
            let mut options = GenerateOptions::greedy(1);
            set(&mut options);
            assert!(matches!(chat_options(&options), Err(GenerateError::Request(_))), "{options:?}");
        }
    }
}
