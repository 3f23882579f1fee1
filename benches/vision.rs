//! The vision tower and one token of the decoder on a square picture; merged patches per second.
//!
//! Results are read to the host, so that the clock stops after the device is done.

use divan::{Bencher, counter::ItemsCount};
use rcmu::core::{Control, GenerateOptions, Generator, ImageSize, Picture, Prompt, Request, Visual};

mod support;

fn main() {
    divan::main();
}

#[divan::bench(args = [112, 224, 448], sample_count = 5)]
fn picture(bencher: Bencher, side: u32) {
    let model = support::model();
    let pixels = (0..side * side * 3).map(|i| (i % 253) as u8).collect();
    let picture = Picture::Rgb { size: ImageSize::new(side, side).expect("not empty"), pixels };
    let mut prompt = Prompt::new();
    prompt.push_image();
    let request =
        Request { prompt, visuals: vec![Visual::Image(picture)], options: GenerateOptions::greedy(1) };
    bencher.counter(ItemsCount::new(side / 28 * (side / 28))).bench(|| {
        model.model().generate(&request, &Control::default(), &mut |_| {}).expect("a good request")
    });
}
