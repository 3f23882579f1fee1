//! The mean of several models.

use std::path::Path;

use safetensors::SafeTensors;

use super::{Scratch, fs, tiny};
use crate::{
    ComputeDtype,
    training::{TrainError, average},
    weights::{Checkpoint, CheckpointLimits, expected_tensors},
};

/// All weights of a model, by name.
fn weights(dir: &Path) -> Vec<(String, Vec<f32>)> {
    let checkpoint = Checkpoint::open(dir, &CheckpointLimits::default()).expect("a model");
    let names = expected_tensors(checkpoint.config()).into_iter().map(|tensor| tensor.name);
    names.map(|name| (name.clone(), checkpoint.read_f32(&name).expect("a tensor"))).collect()
}

/// The shapes in a model's file, by name.
fn shapes(dir: &Path) -> Vec<(String, Vec<usize>)> {
    let bytes = fs::read(dir.join("model.safetensors")).expect("readable");
    let file = SafeTensors::deserialize(&bytes).expect("whole");
    let mut shapes: Vec<_> =
        file.iter().map(|(name, tensor)| (name.to_owned(), tensor.shape().to_vec())).collect();
    shapes.sort();
    shapes
}

/// The tiny model trained for some steps.
fn trained(name: &str, steps: u64) -> Scratch {
    let scratch = Scratch::new(name);
    let mut trainer = super::trainer(super::settings());
    for _ in 0..steps {
        trainer.step(&super::Colours).expect("a step");
    }
    trainer.export(&scratch.0, ComputeDtype::F32).expect("written");
    scratch
}

#[test]
fn the_mean_of_models_is_that_of_their_weights() {
    let (one, three, mean) = (trained("mean-1", 1), trained("mean-3", 3), Scratch::new("mean"));

    average(&[&one.0, &three.0], &mean.0, ComputeDtype::F32).expect("written");

    assert_eq!(shapes(&mean.0), shapes(&one.0));
    let (one, three) = (weights(&one.0), weights(&three.0));
    assert_ne!(one, three);
    for ((mean, one), three) in weights(&mean.0).iter().zip(&one).zip(&three) {
        assert_eq!((&mean.0, mean.1.len()), (&one.0, one.1.len()));
        for ((&mean, &a), &b) in mean.1.iter().zip(&one.1).zip(&three.1) {
            assert_eq!(mean.to_bits(), (f64::midpoint(a.into(), b.into()) as f32).to_bits());
        }
    }
}

#[test]
fn models_that_do_not_belong_together_have_no_mean() {
    let (model, other, out) = (trained("fits", 1), trained("fits-not", 1), Scratch::new("no-mean"));
    let mean = || average(&[&model.0, &other.0], &out.0, ComputeDtype::F32);

    for (name, from, to) in [
        ("config.json", "\"rms_norm_eps\": 1e-06", "\"rms_norm_eps\": 1e-05"),
        ("preprocessor_config.json", "\"patch_size\"", "\"patch_size \""),
    ] {
        let path = other.0.join(name);
        let text = fs::read_to_string(&path).expect("readable");
        fs::write(&path, text.replace(from, to)).expect("writable");
        assert_ne!(fs::read_to_string(&path).expect("readable"), text, "{name} was changed");

        let error = mean().expect_err("they differ");

        assert!(
            matches!(&error, TrainError::Checkpoint { path, problem } if *path == other.0
            && problem.contains(name)),
            "{error}"
        );
        assert!(!out.0.exists(), "nothing is written");
        fs::write(&path, text).expect("writable");
    }
    assert!(matches!(average(&[], &out.0, ComputeDtype::F32), Err(TrainError::Setting { .. })));
    assert!(matches!(average(&[&tiny(), &out.0], &out.0, ComputeDtype::F32), Err(TrainError::Model(_))));
    // How answers are chosen does not matter.
    fs::write(other.0.join("generation_config.json"), "{}").expect("writable");
    mean().expect("now they fit");
    let before = weights(&other.0);
    for taken in [&out.0, &other.0] {
        let result = average(&[&model.0, &other.0], taken, ComputeDtype::Bf16);
        assert!(matches!(result, Err(TrainError::File { .. })), "weights are never written over");
    }
    assert_eq!(weights(&other.0), before);
    // A model in several files is one, too.
    let sharded = Scratch::new("no-mean-sharded");
    fs::create_dir_all(&sharded.0).expect("writable");
    fs::write(sharded.0.join("model.safetensors.index.json"), "{}").expect("writable");
    let result = average(&[&model.0], &sharded.0, ComputeDtype::Bf16);
    assert!(matches!(result, Err(TrainError::File { .. })), "{result:?}");
    assert!(!sharded.0.join("config.json").exists(), "nothing is written");
}
