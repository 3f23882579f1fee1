//! Draws test scenes of the figurine world, each with its regions as the examples of the façade read them:
//! `figurines DIR [COUNT]`.

use std::{error::Error, fs, path::PathBuf};

use rcmu_data::figurines::{WorldOptions, draw, scene_items};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let dir = PathBuf::from(words.next().ok_or("usage: figurines DIR [COUNT]")?);
    let count = words.next().map_or(Ok(4), |count| count.parse())?;
    fs::create_dir_all(&dir)?;
    for seed in 0..count {
        let scene = scene_items(seed, &WorldOptions::test().simple())?;
        draw(&scene.spec)?.save(dir.join(format!("scene-{seed}.png")))?;
        println!("scene-{seed}.png");
        let regions = scene.samples.first().map_or(&[][..], |sample| &sample.regions);
        for (number, region) in (1..).zip(regions) {
            println!("  [{number}]: {}", region.region.info());
        }
        for sample in &scene.samples {
            println!("  {} — {}", sample.question, sample.answer);
        }
        let side = f64::from(scene.spec.side);
        let listed = regions.iter().map(|own| {
            let pixels =
                own.region.bbox().map(|bbox| bbox.xyxy().map(|v| (f64::from(v) * side / 1000.0).round()));
            json!({"label": own.region.label(), "box": pixels, "info": own.region.info()})
        });
        let file = json!({"version": 1, "regions": listed.collect::<Vec<Value>>()});
        fs::write(dir.join(format!("scene-{seed}.json")), serde_json::to_vec_pretty(&file)?)?;
    }
    Ok(())
}
