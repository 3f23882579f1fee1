//! How far packed weights move the logits of the last of 64 tokens, beside those of bf16 weights; one line of JSON for each format.
//!
//! The model is the directory in `RCMU_BENCH_MODEL`, or the tiny random one. Models are loaded one after the other.

use rcmu::{
    WeightFormat, WeightFormats,
    model::{Device, LoadOptions, Model, trace::TraceInput},
};

fn main() {
    let tiny = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/golden/tiny_bf16");
    let dir = std::env::var("RCMU_BENCH_MODEL").unwrap_or_else(|_| tiny.to_owned());
    let logits = |formats: WeightFormats, bf16_activations: bool| -> Vec<f32> {
        let mut options = LoadOptions::default();
        options.bf16_activations = bf16_activations;
        options.weights = Some(formats);
        let model = Model::load(dir.as_ref(), &Device::flex(), &options, &mut |_| {}).expect("a checkpoint");
        let input = TraceInput { rows: vec![(100..164).collect()], ..TraceInput::default() };
        let logits = model.trace(&input, 0).expect("the model runs").logits.values;
        let vocabulary = model.config().text.vocab_size;
        logits[logits.len() - vocabulary..].to_vec()
    };
    let exact = logits(WeightFormat::Bf16.into(), false);
    let size = |values: &mut dyn Iterator<Item = f32>| {
        let (sum, count) =
            values.fold((0.0, 0), |(sum, count), value| (sum + f64::from(value).powi(2), count + 1));
        (sum / f64::from(count)).sqrt()
    };
    for (name, rounds) in [("f32", false), ("f16", false), ("bf16", true), ("q8", false), ("q4", false)] {
        let found = logits(WeightFormat::named(name).expect("a format").into(), rounds);
        let apart = || exact.iter().zip(&found).map(|(a, b)| a - b);
        let line = serde_json::json!({
            "weights": name,
            "bf16_activations": rounds,
            "root_mean_square": size(&mut exact.iter().copied()),
            "root_mean_square_apart": size(&mut apart()),
            "largest_apart": apart().map(f32::abs).fold(0.0, f32::max),
        });
        println!("{line}");
    }
}
