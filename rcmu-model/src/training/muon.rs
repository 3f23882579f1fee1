use burn::tensor::Tensor;

use super::parameters::Parameter;

/// Decay of the momentum.
pub(super) const MOMENTUM: f64 = 0.95;
/// Iterations that bring all singular values near one.
const ITERATIONS: usize = 5;
/// Coefficients of the quintic that makes small singular values grow fastest.
const QUINTIC: [f64; 3] = [3.4445, -4.7750, 2.0315];
/// Mean square root of a step of `AdamW` that Muon's steps are given too.
const SIZE: f64 = 0.2;

/// Whether Muon changes a parameter: matrices inside the layers, no tables, heads, patches or adapters.
pub(super) fn is_hidden_matrix(parameter: &Parameter) -> bool {
    let layers = ["model.layers.", "visual.blocks.", "visual.merger."];
    parameter.dims.len() == 2
        && parameter.name.ends_with(".weight")
        && layers.iter().any(|layer| parameter.name.starts_with(layer))
}

/// The step that a matrix takes along its momentum at a learning rate of one: all its directions made equally long.
///
/// # Shapes
///
/// - `momentum`: `[rows * columns]`, output the same
///
/// # Source
///
/// Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024); the size of a step from Liu et al.,
/// "Muon is Scalable for LLM Training" (arXiv 2502.16982), equation 4.
pub(super) fn orthogonal(momentum: Tensor<1>, [rows, columns]: [usize; 2]) -> Tensor<1> {
    let matrix = momentum.reshape([rows, columns]);
    let wide = if rows > columns { matrix.transpose() } else { matrix };
    let norm = wide.clone().square().sum().sqrt() + 1e-12;
    let mut x = wide / norm.unsqueeze::<2>();
    let [a, b, c] = QUINTIC;
    for _ in 0..ITERATIONS {
        let square = x.clone().matmul(x.clone().transpose());
        let mixed = square.clone() * b + square.clone().matmul(square) * c;
        x = x.clone() * a + mixed.matmul(x);
    }
    let x = if rows > columns { x.transpose() } else { x };
    x.reshape([rows * columns]) * (SIZE * (rows.max(columns) as f64).sqrt())
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    #[test]
    fn all_directions_become_about_equally_long() {
        // A diagonal matrix keeps its directions; its singular values 8, 1 and 0.25 are 32 to 1 apart.
        let mut values = vec![0.0_f32; 12];
        (values[0], values[5], values[10]) = (8.0, 1.0, -0.25);
        let momentum = Tensor::<1>::from_data(TensorData::new(values, [12]), &Device::flex());

        let step: Vec<f32> = orthogonal(momentum, [3, 4]).into_data().try_to_vec().expect("f32");

        // The quintic takes five iterations to within 0.7 to 1.2; times 0.2 times the root of 4.
        for (at, value) in step.iter().enumerate() {
            match at {
                0 | 5 => assert!((0.26..0.5).contains(value), "{step:?}"),
                10 => assert!((-0.5..-0.26).contains(value), "{step:?}"),
                _ => assert!(value.abs() < 1e-4, "{step:?}"),
            }
        }
    }
}
