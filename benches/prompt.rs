//! Writing a prompt, encoding it, and reading an answer, on one CPU thread; bytes of text per second.
//!
//! The tokenizer is the small one of the golden data.

use divan::{Bencher, counter::BytesCount};
use rcmu::{
    core::{BBox, FinishReason, ImageSize, Picture, Question, Scene},
    model::tokenizer::Tokenizer,
    prompt::{PromptBuilder, Targets, parse},
};

fn main() {
    divan::main();
}

fn scene(regions: usize) -> Scene {
    let size = ImageSize::new(1000, 1000).expect("not empty");
    let bbox = BBox::new(10, 20, 300, 400).expect("in order");
    (0..regions).fold(Scene::new(Picture::from_bytes(vec![]), size), |scene, _| {
        let info = "Lily, a 34-year-old marketing executive, walks here every morning.";
        scene.region("woman", bbox, info).expect("valid")
    })
}

#[divan::bench(args = [1, 16, 256])]
fn render(bencher: Bencher, regions: usize) {
    let (scene, question) = (scene(regions), Question::describe().with_citations());
    let bytes =
        PromptBuilder::new(&scene, &question).build().expect("valid").prompt.to_reference_text().len();
    bencher
        .counter(BytesCount::new(bytes))
        .bench(|| PromptBuilder::new(&scene, &question).build().expect("valid"));
}

#[divan::bench(args = [1, 16, 256])]
fn encode(bencher: Bencher, regions: usize) {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/golden/tokenizer_small");
    let tokenizer = Tokenizer::from_dir(dir.as_ref(), 1024).expect("the committed tokenizer");
    let prompt = PromptBuilder::new(&scene(regions), &Question::describe()).build().expect("valid").prompt;
    bencher
        .counter(BytesCount::new(prompt.to_reference_text().len()))
        .bench(|| tokenizer.encode(&prompt).expect("valid"));
}

#[divan::bench(args = [1, 16, 256])]
fn read_answer(bencher: Bencher, sentences: usize) {
    let text = "Lily, a marketing executive [1], walks Bella, her dog [2, 3], past (10,20),(30,40). "
        .repeat(sentences);
    let targets = Targets::new(3, 0, ImageSize::new(1000, 1000).expect("not empty"));
    bencher.counter(BytesCount::new(text.len())).bench(|| parse(&text, targets, FinishReason::EndOfText));
}
