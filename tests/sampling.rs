//! What options do to the choice of tokens, on a tiny random checkpoint.

use std::path::Path;

use rcmu::{
    Backend, ComputeDtype, Error, LoadOptions, Rcmu,
    core::{Control, GenerateError, GenerateOptions, Generation, Generator, Prompt, Request, Trust},
};

type TestResult = Result<(), Box<dyn std::error::Error>>;

/// On the CPU, or on the backend that `RCMU_DEVICE` names.
fn load() -> Result<Rcmu, Error> {
    let backend = std::env::var("RCMU_DEVICE").unwrap_or_else(|_| "flex".into());
    let mut options = LoadOptions::default().on(Backend::from_name(&backend)?.device()?);
    options.model.dtype = Some(ComputeDtype::F32);
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden/tiny");
    Rcmu::load(&dir.to_string_lossy(), &options)
}

fn generate(model: &Rcmu, options: GenerateOptions) -> Result<Generation, GenerateError> {
    let mut prompt = Prompt::new();
    prompt.push_text("Who owns the lantern?", Trust::Untrusted);
    let request = Request { prompt, visuals: Vec::new(), options };
    model.model().generate(&request, &Control::default(), &mut |_| {})
}

#[test]
fn each_token_tells_how_likely_it_was() -> TestResult {
    let model = load()?;
    let plain = generate(&model, GenerateOptions::greedy(6))?;
    let options = GenerateOptions { logprobs: Some(3), ..GenerateOptions::greedy(6) };

    let told = generate(&model, options)?;

    assert_eq!((&told.token_ids, plain.logprobs.len()), (&plain.token_ids, 0));
    assert_eq!(told.logprobs.len(), told.token_ids.len());
    for (step, id) in told.logprobs.iter().zip(&told.token_ids) {
        // Greedy takes the likeliest.
        assert_eq!((step.chosen.id, step.chosen), (*id, step.likeliest[0]));
        assert!(step.likeliest.is_sorted_by(|a, b| a.logprob >= b.logprob), "{step:?}");
        let sum: f32 = step.likeliest.iter().map(|token| token.logprob.exp()).sum();
        assert!(step.likeliest.len() == 3 && sum > 0.0 && sum <= 1.0, "{step:?}");
    }
    Ok(())
}

#[test]
fn a_bias_takes_a_token_away_and_changes_no_probability() -> TestResult {
    let model = load()?;
    let first = GenerateOptions { logprobs: Some(2), ..GenerateOptions::greedy(1) };
    let told = generate(&model, first.clone())?.logprobs.remove(0);
    let biased = GenerateOptions { logit_bias: [(told.chosen.id, -100.0)].into(), ..first };

    let other = generate(&model, biased)?.logprobs.remove(0);

    assert_eq!(other.chosen, told.likeliest[1]);
    assert_eq!(other.likeliest, told.likeliest);
    Ok(())
}

#[test]
fn penalties_keep_an_answer_from_what_it_has_said() -> TestResult {
    let model = load()?;
    let options = GenerateOptions { frequency_penalty: Some(2.0), ..GenerateOptions::greedy(12) };
    let told = GenerateOptions { logprobs: Some(1), ..options };

    let made = generate(&model, told)?;

    // A token that was not the likeliest was taken in place of one that the answer had already.
    for (at, step) in made.logprobs.iter().enumerate() {
        let likeliest = step.likeliest[0].id;
        let had = made.token_ids[..at].contains(&likeliest);
        assert!(step.chosen.id == likeliest || had, "{at}: {step:?}");
    }
    let plain = generate(&model, GenerateOptions::greedy(12))?;
    assert_ne!(made.token_ids, plain.token_ids, "the answer repeats itself without a penalty");
    Ok(())
}

#[test]
fn a_bias_of_no_token_is_refused() -> TestResult {
    let model = load()?;
    let options = GenerateOptions { logit_bias: [(u32::MAX, 1.0)].into(), ..GenerateOptions::greedy(1) };

    let refused = generate(&model, options);

    assert!(matches!(refused, Err(GenerateError::Request(_))), "{refused:?}");
    Ok(())
}
