//! Asks a device for products whose values are known before it is trusted with a model.

use burn::tensor::{Device, Tensor, TensorData};

use crate::{Error, model::to_host};

/// Rows, inner width and columns of the products: a single value, sides that fit no tile, a decode step, several tiles.
const SHAPES: [[usize; 3]; 4] = [[1, 1, 1], [3, 5, 2], [1, 64, 96], [33, 70, 65]];

/// Checks matrix products on the device, over plain and transposed weights.
///
/// Drivers exist on which burn's kernels run without an error and write nothing (SwiftShader with SPIR-V kernels, burn
/// 0.22.1); a model on such a device would answer with noise.
///
/// # Errors
///
/// [`Error::Backend`] naming the first product that is wrong.
pub(crate) fn check_products(device: &Device) -> Result<(), Error> {
    for [rows, inner, columns] in SHAPES {
        let left: Vec<f32> = (0..rows * inner).map(|i| (i % 7) as f32 - 3.0).collect();
        let right: Vec<f32> = (0..inner * columns).map(|i| (i % 5) as f32 - 2.0).collect();
        // Whole numbers below 2^24: exact in f32 whatever the order of the sums.
        let expected: Vec<f32> = (0..rows * columns)
            .map(|at| {
                let (row, column) = (at / columns, at % columns);
                (0..inner).map(|k| left[row * inner + k] * right[k * columns + column]).sum()
            })
            .collect();
        let turned: Vec<f32> = (0..inner * columns).map(|i| right[i % inner * columns + i / inner]).collect();
        let tensor = |values: Vec<f32>, shape| Tensor::<2>::from_data(TensorData::new(values, shape), device);
        let weights = [
            ("plain", tensor(right, [inner, columns])),
            ("transposed", tensor(turned, [columns, inner]).transpose()),
        ];
        for (name, weight) in weights {
            let product = to_host(tensor(left.clone(), [rows, inner]).matmul(weight))?;
            if !same(&product, &expected) {
                let shapes = format!("[{rows}, {inner}] x [{inner}, {columns}] ({name})");
                let message = format!("the device computes wrong matrix products: {shapes}");
                return Err(Error::Backend { message });
            }
        }
    }
    Ok(())
}

/// Equal up to the ten bits that tensor cores keep; NaN is never equal.
fn same(found: &[f32], expected: &[f32]) -> bool {
    let close = |(a, b): (&f32, &f32)| (a - b).abs() <= 2e-3 * b.abs().max(1.0);
    found.len() == expected.len() && found.iter().zip(expected).all(close)
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_passes() {
        assert!(check_products(&Device::flex()).is_ok());
    }

    #[test]
    fn unwritten_wrong_and_broken_values_are_found() {
        assert!(same(&[1.0, -250.0], &[1.0, -250.1]));
        assert!(!same(&[0.0, -250.0], &[1.0, -250.0]));
        assert!(!same(&[f32::NAN], &[0.0]));
        assert!(!same(&[], &[0.0]));
    }
}
