//! Asks a model all questions of a dataset, keeps every answer in a journal, and writes a report.
//!
//! `evaluate [--dataset figurines|rcp] [--items N] [--seed S] | [--dataset FILE] [--format jsonl|rcp|llava|sharegpt|qwen]
//! [--mode full|no-picture|no-context|no-boxes|permuted]
//! [--model DIR | --endpoint URL --name MODEL | --predictions FILE.jsonl] [--judge URL|DIR [--judge-name MODEL]]
//! [--judge-vision URL|DIR [--judge-vision-name MODEL]]
//! [--weights f32|bf16|f16|q8|q4] [--colour C] [--rotations one|all] [--shard I/N] [--parallel N] [--shown N] [--out DIR]`
//!
//! Without options the bundled model answers questions about new scenes of the figurine world. The format of a file is
//! told by its first record unless it is named. Ctrl-C ends the run after the answer that is being made, a second one at
//! once; the same command goes on where it was, and so it does after any other end. Rules judge what descriptions say, or
//! the model at `--judge`, and what regions show, or the model at `--judge-vision`; what they say is kept in
//! `judge.journal` and `judge-vision.journal`, and a judge that fails gives no score. `--parallel` is how many items are
//! asked or judged at a time. With `--colour` every scene has a figurine of that colour, and only what names it is asked.
//! `--shard 1/2` asks a half of the items; the example `join` makes one report of all parts. `--rotations all` asks a
//! question of several options once for each rotation of them, `--shown` is the most items that pages show. Keys are read
//! from the variables `RCMU_API_KEY`, `RCMU_JUDGE_KEY` and `RCMU_JUDGE_VISION_KEY`.

mod support;

use std::{error::Error, fs, path::PathBuf};

use rcmu::{Device, core::GenerateOptions, model::Model};
use rcmu_eval::{
    journal,
    report::ReportOptions,
    run::{Answerer, Replay, RunOptions, Shard},
};

fn main() -> Result<(), Box<dyn Error>> {
    let names = "mode shard shown model weights endpoint name predictions out";
    let names: Vec<_> = names.split(' ').chain(support::DATASET).chain(support::judge::OPTIONS).collect();
    let options = support::options(&names)?;
    let number = |name, default| options.get(name).map_or(Ok(default), |text| text.parse::<usize>());
    let dataset = support::dataset(&options)?;
    let out = PathBuf::from(options.get("out").map_or("target/evaluation", String::as_str));
    fs::create_dir_all(&out)?;
    let path = out.join("run.journal");
    let answerer: Box<dyn Answerer> = if let Some(file) = options.get("predictions") {
        Box::new(Replay::from_predictions(file)?)
    } else if let Some(remote) = support::remote(&options, "endpoint", "name", "RCMU_API_KEY")? {
        Box::new(remote)
    } else {
        let dir = support::model(&options);
        Box::new(Model::load(dir.as_ref(), &Device::flex(), &support::load_options(&options)?, &mut |_| ())?)
    };
    let settings = RunOptions {
        mode: options.get("mode").map_or("full", String::as_str).parse()?,
        generate: GenerateOptions::greedy(96),
        parallel: number("parallel", 1)?,
        shard: options.get("shard").map_or(Ok(Shard::WHOLE), |text| text.parse())?,
        ..RunOptions::default()
    };
    let summary = support::run::execute(&dataset, &*answerer, settings, &path)?;
    eprintln!("\n{} answers, {} of them from an earlier run", summary.total, summary.resumed);
    let contents = journal::read(&path)?;
    let scores = support::judge::scores(&options, &dataset, &contents, &out)?;
    let shown = options.get("shown").map(|text| text.parse()).transpose()?;
    let report = scores.report(&ReportOptions { shown, ..ReportOptions::default() })?;
    report.write(&out)?;
    println!("{}\nthe report is {}", report.headline().words(), out.join("report.html").display());
    Ok(())
}
