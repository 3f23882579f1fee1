//! From the bytes of a picture to patches, on the CPU; items are pixels of the file, so that `Mitem/s` is MPix/s.

use divan::{Bencher, counter::ItemsCount};
use rcmu::{
    core::{Picture, Visual},
    model::processor::{PictureOptions, Processor, ProcessorConfig},
};

fn main() {
    divan::main();
}

/// The bundled 448 x 448 picture, with budgets of 256 and 64 tokens.
#[divan::bench(args = [256, 64])]
fn bundled_png(bencher: Bencher, tokens: u64) {
    let bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/scene.png")).expect("bundled");
    let processor = Processor::new(ProcessorConfig::default());
    let mut options = PictureOptions::default();
    options.max_pixels = Some(tokens * 28 * 28);
    let visual = Visual::Image(Picture::from_bytes(bytes));
    bencher
        .counter(ItemsCount::new(448_u64 * 448))
        .bench(|| processor.process(&visual, &options).expect("a good picture"));
}
