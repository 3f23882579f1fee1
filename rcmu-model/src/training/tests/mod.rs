//! Whole trainings on tiny models.

mod adapters;
mod aids;
mod average;
mod files;
mod optimiser;
mod precision;
mod recipes;

use std::{fs, ops::ControlFlow, path::PathBuf};

use burn::tensor::Device;
use rcmu_core::{BBox, ImageSize, Picture, Question, Scene};
use safetensors::SafeTensors;

use super::{
    batch::{Batch, Totals},
    conversation::Example,
    *,
};
use crate::{
    LoadOptions,
    generation::{EncodedRequest, EncodedVisual},
    model::to_host,
    position::{Positions, runs},
    processor::PositionRule,
    vision::PatchGrid,
};

fn tiny() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/golden/tiny"))
}

/// A folder of its own for a test; gone at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("rcmu-training-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        Self(dir)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Pictures of one colour; the answer names it.
struct Colours;

impl TrainingData for Colours {
    fn len(&self) -> Option<u64> {
        Some(11)
    }

    fn fingerprint(&self) -> String {
        "colours".into()
    }

    fn conversation(&self, index: u64) -> Result<Conversation, Box<dyn std::error::Error + Send + Sync>> {
        let (name, rgb) =
            [("red", [200, 0, 0]), ("green", [0, 200, 0]), ("blue", [0, 0, 200])][index as usize % 3];
        let side = 56 + 28 * (index as u32 % 2);
        let size = ImageSize::new(side, side)?;
        let pixels: Vec<u8> = rgb.repeat((side * side) as usize);
        let scene = Scene::new(Picture::Rgb { size, pixels: pixels.into() }, size).region(
            "block",
            BBox::new(0, 0, 500, 1000)?,
            "Made of wood.",
        )?;
        let question = Question::new("What colour is it?")?.with_citations();
        let mut turns = vec![(question, format!("It is {name}.[1]"))];
        if index.is_multiple_of(4) {
            turns.push((Question::new("Of what is it made?")?, "Of wood.".into()));
        }
        Ok(Conversation { scene, turns, subjects: Vec::new(), named_by: Vec::new(), sights: None })
    }
}

fn settings() -> TrainSettings {
    TrainSettings {
        steps: 12,
        batch: 3,
        micro_batch: 2,
        bucket_steps: 2,
        warmup_steps: 2,
        learning_rate: 2e-3,
        checkpoint_steps: 4,
        ..TrainSettings::default()
    }
}

fn trainer(settings: TrainSettings) -> Trainer {
    Trainer::new(&tiny(), &Device::flex(), settings, &LoadOptions::default()).expect("the tiny model loads")
}

fn weights(trainer: &Trainer) -> Vec<Vec<f32>> {
    trainer
        .parameters
        .iter()
        .map(|parameter| to_host(parameter.value.clone()).expect("on the host"))
        .collect()
}

#[test]
fn loss_and_all_gradients_equal_the_reference() {
    const TOLERANCE: f32 = 1e-4; // of the largest gradient of the same parameter
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/gradients/tiny.safetensors");
    let bytes = fs::read(path).expect("the fixture is there");
    let file = SafeTensors::deserialize(&bytes).expect("the fixture is whole");
    let floats = |name: &str| -> Vec<f32> {
        let view = file.tensor(name).expect("the fixture has it");
        view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
    };
    let ints = |name: &str| -> Vec<i32> {
        let view = file.tensor(name).expect("the fixture has it");
        view.data().as_chunks::<4>().0.iter().map(|b| i32::from_le_bytes(*b)).collect()
    };
    let trainer = trainer(settings());
    let config = trainer.model().config();
    let (ids, labels, lengths) = (ints("in.ids"), ints("in.labels"), ints("in.lengths"));
    let seq = ids.len() / lengths.len();
    let grid = PatchGrid::new([1, 4, 6], 2).expect("whole blocks");
    let mut pictures = vec![(floats("in.pixel_values"), grid)];
    let examples: Vec<Example> = lengths
        .iter()
        .enumerate()
        .map(|(row, &len)| {
            let row = row * seq..row * seq + len as usize;
            let input_ids: Vec<u32> = ids[row.clone()].iter().map(|&id| id as u32).collect();
            let first = input_ids.iter().position(|&id| id == config.image_token_id);
            let visuals: Vec<EncodedVisual> = first
                .map(|start| {
                    let (pixel_values, grid) = pictures.remove(0);
                    EncodedVisual { pixel_values, grid, key: [0; 32], tokens: start..start + grid.tokens() }
                })
                .into_iter()
                .collect();
            let grids: Vec<PatchGrid> = visuals.iter().map(|visual| visual.grid).collect();
            let pads = [config.image_token_id, config.video_token_id];
            let runs = runs(&input_ids, pads, &grids, &[]).expect("pads fit the picture");
            let positions = Positions::new(&runs, PositionRule::MaxOfAll);
            let marked = labels[row].iter().enumerate().filter(|(_, label)| **label >= 0);
            let targets = marked.map(|(place, _)| place - 1).collect();
            Example {
                request: EncodedRequest { input_ids, positions, visuals },
                targets,
                sights: None,
                boxes: Vec::new(),
                numbered: Vec::new(),
                about: Vec::new(),
                asked: Vec::new(),
                matches: Vec::new(),
                features: Vec::new(),
            }
        })
        .collect();

    let batch = Batch::new(&examples.iter().collect::<Vec<_>>());
    let totals = Totals::new([&batch], 0.0);
    let (loss, gradients) = trainer.gradients_of(&[batch], totals);

    let expected = f64::from(floats("loss")[0]);
    assert!((loss - expected).abs() <= 1e-5 * expected, "loss {loss}, the reference has {expected}");
    let mut worst = (0.0, String::new());
    let pairs = trainer.parameters.iter().zip(gradients);
    for (parameter, gradient) in pairs.filter(|(parameter, _)| !super::trainer::is_helper(&parameter.name)) {
        let ours = to_host(gradient.expect("every parameter has a gradient")).expect("on the host");
        let theirs = floats(&format!("grad.{}", parameter.name));
        assert_eq!(ours.len(), theirs.len(), "{}", parameter.name);
        let largest = theirs.iter().fold(0.0_f32, |max, value| max.max(value.abs()));
        let difference = ours.iter().zip(&theirs).fold(0.0_f32, |max, (a, b)| max.max((a - b).abs()));
        let relative = difference / largest;
        assert!(relative <= TOLERANCE, "{}: {difference} of {largest}", parameter.name);
        if relative > worst.0 {
            worst = (relative, parameter.name.clone());
        }
    }
    println!("largest relative difference {:.2e} in {}", worst.0, worst.1);
}

#[test]
fn only_answers_and_their_ends_are_predicted() {
    let trainer = trainer(settings());
    let conversation = Colours.conversation(4).expect("valid");

    let example = Example::new(trainer.model(), 4, &conversation).expect("it can be encoded");

    let ids: Vec<u32> = example.targets.iter().map(|&place| example.request.input_ids[place + 1]).collect();
    let text = trainer.model().tokenizer().decode(&ids, crate::tokenizer::Specials::Keep);
    assert_eq!(text, "It is green.[1]<|im_end|>Of wood.<|im_end|>");
}

#[test]
fn training_lowers_the_loss() {
    let mut trainer = trainer(TrainSettings { steps: 40, ..settings() });

    let losses: Vec<f64> = (0..40).map(|_| trainer.step(&Colours).expect("a step").loss).collect();

    assert!(losses[39] < losses[0] / 4.0, "{} to {}", losses[0], losses[39]);
}

#[test]
fn workers_do_not_change_the_path() {
    let mut one = trainer(settings());
    let mut two = trainer(TrainSettings { workers: 2, ..settings() });

    for _ in 0..3 {
        one.step(&Colours).expect("a step");
        two.step(&Colours).expect("a step");
    }

    assert_eq!(weights(&one), weights(&two));
}

#[test]
fn a_resumed_training_takes_the_same_path_bit_for_bit() {
    for optimizer in [Optimizer::AdamW, Optimizer::Muon] {
        resumed_takes_the_path_of_whole(&TrainSettings { steps: 100, optimizer, ..settings() });
    }
}

fn resumed_takes_the_path_of_whole(settings: &TrainSettings) {
    let scratch = Scratch::new("resume");
    let mut whole = trainer(settings.clone());
    for _ in 0..100 {
        whole.step(&Colours).expect("a step");
    }

    // The first half stops in the middle of a window of two steps.
    let halves = TrainSettings { checkpoint_steps: 25, ..settings.clone() };
    let mut first = trainer(halves.clone());
    let stop = |event: TrainEvent<'_>| match event {
        TrainEvent::Step(report) if report.step == 51 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    first.run(&Colours, &scratch.0, &mut { stop }).expect("half of the steps");
    drop(first);
    let mut second = Trainer::resume(&tiny(), &scratch.0, &Device::flex(), halves, &LoadOptions::default())
        .expect("the checkpoint is whole");
    assert_eq!(second.steps_done(), 51);
    second.run(&Colours, &scratch.0, &mut |_| ControlFlow::Continue(())).expect("the other half");

    assert_eq!(weights(&whole), weights(&second));
}

#[test]
fn a_training_knows_its_own_settings_again() {
    let scratch = Scratch::new("settings");
    // Numbers whose decimals a parser that rounds twice reads as their neighbours.
    let odd = TrainSettings {
        steps: 1,
        learning_rate: 0.001_727_021_590_412_466_1,
        betas: [0.9, 1.0 - 1.0 / 300.0],
        ..settings()
    };
    trainer(odd.clone()).run(&Colours, &scratch.0, &mut |_| ControlFlow::Continue(())).expect("a step");

    let resumed = Trainer::resume(&tiny(), &scratch.0, &Device::flex(), odd, &LoadOptions::default());

    assert_eq!(resumed.expect("it is its own").steps_done(), 1);
}

#[test]
fn a_broken_checkpoint_is_passed_over() {
    let scratch = Scratch::new("broken");
    let mut first = trainer(settings());
    first.run(&Colours, &scratch.0, &mut |_| ControlFlow::Continue(())).expect("all steps");
    let all = Checkpoints::new(&scratch.0).all().expect("readable");
    assert_eq!(all.len(), 2);
    let state = all[1].join("state.safetensors");
    let mut bytes = fs::read(&state).expect("readable");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&state, bytes).expect("writable");

    assert_eq!(Checkpoints::new(&scratch.0).newest().expect("readable"), Some(all[0].clone()));
}

#[test]
fn a_manifest_that_was_changed_is_no_checkpoint() {
    let scratch = Scratch::new("manifest");
    let store = Checkpoints::new(&scratch.0);
    trainer(settings()).run(&Colours, &scratch.0, &mut |_| ControlFlow::Continue(())).expect("all steps");
    let all = store.all().expect("readable");
    let [older, newer] = all.as_slice() else { panic!("{all:?}") };

    // Another step under the same name, and another name for the same step.
    let manifest = newer.join("manifest.json");
    let text = fs::read_to_string(&manifest).expect("readable");
    let step =
        newer.to_string_lossy().rsplit('-').next().and_then(|step| step.parse::<u64>().ok()).expect("a step");
    fs::write(&manifest, text.replace(&format!("\"step\": {step}"), "\"step\": 1")).expect("writable");
    assert_ne!(fs::read_to_string(&manifest).expect("readable"), text);
    assert_eq!(store.newest().expect("readable").as_ref(), Some(older));
    fs::write(&manifest, text).expect("writable");
    assert_eq!(store.newest().expect("readable").as_ref(), Some(newer));
    let renamed = scratch.0.join("step-0000009999");
    fs::rename(newer, &renamed).expect("renamed");
    assert_eq!(store.newest().expect("readable").as_ref(), Some(older));
    // A file of such a name is no checkpoint either, and keeps no other from being written.
    fs::write(scratch.0.join("step-0000009998"), "").expect("written");
    let again = settings();
    trainer(again).run(&Colours, &scratch.0, &mut |_| ControlFlow::Continue(())).expect("all steps");
    assert!(
        !renamed.exists() && newer.exists(),
        "what is broken and later is removed, what was saved is not"
    );
}

#[test]
fn what_is_saved_is_never_removed_for_what_others_have_left() {
    let scratch = Scratch::new("left");
    let long = TrainSettings { steps: 12, checkpoint_steps: 4, ..settings() };
    trainer(long.clone()).run(&Colours, &scratch.0, &mut |_| ControlFlow::Continue(())).expect("all steps");
    let left = Checkpoints::new(&scratch.0).all().expect("readable");
    let mut fresh = trainer(TrainSettings { checkpoint_steps: 3, ..long });
    let mut saved = Vec::new();

    fresh
        .run(&Colours, &scratch.0, &mut |event| match event {
            TrainEvent::Saved(dir) => {
                saved.push(dir.to_owned());
                ControlFlow::Break(())
            }
            _ => ControlFlow::Continue(()),
        })
        .expect("three steps");

    assert_eq!((saved.len(), left.len()), (1, 2));
    assert!(saved.iter().chain(&left).all(|dir| dir.exists()), "{saved:?} {left:?}");
    // Killed between taking the old one's name away and giving it to the new one.
    let replaced =
        scratch.0.join(format!(".replaced-{}", left[1].file_name().expect("a name").to_string_lossy()));
    fs::rename(&left[1], &replaced).expect("renamed");
    assert_eq!(Checkpoints::new(&scratch.0).newest().expect("readable").as_ref(), Some(&left[1]));
}

#[test]
fn an_exported_model_answers_as_the_trained_one() {
    let scratch = Scratch::new("export");
    let mut trainer = trainer(settings());
    for _ in 0..4 {
        trainer.step(&Colours).expect("a step");
    }
    trainer.export(&scratch.0, crate::ComputeDtype::F32).expect("written");

    let exported = crate::Model::load(&scratch.0, &Device::flex(), &LoadOptions::default(), &mut |_| ())
        .expect("what was written loads");

    assert_eq!(answer(&exported), answer(&trainer.to_model()));
}

#[test]
fn what_a_frozen_tower_sees_is_kept_and_the_losses_stay() {
    let frozen = Frozen { vision: true, merger: true, language: false };
    let settings = TrainSettings { frozen, ..settings() };
    let (mut keeps, mut forgets) = (trainer(settings.clone()), trainer(settings));
    forgets.features = None;

    for _ in 0..3 {
        let (one, other) = (keeps.step(&Colours).expect("a step"), forgets.step(&Colours).expect("a step"));
        // Pictures are seen one by one, not in batches: sums are rounded differently, and no more.
        assert!((one.loss - other.loss).abs() <= 1e-5 * other.loss, "{} {}", one.loss, other.loss);
    }

    assert!(keeps.features.as_ref().is_some_and(|store| store.len() > 0));
    assert!(trainer(self::settings()).features.is_none(), "a tower that learns sees anew");
}

/// Colours, but the pixels of one picture cannot be decompressed.
struct Broken;

impl TrainingData for Broken {
    fn len(&self) -> Option<u64> {
        Some(6)
    }

    fn fingerprint(&self) -> String {
        "broken".into()
    }

    fn conversation(&self, index: u64) -> Result<Conversation, Box<dyn std::error::Error + Send + Sync>> {
        let whole = Colours.conversation(index)?;
        let size = ImageSize::new(56, 56)?;
        let mut file = Vec::new();
        let mut writer = std::io::Cursor::new(&mut file);
        image::RgbImage::new(56, 56).write_to(&mut writer, image::ImageFormat::Png)?;
        if index == 3 {
            // The first byte of the compressed pixels, after the signature, the header and the name of their chunk.
            file[8 + 25 + 8] ^= 0xff;
        }
        Ok(Conversation { scene: Scene::new(Picture::from_bytes(file), size), ..whole })
    }
}

#[test]
fn pictures_are_decoded_when_their_step_comes() {
    let mut trainer = trainer(TrainSettings { batch: 2, bucket_steps: 3, ..settings() });

    // All items are in the first window, and one of its steps cannot be done.
    let mut done = 0;
    let error = loop {
        match trainer.step(&Broken) {
            Ok(_) => done += 1,
            Err(error) => break error,
        }
    };

    assert!(matches!(error, TrainError::Item { index: 3, .. }), "{error:?}");
    assert_eq!(trainer.queue.len(), 3 - done, "the step waits");
}

#[test]
fn answers_are_generated_to_validate() {
    let trainer = trainer(settings());

    let validation = trainer.validation_answers(&Colours, 3, 8).expect("answers");

    assert_eq!(validation.answers.len(), 3);
    let right = Validation {
        answers: vec![ValidationAnswer {
            found: "red".into(),
            expected: "red ".into(),
            question: String::new(),
        }],
    };
    assert_eq!(right.exact(), 1);
    assert_eq!(validation.exact(), 0, "a random model answers nothing");
}

/// What a model answers to one of the conversations, as tokens.
fn answer(model: &crate::Model) -> Vec<u32> {
    use rcmu_core::Generator as _;
    let conversation = Colours.conversation(1).expect("valid");
    let built = rcmu_prompt::PromptBuilder::new(&conversation.scene, &conversation.turns[0].0).build();
    let request = built.expect("valid").into_request(rcmu_core::GenerateOptions::greedy(12));
    model.generate(&request, &rcmu_core::Control::default(), &mut |_| ()).expect("an answer").token_ids
}

#[test]
fn broken_numbers_stop_the_training_and_change_nothing() {
    let mut trainer = trainer(settings());
    trainer.settings.learning_rate = 1e30;
    let mut error = None;
    let mut before = weights(&trainer);
    for _ in 0..4 {
        match trainer.step(&Colours) {
            Ok(_) => before = weights(&trainer),
            Err(found) => {
                error = Some(found);
                break;
            }
        }
    }

    assert!(matches!(error, Some(TrainError::NotFinite { .. })), "{error:?}");
    // The same step's batches are still the next ones.
    let waiting = trainer.queue.len();
    assert!(trainer.step(&Colours).is_err());
    assert_eq!(trainer.queue.len(), waiting);
    assert_eq!(format!("{before:?}"), format!("{:?}", weights(&trainer)));
}
