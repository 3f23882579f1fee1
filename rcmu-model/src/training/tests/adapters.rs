//! Adapters: trained, merged, written, read.

use std::path::Path;

use super::*;

#[test]
fn adapters_change_little_memory_and_merge_exactly() {
    let lora = LoraSettings { rank: 2, alpha: 4.0, ..LoraSettings::default() };
    let mut trainer = trainer(TrainSettings { lora: Some(lora), ..settings() });
    let before = weights(&trainer);
    for _ in 0..6 {
        trainer.step(&Colours).expect("a step");
    }
    for (parameter, old) in trainer.parameters.iter().zip(&before) {
        let now = to_host(parameter.value.clone()).expect("on the host");
        assert_eq!(now != *old, lora::is_factor(&parameter.name), "{}", parameter.name);
    }
    let scratch = Scratch::new("lora");
    trainer.export(&scratch.0, crate::ComputeDtype::F32).expect("written");
    let merged =
        Trainer::new(&scratch.0, &Device::flex(), settings(), &LoadOptions::default()).expect("it loads");

    let unmerged = trainer.validation_loss(&Colours, 6).expect("a loss");
    let difference = (unmerged - merged.validation_loss(&Colours, 6).expect("a loss")).abs();

    assert!(difference <= 1e-5, "{difference}");
    assert!(trainer.trained_parameters() * 8 < trainer.model().parameter_count());
}

#[test]
fn adapters_of_what_is_frozen_stay_as_they_are() {
    let targets = ["q_proj", "qkv", "fc1"].map(str::to_owned).to_vec();
    let lora = LoraSettings { rank: 2, alpha: 4.0, targets };
    let frozen = Frozen { vision: true, merger: true, language: false };
    let mut trainer = trainer(TrainSettings { lora: Some(lora), frozen, ..settings() });
    let before = weights(&trainer);
    for _ in 0..4 {
        trainer.step(&Colours).expect("a step");
    }

    for (parameter, old) in trainer.parameters.iter().zip(&before) {
        let now = to_host(parameter.value.clone()).expect("on the host");
        let learns = lora::is_factor(&parameter.name) && !parameter.name.starts_with("visual.");
        assert_eq!(now != *old, learns, "{}", parameter.name);
    }
    assert!(trainer.features.is_some_and(|store| store.len() > 0), "the tower sees a picture once");
}

#[test]
fn factors_that_were_loaded_and_stay_are_seen_with_and_kept() {
    let targets = ["q_proj", "qkv"].map(str::to_owned).to_vec();
    let lora = LoraSettings { rank: 2, alpha: 4.0, targets };
    let learns = TrainSettings { lora: Some(lora), steps: 8, checkpoint_steps: 4, ..settings() };
    let mut first = trainer(learns.clone());
    for _ in 0..4 {
        first.step(&Colours).expect("a step");
    }
    let (adapter, scratch) = (Scratch::new("stays-adapter"), Scratch::new("stays"));
    first.export_adapter(&adapter.0).expect("written");

    let frozen = Frozen { vision: true, merger: true, language: false };
    let stays = TrainSettings { frozen, ..learns.clone() };
    let mut second = trainer(stays.clone());
    assert!(second.features.is_some());
    second.load_adapter(&adapter.0).expect("it fits");
    assert!(second.features.is_none(), "the tower is another than that of the start");
    let stop = |event: TrainEvent<'_>| match event {
        TrainEvent::Saved(_) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    second.run(&Colours, &scratch.0, &mut { stop }).expect("half of the steps");
    let resumed = Trainer::resume(&tiny(), &scratch.0, &Device::flex(), stays, &LoadOptions::default())
        .expect("it is whole");

    assert_eq!(resumed.steps_done(), 4);
    assert_eq!(weights(&resumed), weights(&second));
    assert!(resumed.features.is_none());
    let nothing = Frozen { vision: true, merger: true, language: true };
    let refused = Trainer::new(
        &tiny(),
        &Device::flex(),
        TrainSettings { frozen: nothing, ..learns },
        &LoadOptions::default(),
    );
    assert!(matches!(refused, Err(TrainError::Setting { setting: "frozen", .. })));
}

#[test]
fn an_adapter_comes_back_from_its_files() {
    let lora = LoraSettings { rank: 2, alpha: 4.0, ..LoraSettings::default() };
    let mut trained = trainer(TrainSettings { lora: Some(lora.clone()), ..settings() });
    for _ in 0..6 {
        trained.step(&Colours).expect("a step");
    }
    let scratch = Scratch::new("adapter");
    trained.export_adapter(&scratch.0).expect("written");

    let mut resumed = trainer(TrainSettings { lora: Some(lora.clone()), ..settings() });
    assert_ne!(weights(&resumed), weights(&trained));
    resumed.load_adapter(&scratch.0).expect("it fits");
    assert_eq!(weights(&resumed), weights(&trained));

    let merged = Scratch::new("adapter-merged");
    trained.export(&merged.0, crate::ComputeDtype::F32).expect("written");
    let merged = crate::Model::load(&merged.0, &Device::flex(), &LoadOptions::default(), &mut |_| ())
        .expect("what was written loads");
    let adapted = trained.model().with_adapter(&scratch.0).expect("it fits");
    assert_eq!(answer(&adapted), answer(&merged));
    assert_ne!(answer(&adapted), answer(trained.model()));
    assert_ne!(rcmu_core::Generator::identity(&adapted), rcmu_core::Generator::identity(trained.model()));

    let half = LoadOptions { dtype: Some(crate::ComputeDtype::Bf16), ..LoadOptions::default() };
    let half = crate::Model::load(&tiny(), &Device::flex(), &half, &mut |_| ()).expect("it loads");
    let half = half.with_adapter(&scratch.0).expect("it fits");
    assert_eq!(
        half.network().dtype(),
        burn::tensor::DType::BF16,
        "an adapter leaves the model's numbers as they are"
    );

    for weights in [crate::WeightFormat::Q8.into(), crate::WeightFormats::all(crate::WeightFormat::F32)] {
        let packed = LoadOptions { weights: Some(weights), ..LoadOptions::default() };
        let packed = crate::Model::load(&tiny(), &Device::flex(), &packed, &mut |_| ()).expect("it loads");
        let refused = packed.with_adapter(&scratch.0);
        assert!(matches!(refused, Err(TrainError::Setting { setting: "weights", .. })), "{weights:?}");
    }

    let other = LoraSettings { rank: 3, ..lora };
    let mut other = trainer(TrainSettings { lora: Some(other), ..settings() });
    assert!(matches!(other.load_adapter(&scratch.0), Err(TrainError::Checkpoint { .. })));
    fs::write(scratch.0.join("adapter_model.safetensors"), b"no tensors").expect("written");
    assert!(matches!(trained.model().with_adapter(&scratch.0), Err(TrainError::Checkpoint { .. })));
}

/// Changes the names of an adapter's tensors, and drops those without one.
fn rename(dir: &Path, rename: impl Fn(&str) -> Option<String>) {
    let path = dir.join("adapter_model.safetensors");
    let bytes = fs::read(&path).expect("it was written");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("it has tensors");
    let tensors = file.tensors().into_iter().filter_map(|(name, view)| Some((rename(&name)?, view)));
    let renamed = safetensors::serialize(tensors, None).expect("plain data");
    fs::write(path, renamed).expect("written");
}

/// Changes the description of an adapter.
fn describe(dir: &Path, field: &str, value: serde_json::Value) {
    let path = dir.join("adapter_config.json");
    let text = fs::read(&path).expect("it was written");
    let mut config: serde_json::Value = serde_json::from_slice(&text).expect("it is JSON");
    config[field] = value;
    fs::write(path, config.to_string()).expect("written");
}

#[test]
fn adapters_of_other_layouts_and_programs_are_read_for_what_they_are() {
    let targets = ["q_proj", "fc1", "fc2"].map(str::to_owned).to_vec();
    let lora = LoraSettings { rank: 2, alpha: 4.0, targets };
    let mut trained = trainer(TrainSettings { lora: Some(lora), ..settings() });
    for _ in 0..6 {
        trained.step(&Colours).expect("a step");
    }
    let scratch = Scratch::new("adapter-layouts");
    trained.export_adapter(&scratch.0).expect("written");
    let model = trained.model().clone();
    let whole = model.with_adapter(&scratch.0).expect("it fits");
    trained.load_adapter(&scratch.0).expect("it fits");

    // As transformers names layers since 4.52.
    rename(&scratch.0, |name| {
        let layer = name.strip_prefix("base_model.model.").expect("the prefix of PEFT");
        let layer = match layer.strip_prefix("model.") {
            Some(layer) => format!("language_model.{layer}"),
            None => layer.to_owned(),
        };
        Some(format!("base_model.model.model.{layer}"))
    });
    let renamed = model.with_adapter(&scratch.0).expect("it fits");
    assert_eq!(answer(&renamed), answer(&whole));
    let identity = |model: &crate::Model| rcmu_core::Generator::identity(model);
    assert_ne!(identity(&renamed), identity(&whole), "other files in a directory of the same name");

    // The merger's layers are numbers in checkpoints, which `fc1` and `fc2` do not name.
    rename(&scratch.0, |name| (!name.contains("merger")).then(|| name.to_owned()));
    assert!(matches!(model.with_adapter(&scratch.0), Err(TrainError::Checkpoint { .. })));
    describe(&scratch.0, "target_modules", serde_json::json!(["q_proj", "fc1", "fc2"]));
    assert!(model.with_adapter(&scratch.0).is_ok());

    describe(&scratch.0, "alpha_pattern", serde_json::json!({"q_proj": 8}));
    assert!(matches!(model.with_adapter(&scratch.0), Err(TrainError::Checkpoint { .. })));
    describe(&scratch.0, "alpha_pattern", serde_json::json!({}));
    // A header that promises more than there can be.
    fs::write(scratch.0.join("adapter_model.safetensors"), [0xff; 854]).expect("written");
    assert!(matches!(model.with_adapter(&scratch.0), Err(TrainError::Checkpoint { .. })));
}
