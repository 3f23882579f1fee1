//! Training in bfloat16 beside full precision.

use burn::tensor::DType;

use super::*;
use crate::ComputeDtype;

fn in_type(compute: ComputeDtype) -> Trainer {
    trainer(TrainSettings { compute, ..settings() })
}

#[test]
fn loss_and_gradients_in_bfloat16_are_those_of_full_precision_to_eight_bits() {
    let loss_and_gradients = |compute| {
        let trainer = in_type(compute);
        let examples: Vec<_> =
            (0..3).map(|index| trainer.example(&Colours, index).expect("an example")).collect();
        let batch = Batch::new(&examples.iter().collect::<Vec<_>>());
        let totals = Totals::new([&batch], 0.0);
        let (loss, gradients) = trainer.gradients_of(&[batch], totals);
        let values = gradients.into_iter().flatten().flat_map(|gradient| {
            assert_eq!(gradient.dtype(), DType::F32);
            to_host(gradient).expect("on the host")
        });
        (loss, values.collect::<Vec<f32>>())
    };

    let (full_loss, full) = loss_and_gradients(ComputeDtype::F32);
    let (half_loss, half) = loss_and_gradients(ComputeDtype::Bf16);

    let norm = |values: &mut dyn Iterator<Item = f32>| {
        values.map(|value| f64::from(value).powi(2)).sum::<f64>().sqrt()
    };
    let off = norm(&mut full.iter().zip(&half).map(|(a, b)| a - b));
    assert_eq!(full.len(), half.len());
    assert!((full_loss - half_loss).abs() < full_loss / 256.0, "{full_loss} {half_loss}");
    assert!(off > 0.0, "bfloat16 rounds");
    // Some dozen roundings to eight bits lie between a weight and the loss.
    assert!(off < 0.1 * norm(&mut full.iter().copied()), "{off} of {}", norm(&mut full.iter().copied()));
}

#[test]
fn a_model_learns_in_bfloat16_and_keeps_its_weights_in_full() {
    let mut trainer = in_type(ComputeDtype::Bf16);

    let losses: Vec<f64> = (0..12).map(|_| trainer.step(&Colours).expect("a step").loss).collect();

    assert!(losses[11] < 0.8 * losses[0], "{losses:?}");
    assert!(trainer.parameters.iter().all(|parameter| parameter.value.dtype() == DType::F32));
}
