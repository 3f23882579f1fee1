//! What a token costs behind more and more tokens, and what several answers at once bring. One line of JSON for each.
//!
//! The model is that of the other benches (`RCMU_BENCH_MODEL`, `RCMU_BENCH_WEIGHTS`). `RCMU_BENCH_CONTEXTS` and
//! `RCMU_BENCH_ROWS` change the lists of prompt lengths in words and of answers at once.

use rcmu::core::{Control, GenerateOptions, Generator as _, Prompt, Request, Stats};

mod support;

/// New tokens of every answer.
const NEW_TOKENS: u32 = 17;
/// Words of the prompts that are answered at once.
const WORDS: usize = 64;

fn main() {
    support::announce();
    let model = support::model().model();
    for words in list("RCMU_BENCH_CONTEXTS", &[256, 1024, 4096, 8192]) {
        let stats =
            model.generate(&request(words), &Control::default(), &mut |_| ()).expect("an answer").stats;
        let line = serde_json::json!({
            "prompt_tokens": stats.prompt_tokens,
            "prefill_s": stats.prefill_time.as_secs_f64(),
            "prefill_tokens_s": stats.prompt_tokens as f64 / stats.prefill_time.as_secs_f64(),
            "decode_ms_per_token": milliseconds_per_token(&stats),
        });
        println!("{line}");
    }
    let rows = list("RCMU_BENCH_ROWS", &[1, 2, 4, 8, 16]);
    // Prompts of one length, and each a word shorter than the one before.
    for (rows, less) in [0, 1].into_iter().flat_map(|less| rows.iter().map(move |&rows| (rows, less))) {
        let requests: Vec<_> = (0..rows).map(|row| request(WORDS - less * row.min(WORDS - 1))).collect();
        let answers = model.generate_batch(&requests, &Control::default()).expect("answers");
        let first = &answers[0].stats;
        let seconds = milliseconds_per_token(first) / 1000.0;
        let line = serde_json::json!({
            "rows": rows,
            "lengths": if less == 0 { "one" } else { "several" },
            "prompt_tokens": first.prompt_tokens,
            "prefill_tokens_s": rows as f64 * first.prompt_tokens as f64 / first.prefill_time.as_secs_f64(),
            "decode_ms_per_step": seconds * 1000.0,
            "decode_tokens_s": rows as f64 / seconds,
        });
        println!("{line}");
    }
}

/// Numbers separated by commas, of a variable of the environment.
fn list(name: &str, otherwise: &[usize]) -> Vec<usize> {
    std::env::var(name).map_or(otherwise.to_vec(), |text| {
        text.split(',').map(|number| number.trim().parse().expect("numbers separated by commas")).collect()
    })
}

fn request(words: usize) -> Request {
    let mut prompt = Prompt::new();
    prompt.push_untrusted(&" anchor".repeat(words));
    Request { prompt, visuals: Vec::new(), options: GenerateOptions::greedy(NEW_TOKENS) }
}

/// Milliseconds of decoding for each token after the first.
fn milliseconds_per_token(stats: &Stats) -> f64 {
    stats.decode_time.as_secs_f64() * 1000.0 / (stats.new_tokens.max(2) - 1) as f64
}
