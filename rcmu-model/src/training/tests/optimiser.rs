//! Single steps of the optimiser, and what goes into them.

use burn::{
    module::{Module, Param},
    tensor::{Tensor, TensorData},
};

use super::*;
use crate::training::{
    adamw::{AdamW, clip},
    parameters::parameters,
};

/// A matrix and a bias.
#[derive(Module, Debug)]
struct Layer {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

#[test]
fn three_steps_of_adamw_are_those_of_torch() {
    const TOLERANCE: f32 = 1e-6; // f32 values of about 1; torch adds 1e-6 to the norm that it clips by
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/adamw/adamw.safetensors");
    let bytes = fs::read(path).expect("the fixture is there");
    let file = SafeTensors::deserialize(&bytes).expect("the fixture is whole");
    let floats = |name: &str| -> Vec<f32> {
        let view = file.tensor(name).expect("the fixture has it");
        view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
    };
    let device = Device::flex();
    let tensor = |name: &str| Tensor::<1>::from_data(floats(name).as_slice(), &device);
    let layer = Layer {
        weight: Param::from_tensor(Tensor::from_data(
            TensorData::new(floats("start.weight"), [3, 4]),
            &device,
        )),
        bias: Param::from_tensor(tensor("start.bias")),
    };
    let settings = TrainSettings {
        betas: [0.9, 0.98],
        epsilon: 0.01,
        weight_decay: 0.1,
        clip_norm: 1.0,
        ..TrainSettings::default()
    };
    let mut parameters = parameters(&layer, &["weight".to_owned(), "bias".to_owned()]);
    let mut optimizer = AdamW::new(&parameters);
    let mut largest = 0.0_f32;

    for step in 0..3 {
        let of = |kind, name| format!("{kind}.{step}.{name}");
        let mut gradients = vec![Some(tensor(&of("grad", "weight"))), Some(tensor(&of("grad", "bias")))];
        let norm = clip(&mut gradients, settings.clip_norm, step).expect("they are numbers");
        optimizer.step(&mut parameters, gradients, &settings, 0.05);

        let expected = f64::from(floats(&format!("norm.{step}"))[0]);
        assert!((norm - expected).abs() <= 1e-6 * expected, "step {step}: norm {norm}, torch has {expected}");
        for parameter in &parameters {
            let ours = to_host(parameter.value.clone()).expect("on the host");
            let theirs = floats(&of("after", &parameter.name));
            assert_eq!(ours.len(), theirs.len());
            let apart = ours.iter().zip(&theirs).fold(0.0_f32, |max, (a, b)| max.max((a - b).abs()));
            assert!(apart <= TOLERANCE, "step {step}, {}: {apart}", parameter.name);
            largest = largest.max(apart);
        }
    }
    println!("largest difference {largest:.2e}");
}

#[test]
fn micro_batches_of_unequal_answers_are_one_batch() {
    const TOLERANCE: f32 = 1e-5; // of the largest gradient of the same parameter; sums are taken in another order
    let trainer = trainer(settings());
    // The first has two answers, the others have one.
    let examples: Vec<_> =
        (0..3).map(|index| trainer.example(&Colours, index).expect("an example")).collect();
    assert_ne!(examples[0].targets.len(), examples[1].targets.len());
    let whole = [Batch::new(&examples.iter().collect::<Vec<_>>())];
    let parts: Vec<_> = examples.iter().map(|example| Batch::new(&[example])).collect();

    let (loss, gradients) = trainer.gradients_of(&whole, Totals::new(&whole, 0.0));
    let (loss_of_parts, gradients_of_parts) = trainer.gradients_of(&parts, Totals::new(&parts, 0.0));

    assert!((loss - loss_of_parts).abs() <= 1e-6 * loss, "{loss} {loss_of_parts}");
    for ((parameter, whole), parts) in trainer.parameters.iter().zip(gradients).zip(gradients_of_parts) {
        assert_eq!(whole.is_some(), parts.is_some(), "{}", parameter.name);
        let (Some(whole), Some(parts)) = (whole, parts) else { continue };
        let largest = whole.clone().abs().max().into_scalar::<f32>();
        let apart = (whole - parts).abs().max().into_scalar::<f32>();
        assert!(apart <= TOLERANCE * largest, "{}: {apart} of {largest}", parameter.name);
    }
}
