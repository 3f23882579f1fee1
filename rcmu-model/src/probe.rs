//! Asks a device for values that are known before it is trusted with a model.

use burn::tensor::{DType, Device, Tensor, TensorData, activation::softmax};

use crate::{
    Error,
    layers::Multiplier,
    model::{contained, to_host},
};

/// Rows, inner width and columns of the products: a single value, sides that fit no tile, a decode step, several tiles.
const SHAPES: [[usize; 3]; 4] = [[1, 1, 1], [3, 5, 2], [1, 64, 96], [33, 70, 65]];

/// The same of products whose rounding is looked at: with `autotune` each of them may have a kernel of its own.
const ROUNDED_SHAPES: [[usize; 3]; 3] = [[1, 256, 512], [33, 70, 65], [256, 512, 256]];

/// Checks products and exponentials in what a model computes in, and says how f32 numbers are multiplied.
///
/// # Errors
///
/// [`Error::Backend`] naming the first value that is wrong.
pub(crate) fn check(device: &Device, dtype: DType) -> Result<Multiplier, Error> {
    check_products(device, dtype)?;
    check_exponentials(device)?;
    if dtype != DType::F32 || keeps_bits(device, Multiplier::Whole)? {
        return Ok(Multiplier::Whole);
    }
    if keeps_bits(device, Multiplier::InParts)? {
        return Ok(Multiplier::InParts);
    }
    tracing::warn!(?device, "the device rounds the numbers that it multiplies: logits will be off");
    Ok(Multiplier::Whole)
}

/// Checks matrix products on the device, over plain and transposed weights.
///
/// Drivers exist on which burn's kernels run without an error and write nothing (SwiftShader with SPIR-V kernels, burn
/// 0.22.1); a model on such a device would answer with noise.
fn check_products(device: &Device, dtype: DType) -> Result<(), Error> {
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
        let tensor = |values, shape| on_device(values, shape, device).cast(dtype);
        let weights = [
            ("plain", tensor(right, [inner, columns])),
            ("transposed", tensor(turned, [columns, inner]).transpose()),
        ];
        for (name, weight) in weights {
            let product = to_host(tensor(left.clone(), [rows, inner]).matmul(weight))?;
            if !same(&product, &expected, dtype) {
                let shapes = format!("[{rows}, {inner}] x [{inner}, {columns}] ({name}, {dtype:?})");
                let message = format!("the device computes wrong matrix products: {shapes}");
                return Err(Error::Backend { message });
            }
        }
    }
    Ok(())
}

/// Equal up to the ten bits that tensor cores keep of f32 numbers, or six of bf16's eight; NaN is never equal.
fn same(found: &[f32], expected: &[f32], dtype: DType) -> bool {
    let share = if dtype == DType::F32 { 2e-3 } else { 2e-2 };
    let close = |(a, b): (&f32, &f32)| (a - b).abs() <= share * b.abs().max(1.0);
    found.len() == expected.len() && found.iter().zip(expected).all(close)
}

/// Checks a softmax.
///
/// burn's kernels for CUDA take exponentials from a file of the CUDA toolkit when they first need one, after the weights
/// were loaded (burn 0.22.1).
fn check_exponentials(device: &Device) -> Result<(), Error> {
    // The weights 8, 4, 2, 1 of 15.
    let logits = [8.0_f32, 4.0, 2.0, 1.0].map(f32::ln);
    let expected = [8.0, 4.0, 2.0, 1.0].map(|weight| weight / 15.0);
    let found = contained(|| to_host(softmax(on_device(logits.to_vec(), [1, 4], device), 1)));
    let message = match found {
        Ok(found) if same(&found, &expected, DType::F32) => return Ok(()),
        Ok(found) => format!("the device computes wrong exponentials: {found:?}"),
        Err(Error::Backend { message }) => {
            format!(
                "the device computes no exponentials (for CUDA its toolkit's libdevice is needed): {message}"
            )
        }
        Err(error) => return Err(error),
    };
    Err(Error::Backend { message })
}

/// Whether products of f32 numbers keep all their bits.
fn keeps_bits(device: &Device, multiplier: Multiplier) -> Result<bool, Error> {
    for [rows, inner, columns] in ROUNDED_SHAPES {
        let (left, right) = (numbers(3, rows * inner), numbers(7, columns * inner));
        let weight = on_device(right.clone(), [columns, inner], device);
        let x = on_device(left.clone(), [rows, inner], device);
        let product = to_host(multiplier.product_transposed(x, weight))?;
        if !is_rounded_as_f32(&product, &left, &right, inner) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a product of rows of `left` and rows of `right` is as near the formula as f32 numbers come.
fn is_rounded_as_f32(product: &[f32], left: &[f32], right: &[f32], inner: usize) -> bool {
    /// Of the sum of all magnitudes. Sums in f32 are off by some 1e-7 of it at these widths, where numbers that were rounded
    /// to eleven bits are off by 1e-5 somewhere.
    const MOST: f64 = 2e-6;
    let mut found = product.iter();
    left.chunks_exact(inner).all(|left| {
        right.chunks_exact(inner).all(|right| {
            let products = left.iter().zip(right).map(|(a, b)| f64::from(*a) * f64::from(*b));
            let (sum, size) = products.fold((0.0, 0.0), |(sum, size), y| (sum + y, size + y.abs()));
            found.next().is_some_and(|&found| (f64::from(found) - sum).abs() <= MOST * size)
        })
    })
}

/// Numbers from -0.5 to 0.5 with more bits than tensor cores keep: fractions of the multiples of the golden ratio.
fn numbers(seed: usize, count: usize) -> Vec<f32> {
    (0..count).map(|at| (((seed + at) as f64 * 0.618_033_988_75).fract() - 0.5) as f32).collect()
}

fn on_device(values: Vec<f32>, shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, shape), (device, DType::F32))
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_passes() {
        for dtype in [DType::F32, DType::BF16] {
            assert_eq!(check(&Device::flex(), dtype).expect("it is right"), Multiplier::Whole);
        }
        assert!(keeps_bits(&Device::flex(), Multiplier::InParts).expect("it is right"));
    }

    #[test]
    fn unwritten_wrong_and_broken_values_are_found() {
        assert!(same(&[1.0, -250.0], &[1.0, -250.1], DType::F32));
        assert!(!same(&[1.0, -250.0], &[1.0, -252.0], DType::F32));
        for dtype in [DType::F32, DType::BF16] {
            assert!(!same(&[0.0, -250.0], &[1.0, -250.0], dtype));
            assert!(!same(&[f32::NAN], &[0.0], dtype));
            assert!(!same(&[], &[0.0], dtype));
        }
        // -251 as bf16 has it.
        assert!(same(&[1.0, -252.0], &[1.0, -251.0], DType::BF16));
    }

    #[test]
    fn numbers_that_were_rounded_are_told_from_those_that_were_not() {
        // As tensor cores round f32 numbers, or as bf16 does, before they are multiplied.
        let to = |bits: u32, x: &f32| f32::from_bits((x.to_bits() + (1 << (bits - 1))) & !((1 << bits) - 1));
        for [rows, inner, columns] in ROUNDED_SHAPES {
            let (left, right) = (numbers(3, rows * inner), numbers(7, columns * inner));
            let product = |left: &[f32], right: &[f32]| -> Vec<f32> {
                let sum = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum();
                let row = |a| right.chunks_exact(inner).map(move |b| sum(a, b));
                left.chunks_exact(inner).flat_map(row).collect()
            };
            let rounded = |bits| {
                let [left, right] =
                    [&left, &right].map(|x| x.iter().map(|x| to(bits, x)).collect::<Vec<_>>());
                product(&left, &right)
            };
            let is_exact = |product: &[f32]| is_rounded_as_f32(product, &left, &right, inner);

            let exact = product(&left, &right);
            assert!(is_exact(&exact));
            for bits in [13, 16] {
                assert!(!is_exact(&rounded(bits)), "{rows} {inner} {columns} {bits}");
            }
            assert!(!is_exact(&exact[1..]) && !is_exact(&vec![f32::NAN; exact.len()]));
        }
    }
}
