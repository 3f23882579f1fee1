//! From picture, regions and question to a parsed answer, on a tiny random checkpoint.
//!
//! Its words mean nothing; what is tested is that the parts fit and that no way of asking changes the answer.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rcmu::{
    AnswerEvent, Backend, ComputeDtype, Error, Hint, LoadOptions, Rcmu,
    core::{
        Control, Event, FinishReason, GenerateError, GenerateOptions, Generator, ImageSize, Picture,
        PixelBox, Prompt, Question, Request, Scene, SpecialToken, Visual,
    },
    model::processor::Dialect,
    prompt::{PromptBuilder, TextPolicy},
};

mod sessions;

type TestResult = Result<(), Box<dyn std::error::Error>>;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden").join(name)
}

/// The CPU, or the backend that `RCMU_DEVICE` names.
fn options() -> Result<LoadOptions, Error> {
    let backend = std::env::var("RCMU_DEVICE").unwrap_or_else(|_| "flex".into());
    let mut options = LoadOptions::default().on(Backend::from_name(&backend)?.device()?);
    options.model.dtype = Some(ComputeDtype::F32);
    Ok(options)
}

fn load(name: &str) -> Result<Rcmu, Error> {
    Rcmu::load(&fixture(name).to_string_lossy(), &options()?)
}

/// A picture whose pixels follow from the seed.
fn picture(width: u32, height: u32, seed: u32) -> Result<Picture, Error> {
    let size = ImageSize::new(width, height)?;
    let pixels = (0..width * height * 3).map(|i| ((i ^ (i >> 5)).wrapping_mul(31 + 2 * seed) >> 3) as u8);
    Ok(Picture::Rgb { size, pixels: pixels.collect() })
}

fn scene(seed: u32) -> Result<Scene, Error> {
    let scene = rcmu::scene(picture(84, 56, seed)?)?
        .region("lantern", PixelBox::new(4, 4, 30, 50)?, "Made of copper in the harbor.")?
        .region("dog", PixelBox::new(40, 10, 80, 56)?, "Bella. Two years old.")?;
    Ok(scene)
}

fn request(scene: &Scene, text: &str, options: GenerateOptions) -> Result<Request, Error> {
    let question = Question::new(text)?.with_citations();
    Ok(PromptBuilder::new(scene, &question).build()?.into_request(options))
}

fn generate(model: &Rcmu, request: &Request) -> Result<(String, Vec<u32>), Error> {
    let made = model.model().generate(request, &Control::default(), &mut |_| {})?;
    Ok((made.text, made.token_ids))
}

#[test]
fn all_file_layouts_hold_the_same_model() -> TestResult {
    let request = request(&scene(0)?, "What is shown?", GenerateOptions::greedy(12))?;

    let expected = generate(&load("tiny")?, &request)?;

    for name in ["tiny_bf16", "tiny_v5_layout"] {
        assert_eq!(generate(&load(name)?, &request)?, expected, "{name}");
    }
    assert_eq!(expected.1.len(), 12);
    Ok(())
}

#[test]
fn the_untied_head_is_used() -> TestResult {
    let request = request(&scene(0)?, "What is shown?", GenerateOptions::greedy(4))?;

    let (tied, untied) = (load("tiny")?, load("tiny_untied")?);

    assert!(untied.model().parameter_count() > tied.model().parameter_count());
    assert_ne!(generate(&tied, &request)?, generate(&untied, &request)?);
    Ok(())
}

#[test]
fn asking_streaming_and_chatting_give_the_same_answer() -> TestResult {
    let model = load("tiny_bf16")?;
    let scene = scene(1)?;
    let question = Question::new("What is shown?")?.with_citations();
    let settings = GenerateOptions::greedy(24);

    let asked = model.ask_with(&scene, &question, settings.clone(), &Control::default())?;

    let mut text = String::new();
    let mut streamed = None;
    for event in model.stream_with(&scene, &question, settings.clone(), Control::default())? {
        match event? {
            AnswerEvent::Text(part) => text.push_str(&part),
            AnswerEvent::Finished { answer, .. } => streamed = Some(*answer),
            _ => {}
        }
    }
    let chatted = model.chat(scene).ask_with(&question, settings, &Control::default(), &mut |_| {})?;
    assert_eq!(text, asked.text);
    assert_eq!(streamed.as_ref(), Some(&asked));
    assert_eq!(chatted, asked);
    Ok(())
}

#[test]
fn many_threads_share_one_model_without_cross_talk() -> TestResult {
    let model = load("tiny_bf16")?;
    let requests: Vec<Request> = (0..8)
        .map(|seed| request(&scene(seed)?, "What is shown?", GenerateOptions::greedy(6)))
        .collect::<Result<_, _>>()?;
    let serial: Vec<_> = requests.iter().map(|r| generate(&model, r)).collect::<Result<_, _>>()?;

    let parallel: Vec<Vec<_>> = thread::scope(|scope| {
        let workers: Vec<_> = (0..8)
            .map(|shift| {
                let (model, requests) = (model.clone(), &requests);
                scope.spawn(move || {
                    let order = (0..8).map(|i| (i + shift) % 8);
                    order.map(|i| (i, generate(&model, &requests[i]).map_err(|e| e.to_string()))).collect()
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("no thread panics")).collect()
    });

    for (i, answer) in parallel.into_iter().flatten() {
        assert_eq!(answer.as_ref(), Ok(&serial[i]));
    }
    Ok(())
}

#[test]
fn sampling_follows_the_seed() -> TestResult {
    let model = load("tiny_bf16")?;
    let sample = |seed| -> Result<Vec<u32>, Error> {
        let mut options = GenerateOptions { max_new_tokens: 16, seed, ..GenerateOptions::default() };
        options.temperature = Some(1.5);
        Ok(generate(&model, &request(&scene(0)?, "What?", options)?)?.1)
    };

    assert_eq!(sample(1)?, sample(1)?);
    assert_ne!(sample(1)?, sample(2)?);
    Ok(())
}

#[test]
fn a_stop_string_ends_the_text_before_it() -> TestResult {
    let model = load("tiny_bf16")?;
    let free = request(&scene(0)?, "What is shown?", GenerateOptions::greedy(12))?;
    let (whole, _) = generate(&model, &free)?;
    let middle: String = whole.chars().skip(4).take(3).collect();
    let mut stopped = free;
    stopped.options.stop = vec![middle.clone()];

    let made = model.model().generate(&stopped, &Control::default(), &mut |_| {})?;

    let cut = whole.find(&middle).expect("taken from the text");
    assert_eq!((made.text.as_str(), made.finish), (&whole[..cut], FinishReason::StopString));
    Ok(())
}

#[test]
fn cancelling_at_any_step_keeps_the_text_so_far_and_the_session_usable() -> TestResult {
    let model = load("tiny_bf16")?;
    let request = request(&scene(0)?, "What is shown?", GenerateOptions::greedy(16))?;
    let mut parts = 0;
    let made = model.model().generate(&request, &Control::default(), &mut |event| {
        parts += usize::from(matches!(event, rcmu::core::Event::Text(_)));
    })?;
    let (whole, ids) = (made.text, made.token_ids);
    let mut session = model.model().session();

    // The last part comes with the end, when there is nothing left to cancel.
    for steps in 0..parts - 1 {
        let control = Control::default();
        let mut texts = 0;
        let made = session.generate(&request, &control, &mut |event| {
            if let rcmu::core::Event::Text(_) = event {
                texts += 1;
            }
            if texts >= steps {
                control.cancel.cancel();
            }
        })?;
        assert_eq!(made.finish, FinishReason::Cancelled, "{steps}");
        assert!(made.finish.is_partial() && whole.starts_with(&made.text), "{steps}: {:?}", made.text);
        assert!(made.token_ids.len() < ids.len());
    }

    let again = session.generate(&request, &Control::default(), &mut |_| {})?;
    assert_eq!(again.token_ids, ids);
    Ok(())
}

#[test]
fn a_deadline_ends_the_work() -> TestResult {
    let model = load("tiny_bf16")?;
    let request = request(&scene(0)?, "What is shown?", GenerateOptions::greedy(20_000))?;
    let started = Instant::now();

    let control = Control::with_timeout(Duration::from_millis(300));
    let made = model.model().generate(&request, &control, &mut |_| {})?;

    assert_eq!(made.finish, FinishReason::Deadline);
    // Generous: a slow machine still needs far less for one token than for twenty thousand.
    assert!(started.elapsed() < Duration::from_secs(30));
    Ok(())
}

/// The error of the model behind a refused request.
fn refusal(result: Result<impl std::fmt::Debug, GenerateError>) -> rcmu::model::Error {
    match result.expect_err("the request is refused") {
        GenerateError::Request(source) => *source.downcast().expect("an error of the model"),
        other => panic!("expected a refused request, found {other:?}"),
    }
}

#[test]
fn prompts_over_the_context_window_are_refused_at_its_edge() -> TestResult {
    let model = load("tiny_bf16")?;
    let request = |new| request(&scene(0)?, "What is shown?", GenerateOptions::greedy(new));
    let prompt = model.model().plan(&request(1)?)?.prompt_tokens();
    let room = u32::try_from(32_768 - prompt)?;

    assert!(model.model().plan(&request(room)?)?.check(None).is_ok());
    let over = model.model().generate(&request(room + 1)?, &Control::default(), &mut |_| {});

    let error = refusal(over);
    assert!(matches!(error, rcmu::model::Error::ContextWindow { available: 32_768, .. }), "{error}");
    Ok(())
}

#[test]
fn bad_options_and_missing_pictures_are_refused_and_the_model_goes_on() -> TestResult {
    let model = load("tiny_bf16")?;
    let good = request(&scene(0)?, "What is shown?", GenerateOptions::greedy(4))?;
    let mut no_picture = good.clone();
    no_picture.visuals.clear();
    let mut hot = good.clone();
    hot.options.temperature = Some(f32::NAN);
    let mut empty = good.clone();
    (empty.prompt, empty.visuals) = (Prompt::new(), Vec::new());

    let ask = |request: &Request| model.model().generate(request, &Control::default(), &mut |_| {});

    assert!(matches!(refusal(ask(&no_picture)), rcmu::model::Error::VisualCount { .. }));
    assert!(matches!(refusal(ask(&hot)), rcmu::model::Error::Options(_)));
    assert!(matches!(refusal(ask(&empty)), rcmu::model::Error::EmptyPrompt));
    let batch = model.model().generate_batch(&[good.clone(), empty], &Control::default());
    assert!(matches!(refusal(batch), rcmu::model::Error::EmptyPrompt));
    assert!(ask(&good).is_ok());
    Ok(())
}

#[test]
fn what_is_cancelled_before_it_begins_decodes_no_picture() -> TestResult {
    let model = load("tiny_bf16")?;
    let mut bytes = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/scene.png"))?;
    // The header is right, the pixels are not.
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    let mut request = request(&scene(0)?, "What is shown?", GenerateOptions::greedy(4))?;
    request.visuals = vec![Visual::Image(Picture::Encoded(bytes.into()))];
    let whole = refusal(model.model().generate(&request, &Control::default(), &mut |_| {}));
    let control = Control::default();
    control.cancel.cancel();
    let mut events = Vec::new();

    let made = model.model().generate(&request, &control, &mut |event| events.push(event))?;

    assert!(matches!(whole, rcmu::model::Error::PictureDecode { .. }), "{whole}");
    assert_eq!((made.finish, made.text.as_str()), (FinishReason::Cancelled, ""));
    assert!(made.stats.prompt_tokens > made.stats.image_tokens && made.stats.image_tokens > 0);
    assert!(matches!(events[..], [Event::Started { .. }, Event::Finished { .. }]), "{events:?}");
    let together = model.model().generate_batch(&[request.clone(), request], &control)?;
    assert!(together.iter().all(|made| made.finish == FinishReason::Cancelled));
    Ok(())
}

#[test]
fn a_panic_of_the_callers_own_code_is_the_callers() -> TestResult {
    let model = load("tiny_bf16")?;
    let request = request(&scene(0)?, "What is shown?", GenerateOptions::greedy(4))?;
    let mut session = model.model().session();
    let asked = catch_unwind(AssertUnwindSafe(|| {
        session.generate(&request, &Control::default(), &mut |event| {
            assert!(!matches!(event, Event::Text(_)), "no text is wanted");
        })
    }));

    let panic = asked.expect_err("the panic goes on");
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"no text is wanted"));
    let after = session.generate(&request, &Control::default(), &mut |_| {})?;
    assert_eq!(after.token_ids, generate(&model, &request)?.1);
    Ok(())
}

#[test]
fn a_scene_must_be_seen_as_the_model_sees_its_picture() -> TestResult {
    // 40 x 30 pixels in the file, which a person sees upright.
    let path = fixture("images/exif_turned_jpeg.jpg");
    let mut options = options()?;
    options.model.dialect = Dialect::QwenVlUtils;
    let model = Rcmu::load(&fixture("tiny_bf16").to_string_lossy(), &options)?;
    let (upright, stored) = (rcmu::open(&path)?, rcmu::open_as(&path, Dialect::QwenVlUtils)?);
    assert_ne!(upright.size(), stored.size());
    let question = Question::new("What is shown?")?;

    let refused = model.ask(&upright, &question).expect_err("its boxes would be elsewhere");
    let chat = model.chat(upright.clone()).ask(&question).expect_err("its boxes would be elsewhere");

    assert!(
        matches!(refused, Error::SceneSize { scene, seen } if [scene, seen] == [upright.size(), stored.size()])
    );
    assert!(matches!(chat, Error::SceneSize { .. }));
    assert!(model.plan(&stored, &question).is_ok() && load("tiny_bf16")?.plan(&upright, &question).is_ok());
    // Both can be drawn on, and no third.
    for scene in [&upright, &stored] {
        let drawn = rcmu::scene(Picture::Encoded(rcmu::annotate(scene, &[])?.into()))?;
        assert_eq!(drawn.size(), scene.size());
    }
    Ok(())
}

#[test]
fn what_texts_are_changed_to_is_told() -> TestResult {
    let model = load("tiny_bf16")?;
    let scene =
        rcmu::scene(picture(84, 56, 0)?)?.region("dog", PixelBox::new(1, 1, 50, 50)?, "Bella\nis 2.")?;
    let question = Question::new("Who?")?;

    assert_eq!(model.prompt(&scene, &question)?.changes.len(), 1);
    let mut chat = model.chat(scene.clone());
    chat.ask_with(&question, GenerateOptions::greedy(2), &Control::default(), &mut |_| {})?;
    assert_eq!(chat.changes().len(), 1);
    let strict = model.with_text_policy(TextPolicy::Reject);
    assert!(matches!(strict.ask(&scene, &question), Err(Error::Prompt(_))));
    assert!(matches!(strict.chat(scene).ask(&question), Err(Error::Prompt(_))));
    Ok(())
}

#[test]
fn a_plan_says_what_the_run_will_count() -> TestResult {
    let model = load("tiny_bf16")?;
    let request = request(&scene(0)?, "What is shown?", GenerateOptions::greedy(2))?;

    let plan = model.model().plan(&request)?;
    let made = model.model().generate(&request, &Control::default(), &mut |_| {})?;

    assert_eq!(
        (plan.prompt_tokens(), plan.image_tokens),
        (made.stats.prompt_tokens, made.stats.image_tokens)
    );
    // 84 x 56 pixels are 3 x 2 blocks of 28 x 28.
    assert_eq!(plan.image_tokens, 6);
    Ok(())
}

#[test]
fn loading_tells_its_progress_to_the_end() -> TestResult {
    let mut seen = Vec::new();

    let path = fixture("tiny_bf16");
    let model = Rcmu::load_with_progress(&path.to_string_lossy(), &options()?, &mut |p| seen.push(p))?;

    let last = seen.last().expect("at least one tensor");
    assert_eq!((last.tensors, last.parameters), (last.total_tensors, last.total_parameters));
    assert_eq!(last.parameters, model.model().parameter_count());
    assert_eq!(seen.len(), last.total_tensors);
    Ok(())
}

#[test]
fn half_precision_stays_close_to_single() -> TestResult {
    let mut half = options()?;
    half.model.dtype = Some(ComputeDtype::Bf16);
    let half = Rcmu::load(&fixture("tiny_bf16").to_string_lossy(), &half);
    let single = load("tiny_bf16")?;
    if !ComputeDtype::Bf16.is_supported(single.model().device()) {
        assert!(half.is_err(), "a device that does not compute in bf16 says so when the model is loaded");
        return Ok(());
    }
    let half = half?;
    let input = rcmu::model::trace::TraceInput { rows: vec![(1..40).collect()], ..Default::default() };

    let single = single.model().trace(&input, 0)?.logits;
    let half = half.model().trace(&input, 0)?.logits;

    let difference = single.values.iter().zip(&half.values).map(|(a, b)| (a - b).abs());
    let mean = difference.sum::<f32>() / single.values.len() as f32;
    // The reference's own bf16 is 0.05 to 0.06 away on average; three times that is the bound.
    assert!(mean < 0.18, "{mean}");
    Ok(())
}

#[test]
fn a_system_text_of_ones_own_stands_in_every_prompt_as_text() -> TestResult {
    let (scene, question) = (scene(0)?, Question::new("What is shown?")?);
    let plain = Rcmu::from(load("tiny_bf16")?.model().clone());
    let guide = plain.clone().with_system("You are a guide.\n<|im_end|>");
    let expected = plain.prompt(&scene, &question)?.prompt.to_reference_text();
    let expected = expected.replacen("You are a helpful assistant.", "You are a guide.\n<|im_end|>", 1);

    let prompt = guide.prompt(&scene, &question)?.prompt;

    assert_eq!(prompt.to_reference_text(), expected);
    // What looks like a control token in it is none.
    let ends = |rcmu: &Rcmu| -> Result<usize, Error> {
        let request = rcmu.prompt(&scene, &question)?.into_request(GenerateOptions::greedy(1));
        let encoded = rcmu.model().encode(&request.prompt, &request.visuals)?;
        let end = rcmu.model().tokenizer().id(SpecialToken::ImEnd);
        Ok(encoded.input_ids.iter().filter(|&&id| id == end).count())
    };
    assert_eq!(ends(&guide)?, ends(&plain)?);
    let ask = |rcmu: &Rcmu| rcmu.ask_with(&scene, &question, GenerateOptions::greedy(8), &Control::default());
    let mut chat = guide.chat(scene.clone());
    let chatted = chat.ask_with(&question, GenerateOptions::greedy(8), &Control::default(), &mut |_| {})?;
    assert_eq!(ask(&guide)?, chatted);
    assert_ne!(ask(&plain)?.text, chatted.text);
    Ok(())
}

#[test]
fn an_error_says_what_is_wrong_by_itself() -> TestResult {
    let (model, scene, question) = (load("tiny_bf16")?, scene(0)?, Question::new("What is shown?")?);
    let ask = |options| model.ask_with(&scene, &question, options, &Control::default());

    let hot = ask(GenerateOptions { temperature: Some(f32::NAN), ..GenerateOptions::default() });
    let long = ask(GenerateOptions::greedy(40_000));

    let hot = hot.expect_err("NaN is no temperature").to_string();
    assert!(hot.contains("temperature") && hot.contains("NaN"), "{hot}");
    let Err(Error::Model(rcmu::model::Error::ContextWindow { new: 40_000, .. })) = long else {
        panic!("{long:?}")
    };
    Ok(())
}

#[test]
fn a_picture_of_very_many_tokens_is_hinted_at_and_can_be_bounded() -> TestResult {
    // 1,960 x 1,988 pixels are 70 x 71 blocks of 28 x 28.
    let (scene, question) = (rcmu::scene(picture(1960, 1988, 0)?)?, Question::new("What is shown?")?);
    let hint = Hint::ManyTokens { picture: 0, tokens: 4970 };
    let plan = load("tiny_bf16")?.plan(&scene, &question)?;
    let bounded = options()?.with_max_pixels(1000 * 784);
    let bounded = Rcmu::load_from(&fixture("tiny_bf16"), &bounded, &mut |_| {})?.plan(&scene, &question)?;

    assert_eq!((plan.image_tokens, plan.hints.contains(&hint)), (4970, true), "{:?}", plan.hints);
    assert!(bounded.image_tokens <= 1000 && bounded.image_tokens > 900, "{}", bounded.image_tokens);
    assert!(!bounded.hints.iter().any(|hint| matches!(hint, Hint::ManyTokens { .. })));
    Ok(())
}
