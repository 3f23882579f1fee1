//! What the examples share: options of the command line and the bundled stand-in for a model.

#![allow(dead_code, reason = "each example uses a part of it")]

use std::collections::HashMap;

/// Reads `--name value` pairs.
pub(crate) fn options(names: &[&str]) -> Result<HashMap<String, String>, String> {
    let mut options = HashMap::new();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let name = word.strip_prefix("--").filter(|name| names.contains(name));
        let name = name.ok_or_else(|| format!("{word} is none of --{}", names.join(", --")))?;
        let value = words.next().ok_or_else(|| format!("--{name} needs a value"))?;
        options.insert(name.to_owned(), value);
    }
    Ok(options)
}

/// The model asked for, or the bundled one, with a word of warning.
pub(crate) fn model(options: &HashMap<String, String>) -> String {
    options.get("model").cloned().unwrap_or_else(|| {
        println!("No --model given: using the bundled tiny checkpoint of random weights.");
        println!("Everything below is computed for real, but its words are meaningless.\n");
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/golden/tiny_bf16").to_owned()
    })
}

/// The text without characters that could steer a terminal.
pub(crate) fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}
