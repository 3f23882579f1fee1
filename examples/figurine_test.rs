//! Asks a model about test scenes of the figurine world and scores its answers.
//!
//! `figurine_test --model DIR [--scenes N] [--show N] [--split train|test] [--questions N]`

mod support;

use std::error::Error;

use rcmu::{
    Device,
    core::{Control, GenerateOptions, Generator, ImageSize},
    model::{LoadOptions, Model},
    prompt::PromptBuilder,
};
use rcmu_data::figurines::{Split, WorldOptions, picture, scene_items};
use rcmu_eval::{
    judge::Judges,
    metrics::{BootstrapOptions, summarise},
    scorers::score_item,
};

fn main() -> Result<(), Box<dyn Error>> {
    let options = support::options(&["model", "scenes", "show", "split", "questions"])?;
    let dir = options.get("model").ok_or("--model DIR is needed")?;
    let number = |name: &str, default: u64| options.get(name).map_or(Ok(default), |text| text.parse());
    let (scenes, show) = (number("scenes", 40)?, number("show", 12)?);
    let model = Model::load(dir.as_ref(), &Device::flex(), &LoadOptions::default(), &mut |_| ())?;
    let split = match options.get("split").map(String::as_str) {
        None | Some("test") => Split::Test,
        Some("train") => Split::Train,
        Some(other) => return Err(format!("--split is {other}, expected train or test").into()),
    };
    let world =
        WorldOptions { split, questions: number("questions", 8)? as usize, ..WorldOptions::test().simple() };
    let mut scores = Vec::new();
    let mut shown = 0;
    for seed in 0..scenes {
        let scene = scene_items(seed, &world)?;
        let picture = picture(&scene.spec)?;
        for sample in &scene.samples {
            let size = ImageSize::new(scene.spec.side, scene.spec.side)?;
            let asked = sample.to_scene(picture.clone(), size, Vec::new())?;
            let built = PromptBuilder::new(&asked, &sample.to_question()?).build()?;
            let request = built.into_request(GenerateOptions::greedy(96));
            let reply = model.generate(&request, &Control::default(), &mut |_| ())?;
            let text = reply.text.trim();
            if shown < show {
                println!(
                    "{}: {}\n  expected {}\n  found    {text}",
                    sample.kind.name(),
                    sample.question,
                    sample.answer
                );
                shown += 1;
            }
            scores.push(score_item(sample, text, reply.finish, &Judges::rules()));
        }
    }
    for row in summarise(&scores, &BootstrapOptions::default()) {
        let chance = row.chance.map_or(String::new(), |chance| format!("  chance {chance:.3}"));
        println!("{:<34} {:<28} {:>5}  {:.3}{chance}", row.slice, row.measure, row.count, row.value);
    }
    Ok(())
}
