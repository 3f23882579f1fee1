use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rcmu_core::BBox;
use serde_json::{Value, json};

use super::{
    AnnotatedObject, AnnotatedPicture, Drafts, Failure, Maker, Pipeline, PipelineOptions, PoolRequest,
    ProfilePool, RemoteMaker, Report, StepName, Templates,
};
use crate::{
    PictureSource, Sample,
    remote::{
        ChatClient, ChatOptions, Endpoint,
        testing::{ScriptedEndpoint, Step},
    },
};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("rcmu-remote-pipeline-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn maker(address: &str) -> RemoteMaker {
    let mut endpoint = Endpoint::new(address, "scripted");
    endpoint.retries = 0;
    endpoint.deadline = Duration::from_secs(20);
    RemoteMaker::new(ChatClient::new(endpoint).unwrap(), ChatOptions::default())
}

#[test]
fn an_identity_is_the_same_text_in_every_build() {
    let options = r#"{"max_tokens":null,"seed":null,"stop":[],"temperature":null}"#;

    assert_eq!(maker("http://127.0.0.1:1/v1").identity(), format!("scripted {options}"));
}

fn pictures() -> Vec<AnnotatedPicture> {
    (0..3)
        .map(|at| AnnotatedPicture {
            id: format!("park-{at}"),
            picture: PictureSource::File(format!("park-{at}.jpg")),
            objects: [("woman", "the woman in the red coat"), ("dog", "the black dog on the left")]
                .into_iter()
                .map(|(noun, expression)| AnnotatedObject {
                    noun: noun.into(),
                    bbox: BBox::new(100, 80, 420, 960).unwrap(),
                    expressions: vec![expression.into()],
                })
                .collect(),
            caption: Some("A woman [1] walks a dog [2] in a park.".into()),
        })
        .collect()
}

/// The draft of the templates, in a code fence, when it is this step that is asked for.
fn reply<S: super::remote::Prompted>(system: &str, input: &str) -> Option<Step>
where
    Templates: Drafts<S>,
{
    (system == S::PROMPT.text).then(|| {
        let input = serde_json::from_str(input).unwrap();
        let draft = Drafts::<S>::draft(&Templates, &input, 5).unwrap();
        Step::answer(&format!("```json\n{}\n```", serde_json::to_string(&draft).unwrap()))
    })
}

/// The system message and the input of a request.
fn messages(request: &str) -> (String, String) {
    let body: Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
    let content = |at: usize| body["messages"][at]["content"].as_str().unwrap().to_owned();
    (content(0), content(1))
}

/// Answers as a language model that knows the templates would.
fn model_answer(request: &str) -> Step {
    let (system, input) = messages(request);
    None.or_else(|| reply::<ProfilePool>(&system, &input))
        .or_else(|| reply::<super::VisualQuestions>(&system, &input))
        .or_else(|| reply::<super::ContextualQuestions>(&system, &input))
        .or_else(|| reply::<super::UnmentionedTopics>(&system, &input))
        .or_else(|| reply::<super::Description>(&system, &input))
        .or_else(|| reply::<super::CitedDescription>(&system, &input))
        .expect("a prompt of the pipeline")
}

fn run(address: &str, folder: &Folder) -> (Report, Vec<Sample>) {
    run_with(&pictures(), address, folder)
}

fn run_with(pictures: &[AnnotatedPicture], address: &str, folder: &Folder) -> (Report, Vec<Sample>) {
    let options = PipelineOptions { profiles_per_noun: 8, give_up_after: 2, ..PipelineOptions::default() };
    let pipeline = Pipeline::new(maker(address), options).unwrap();
    let mut samples = Vec::new();
    let report = pipeline.run(pictures, &folder.0.join("journal"), |sample| {
        samples.push(sample);
        Ok(())
    });
    (report.unwrap(), samples)
}

#[test]
fn a_language_model_is_asked_once_for_everything_and_named_in_every_sample() {
    let endpoint = ScriptedEndpoint::answering(|_, request| model_answer(request));
    let folder = Folder::new("whole");
    let (report, samples) = run(&endpoint.address, &folder);
    let asked = endpoint.requests().len();
    let (again, same) = run(&endpoint.address, &folder);

    assert!(report.is_complete() && report.failures.is_empty(), "{report:?}");
    assert_eq!(report.samples.len(), 5, "{:?}", report.samples);
    assert!(samples.iter().all(|it| it.provenance.maker.contains("scripted")), "the maker is named");
    assert!(samples.iter().all(|it| it.provenance.prompt.contains("-prompt-1")), "so is the prompt");
    assert_eq!((same, endpoint.requests().len()), (samples, asked), "nothing is asked again");
    assert!(again.steps.values().all(|count| count.done == 0));
}

#[test]
fn nothing_is_lost_however_many_calls_fail() {
    let folder = Folder::new("failing");
    let whole = {
        let endpoint = ScriptedEndpoint::answering(|_, request| model_answer(request));
        run(&endpoint.address, &Folder::new("undisturbed")).1
    };
    // Every other call fails in another way; what succeeds is never asked again.
    let good = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&good);
    let endpoint = ScriptedEndpoint::answering(move |number, request| {
        let faults = [
            Step::reply(500, "", "{}"),
            Step::answer("I am sorry, I cannot do that."),
            Step::answer("{\"profiles\": [], \"attributes\": [], \"extra\": 1}"),
            Step::Raw(b"HTTP/1.1 200 x\r\ncontent-length: 50\r\n\r\n{".to_vec()),
            Step::answer("{\"description\": \"\"}"),
        ];
        if number.is_multiple_of(2) {
            return faults[number / 2 % faults.len()].clone();
        }
        counter.fetch_add(1, Ordering::Relaxed);
        model_answer(request)
    });
    let mut runs = 0;
    let samples = loop {
        runs += 1;
        let (report, samples) = run(&endpoint.address, &folder);
        assert!(!report.is_complete() || report.failures.is_empty());
        if report.is_complete() {
            break samples;
        }
        assert!(runs < 40, "{report:?}");
    };

    assert_eq!(samples, whole);
    let undisturbed = 2 * 2 + 3 * 5;
    assert_eq!(good.load(Ordering::Relaxed), undisturbed, "each good answer was asked for once");
}

#[test]
fn an_endpoint_that_is_gone_is_left_alone_after_some_calls() {
    let endpoint = ScriptedEndpoint::start(vec![Step::reply(503, "", "{}")]);
    let (report, samples) = run(&endpoint.address, &Folder::new("gone"));

    assert!(report.gave_up && samples.is_empty());
    assert_eq!(endpoint.requests().len(), 2);
    assert_eq!(report.unfinished, ["park-0", "park-1", "park-2"]);
    assert!(report.steps.values().any(|count| count.not_asked > 0));
}

#[test]
fn pictures_that_get_no_profiles_do_not_hide_that_an_endpoint_is_gone() {
    let endpoint = ScriptedEndpoint::answering(|_, request| {
        let (system, input) = messages(request);
        reply::<ProfilePool>(&system, &input).unwrap_or_else(|| Step::reply(503, "", "{}"))
    });
    let mut pictures = pictures();
    for picture in &mut pictures {
        // One more than there are profiles.
        picture.objects = vec![picture.objects[1].clone(); 9];
    }
    let (report, _) = run_with(&pictures, &endpoint.address, &Folder::new("unmatched"));

    let unmatched = report.failures.iter().filter(|it| it.step == StepName::Matching).count();
    assert_eq!((report.gave_up, unmatched), (true, 3), "{report:?}");
    assert_eq!(endpoint.requests().len(), 2 + 2, "two for the profiles, two that fail");
}

#[test]
fn a_reply_that_is_cut_or_of_another_form_is_a_failure() {
    let cut = json!({"choices": [{"message": {"role": "assistant", "content": "{\"profiles\":"}, "finish_reason": "length"}]});
    let cases = [
        (Step::reply(200, "content-type: application/json\r\n", cut.to_string()), "cut at the most tokens"),
        (Step::answer("Sure! Here are the profiles."), "not the JSON"),
        (Step::answer(&format!("{{\"{}\": 1}}", "x".repeat(5000))), "not the JSON"),
    ];
    for (step, expected) in cases {
        let endpoint = ScriptedEndpoint::start(vec![step]);
        let request = PoolRequest { noun: "dog".into(), count: 1, taken: Vec::new() };
        let failure = Drafts::<ProfilePool>::draft(&maker(&endpoint.address), &request, 1).unwrap_err();

        assert!(
            matches!(&failure, Failure::Reply { problem } if problem.contains(expected) && problem.len() < 300)
        );
    }
}
