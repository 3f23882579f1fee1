//! Makes one report of an evaluation that was asked in parts: the same as that of the whole run.
//!
//! `join [--dataset FILE|figurines|rcp] [--format F] [--items N] [--seed S] [--colour C] [--rotations one|all] [--shown N]
//! [--judge URL|DIR [--judge-name MODEL]] [--judge-vision URL|DIR [--judge-vision-name MODEL]] [--parallel N]
//! [--out DIR] --parts DIR,DIR,...`
//!
//! Dataset, format, items, seed, colour and rotations are those that the parts were asked with, as `evaluate --shard I/N --out DIR`.
//! Judges are those of `evaluate`, and are asked anew; what they say is kept in the folder of the joined report.

mod support;

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use rcmu_eval::{journal, report::ReportOptions};

fn main() -> Result<(), Box<dyn Error>> {
    let names = [&support::DATASET[..], &support::judge::OPTIONS[..], &["shown", "out", "parts"]].concat();
    let options = support::options(&names)?;
    let dataset = support::dataset(&options)?;
    let parts = options.get("parts").ok_or("--parts DIR,DIR,... is needed")?;
    let journals: Vec<_> = parts.split(',').map(|dir| Path::new(dir).join("run.journal")).collect();
    let out = PathBuf::from(options.get("out").map_or("target/evaluation-joined", String::as_str));
    fs::create_dir_all(&out)?;
    let path = out.join("joined.journal");
    if path.exists() {
        fs::remove_file(&path)?;
    }
    journal::merge(&journals, &path)?;
    let shown = options.get("shown").map(|text| text.parse()).transpose()?;
    let shown = ReportOptions { shown, ..ReportOptions::default() };
    let contents = journal::read(&path)?;
    let report = support::judge::scores(&options, &dataset, &contents, &out)?.report(&shown)?;
    report.write(&out)?;
    println!("{}\nthe report is {}", report.headline().words(), out.join("report.html").display());
    Ok(())
}
