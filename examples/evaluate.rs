//! Asks a model all questions of a dataset, keeps every answer in a journal, and writes a report.
//!
//! `evaluate [--dataset FILE.jsonl|figurines|rcp] [--items N] [--mode full|no-picture|no-context|no-boxes|permuted]
//! [--model DIR | --endpoint URL --name MODEL | --predictions FILE.jsonl] [--parallel N] [--out DIR]`
//!
//! Without options the bundled model answers questions about new scenes of the figurine world. A run that was cut goes
//! on where it was. The key of an endpoint is read from the variable `RCMU_API_KEY`.

mod support;

use std::{error::Error, fs, path::PathBuf};

use rcmu::{
    Device,
    core::GenerateOptions,
    model::{LoadOptions, Model},
};
use rcmu_data::{figurines::WorldOptions, remote::Endpoint};
use rcmu_eval::{
    dataset::{Dataset, figurine_bench, figurine_scenes},
    journal,
    judge::Judges,
    report::{ReportOptions, Scores},
    run::{Answerer, Mode, RemoteGenerator, Replay, Run, RunOptions},
};

fn main() -> Result<(), Box<dyn Error>> {
    let names = ["dataset", "items", "mode", "model", "endpoint", "name", "predictions", "parallel", "out"];
    let options = support::options(&names)?;
    let number = |name, default| options.get(name).map_or(Ok(default), |text| text.parse::<usize>());
    let dataset = match options.get("dataset").map_or("figurines", String::as_str) {
        "figurines" => figurine_scenes(0, number("items", 50)?, &WorldOptions::test().simple())?,
        "rcp" => figurine_bench(0, number("items", 10)?)?,
        file => Dataset::open(file)?,
    };
    let mode = match options.get("mode").map_or("full", String::as_str) {
        "full" => Mode::Full,
        "no-picture" => Mode::NoPicture,
        "no-context" => Mode::NoContext,
        "no-boxes" => Mode::NoBoxes,
        "permuted" => Mode::PermutedContexts { seed: 0 },
        other => return Err(format!("--mode {other} is not known").into()),
    };
    let answerer: Box<dyn Answerer> = if let Some(file) = options.get("predictions") {
        Box::new(Replay::from_predictions(file)?)
    } else if let Some(url) = options.get("endpoint") {
        let endpoint = Endpoint::new(url, options.get("name").map_or("rc-qwen2vl-2b", String::as_str));
        let key = std::env::var_os("RCMU_API_KEY").is_some();
        Box::new(RemoteGenerator::new(if key {
            endpoint.with_key_from_env("RCMU_API_KEY")?
        } else {
            endpoint
        })?)
    } else {
        let dir = support::model(&options);
        Box::new(Model::load(dir.as_ref(), &Device::flex(), &LoadOptions::default(), &mut |_| ())?)
    };
    let out = PathBuf::from(options.get("out").map_or("target/evaluation", String::as_str));
    fs::create_dir_all(&out)?;
    let path = out.join("run.journal");
    let settings = RunOptions {
        mode,
        generate: GenerateOptions::greedy(96),
        parallel: number("parallel", 1)?,
        ..RunOptions::default()
    };
    let run = Run::new(&dataset, &*answerer, settings)?;
    let summary = run.on_progress(|progress| eprint!("\r{progress}  ")).execute(&path)?;
    eprintln!("\n{} answers, {} of them from an earlier run", summary.total, summary.resumed);
    let contents = journal::read(&path)?;
    let scores = Scores::of(&dataset, &contents, &Judges::rules())?;
    let report = scores.report(&ReportOptions::default())?;
    fs::write(out.join("report.html"), report.to_html()?)?;
    fs::write(out.join("report.md"), report.to_markdown())?;
    fs::write(out.join("report.json"), report.to_json()?)?;
    fs::write(out.join("items.csv"), report.to_csv())?;
    fs::write(out.join("junit.xml"), report.to_junit())?;
    println!("{}\nthe report is {}", report.headline().words(), out.join("report.html").display());
    Ok(())
}
