//! Training throughput of a small Qwen2-VL on the CPU.
//!
//! Every sample is one step of 16 conversations about a 140×140 picture; divan prints tokens per second as items.

use std::{error::Error, path::PathBuf, sync::Mutex};

use divan::{Bencher, counter::ItemsCount};
use rcmu::{
    Device,
    core::{BBox, ImageSize, Picture, Question, Scene},
    model::{
        LoadOptions,
        training::{Conversation, Starter, TrainSettings, Trainer, TrainingData},
    },
};

fn main() {
    divan::main();
}

/// Three regions with short texts and four questions, 345 tokens with the picture in all.
struct Lessons;

impl TrainingData for Lessons {
    fn len(&self) -> Option<u64> {
        None
    }

    fn fingerprint(&self) -> String {
        "bench".into()
    }

    fn conversation(&self, index: u64) -> Result<Conversation, Box<dyn Error + Send + Sync>> {
        let size = ImageSize::new(140, 140)?;
        let pixels: Vec<u8> = (0..140 * 140 * 3).map(|at| ((at as u64 * 7 + index) % 251) as u8).collect();
        let mut scene = Scene::new(Picture::Rgb { size, pixels: pixels.into() }, size);
        for (at, name) in ["Lily", "Tom", "Anna"].iter().enumerate() {
            let left = 100 + 300 * at as u16;
            let info = format!("Owned by {name}, a teacher from Paris.");
            scene = scene.region("figurine", BBox::new(left, 214, left + 250, 583)?, info)?;
        }
        let question =
            || Ok::<_, rcmu::core::Error>(Question::new("Who owns the red robot?")?.with_citations());
        let turns = (0..4)
            .map(|_| Ok((question()?, "Lily owns it.[2]".into())))
            .collect::<Result<_, rcmu::core::Error>>()?;
        Ok(Conversation { scene, turns, subjects: Vec::new(), named_by: Vec::new(), sights: None })
    }
}

fn trainer(workers: usize) -> Result<Trainer, Box<dyn Error>> {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("starter-{workers}"));
    let texts = (0..50).map(|index| Lessons.conversation(index).and_then(|lesson| lesson.texts()));
    let texts: Vec<String> =
        texts.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?.concat();
    Starter::default().write(&dir, texts.into_iter())?;
    let settings = TrainSettings { workers, micro_batch: 8, batch: 16, ..TrainSettings::default() };
    Ok(Trainer::new(&dir, &Device::flex(), settings, &LoadOptions::default())?)
}

#[divan::bench(args = [1, 2], sample_count = 5, sample_size = 1)]
fn step(bencher: Bencher, workers: usize) {
    let mut trainer = trainer(workers).expect("the starter loads");
    let tokens = trainer.step(&Lessons).expect("a step").tokens;
    let trainer = Mutex::new(trainer);
    bencher
        .counter(ItemsCount::new(tokens))
        .bench(|| trainer.lock().expect("not poisoned").step(&Lessons).expect("a step"));
}
