//! A whole answer: load, picture, prompt, 128 tokens, then a second question and a changed text, beside what the machine
//! can read and multiply per second. One line of JSON.
//!
//! The model is that of the other benches (`RCMU_BENCH_MODEL`, `RCMU_BENCH_WEIGHTS`); `RCMU_BENCH_TOKENS` changes the
//! number of new tokens. Every process loads once, so that its peak of memory is that of one format.
//!
//! On a GPU all questions are asked twice and the second answers counted, since the first compile kernels; what can be read
//! per second and the memory are the GPU's, and what it can multiply is not measured.

use std::time::Instant;

use rcmu::{
    Backend, ComputeDtype, WeightFormat, WeightFormats,
    core::{Control, GenerateOptions, Question, Scene, Stats},
    model::{self, Model, Session},
    prompt::PromptBuilder,
};

mod support;

use support::machine::{float_rate, peak_bytes, read_bandwidth};

const ASSETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets");

fn main() {
    let device = rcmu::default_device().expect("a backend is compiled in");
    let on_cpu = Backend::Flex.device().is_ok_and(|cpu| cpu == device);
    let (mut bandwidths, mut rates) = (Vec::new(), Vec::new());
    if on_cpu {
        bandwidths.push(read_bandwidth());
        rates.push(float_rate());
    }
    let started = Instant::now();
    let model = support::model().model();
    let load = started.elapsed().as_secs_f64();
    let new_tokens =
        std::env::var("RCMU_BENCH_TOKENS").map_or(128, |n| n.parse().expect("a number of tokens"));
    if !on_cpu {
        answers(model, new_tokens);
    }
    let [first, second, edited] = answers(model, new_tokens);
    let peak = if on_cpu { peak_bytes() } else { model::reserved_bytes(&device) };
    // A GPU's takes memory of its own, which comes after the peak was looked at.
    bandwidths.extend(if on_cpu { Some(read_bandwidth()) } else { model::read_bandwidth(&device) });

    let own = if model.compute_dtype() == ComputeDtype::F32 { WeightFormat::F32 } else { WeightFormat::Bf16 };
    let formats = support::formats().unwrap_or_else(|| WeightFormats::all(own));
    let context = first.prompt_tokens as u64 + first.new_tokens as u64 / 2;
    let bytes = bytes_per_token(model, formats, context, if on_cpu { 16 } else { 32 });
    let tokens_per_second = first.tokens_per_second();
    let read = tokens_per_second * bytes as f64;
    let mut line = serde_json::json!({
        "weights": format!("{formats:?}"),
        "bandwidth_gb_s": bandwidths.iter().map(|bytes| bytes / 1e9).collect::<Vec<_>>(),
        "load_s": load,
        "vision_s": first.vision_time.as_secs_f64(),
        "prompt_tokens": first.prompt_tokens,
        "prefill_s": first.prefill_time.as_secs_f64(),
        "prefill_tokens_s": first.prompt_tokens as f64 / first.prefill_time.as_secs_f64(),
        "first_token_s": first.time_to_first_token().as_secs_f64(),
        "new_tokens": first.new_tokens,
        "decode_tokens_s": tokens_per_second,
        "bytes_per_token": bytes,
        "share_of_bandwidth": read * bandwidths.len() as f64 / bandwidths.iter().sum::<f64>(),
        "second_question_s": second.time_to_first_token().as_secs_f64(),
        "second_question_reused": second.reused_tokens,
        "edited_text_s": edited.time_to_first_token().as_secs_f64(),
        "edited_text_reused": edited.reused_tokens,
        "weight_bytes": model.weight_bytes(),
        "peak_bytes": peak,
    });
    if on_cpu {
        rates.push(float_rate());
        let rate = rates.iter().sum::<f64>() / rates.len() as f64;
        let share = |operations: u64, seconds: f64| operations as f64 / seconds / rate;
        line["float_gflop_s"] = rates.iter().map(|rate| rate / 1e9).collect();
        line["vision_share_of_floats"] =
            share(vision_operations(model, first.image_tokens as u64), first.vision_time.as_secs_f64())
                .into();
        line["prefill_share_of_floats"] =
            share(prefill_operations(model, first.prompt_tokens as u64), first.prefill_time.as_secs_f64())
                .into();
    } else {
        line["device"] = format!("{device:?}").into();
        line["dtype"] = format!("{:?}", model.compute_dtype()).into();
        line["host_peak_bytes"] = peak_bytes().into();
    }
    println!("{line}");
}

/// The answers to the three questions, in a session of their own.
fn answers(model: &Model, new_tokens: u32) -> [Stats; 3] {
    let (mut session, scene) = (model.session(), scene(""));
    [
        ask(&mut session, &scene, "Describe the image.", new_tokens),
        ask(&mut session, &scene, "Who owns the robot?", 1),
        ask(&mut session, &self::scene(" She wears a hat."), "Who owns the robot?", 1),
    ]
}

/// The bundled picture with its three regions; something is added to what the second is told.
fn scene(added: &str) -> Scene {
    let scene = rcmu::open(format!("{ASSETS}/scene.png")).expect("the picture opens");
    let regions = rcmu::open_regions(format!("{ASSETS}/regions.json"), scene.clone()).expect("regions");
    regions.regions().iter().fold(scene, |scene, (id, region)| {
        let info = format!("{}{}", region.info(), if id.number() == 2 { added } else { "" });
        scene.region(region.label(), region.bbox().expect("a box"), info).expect("a region")
    })
}

fn ask(session: &mut Session, scene: &Scene, question: &str, new_tokens: u32) -> Stats {
    let question = Question::new(question).expect("a question").with_citations();
    let built = PromptBuilder::new(scene, &question).build().expect("a prompt");
    let request = built.into_request(GenerateOptions::greedy(new_tokens));
    session.generate(&request, &Control::default(), &mut |_| ()).expect("an answer").stats
}

/// Bytes that one token of decoding reads: the decoder's matrices, the head, and keys and values of the tokens before.
/// The scales of packed weights have so many bits.
fn bytes_per_token(model: &Model, formats: WeightFormats, context: u64, scale: u64) -> u64 {
    let text = &model.config().text;
    let (hidden, kv) = (text.hidden_size as u64, (text.num_key_value_heads * text.head_dim()) as u64);
    let (layers, layer) = (text.num_hidden_layers as u64, decoder_layer(model));
    let cache = layers * 2 * kv * context * model.compute_dtype().size() as u64;
    // One for 32 weights, of which 16 bits are counted already.
    let bytes = |format: WeightFormat, weights: u64| match format {
        WeightFormat::Q8 | WeightFormat::Q4 => format.bytes(weights) + weights / 32 * (scale - 16) / 8,
        _ => format.bytes(weights),
    };
    bytes(formats.decoder, layers * layer) + bytes(formats.table, hidden * text.vocab_size as u64) + cache
}

/// Weights in the matrices of one layer of the decoder.
fn decoder_layer(model: &Model) -> u64 {
    let text = &model.config().text;
    let [hidden, kv, inner] =
        [text.hidden_size, text.num_key_value_heads * text.head_dim(), text.intermediate_size]
            .map(|n| n as u64);
    2 * hidden * hidden + 2 * hidden * kv + 3 * hidden * inner
}

/// Multiplications and additions, each counted, of so many tokens' way through the decoder, the last one's through the head.
fn prefill_operations(model: &Model, tokens: u64) -> u64 {
    let text = &model.config().text;
    let (hidden, layers) = (text.hidden_size as u64, text.num_hidden_layers as u64);
    // Each token sees itself and those before it: their keys, then their values.
    let attention = 2 * hidden * tokens * (tokens + 1) / 2;
    2 * (layers * (decoder_layer(model) * tokens + attention) + hidden * text.vocab_size as u64)
}

/// The same of a picture's way through the vision tower and the merger, to so many tokens.
fn vision_operations(model: &Model, tokens: u64) -> u64 {
    let vision = &model.config().vision;
    let [width, inner, patch, merged, hidden] = [
        vision.embed_dim,
        vision.intermediate_size(),
        vision.patch_dim(),
        vision.embed_dim * vision.spatial_merge_size.pow(2),
        vision.hidden_size,
    ]
    .map(|n| n as u64);
    let patches = tokens * (vision.spatial_merge_size as u64).pow(2);
    let block = patches * (4 * width * width + 2 * width * inner) + 2 * width * patches * patches;
    2 * (patches * patch * width + vision.depth as u64 * block + tokens * merged * (merged + hidden))
}
