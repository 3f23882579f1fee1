//! Writes the mean of several trained models of one shape, weight by weight.
//!
//! `average --models DIR,DIR[,…] [--out DIR]`
//!
//! The models are those that `train` has written, in `model-f32`; the mean is in `model` and `model-f32` under `--out`,
//! as `train` writes them, which must have no weights yet.

use std::{
    error::Error,
    path::{Path, PathBuf},
};

use rcmu::{ComputeDtype, model::training::average};

mod support;

fn main() -> Result<(), Box<dyn Error>> {
    let options = support::options(&["models", "out"])?;
    let names = options.get("models").ok_or("--models names directories, separated by commas")?;
    let models: Vec<&Path> = names.split(',').map(Path::new).collect();
    let out = PathBuf::from(options.get("out").map_or("target/average", String::as_str));
    average(&models, &out.join("model"), ComputeDtype::Bf16)?;
    average(&models, &out.join("model-f32"), ComputeDtype::F32)?;
    println!("the mean of {} models is in {}", models.len(), out.join("model").display());
    Ok(())
}
