//! Compares two runs of `evaluate` over the same items.
//!
//! `compare [--first JOURNAL] [--second JOURNAL] [--dataset FILE|figurines|rcp] [--format F] [--items N] [--seed S]
//! [--colour C] [--rotations one|all] [--judge URL|DIR [--judge-name MODEL]]
//! [--judge-vision URL|DIR [--judge-vision-name MODEL]] [--parallel N] [--out DIR]`
//!
//! The dataset is that of both runs, named as for `evaluate`. Without options it compares `target/evaluation` with a run
//! without pictures in `target/evaluation-no-picture`. Judges are those of `evaluate`; what they said of a run is kept beside
//! its journal, so that nothing is asked again.

mod support;

use std::{error::Error, path::Path};

use rcmu_eval::{journal, metrics::BootstrapOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let names = [&support::DATASET[..], &support::judge::OPTIONS[..], &["first", "second", "out"]].concat();
    let options = support::options(&names)?;
    let dataset = support::dataset(&options)?;
    let path = |name: &str, default: &str| options.get(name).cloned().unwrap_or_else(|| default.to_owned());
    let first = path("first", "target/evaluation/run.journal");
    let second = path("second", "target/evaluation-no-picture/run.journal");
    let contents = (journal::read(&first)?, journal::read(&second)?);
    let beside = |path| Path::new(path).parent().unwrap_or(Path::new(""));
    let first = support::judge::scores(&options, &dataset, &contents.0, beside(&first))?;
    let second = support::judge::scores(&options, &dataset, &contents.1, beside(&second))?;
    let comparison = first.compare(&second, &BootstrapOptions::default())?;
    println!("{}", comparison.to_markdown());
    if let Some(out) = options.get("out") {
        comparison.write(out.as_ref())?;
        println!("the page is {out}/comparison.html");
    }
    Ok(())
}
