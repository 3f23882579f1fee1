//! From the RGB pixels of a square picture to the first token; items are pixels, so that `Mitem/s` is MPix/s.
//!
//! The time is that of the processor, the vision tower and the prefill of the picture's tokens: one per 28 x 28
//! pixels. The logits are read to the host, so that the clock stops after the device is done. Every run starts with an
//! empty session, so that no features are reused.

use divan::{Bencher, counter::ItemsCount};
use rcmu::core::{
    Control, GenerateOptions, Generation, Generator, ImageSize, Picture, Prompt, Request, Visual,
};

mod support;

fn main() {
    support::announce();
    divan::main();
}

fn request(side: u32) -> Request {
    let pixels = (0..side * side * 3).map(|i| (i % 253) as u8).collect();
    let picture = Picture::Rgb { size: ImageSize::new(side, side).expect("the side is not 0"), pixels };
    let mut prompt = Prompt::new();
    prompt.push_image();
    Request { prompt, visuals: vec![Visual::Image(picture)], options: GenerateOptions::greedy(1) }
}

fn generate(request: &Request) -> Generation {
    let model = support::model().model();
    model.generate(request, &Control::default(), &mut |_| {}).expect("the request is within the limits")
}

/// Sides are whole patches of 28 pixels and are not resized: 16, 64 and 256 tokens.
#[divan::bench(args = [112, 224, 448], sample_count = 5)]
fn picture_to_first_token(bencher: Bencher, side: u32) {
    let request = request(side);
    let tokens = generate(&request).stats.image_tokens;
    assert_eq!(tokens, (side / 28 * (side / 28)) as usize, "the picture was resized");
    bencher.counter(ItemsCount::new(side * side)).bench(|| generate(&request));
}
