//! What a grammar costs: sorting a vocabulary once, compiling a grammar, and the mask of each token, on one thread. One line
//! of JSON for each number of regions.
//!
//! The tokenizer is that of the directory in `RCMU_QWEN_TOKENIZER`, with 151,936 rows, or the small one of the golden data.
//! Masks are timed along an answer in English, and along random tokens that the grammar allows, where less can be kept from
//! one token to the next. Every answer has its grammar compiled anew, as every question has.

use std::time::{Duration, Instant};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};
use rcmu::{
    core::{ImageSize, SpecialToken},
    model::{Constraint, GrammarCompiler, tokenizer::Tokenizer},
    prompt::{Targets, answer_grammar},
};

const ROUNDS: usize = 20;
const ANSWER: &str = "In a park John Smith, a 41-year-old marketing executive [1], is standing on the grass. Bella, his \
    2-year-old black and white dog [2], is at <|box_start|>(214,424),(583,884)<|box_end|> and looks up at him; she loves \
    long walks, swimming and the treats (dried liver, mostly) in his left pocket [1, 2]. Sam, 8, wears a red cap and holds \
    a kite.[3] There are about 20 trees behind them, and 3 benches. The weather seems fine.";

fn main() {
    let small = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/golden/tokenizer_small");
    let (dir, rows) =
        std::env::var("RCMU_QWEN_TOKENIZER").map_or((small.to_owned(), 1024), |it| (it, 151_936));
    let tokenizer = Tokenizer::from_dir(dir.as_ref(), rows).expect("a tokenizer");
    let end = tokenizer.id(SpecialToken::ImEnd);
    let started = Instant::now();
    let compiler = GrammarCompiler::new(&tokenizer, &[end]).expect("a usual vocabulary");
    let vocabulary = started.elapsed();

    let answer = tokenizer.encode_reference(ANSWER).expect("short");
    for regions in [3, 64] {
        let size = ImageSize::new(640, 480).expect("not empty");
        let grammar = answer_grammar(Targets::new(regions, 0, size));
        let (mut compiling, mut along, mut random) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            let mut choose = |at: usize, _: &[f32]| answer[at];
            for (masks, choose) in [
                (&mut along, &mut choose as &mut dyn FnMut(usize, &[f32]) -> u32),
                (&mut random, &mut any_allowed(round as u64, end)),
            ] {
                let started = Instant::now();
                let mut constraint = compiler.compile(&grammar).expect("a grammar");
                compiling.push(started.elapsed());
                for at in 0..answer.len() {
                    masks.push(step(&mut constraint, rows, |logits| choose(at, logits)));
                }
            }
        }
        let line = serde_json::json!({
            "tokens": tokenizer.len(),
            "regions": regions,
            "vocabulary_ms": milliseconds(vocabulary),
            "compile_ms": summary(&compiling),
            "answer_tokens": answer.len(),
            "mask_ms": summary(&along),
            "random_mask_ms": summary(&random),
        });
        println!("{line}");
    }
}

/// Any token that the mask leaves, but for the last one.
fn any_allowed(seed: u64, end: u32) -> impl FnMut(usize, &[f32]) -> u32 {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    move |_, logits| {
        let ids = logits.iter().enumerate().filter(|(id, logit)| logit.is_finite() && *id != end as usize);
        let ids: Vec<u32> = ids.map(|(id, _)| id as u32).collect();
        ids[random.next_u32() as usize % ids.len()]
    }
}

/// Masks logits, chooses, goes on; the time without the choice.
fn step(constraint: &mut Constraint, rows: usize, choose: impl FnOnce(&[f32]) -> u32) -> Duration {
    let mut logits = vec![0.0; rows];
    let started = Instant::now();
    constraint.mask(&mut logits).expect("the grammar goes on");
    let masked = started.elapsed();
    let id = choose(&logits);
    let started = Instant::now();
    constraint.advance(id).expect("an allowed token");
    masked + started.elapsed()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn summary(times: &[Duration]) -> serde_json::Value {
    let mean = milliseconds(times.iter().sum::<Duration>()) / times.len() as f64;
    let largest = times.iter().copied().max().map_or(0.0, milliseconds);
    serde_json::json!({ "mean": mean, "largest": largest })
}
