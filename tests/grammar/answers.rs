//! Answers of models.

use std::path::Path;

use rcmu::{
    Backend, ComputeDtype, LoadOptions, Rcmu,
    core::{
        Control, FinishReason, GenerateError, GenerateOptions, Generation, Grammar, Picture, Question,
        Request, Scene,
    },
    model::Error,
    prompt::{PromptBuilder, Targets, answer_grammar, box_grammar, choice_grammar, parse},
};

use crate::{TestResult, faults};

fn asset(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/figurines").join(name).to_string_lossy().into_owned()
}

/// The bundled model on the CPU, or on the backend that `RCMU_DEVICE` names.
fn bundled() -> Result<Rcmu, rcmu::Error> {
    let backend = std::env::var("RCMU_DEVICE").unwrap_or_else(|_| "flex".into());
    let mut options = LoadOptions::default().on(Backend::from_name(&backend)?.device()?);
    options.model.dtype = Some(ComputeDtype::F32);
    Rcmu::load(&asset("model"), &options)
}

fn scene() -> Result<Scene, rcmu::Error> {
    rcmu::open_regions(asset("scene.json"), rcmu::open(asset("scene.png"))?)
}

const QUESTIONS: [&str; 3] =
    ["Who owns the red mushroom?", "Describe the image.", "What did the owner of the duck pay?"];

fn request(text: &str, grammar: Option<Grammar>) -> Result<Request, rcmu::Error> {
    let question = Question::new(text)?.with_citations();
    let options = GenerateOptions { grammar, ..GenerateOptions::greedy(64) };
    Ok(PromptBuilder::new(&scene()?, &question).build()?.into_request(options))
}

fn generate(model: &Rcmu, request: &Request) -> Result<Generation, GenerateError> {
    model.model().session().generate(request, &Control::default(), &mut |_| {})
}

/// The model's error behind a refused request.
fn refused<T: std::fmt::Debug>(result: Result<T, GenerateError>) -> Error {
    match result {
        Err(GenerateError::Request(source)) => *source.downcast::<Error>().unwrap(),
        other => panic!("expected a refused request, found {other:?}"),
    }
}

#[test]
fn an_answer_that_follows_the_grammar_anyway_stays_as_it_is() -> TestResult {
    let (model, scene) = (bundled()?, scene()?);
    let mut chat = model.chat(scene.clone());
    let mut free_chat = model.chat(scene.clone());
    for text in QUESTIONS {
        let question = Question::new(text)?.with_citations();

        let free = model.ask(&scene, &question)?;
        assert_eq!(faults(&free), [""; 0], "{}", free.text);
        assert_eq!(model.ask_strict(&scene, &question)?, free);
        assert_eq!(chat.ask_strict(&question)?, free_chat.ask(&question)?);
    }
    Ok(())
}

#[test]
fn sampling_and_penalties_stay_within_the_grammar() -> TestResult {
    let model = bundled()?;
    let question = Question::new("Who owns the duck?")?.with_choices(["Marco", "Felix", "Lucy"])?;
    let mut letters = std::collections::BTreeSet::new();
    for seed in 0..24 {
        let options = GenerateOptions {
            temperature: Some(50.0),
            repetition_penalty: Some(1.3),
            top_k: (seed % 2 == 0).then_some(50),
            top_p: (seed % 3 == 0).then_some(0.9),
            min_p: (seed % 4 == 0).then_some(0.01),
            seed,
            grammar: Some(choice_grammar(3)),
            ..GenerateOptions::default()
        };
        let answer = model.ask_with(&scene()?, &question, options, &Control::default())?;
        assert!(["A", "B", "C"].contains(&answer.text.as_str()), "{}", answer.text);
        letters.insert(answer.text);
    }
    assert!(letters.len() > 1, "the draws are all alike: {letters:?}");
    assert!(["A", "B", "C"].contains(&model.ask_strict(&scene()?, &question)?.text.as_str()));
    Ok(())
}

#[test]
fn an_answer_that_is_cut_is_the_beginning_of_one_that_follows_the_grammar() -> TestResult {
    let model = bundled()?;
    let mut request = request("Where is the duck?", Some(box_grammar()))?;
    let whole = generate(&model, &request)?;
    assert_eq!(whole.finish, FinishReason::EndOfText);
    assert_eq!(parse(&whole.text, Targets::of(&scene()?), whole.finish).boxes.len(), 1, "{}", whole.text);

    request.options.max_new_tokens = 3;
    let cut = generate(&model, &request)?;
    request.options.max_new_tokens = 64;
    request.options.stop = vec![",".into()];
    let stopped = generate(&model, &request)?;

    assert_eq!(cut.finish, FinishReason::MaxTokens);
    assert!(whole.text.starts_with(&cut.text) && cut.text.len() < whole.text.len(), "{}", cut.text);
    assert_eq!(stopped.finish, FinishReason::StopString);
    assert_eq!(Some(stopped.text.as_str()), whole.text.split(',').next());
    Ok(())
}

#[test]
fn each_row_of_a_batch_has_its_own_grammar() -> TestResult {
    let model = bundled()?;
    let targets = Targets::of(&scene()?);
    let grammars = [
        None,
        Some(choice_grammar(2)),
        Some(box_grammar()),
        Some(answer_grammar(targets)),
        Some(box_grammar()),
    ];
    let requests = grammars.into_iter().map(|it| request(QUESTIONS[1], it)).collect::<Result<Vec<_>, _>>()?;

    let together = model.model().generate_batch(&requests, &Control::default())?;

    for (request, made) in requests.iter().zip(&together) {
        assert_eq!(made.token_ids, generate(&model, request)?.token_ids, "{:?}", request.options.grammar);
    }
    assert!(["A", "B"].contains(&together[1].text.as_str()));
    assert!(together[2].text.starts_with("<|box_start|>("));
    assert_eq!(together[0].text, together[3].text);
    Ok(())
}

#[test]
fn a_grammar_that_is_none_is_refused_before_the_picture_is_read() -> TestResult {
    let model = bundled()?;
    let mut bad = request(QUESTIONS[0], None)?;
    bad.visuals = vec![Picture::from_bytes(b"no picture".to_vec()).into()];
    for (lark, expected) in [
        ("start: (", "Expected"),
        ("start: nothing", "nothing"),
        ("begin: \"a\"", "start"),
        ("start: <|no_such_token|>", "<|no_such_token|>"),
        ("start: /a(/", "invalid regex"),
        ("start: T\nT: \"a\" & \"b\"", "no token may follow"),
        ("start: %json {\"type\": 7}", "type"),
    ] {
        bad.options.grammar = Some(Grammar::new(lark)?);

        match refused(generate(&model, &bad)) {
            Error::Grammar { problem } => assert!(problem.contains(expected), "{lark}: {problem}"),
            other => panic!("{lark}: {other:?}"),
        }
        assert!(matches!(
            refused(model.model().generate_batch(&[bad.clone()], &Control::default())),
            Error::Grammar { .. }
        ));
    }
    bad.options.grammar = None;
    assert!(matches!(refused(generate(&model, &bad)), Error::PictureFormat { .. }));
    Ok(())
}

#[test]
fn a_grammar_that_comes_to_no_end_is_an_error_and_the_session_goes_on() -> TestResult {
    let model = bundled()?;
    let mut session = model.model().session();
    let stuck = Grammar::new("start: \"a\" T\nT: \"b\" & \"c\"")?;

    let error =
        refused(session.generate(&request(QUESTIONS[0], Some(stuck))?, &Control::default(), &mut |_| {}));

    assert!(matches!(error, Error::GrammarStep { tokens: 1, .. } | Error::Grammar { .. }), "{error:?}");
    let next = session.generate(&request(QUESTIONS[0], None)?, &Control::default(), &mut |_| {})?;
    assert_eq!(next.text, generate(&model, &request(QUESTIONS[0], None)?)?.text);
    Ok(())
}
