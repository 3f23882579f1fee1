//! Asks a model all questions of a dataset, keeps every answer in a journal, and writes a report.
//!
//! `evaluate [--dataset figurines|rcp] [--items N] [--seed S] | [--dataset FILE] [--format jsonl|rcp|llava|sharegpt|qwen]
//! [--mode full|no-picture|no-context|no-boxes|permuted]
//! [--model DIR | --endpoint URL --name MODEL | --predictions FILE.jsonl] [--judge URL|DIR [--judge-name MODEL]]
//! [--judge-vision URL|DIR [--judge-vision-name MODEL]]
//! [--weights f32|bf16|f16|q8|q4] [--activations f32|bf16] [--colour C] [--rotations one|all] [--shard I/N] [--parallel N] [--shown N] [--out DIR]`
//!
//! Without options the bundled model answers questions about new scenes of the figurine world, then those of the shipped
//! benchmark in the shape of RC&P-Bench, whose report is in the folder `rcp`. The format of a file is told by its first
//! record unless it is named. Ctrl-C ends the run after the answer that is being made, a second one at
//! once; the same command goes on where it was, and so it does after any other end. Rules judge what descriptions say, or
//! the model at `--judge`, and what regions show, or the model at `--judge-vision`; what they say is kept in
//! `judge.journal` and `judge-vision.journal`, and a judge that fails gives no score. `--parallel` is how many items are
//! asked or judged at a time. With `--colour` every scene has a figurine of that colour, and only what names it is asked.
//! `--shard 1/2` asks a half of the items; the example `join` makes one report of all parts. `--rotations all` asks a
//! question of several options once for each rotation of them, `--shown` is the most items that pages show. Keys are read
//! from the variables `RCMU_API_KEY`, `RCMU_JUDGE_KEY` and `RCMU_JUDGE_VISION_KEY`.

mod support;

use std::{error::Error, path::PathBuf};

use rcmu::{Device, model::Model};
use rcmu_eval::run::{Answerer, Replay};

fn main() -> Result<(), Box<dyn Error>> {
    let names = "mode shard shown model weights activations endpoint name predictions out";
    let names: Vec<_> = names.split(' ').chain(support::DATASET).chain(support::judge::OPTIONS).collect();
    let mut options = support::options(&names)?;
    let out = PathBuf::from(options.get("out").map_or("target/evaluation", String::as_str));
    let answerer: Box<dyn Answerer> = if let Some(file) = options.get("predictions") {
        let replay = Replay::from_predictions(file)?;
        let strangers = replay.strangers(&support::dataset(&options)?);
        if let Some(first) = strangers.first() {
            eprintln!(
                "{} predictions in {file} are of no item of the dataset, the first of {first}",
                strangers.len()
            );
        }
        Box::new(replay)
    } else if let Some(remote) = support::remote(&options, "endpoint", "name", "RCMU_API_KEY")? {
        Box::new(remote)
    } else {
        let dir = support::model(&options);
        Box::new(Model::load(dir.as_ref(), &Device::flex(), &support::load_options(&options)?, &mut |_| ())?)
    };
    if support::DATASET.iter().chain(&["predictions"]).any(|name| options.contains_key(*name)) {
        return support::run::evaluate(&options, &*answerer, &out);
    }
    for (name, out) in [("figurines", out.clone()), ("rcp", out.join("rcp"))] {
        println!("--dataset {name}");
        options.insert("dataset".into(), name.into());
        support::run::evaluate(&options, &*answerer, &out)?;
    }
    Ok(())
}
