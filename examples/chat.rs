//! Several questions about one picture; picture and context are encoded once.
//!
//! `cargo run --release --example chat -- --model DIR --image FILE --regions regions.json`
//!
//! Questions come from the standard input, one a line; on an empty input, and on a terminal, four bundled ones are asked.

use std::error::Error;
use std::io::{BufRead, IsTerminal, Write, stdin, stdout};

use rcmu::core::{Control, Event, GenerateOptions};
use rcmu::prelude::*;

mod support;

const QUESTIONS: [&str; 4] = [
    "Who owns the red mushroom?",
    "What does the figurine of the doctor look like?",
    "Describe the image.",
    "What did the owner of the duck pay?",
];

fn main() -> Result<(), Box<dyn Error>> {
    let options = support::options(&["model", "image", "regions", "max-tokens"])?;
    let scene = support::scene(&options)?;
    let model = Rcmu::load(&support::model(&options), &LoadOptions::default())?;
    let settings = GenerateOptions::greedy(options.get("max-tokens").map_or(Ok(48), |n| n.parse())?);

    let mut chat = model.chat(scene);
    for question in questions()? {
        println!("> {question}");
        let question = Question::new(question)?.with_citations();
        let answer = chat.ask_with(&question, settings.clone(), &Control::default(), &mut |event| {
            if let Event::Text(text) = event {
                print!("{}", support::visible(&text));
                let _ = stdout().flush();
            }
        })?;
        let stats = chat.stats();
        println!(
            "\n  cites {:?}; {} of {} prompt tokens were there already; first token after {:.3} s\n",
            answer.cited_regions().iter().map(|id| id.number()).collect::<Vec<_>>(),
            stats.reused_tokens,
            stats.prompt_tokens,
            stats.time_to_first_token().as_secs_f64()
        );
    }
    Ok(())
}

/// Lines of the standard input, or the bundled questions.
fn questions() -> Result<Vec<String>, std::io::Error> {
    if stdin().is_terminal() {
        return Ok(QUESTIONS.map(str::to_owned).to_vec());
    }
    let lines: Vec<String> = stdin().lock().lines().collect::<Result<_, _>>()?;
    let asked: Vec<String> = lines.into_iter().filter(|line| !line.trim().is_empty()).collect();
    Ok(if asked.is_empty() { QUESTIONS.map(str::to_owned).to_vec() } else { asked })
}
