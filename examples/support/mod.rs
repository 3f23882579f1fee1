//! What the examples share: options of the command line and the bundled stand-in for a model.

#![allow(dead_code, reason = "each example uses a part of it")]

pub(crate) mod judge;
pub(crate) mod run;

use std::{collections::HashMap, error::Error};

use rcmu::{WeightFormat, core::Scene, model::LoadOptions};
use rcmu_data::{
    Sample,
    figurines::{Colour, WorldOptions},
    remote::{Endpoint, RemoteError},
};
use rcmu_eval::{
    dataset::{Dataset, Format, Opened, figurine_bench, figurine_scenes},
    run::RemoteGenerator,
};

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

/// Where the bundled model, its picture and its regions are.
pub(crate) const BUNDLED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/figurines");

/// The model asked for, or the bundled one.
pub(crate) fn model(options: &HashMap<String, String>) -> String {
    options.get("model").cloned().unwrap_or_else(|| {
        println!("No --model given: using the bundled model of 1.3 million weights.");
        println!("It was trained from nothing on the figurine world and knows nothing else.\n");
        format!("{BUNDLED}/model")
    })
}

/// How to load a model: `--weights` says whether the weights of linear layers are packed, `--activations bf16` that
/// activations may be rounded beside those of bf16.
pub(crate) fn load_options(options: &HashMap<String, String>) -> Result<LoadOptions, &'static str> {
    let mut load = LoadOptions::default();
    if let Some(name) = options.get("weights") {
        load.weights = Some(WeightFormat::named(name).ok_or("--weights is f32, bf16, f16, q8 or q4")?.into());
    }
    match options.get("activations").map(String::as_str) {
        None | Some("f32") => {}
        Some("bf16") if options.get("weights").is_some_and(|name| name == "bf16") => {
            load.bf16_activations = true;
        }
        Some("bf16") => return Err("--activations bf16 needs --weights bf16"),
        Some(_) => return Err("--activations is f32 or bf16"),
    }
    Ok(load)
}

/// Whether `--strict` asks for answers within a grammar.
pub(crate) fn strict(options: &HashMap<String, String>) -> Result<bool, &'static str> {
    match options.get("strict").map(String::as_str) {
        None | Some("no") => Ok(false),
        Some("yes") if cfg!(feature = "grammar") => Ok(true),
        Some("yes") => Err("--strict yes needs the feature grammar: cargo run --features grammar …"),
        Some(_) => Err("--strict is yes or no"),
    }
}

/// The picture and the regions asked for, or the bundled ones.
pub(crate) fn scene(options: &HashMap<String, String>) -> Result<Scene, rcmu::Error> {
    let bundled = format!("{BUNDLED}/scene.png");
    let scene = rcmu::open(options.get("image").unwrap_or(&bundled))?;
    match options.get("regions") {
        Some(regions) => rcmu::open_regions(regions, scene),
        None if options.contains_key("image") => Ok(scene),
        None => rcmu::open_regions(format!("{BUNDLED}/scene.json"), scene),
    }
}

/// The model behind the endpoint that an option names, with the key from an environment variable if that is set.
pub(crate) fn remote(
    options: &HashMap<String, String>,
    url: &str,
    name: &str,
    key: &str,
) -> Result<Option<RemoteGenerator>, RemoteError> {
    let Some(url) = options.get(url) else { return Ok(None) };
    let endpoint = Endpoint::new(url, options.get(name).map_or("rc-qwen2vl-2b", String::as_str));
    let is_set = std::env::var_os(key).is_some();
    let endpoint = if is_set { endpoint.with_key_from_env(key)? } else { endpoint };
    RemoteGenerator::new(endpoint).map(Some)
}

/// The options that name a dataset.
pub(crate) const DATASET: [&str; 6] = ["dataset", "format", "items", "seed", "colour", "rotations"];

/// The dataset that the options name: scenes of the figurine world unless they say otherwise.
pub(crate) fn dataset(options: &HashMap<String, String>) -> Result<Dataset, Box<dyn Error>> {
    let (name, colour) = (options.get("dataset").map_or("figurines", String::as_str), options.get("colour"));
    let is_file = !matches!(name, "figurines" | "rcp");
    let misplaced = |option: &str| options.contains_key(option) && (option == "format") != is_file;
    if let Some(option) = ["items", "seed", "format"].into_iter().find(|option| misplaced(option)) {
        return Err(format!("--{option} does not go with --dataset {name}").into());
    }
    if colour.is_some() && name != "figurines" {
        return Err("--colour goes with the figurine world only".into());
    }
    let items = |default| options.get("items").map_or(Ok(default), |text| text.parse::<usize>());
    let seed = options.get("seed").map_or(Ok(0), |text| text.parse::<u64>())?;
    let dataset = match name {
        "figurines" => scenes(seed, items(50)?, colour)?,
        "rcp" => figurine_bench(seed, items(10)?)?,
        file => open(file, options.get("format"))?,
    };
    match options.get("rotations").map(String::as_str) {
        None | Some("one") => Ok(dataset),
        Some("all") => Ok(dataset.rotated()?),
        Some(_) => Err("--rotations is none of one and all".into()),
    }
}

/// The dataset of a file; says what it was taken for, and what was mended.
fn open(file: &str, format: Option<&String>) -> Result<Dataset, rcmu_eval::Error> {
    let format = format.map(|word| word.parse::<Format>()).transpose()?;
    let opened = Opened::read(file, format)?;
    eprintln!("{file} is read as {}: {} items", opened.format, opened.dataset.items().len());
    for mended in opened.repairs.counts() {
        eprintln!(
            "  mended {} times, first on line {}: {:?}",
            mended.count, mended.first_line, mended.repair
        );
    }
    Ok(opened.dataset)
}

/// Test scenes of the simple world; where there is a colour, those that have it and the items that name it.
fn scenes(seed: u64, count: usize, colour: Option<&String>) -> Result<Dataset, Box<dyn Error>> {
    let mut world = WorldOptions::test().simple();
    let Some(word) = colour else { return Ok(figurine_scenes(seed, count, &world)?) };
    let always = Colour::ALL.iter().find(|colour| colour.word() == word);
    world.layout.always = Some(*always.ok_or_else(|| format!("{word} is no colour of figurines"))?);
    let all = figurine_scenes(seed, count, &world)?;
    let says = |text: &str| text.split(|c: char| !c.is_alphanumeric()).any(|other| other == word);
    let names_it = |sample: &Sample| says(&sample.question) || says(&sample.answer);
    let items = all.items().iter().filter(|sample| names_it(sample)).cloned();
    Ok(Dataset::new(format!("{}-{word}", all.name()), "", items)?)
}

/// The text without characters that could steer a terminal.
pub(crate) fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}
