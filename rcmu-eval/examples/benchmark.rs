//! Makes the shipped benchmark, or compares a folder with it: sets of pictures of the figurine world in the shape of
//! RC&P-Bench, 10 questions each, bit for bit from a seed.
//!
//! `benchmark [--items N] [--seed S] [--out DIR] [--check]`
//!
//! Without options it writes 100 sets (1,000 questions, 500 pictures) of seed 0 to `target/benchmark`, which has to be new
//! or empty. `--check` writes nothing: it makes everything anew and tells what in the folder differs from it.

use std::{error::Error, path::Path};

use rcmu_eval::dataset::BenchFiles;

const USAGE: &str = "usage: benchmark [--items N] [--seed S] [--out DIR] [--check]";

#[allow(dead_code, reason = "a test calls the command below")]
fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    println!("{}", command(&words)?);
    Ok(())
}

/// Does what the words of the command line ask for, and says what was done.
pub(crate) fn command(words: &[String]) -> Result<String, Box<dyn Error>> {
    let (mut items, mut seed, mut out, mut check) = (100, 0, "target/benchmark", false);
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        if word == "--check" {
            check = true;
            continue;
        }
        let value = words.next().ok_or(USAGE)?;
        let number = || value.parse::<u64>().map_err(|_| format!("{word} {value} is no number; {USAGE}"));
        match word {
            "--items" => items = usize::try_from(number()?)?,
            "--seed" => seed = number()?,
            "--out" => out = value,
            _ => return Err(USAGE.into()),
        }
    }
    let files = BenchFiles::new(seed, items)?;
    let done = if check {
        let faults = files.check(Path::new(out))?;
        if !faults.is_empty() {
            let list: Vec<_> = faults.iter().take(20).map(ToString::to_string).collect();
            return Err(format!("{} faults in {out}: {}", faults.len(), list.join("; ")).into());
        }
        format!("{out} has the benchmark of seed {seed}")
    } else {
        format!("the items are {}", files.write(out)?.display())
    };
    let digests = files.digests()?;
    let made = format!("{items} sets, {} pictures", files.pictures().len());
    Ok(format!("{made}; {done}\nitems    {}\npictures {}", digests.items, digests.pictures))
}
