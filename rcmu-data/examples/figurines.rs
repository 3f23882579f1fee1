//! Draws scenes of the figurine world: `figurines DIR [COUNT]`.

use std::{error::Error, path::PathBuf};

use rcmu_data::figurines::{WorldOptions, draw, scene_items};

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let dir = PathBuf::from(words.next().ok_or("usage: figurines DIR [COUNT]")?);
    let count = words.next().map_or(Ok(4), |count| count.parse())?;
    std::fs::create_dir_all(&dir)?;
    for seed in 0..count {
        let scene = scene_items(seed, &WorldOptions::test())?;
        draw(&scene.spec)?.save(dir.join(format!("scene-{seed}.png")))?;
        println!("scene-{seed}.png");
        for (number, region) in (1..).zip(scene.samples.first().map_or(&[][..], |sample| &sample.regions)) {
            println!("  [{number}]: {}", region.region.info());
        }
        for sample in &scene.samples {
            println!("  {} — {}", sample.question, sample.answer);
        }
    }
    Ok(())
}
