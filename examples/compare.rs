//! Compares two runs of `evaluate` over the same items.
//!
//! `compare [--first JOURNAL] [--second JOURNAL] [--dataset FILE|figurines|rcp] [--format F] [--items N] [--seed S]
//! [--colour C] [--rotations one|all] [--out FILE.html]`
//!
//! The dataset is that of both runs, named as for `evaluate`. Without options it compares `target/evaluation` with a run
//! without pictures in `target/evaluation-no-picture`.

mod support;

use std::{error::Error, fs};

use rcmu_eval::{journal, judge::Judges, metrics::BootstrapOptions, report::Scores};

fn main() -> Result<(), Box<dyn Error>> {
    let options = support::options(&[&support::DATASET[..], &["first", "second", "out"]].concat())?;
    let dataset = support::dataset(&options)?;
    let path = |name: &str, default: &str| options.get(name).cloned().unwrap_or_else(|| default.to_owned());
    let first = journal::read(path("first", "target/evaluation/run.journal"))?;
    let second = journal::read(path("second", "target/evaluation-no-picture/run.journal"))?;
    let judges = Judges::rules();
    let (first, second) = (Scores::of(&dataset, &first, &judges)?, Scores::of(&dataset, &second, &judges)?);
    let comparison = first.compare(&second, &BootstrapOptions::default())?;
    println!("{}", comparison.to_markdown());
    if let Some(out) = options.get("out") {
        fs::write(out, comparison.to_html()?)?;
        println!("the page is {out}");
    }
    Ok(())
}
