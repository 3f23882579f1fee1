//! The bundled model on scenes that it has not seen: what it gets right, what it needs for that, and that packing its weights
//! leaves its answers alone.

use std::{error::Error, fs, path::Path};

use rcmu::{
    Device, WeightFormat,
    model::{LoadOptions, Model},
};
use rcmu_data::figurines::WorldOptions;
use rcmu_eval::{
    dataset::{Dataset, figurine_scenes},
    journal,
    judge::Judges,
    report::{Report, ReportOptions, Scores},
    run::{Mode, Run, RunOptions},
};

/// Scenes of the test split, far from those of the published report.
fn dataset() -> Result<Dataset, rcmu_eval::Error> {
    figurine_scenes(1 << 40, 20, &WorldOptions::test().simple())
}

fn model(weights: Option<WeightFormat>) -> Result<Model, rcmu::model::Error> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/figurines/model");
    let mut options = LoadOptions::default();
    options.weights = weights.map(Into::into);
    Model::load(&dir, &Device::flex(), &options, &mut |_| {})
}

/// The report of a run, and its answers in order.
fn asked(name: &str, model: &Model, mode: Mode) -> Result<(Report, Vec<String>), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("rcmu-bundled-{}-{name}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let path = folder.join("run.journal");
    let dataset = dataset()?;
    let options = RunOptions { mode, ..RunOptions::default() };
    Run::new(&dataset, model, options)?.execute(&path)?;
    let contents = journal::read(&path)?;
    fs::remove_dir_all(folder)?;
    let report = Scores::of(&dataset, &contents, &Judges::rules())?.report(&ReportOptions::default())?;
    let answers = contents.records.iter().map(|record| format!("{:?}", record.reply)).collect();
    Ok((report, answers))
}

fn value(report: &Report, measure: &str, slice: &str) -> Option<f64> {
    report.rows.iter().find(|row| row.measure == measure && row.slice == slice).map(|row| row.value)
}

#[test]
fn the_bundled_model_sees_what_it_describes_and_reads_what_it_tells() -> Result<(), Box<dyn Error>> {
    let model = model(None)?;
    let (full, _) = asked("full", &model, Mode::Full)?;
    let (blind, _) = asked("blind", &model, Mode::NoPicture)?;
    let get = |report, measure, slice| value(report, measure, slice).ok_or("the measure is in the report");

    // On 400 other scenes: 88 % of the figurines named by colour and kind (3 % of 60 scenes without their picture); 97 % of what
    // is told about them follows from their texts; 97 % of the questions from what is seen to what is told (44 % of 60 scenes
    // without the picture); 97 % of those refused that no text answers, and 0.7 % of others.
    let named = |report| get(report, "objects_named", "description");
    assert!(named(&full)? > 0.8, "{:?}", named(&full));
    assert!(named(&blind)? < 0.15, "{:?}", named(&blind));
    assert!(get(&full, "rcid_accuracy", "description")? > 0.9);
    assert!(get(&full, "citation_f1", "description")? > 0.95);
    let told = |report| get(report, "accuracy", "visual_to_context");
    assert!(told(&full)? > 0.9, "{:?}", told(&full));
    assert!(told(&blind)? < 0.7, "{:?}", told(&blind));
    assert!(get(&full, "abstention_recall", "unanswerable_visual_to_context")? > 0.9);
    assert!(get(&full, "over_refusal", "all")? < 0.05);
    Ok(())
}

#[test]
fn eight_bits_leave_nearly_all_answers_as_they_are() -> Result<(), Box<dyn Error>> {
    let (_, exact) = asked("exact", &model(None)?, Mode::Full)?;
    let (_, packed) = asked("packed", &model(Some(WeightFormat::Q8))?, Mode::Full)?;

    let same = exact.iter().zip(&packed).filter(|(a, b)| a == b).count();

    println!("{same} of {} answers are the same", exact.len());
    assert_eq!(exact.len(), packed.len());
    assert!(same * 10 >= exact.len() * 9, "{same} of {}", exact.len());
    Ok(())
}
