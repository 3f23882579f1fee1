//! Prefill and decode of text; items are tokens, so that `item/s` is tok/s.
//!
//! The logits of every token are read to the host, so that the clock stops after the device is done. Every run starts
//! with an empty session.

use divan::{Bencher, counter::ItemsCount};
use rcmu::core::{Control, GenerateOptions, Generation, Generator, Prompt, Request};

mod support;

fn main() {
    support::announce();
    divan::main();
}

fn request(words: usize, new_tokens: u32) -> Request {
    let mut prompt = Prompt::new();
    prompt.push_untrusted(&" anchor".repeat(words));
    Request { prompt, visuals: Vec::new(), options: GenerateOptions::greedy(new_tokens) }
}

fn generate(request: &Request) -> Generation {
    let model = support::model().model();
    model.generate(request, &Control::default(), &mut |_| {}).expect("the request is within the limits")
}

/// Tokens of the prompt per second, with the choice of one token.
#[divan::bench(args = [64, 256, 1024], sample_count = 5)]
fn prefill(bencher: Bencher, words: usize) {
    let request = request(words, 1);
    let tokens = generate(&request).stats.prompt_tokens;
    bencher.counter(ItemsCount::new(tokens)).bench(|| generate(&request));
}

/// New tokens per second; the prefill of eight words is part of the time.
///
/// Counts the tokens that are made: a model may end its text before `new_tokens`.
#[divan::bench(args = [16, 64], sample_count = 5)]
fn decode(bencher: Bencher, new_tokens: u32) {
    let request = request(8, new_tokens);
    let made = generate(&request).stats.new_tokens;
    bencher.counter(ItemsCount::new(made)).bench(|| generate(&request));
}
