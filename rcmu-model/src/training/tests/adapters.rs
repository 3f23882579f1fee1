//! Adapters: trained, merged, written, read.

use std::{collections::HashMap, path::Path};

use burn::module::{Module, ModuleVisitor};
use half::{bf16, f16};
use safetensors::{Dtype, tensor::TensorView};
use serde_json::json;

use super::{parameters::parameters, *};
use crate::weights::expected_tensors;

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

/// An adapter of the tiny model, trained for some steps, and the model.
fn trained_adapter(name: &str, alpha: f64, targets: &[&str]) -> (Scratch, crate::Model) {
    let lora = LoraSettings { rank: 2, alpha, targets: targets.iter().map(ToString::to_string).collect() };
    let mut trained = trainer(TrainSettings { lora: Some(lora), ..settings() });
    for _ in 0..6 {
        trained.step(&Colours).expect("a step");
    }
    let scratch = Scratch::new(name);
    trained.export_adapter(&scratch.0).expect("written");
    (scratch, trained.model().clone())
}

/// All weights of a model, by name.
fn weights_of(model: &crate::Model) -> HashMap<String, Vec<f32>> {
    let names: Vec<String> = expected_tensors(model.config()).into_iter().map(|tensor| tensor.name).collect();
    let parameters = parameters(model.network(), &names).into_iter();
    parameters.map(|it| (it.name, to_host(it.value).expect("on the host"))).collect()
}

/// The tensors of an adapter's file, in f32.
fn factors_of(dir: &Path) -> HashMap<String, (Vec<usize>, Vec<f32>)> {
    let bytes = fs::read(dir.join("adapter_model.safetensors")).expect("it was written");
    let file = SafeTensors::deserialize(&bytes).expect("it has tensors");
    let floats = |view: safetensors::tensor::TensorView<'_>| -> Vec<f32> {
        view.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
    };
    file.tensors().into_iter().map(|(name, view)| (name, (view.shape().to_vec(), floats(view)))).collect()
}

/// The bits of the logits of some tokens.
fn logits(model: &crate::Model) -> Vec<u32> {
    let input =
        crate::trace::TraceInput { rows: vec![(100..110).collect()], ..crate::trace::TraceInput::default() };
    let trace = model.trace(&input, 0).expect("a pass");
    trace.logits.values.iter().map(|value| value.to_bits()).collect()
}

/// Whether a model composes weights whenever they are used.
fn composes(model: &crate::Model) -> bool {
    struct Finder(bool);
    impl ModuleVisitor for Finder {
        fn enter_module(&mut self, _: &str, container: &str) {
            self.0 |= container == "Reparameterization";
        }
    }
    let mut finder = Finder(false);
    model.network().visit(&mut finder);
    finder.0
}

#[test]
fn an_adapter_is_worked_into_the_weights_once() {
    let lora = LoraSettings { rank: 2, alpha: 4.0, ..LoraSettings::default() };
    let mut trained = trainer(TrainSettings { lora: Some(lora), ..settings() });
    for _ in 0..4 {
        trained.step(&Colours).expect("a step");
    }
    let (adapter, merged) = (Scratch::new("once"), Scratch::new("once-merged"));
    trained.export_adapter(&adapter.0).expect("written");
    trained.export(&merged.0, crate::ComputeDtype::F32).expect("written");
    let merged = crate::Model::load(&merged.0, &Device::flex(), &LoadOptions::default(), &mut |_| ())
        .expect("what was written loads");

    for model in [trained.model().with_adapter(&adapter.0).expect("it fits"), trained.to_model()] {
        assert!(!composes(&model));
        assert_eq!(logits(&model), logits(&merged));
    }
    assert_ne!(logits(trained.model()), logits(&merged));
}

#[test]
fn a_second_adapter_is_refused() {
    let (one, model) = trained_adapter("first", 4.0, &["q_proj"]);
    let (other, _) = trained_adapter("second", 8.0, &["q_proj"]);

    let refused = model.with_adapter(&one.0).expect("it fits").with_adapter(&other.0);

    assert!(matches!(refused, Err(TrainError::Setting { setting: "adapter", .. })), "{refused:?}");
    assert!(model.with_adapter(&other.0).is_ok(), "the model that was loaded has none");
    let lora = LoraSettings { rank: 2, alpha: 4.0, ..LoraSettings::default() };
    let trained = trainer(TrainSettings { lora: Some(lora), ..settings() }).to_model();
    let refused = trained.with_adapter(&other.0);
    assert!(matches!(refused, Err(TrainError::Setting { setting: "adapter", .. })), "{refused:?}");
}

#[test]
fn adapters_that_change_the_weights_beside_them_are_refused() {
    let (adapter, model) = trained_adapter("beginnings", 4.0, &["q_proj"]);
    let found = |field, value: serde_json::Value| {
        describe(&adapter.0, field, value);
        model.with_adapter(&adapter.0)
    };

    for fine in [json!(null), json!(true), json!(false), json!("gaussian"), json!("eva"), json!("orthogonal")]
    {
        assert!(found("init_lora_weights", fine.clone()).is_ok(), "{fine}");
    }
    for begins in ["pissa", "pissa_niter_16", "olora", "corda", "loftq", "lora_ga", "something_new"] {
        let refused = found("init_lora_weights", json!(begins));
        assert!(
            matches!(&refused, Err(TrainError::Checkpoint { problem, .. }) if problem.contains(begins)),
            "{refused:?}"
        );
    }
    describe(&adapter.0, "init_lora_weights", json!(true));
    for (field, value) in [
        ("alora_invocation_tokens", json!([1, 2])),
        ("arrow_config", json!({"top_k": 3})),
        ("kasa_config", json!({})),
        ("monteclora_config", json!({})),
        ("velora_config", json!({})),
        ("layer_replication", json!([[0, 2]])),
        ("lora_bias", json!(true)),
        ("bias", json!("all")),
    ] {
        let refused = found(field, value);
        assert!(matches!(refused, Err(TrainError::Checkpoint { .. })), "{field}: {refused:?}");
        let off = if field == "lora_bias" { json!(false) } else { json!(null) };
        assert!(found(field, off).is_ok(), "{field}");
    }
}

#[test]
fn the_layers_of_an_adapter_are_those_that_its_file_names() {
    let (adapter, model) = trained_adapter("layers", 4.0, &["q_proj", "v_proj"]);
    describe(&adapter.0, "target_modules", json!(r".*\.layers\.0\..*q_proj"));
    describe(&adapter.0, "layers_to_transform", json!([0]));
    rename(&adapter.0, |name| name.contains("layers.0.self_attn.q_proj").then(|| name.to_owned()));
    let factors = factors_of(&adapter.0);
    assert_eq!(factors.len(), 2);
    let factor =
        |which| &factors[&format!("base_model.model.model.layers.0.self_attn.q_proj.lora_{which}.weight")];
    let ((_, a), (shape, b)) = (factor("A"), factor("B"));
    let (before, after) = (weights_of(&model), weights_of(&model.with_adapter(&adapter.0).expect("it fits")));

    for (name, before) in &before {
        let after = &after[name];
        if name != "model.layers.0.self_attn.q_proj.weight" {
            assert!(after == before, "{name} has changed");
            continue;
        }
        let inputs = before.len() / shape[0];
        for (at, (after, before)) in after.iter().zip(before).enumerate() {
            let (row, column) = (at / inputs, at % inputs);
            // alpha / rank is 2.
            let change = 2.0 * (b[2 * row] * a[column] + b[2 * row + 1] * a[inputs + column]);
            assert!((after - before - change).abs() < 1e-6, "{name} {at}: {after} {before} {change}");
        }
        assert!(after != before);
    }
}

#[test]
fn factors_of_sixteen_bits_are_read_as_the_numbers_they_stand_for() {
    let (adapter, model) = trained_adapter("sixteen", 4.0, &["q_proj"]);
    let factors = factors_of(&adapter.0);
    let path = adapter.0.join("adapter_model.safetensors");
    let write = |dtype, bytes: &dyn Fn(f32) -> Vec<u8>| {
        let tensors: Vec<(&String, &Vec<usize>, Vec<u8>)> = factors
            .iter()
            .map(|(name, (shape, values))| (name, shape, values.iter().flat_map(|&it| bytes(it)).collect()))
            .collect();
        let view = |shape: &Vec<usize>, bytes| TensorView::new(dtype, shape.clone(), bytes).expect("it fits");
        let views = tensors.iter().map(|(name, shape, bytes)| (name, view(shape, bytes)));
        fs::write(&path, safetensors::serialize(views, None).expect("plain data")).expect("written");
        weights_of(&model.with_adapter(&adapter.0).expect("it fits"))
    };

    for (dtype, half) in [
        (Dtype::BF16, &bf16_bytes as &dyn Fn(f32) -> [u8; 2]),
        (Dtype::F16, &|value| f16::from_f32(value).to_le_bytes()),
    ] {
        let rounded = |value| match dtype {
            Dtype::BF16 => bf16::from_le_bytes(half(value)).to_f32(),
            _ => f16::from_le_bytes(half(value)).to_f32(),
        };
        let halves = write(dtype, &|value| half(value).to_vec());
        let floats = write(Dtype::F32, &|value| rounded(value).to_le_bytes().to_vec());
        assert!(halves == floats, "{dtype:?}");
    }
}

fn bf16_bytes(value: f32) -> [u8; 2] {
    bf16::from_f32(value).to_le_bytes()
}

#[test]
fn the_head_of_a_tied_model_gets_no_adapter() {
    let targets = ["q_proj", "lm_head"].map(str::to_owned).to_vec();
    let lora = LoraSettings { rank: 2, alpha: 4.0, targets };
    let begin = |start: &Path| {
        let settings = TrainSettings { lora: Some(lora.clone()), ..settings() };
        Trainer::new(start, &Device::flex(), settings, &LoadOptions::default())
    };

    let tied = begin(&tiny());

    assert!(
        matches!(&tied, Err(TrainError::Setting { setting: "lora.targets", found, .. }) if found == "lm_head")
    );
    let untied = begin(&tiny().with_file_name("tiny_untied")).expect("its head is a layer of its own");
    assert!(untied.parameters.iter().any(|parameter| parameter.name == "lm_head.weight.lora_a"));
}

#[test]
fn an_adapter_is_loaded_before_the_first_step_or_not_at_all() {
    let (adapter, _) = trained_adapter("late", 4.0, &["q_proj"]);
    let lora = LoraSettings { rank: 2, alpha: 4.0, targets: vec!["q_proj".into()] };
    let mut trainer = trainer(TrainSettings { lora: Some(lora), ..settings() });
    trainer.load_adapter(&adapter.0).expect("it fits");
    trainer.step(&Colours).expect("a step");
    let before = weights(&trainer);

    let late = trainer.load_adapter(&adapter.0);

    assert!(matches!(late, Err(TrainError::Setting { setting: "adapter", .. })), "{late:?}");
    assert_eq!(weights(&trainer), before);
}

/// Changes the names of an adapter's tensors, and drops those without one.
fn rename(dir: &Path, rename: impl Fn(&str) -> Option<String>) {
    let path = dir.join("adapter_model.safetensors");
    let bytes = fs::read(&path).expect("it was written");
    let file = SafeTensors::deserialize(&bytes).expect("it has tensors");
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
    let (scratch, model) = trained_adapter("adapter-layouts", 4.0, &["q_proj", "fc1", "fc2"]);
    let whole = model.with_adapter(&scratch.0).expect("it fits");
    trainer(TrainSettings { lora: Some(lora), ..settings() }).load_adapter(&scratch.0).expect("it fits");

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

    describe(&scratch.0, "alpha_pattern", json!({"q_proj": 8}));
    assert!(matches!(model.with_adapter(&scratch.0), Err(TrainError::Checkpoint { .. })));
    describe(&scratch.0, "alpha_pattern", json!({}));
    // A header that promises more than there can be.
    fs::write(scratch.0.join("adapter_model.safetensors"), [0xff; 854]).expect("written");
    assert!(matches!(model.with_adapter(&scratch.0), Err(TrainError::Checkpoint { .. })));
}
