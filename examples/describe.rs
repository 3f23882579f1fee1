//! A picture, boxes and what you know about them in; a cited answer out.
//!
//! `cargo run --release --example describe -- --model DIR --image FILE --regions regions.json --question "…" --out marked.png`
//!
//! Every option has a bundled stand-in: a small model that knows the figurine world, and a picture from there that it has
//! not seen before. `--weights bf16|f16|q8|q4` keeps the weights so, q8 and q4 on any device. With the feature
//! `grammar`, `--strict yes` lets the model write only citations of what is there and whole boxes.

use std::error::Error;
use std::io::{Write, stdout};
use std::path::Path;

use rcmu::core::{Control, GenerateOptions};
use rcmu::prelude::*;
use rcmu::prompt::grammar_of;

mod support;

fn main() -> Result<(), Box<dyn Error>> {
    let names =
        ["model", "image", "regions", "question", "out", "max-tokens", "weights", "activations", "strict"];
    let options = support::options(&names)?;
    let question = match options.get("question") {
        Some(text) => Question::new(text)?,
        None => Question::describe(),
    };
    let (scene, strict) = (support::scene(&options)?, support::strict(&options)?);

    let mut load = LoadOptions::default();
    load.model = support::load_options(&options)?;
    let model = Rcmu::load(&support::model(&options), &load)?;
    let mut settings = GenerateOptions::greedy(options.get("max-tokens").map_or(Ok(128), |n| n.parse())?);
    settings.stop = vec!["<|endoftext|>".into()];
    settings.grammar = strict.then(|| grammar_of(&scene, &question));
    let mut finished = None;
    for event in model.stream_with(&scene, &question.with_citations(), settings, Control::default())? {
        match event? {
            AnswerEvent::Started { prompt_tokens, image_tokens } => {
                println!("reading {prompt_tokens} tokens, {image_tokens} of them the picture\n");
            }
            AnswerEvent::Text(text) => {
                print!("{}", support::visible(&text));
                stdout().flush()?;
            }
            AnswerEvent::Finished { answer, stats } => finished = Some((answer, stats)),
            _ => {}
        }
    }
    let (answer, stats) = finished.ok_or("the stream ended early")?;

    println!("\n");
    for statement in answer.statements() {
        println!("- {}", support::visible(&statement.text));
        for region in statement.regions().filter_map(|id| scene.regions().find(id).map(|r| (id, r))) {
            let place =
                region.1.bbox().map_or(String::new(), |b| format!(" at {}", b.to_pixels(scene.size())));
            println!("  [{}] {}{place}", region.0, region.1.label());
        }
    }
    println!(
        "\nfirst token after {:.2} s, then {:.1} tokens/s",
        stats.time_to_first_token().as_secs_f64(),
        stats.tokens_per_second()
    );
    if let Some(out) = options.get("out") {
        let all: Vec<_> = scene.regions().iter().map(|(id, _)| id).collect();
        rcmu::annotate_to(Path::new(out), &scene, &all)?;
        println!("the regions are drawn in {out}");
    }
    Ok(())
}
