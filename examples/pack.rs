//! Writes a checkpoint whose weights are packed: it takes less room and loads without the work of packing.
//!
//! `pack --model DIR --weights q8|q4|bf16|f16 --out DIR`
//!
//! The bundled model and 8 bits stand in for what is not given. `--out` must have no weights yet. `describe --model DIR` and the
//! others load the result as it is.

use std::{error::Error, path::Path};

use rcmu::{
    WeightFormat,
    model::weights::{CheckpointLimits, pack_checkpoint},
};

mod support;

fn main() -> Result<(), Box<dyn Error>> {
    let options = support::options(&["model", "weights", "out"])?;
    let name = options.get("weights").map_or("q8", String::as_str);
    let formats = WeightFormat::named(name).ok_or("--weights is f32, bf16, f16, q8 or q4")?;
    let from = support::model(&options);
    let out = Path::new(options.get("out").map_or("target/packed", String::as_str));
    pack_checkpoint(from.as_ref(), out, formats.into(), &CheckpointLimits::default(), &mut |progress| {
        eprint!("\r{} of {} tensors", progress.tensors, progress.total_tensors);
    })?;
    let bytes = std::fs::metadata(out.join("model.safetensors"))?.len();
    println!("\n{} has {:.1} MiB of weights", out.display(), bytes as f64 / f64::from(1 << 20));
    Ok(())
}
