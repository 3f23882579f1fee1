//! Prefill and decode of text; tokens per second. Logits are read to the host for every token.

use divan::{Bencher, counter::ItemsCount};
use rcmu::core::{Control, GenerateOptions, Generator, Prompt, Request};

mod support;

fn main() {
    divan::main();
}

fn request(words: usize, new_tokens: u32) -> Request {
    let mut prompt = Prompt::new();
    prompt.push_untrusted(&" anchor".repeat(words));
    Request { prompt, visuals: Vec::new(), options: GenerateOptions::greedy(new_tokens) }
}

#[divan::bench(args = [64, 256, 1024], sample_count = 5)]
fn prefill(bencher: Bencher, words: usize) {
    let model = support::model();
    let request = request(words, 1);
    let tokens = model.model().plan(&request).expect("a good request").prompt_tokens();
    bencher.counter(ItemsCount::new(tokens)).bench(|| {
        model.model().generate(&request, &Control::default(), &mut |_| {}).expect("a good request")
    });
}

/// The prefill of a short prompt is part of the time.
#[divan::bench(args = [16, 64], sample_count = 5)]
fn decode(bencher: Bencher, new_tokens: u32) {
    let model = support::model();
    let request = request(8, new_tokens);
    bencher.counter(ItemsCount::new(new_tokens)).bench(|| {
        model.model().generate(&request, &Control::default(), &mut |_| {}).expect("a good request")
    });
}
