//! Trains a small Qwen2-VL of our own, from nothing or from a model: a recipe in, a checkpoint out.
//!
//! `train [--recipe FILE] [--start DIR] [--out DIR] [--steps N] [--until N]`
//!
//! Without options it shows the way in about a minute: too short to learn more than colours. An interrupted training
//! goes on where its last checkpoint was. `--start` names the model to begin with, an untrained one of the recipe if none
//! is named; `--until` ends early and leaves the schedule as it is.

mod support;

use std::{
    error::Error,
    fs::{self, OpenOptions},
    io::Write,
    ops::ControlFlow,
    path::PathBuf,
};

use rcmu::{
    ComputeDtype, Device,
    model::{
        LoadOptions,
        training::{Recipe, TrainEvent, Trainer, curves_svg},
    },
};

fn main() -> Result<(), Box<dyn Error>> {
    let options = support::options(&["recipe", "start", "out", "steps", "until"])?;
    let smoke = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/figurines/smoke.json");
    let recipe = options.get("recipe").map_or(smoke, String::as_str);
    let out = PathBuf::from(options.get("out").map_or("target/train", String::as_str));
    let mut recipe: Recipe = serde_json::from_slice(&fs::read(recipe)?)?;
    if let Some(steps) = options.get("steps") {
        recipe.settings.steps = steps.parse()?;
    }
    let until = options.get("until").map(|text| text.parse()).transpose()?.unwrap_or(u64::MAX);
    let start = options.get("start").map_or_else(|| out.join("start"), PathBuf::from);
    if !options.contains_key("start") {
        recipe.start(&start)?;
    }

    let (device, checkpoints) = (Device::flex(), out.join("checkpoints"));
    let (settings, steps) = (recipe.settings.clone(), recipe.settings.steps);
    let mut trainer = Trainer::resume(&start, &checkpoints, &device, settings, &LoadOptions::default())?;
    println!("{} parameters, from step {}", trainer.trained_parameters(), trainer.steps_done());
    fs::create_dir_all(&out)?;
    let path = out.join("metrics.jsonl");
    let mut metrics = OpenOptions::new().create(true).append(true).open(&path)?;
    let (mut broken, mut done) = (None, false);
    let mut tell = |event: TrainEvent<'_>| {
        match event {
            TrainEvent::Step(report) => {
                let line = serde_json::to_string(&report).map(|line| line + "\n");
                broken = line.map_err(Into::into).and_then(|line| metrics.write_all(line.as_bytes())).err();
                done = report.step >= until;
                let left = report.seconds * (steps - report.step) as f64 / 60.0;
                eprint!("\r{report}, {left:.1} min left  ");
            }
            TrainEvent::Saved(dir) => eprintln!("\nsaved {}", dir.display()),
            _ => {}
        }
        if done || broken.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    if trainer.steps_done() < until {
        trainer.run(&recipe.curriculum, &checkpoints, &mut tell)?;
    }
    if let Some(error) = broken {
        return Err(error.into());
    }
    trainer.export(&out.join("model"), ComputeDtype::Bf16)?;
    trainer.export(&out.join("model-f32"), ComputeDtype::F32)?;
    fs::write(out.join("curves.svg"), curves_svg(&fs::read_to_string(&path)?)?)?;
    println!(
        "the model is in {}, the curves in {}",
        out.join("model").display(),
        out.join("curves.svg").display()
    );
    Ok(())
}
