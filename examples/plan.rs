//! What a question will need, before anything runs.
//!
//! `cargo run --release --example plan -- --model DIR --image FILE --regions regions.json --question "…"`

use std::error::Error;

use rcmu::prelude::*;

mod support;

fn main() -> Result<(), Box<dyn Error>> {
    let options = support::options(&["model", "image", "regions", "question"])?;
    let scene = support::scene(&options)?;
    let question = options.get("question").map_or(Ok(Question::describe()), Question::new)?;
    let model = Rcmu::load(&support::model(&options), &LoadOptions::default())?;

    let plan = model.plan(&scene, &question.with_citations())?;

    for picture in &plan.visuals {
        let [time, height, width] = picture.grid.thw();
        println!("picture        {} as the model sees it, from {}", picture.model_size, picture.upright_size);
        println!("grid           {time} x {height} x {width} patches, {} tokens", picture.tokens());
    }
    println!("text           {} tokens", plan.text_tokens);
    println!("answer         up to {} tokens", plan.max_new_tokens);
    println!("context window {} tokens", plan.context_window);
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    println!("weights        {:.1} MiB", mib(plan.weight_bytes));
    println!("cache          {:.1} MiB", mib(plan.kv_bytes));
    println!("activations    {:.1} MiB at their peak", mib(plan.activation_bytes));
    for hint in &plan.hints {
        println!("hint           {hint}");
    }
    Ok(())
}
