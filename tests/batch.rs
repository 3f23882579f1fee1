//! Several questions at once: what their prompts begin with runs once, and no answer changes.

use std::path::Path;

use rcmu::{
    Backend, ComputeDtype, Error, LoadOptions, Rcmu,
    core::{
        Control, FinishReason, GenerateError, GenerateOptions, ImageSize, Picture, Prompt, Question, Request,
        Scene,
    },
    prompt::PromptBuilder,
};

type TestResult = Result<(), Box<dyn std::error::Error>>;

const QUESTIONS: [&str; 4] = [
    "Who owns the red mushroom?",
    "What does the figurine of the doctor look like?",
    "Describe the image.",
    "What did the owner of the duck pay?",
];

fn asset(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/figurines").join(name).to_string_lossy().into_owned()
}

/// The bundled model on the CPU, or on the backend that `RCMU_DEVICE` names.
fn bundled() -> Result<Rcmu, Error> {
    let backend = std::env::var("RCMU_DEVICE").unwrap_or_else(|_| "flex".into());
    let mut options = LoadOptions::default().on(Backend::from_name(&backend)?.device()?);
    options.model.dtype = Some(ComputeDtype::F32);
    Rcmu::load(&asset("model"), &options)
}

fn scene() -> Result<Scene, Error> {
    rcmu::open_regions(asset("scene.json"), rcmu::open(asset("scene.png"))?)
}

fn request(scene: &Scene, text: &str) -> Result<Request, Error> {
    let question = Question::new(text)?.with_citations();
    Ok(PromptBuilder::new(scene, &question).build()?.into_request(GenerateOptions::greedy(40)))
}

/// The tokens of each answer by itself.
fn alone(model: &Rcmu, requests: &[Request]) -> Result<Vec<Vec<u32>>, Error> {
    let ask =
        |request| Ok(model.model().session().generate(request, &Control::default(), &mut |_| {})?.token_ids);
    requests.iter().map(ask).collect()
}

#[test]
fn a_batch_gives_each_row_the_answer_it_gets_alone() -> TestResult {
    let model = bundled()?;
    let size = ImageSize::new(60, 140)?;
    let pixels = (0..size.width() * size.height() * 3).map(|at| ((at * 31) >> 3) as u8).collect();
    let other = rcmu::scene(Picture::Rgb { size, pixels })?;
    let without_picture = Request {
        prompt: Prompt::from_reference_text("<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"),
        visuals: Vec::new(),
        options: GenerateOptions::greedy(3),
    };
    let requests = [request(&scene()?, QUESTIONS[2])?, without_picture, request(&other, "Who?")?];

    let together = model.model().generate_batch(&requests, &Control::default())?;

    assert_eq!(
        together.into_iter().map(|made| made.token_ids).collect::<Vec<_>>(),
        alone(&model, &requests)?
    );
    Ok(())
}

#[test]
fn questions_about_one_picture_share_it() -> TestResult {
    let (model, scene) = (bundled()?, scene()?);
    let requests = QUESTIONS.map(|text| request(&scene, text)).into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut session = model.model().session();

    let together = session.generate_batch(&requests, &Control::default())?;

    let found: Vec<_> = together.iter().map(|made| made.token_ids.clone()).collect();
    assert_eq!(found, alone(&model, &requests)?);
    for (at, made) in together.iter().enumerate() {
        let stats = &made.stats;
        assert_eq!(stats.reused_pictures, usize::from(at > 0), "{at}");
        assert_eq!(stats.reused_tokens > stats.image_tokens, at > 0, "{at}: {}", stats.reused_tokens);
    }
    // What they had in common is there for the next question, and for a batch.
    let next = session.generate(&requests[1], &Control::default(), &mut |_| {})?;
    assert!(next.stats.reused_tokens > next.stats.image_tokens);
    assert_eq!(next.token_ids, found[1]);
    let again = session.generate_batch(&requests[2..], &Control::default())?;
    assert!(again.iter().all(|made| made.stats.reused_tokens > made.stats.image_tokens));
    assert_eq!(again.into_iter().map(|made| made.token_ids).collect::<Vec<_>>(), found[2..]);
    Ok(())
}

#[test]
fn a_batch_of_one_reuses_what_is_known() -> TestResult {
    let (model, scene) = (bundled()?, scene()?);
    let requests = [request(&scene, QUESTIONS[0])?, request(&scene, QUESTIONS[3])?];
    let mut session = model.model().session();
    session.generate(&requests[0], &Control::default(), &mut |_| {})?;

    let made = session.generate_batch(&requests[1..], &Control::default())?;

    assert!(made[0].stats.reused_tokens > made[0].stats.image_tokens);
    assert_eq!(made[0].token_ids, alone(&model, &requests[1..])?[0]);
    Ok(())
}

#[test]
fn equal_questions_get_equal_answers() -> TestResult {
    let (model, request) = (bundled()?, request(&scene()?, QUESTIONS[2])?);

    let made = model.model().generate_batch(&[request.clone(), request.clone()], &Control::default())?;

    assert_eq!(made[0].token_ids, made[1].token_ids);
    assert_eq!(made[0].token_ids, alone(&model, &[request])?[0]);
    Ok(())
}

#[test]
fn a_cancelled_batch_has_an_answer_for_each_and_harms_nothing() -> TestResult {
    let (model, scene) = (bundled()?, scene()?);
    let requests = [request(&scene, QUESTIONS[0])?, request(&scene, QUESTIONS[1])?];
    let mut session = model.model().session();
    let control = Control::default();
    control.cancel.cancel();

    let stopped = session.generate_batch(&requests, &control)?;

    assert!(stopped.iter().all(|made| made.finish == FinishReason::Cancelled), "{stopped:?}");
    assert_eq!(stopped.len(), 2);
    let after = session.generate_batch(&requests, &Control::default())?;
    assert_eq!(after.into_iter().map(|made| made.token_ids).collect::<Vec<_>>(), alone(&model, &requests)?);
    Ok(())
}

#[test]
fn one_bad_request_refuses_the_batch_and_leaves_the_session() -> TestResult {
    let (model, scene) = (bundled()?, scene()?);
    let good = request(&scene, QUESTIONS[0])?;
    let mut bad = good.clone();
    bad.visuals.clear();
    let mut session = model.model().session();

    assert!(session.generate_batch(&[good.clone(), bad], &Control::default()).is_err());

    let made = session.generate_batch(&[good.clone(), good.clone()], &Control::default())?;
    assert_eq!(made[1].token_ids, alone(&model, &[good])?[0]);
    assert!(session.generate_batch(&[], &Control::default())?.is_empty());
    Ok(())
}

#[test]
fn the_budget_of_a_batch_is_that_of_rows_as_long_as_the_longest() -> TestResult {
    let request = |text: &str| Request {
        prompt: Prompt::from_reference_text(&format!(
            "<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n"
        )),
        visuals: Vec::new(),
        options: GenerateOptions::greedy(1),
    };
    let mut requests = vec![request(&"long ".repeat(400))];
    requests.extend((0..7).map(|_| request("short")));
    let plans = requests.iter().map(|request| bundled()?.model().plan(request).map_err(Error::from));
    let plans = plans.collect::<Result<Vec<_>, Error>>()?;
    let by_themselves: u64 = plans.iter().map(|plan| plan.total_bytes() - plan.weight_bytes).sum();
    let with_budget = |budget| -> Result<Rcmu, Error> {
        let mut options = LoadOptions::default().on(Backend::from_name("flex")?.device()?);
        options.model.memory_budget = Some(budget);
        Rcmu::load(&asset("model"), &options)
    };
    let long = plans[0].total_bytes() - plans[0].weight_bytes;

    let refused = with_budget(plans[0].weight_bytes + by_themselves + plans[0].kv_bytes)?
        .model()
        .generate_batch(&requests, &Control::default());
    // A cache more for what the prompts begin with, and two bytes a mark.
    let marks = 8 * 2 * (plans[0].prompt_tokens() as u64).pow(2);
    let room = plans[0].weight_bytes + 8 * long + plans[0].kv_bytes + marks;
    let made = with_budget(room)?.model().generate_batch(&requests, &Control::default())?;

    let Err(GenerateError::Request(source)) = refused else {
        panic!("expected a refusal, found {refused:?}")
    };
    assert!(matches!(source.downcast_ref(), Some(rcmu::model::Error::MemoryBudget { .. })), "{source}");
    assert_eq!(made.len(), 8);
    Ok(())
}

#[test]
fn questions_are_answered_together_as_one_by_one() -> TestResult {
    let (model, scene) = (bundled()?, scene()?);
    let questions = QUESTIONS
        .map(|text| Question::new(text).map(Question::with_citations))
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;

    let together = model.ask_all(&scene, &questions)?;

    for (answer, question) in together.iter().zip(&questions) {
        let alone = model.ask(&scene, question)?;
        assert_eq!((&answer.text, answer.cited_regions()), (&alone.text, alone.cited_regions()));
    }
    assert_eq!(together.len(), questions.len());
    Ok(())
}
