//! How far packed weights move the logits of the last of 64 tokens, beside those of bf16 weights; one line of JSON for each format.
//! On a GPU: how far it moves them in each type that it computes in, with whole and packed weights, beside those of f32 on the
//! CPU.
//!
//! The model is the directory in `RCMU_BENCH_MODEL`, or the tiny random one. Models are loaded one after the other.

use rcmu::{
    Backend, ComputeDtype, WeightFormat,
    model::{Device, LoadOptions, Model, trace::TraceInput},
};

fn main() {
    let cpu = Backend::Flex.device().expect("the feature `flex` is on");
    let device = rcmu::default_device().expect("a backend is compiled in");
    let named = |name| Some(WeightFormat::named(name).expect("a format"));
    let mut options = LoadOptions::default();
    options.weights = named("bf16").map(Into::into);
    let exact = logits(&cpu, &options);
    let print = |mut line: serde_json::Value, device: &Device, options: &LoadOptions| {
        let found = logits(device, options);
        let apart = || exact.iter().zip(&found).map(|(a, b)| a - b);
        line["root_mean_square"] = size(&mut exact.iter().copied()).into();
        line["root_mean_square_apart"] = size(&mut apart()).into();
        line["largest_apart"] = apart().map(f32::abs).fold(0.0, f32::max).into();
        println!("{line}");
    };
    if device == cpu {
        for (name, rounds) in [("f32", false), ("f16", false), ("bf16", true), ("q8", false), ("q4", false)] {
            options.weights = named(name).map(Into::into);
            options.bf16_activations = rounds;
            print(serde_json::json!({ "weights": name, "bf16_activations": rounds }), &cpu, &options);
        }
        return;
    }
    let dtypes = [ComputeDtype::F32, ComputeDtype::Bf16];
    for dtype in dtypes.into_iter().filter(|dtype| dtype.is_supported(&device)) {
        for name in [None, Some("q8"), Some("q4")] {
            options.weights = name.and_then(named).map(Into::into);
            options.dtype = Some(dtype);
            let dtype = format!("{dtype:?}").to_lowercase();
            let line =
                serde_json::json!({ "device": format!("{device:?}"), "dtype": dtype, "weights": name });
            print(line, &device, &options);
        }
    }
}

/// Logits of the last token.
fn logits(device: &Device, options: &LoadOptions) -> Vec<f32> {
    let tiny = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/golden/tiny_bf16");
    let dir = std::env::var("RCMU_BENCH_MODEL").unwrap_or_else(|_| tiny.to_owned());
    let model = Model::load(dir.as_ref(), device, options, &mut |_| {}).expect("a checkpoint");
    let input = TraceInput { rows: vec![(100..164).collect()], ..TraceInput::default() };
    let logits = model.trace(&input, 0).expect("the model runs").logits.values;
    let vocabulary = model.config().text.vocab_size;
    logits[logits.len() - vocabulary..].to_vec()
}

/// The root mean square.
fn size(values: &mut dyn Iterator<Item = f32>) -> f64 {
    let (sum, count) =
        values.fold((0.0, 0), |(sum, count), value| (sum + f64::from(value).powi(2), count + 1));
    (sum / f64::from(count)).sqrt()
}
