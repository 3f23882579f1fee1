//! What is written, and from what memory.

use std::path::Path;

use super::*;
use crate::{
    ComputeDtype,
    weights::{Checkpoint, CheckpointLimits, pack_checkpoint},
};

#[cfg(unix)]
#[test]
fn weights_can_be_read_by_whom_the_files_beside_them_can() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &Path| fs::metadata(path).expect("it was written").permissions().mode();
    let (model, adapter) = (Scratch::new("modes"), Scratch::new("modes-adapter"));
    let lora = LoraSettings { rank: 2, alpha: 4.0, ..LoraSettings::default() };
    let trainer = trainer(TrainSettings { lora: Some(lora), ..settings() });

    trainer.export(&model.0, ComputeDtype::Bf16).expect("written");
    trainer.export_adapter(&adapter.0).expect("written");

    for (weights, beside) in [
        (model.0.join("model.safetensors"), model.0.join("config.json")),
        (adapter.0.join("adapter_model.safetensors"), adapter.0.join("adapter_config.json")),
    ] {
        assert_eq!(mode(&weights), mode(&beside), "{}", weights.display());
    }
}

#[test]
fn a_broken_weight_leaves_no_file_of_weights() {
    let scratch = Scratch::new("broken-export");
    let mut trainer = trainer(settings());
    let last =
        trainer.parameters.iter_mut().find(|it| it.name == "model.norm.weight").expect("every model has one");
    last.value = last.value.clone() * f32::NAN;

    let refused = trainer.export(&scratch.0, ComputeDtype::F32);

    assert!(matches!(refused, Err(TrainError::NotFinite { what: "a weight", .. })), "{refused:?}");
    let left: Vec<_> = fs::read_dir(&scratch.0).expect("readable").flatten().collect();
    assert!(!left.iter().any(|file| file.file_name().to_string_lossy().contains("safetensors")), "{left:?}");
}

#[test]
fn a_training_keeps_neither_what_it_changes_nor_heads_that_nobody_asks() {
    let values = |network: &crate::qwen2_vl::Qwen2Vl| {
        struct Values(usize);
        impl burn::module::ModuleVisitor for Values {
            fn visit_float<const D: usize>(&mut self, param: &burn::module::Param<burn::tensor::Tensor<D>>) {
                self.0 += param.val().dims().iter().product::<usize>();
            }
        }
        let mut values = Values(0);
        burn::module::Module::visit(network, &mut values);
        values.0 as u64
    };
    let subjects = |trainer: &Trainer| {
        let subject = trainer.parameters.iter().find(|it| it.name == "subject.weight").expect("a head");
        subject.dims[0]
    };
    let whole = trainer(settings());
    let frozen = Frozen { language: true, ..Frozen::default() };
    let half = trainer(TrainSettings { frozen, sight_weight: 0.5, ..settings() });

    // One number for each parameter is left.
    assert!(values(whole.model().network()) < whole.model().parameter_count() / 100);
    assert!(values(half.model().network()) > half.model().parameter_count() / 2, "what is frozen is there");
    assert_eq!(subjects(&whole), 1);
    assert_eq!(subjects(&half), half.model().config().text.vocab_size);
}

/// Copies a checkpoint.
fn copied(from: &Path, name: &str) -> Scratch {
    let scratch = Scratch::new(name);
    fs::create_dir_all(&scratch.0).expect("writable");
    for file in fs::read_dir(from).expect("readable").flatten() {
        fs::copy(file.path(), scratch.0.join(file.file_name())).expect("copied");
    }
    scratch
}

#[test]
fn what_is_written_of_a_model_without_a_head_says_that_the_table_is_the_head() {
    let start = copied(&tiny(), "headless");
    let config = start.0.join("config.json");
    let text = fs::read_to_string(&config).expect("readable");
    let untied = text.replace("\"tie_word_embeddings\": true", "\"tie_word_embeddings\": false");
    assert_ne!(untied, text);
    fs::write(&config, untied).expect("writable");
    fs::write(start.0.join("video_preprocessor_config.json"), "{}").expect("writable");
    let [packed, mean, exported] =
        ["packed", "mean", "exported"].map(|name| Scratch::new(&format!("headless-{name}")));

    let limits = CheckpointLimits::default();
    pack_checkpoint(&start.0, &packed.0, crate::WeightFormat::Q8.into(), &limits, &mut |_| ())
        .expect("written");
    average(&[&start.0, &start.0], &mean.0, ComputeDtype::F32).expect("written");
    let trainer = Trainer::new(&start.0, &Device::flex(), settings(), &LoadOptions::default());
    trainer.expect("it loads").export(&exported.0, ComputeDtype::F32).expect("written");

    for written in [&packed, &mean, &exported] {
        let config = fs::read(written.0.join("config.json")).expect("written");
        let config: serde_json::Value = serde_json::from_slice(&config).expect("it is JSON");
        assert_eq!(config["tie_word_embeddings"], true, "{}", written.0.display());
        let checkpoint = Checkpoint::open(&written.0, &CheckpointLimits::default()).expect("it is whole");
        assert!(checkpoint.notes().iter().all(|note| !note.contains("head")), "{:?}", checkpoint.notes());
        assert!(written.0.join("video_preprocessor_config.json").is_file());
    }
}
