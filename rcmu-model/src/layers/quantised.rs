//! Matrices of 8 and 4 bits as tensors of a device that has no kernels of ours.
//!
//! burn multiplies them as they are, or expands them first; which of the two is right and fast depends on the device, which is
//! asked once a load.

use std::time::{Duration, Instant};

use burn::tensor::{
    DType, Device, Tensor, TensorData,
    quantization::{QuantScheme, QuantStore, QuantValue, ScaleDtype},
};

use crate::{
    Error,
    kernels::{GROUP, Packed, Packing, WeightFormat},
    model::{contained, to_host},
};

/// A matrix of 8 or 4 bits on a device.
#[derive(Clone, Debug)]
pub(crate) struct Quantised {
    /// `[out, in]`, each 32 numbers of a row with a scale
    weight: Tensor<2>,
    bytes: u64,
    ways: Ways,
}

/// How products are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ways {
    /// Of few rows of activations.
    few: Way,
    /// Of more.
    many: Way,
}

/// A way to make a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// burn's product of floats and numbers of 8 or 4 bits.
    AsIs,
    /// burn's product of floats, after the numbers were made floats.
    Expanded,
}

/// The most rows that are few.
const FEW: usize = 16;

impl Quantised {
    /// Moves weights onto a device; none where they are floats.
    pub(crate) fn new(packed: &Packed, device: &Device, ways: Ways) -> Option<Self> {
        let value = match packed.format() {
            WeightFormat::Q8 => QuantValue::Q8F,
            WeightFormat::Q4 => QuantValue::Q4F,
            WeightFormat::F32 | WeightFormat::Bf16 | WeightFormat::F16 => return None,
        };
        let scheme = QuantScheme::default()
            .with_value(value)
            .with_store(QuantStore::PackedU32(0))
            .per_block([GROUP as u8], ScaleDtype::F32);
        let exchanged = packed.exchanged()?;
        let mut bytes = exchanged.numbers;
        bytes.extend_from_slice(bytemuck::cast_slice(&exchanged.scales));
        let count = bytes.len() as u64;
        let data = TensorData::from_bytes_vec(bytes, packed.dims(), DType::QFloat(scheme));
        Some(Self { weight: Tensor::from_data(data, device), bytes: count, ways })
    }

    /// Bytes on the device.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// `x Wᵀ`
    ///
    /// # Shapes
    ///
    /// - `x`: `[rows, in]`
    /// - output: `[rows, out]`
    pub(crate) fn product(&self, x: Tensor<2>) -> Tensor<2> {
        let way = if x.dims()[0] <= FEW { self.ways.few } else { self.ways.many };
        self.product_by(way, x)
    }

    fn product_by(&self, way: Way, x: Tensor<2>) -> Tensor<2> {
        let weight = self.weight.clone();
        match way {
            Way::AsIs => x.matmul(weight.transpose()),
            Way::Expanded => {
                let weight = weight.dequantize();
                let weight = if weight.dtype() == x.dtype() { weight } else { weight.cast(x.dtype()) };
                x.matmul(weight.transpose())
            }
        }
    }
}

impl Ways {
    /// The ways that are right on a device, the faster ones where both are; of two that take about as long the one that needs
    /// no memory.
    ///
    /// # Errors
    ///
    /// [`Error::Backend`] where the device gives wrong products either way.
    pub(crate) fn measured(device: &Device, dtype: DType, format: WeightFormat) -> Result<Self, Error> {
        let probe = Probe::new(device, dtype, format);
        let ways = Self { few: probe.choose(1)?, many: probe.choose(64)? };
        tracing::debug!(?device, ?dtype, ?format, ?ways, "products with quantised weights");
        Ok(ways)
    }
}

/// Weights whose products are known.
struct Probe<'a> {
    device: &'a Device,
    dtype: DType,
    packed: Packed,
}

impl<'a> Probe<'a> {
    /// About the size of a layer of the 2B model, so that times say something.
    const DIMS: [usize; 2] = [2048, 1536];

    fn new(device: &'a Device, dtype: DType, format: WeightFormat) -> Self {
        let mut packing = Packing::new(format, Self::DIMS).expect("there is room for some megabytes");
        packing.push(&numbers(3, Self::DIMS));
        Self { device, dtype, packed: packing.finish() }
    }

    /// The way for so many rows.
    fn choose(&self, rows: usize) -> Result<Way, Error> {
        let [as_is, expanded] = [Way::AsIs, Way::Expanded].map(|way| self.time(way, rows));
        match (as_is, expanded) {
            (Ok(Some(as_is)), Ok(Some(expanded))) if as_is > 2 * expanded => Ok(Way::Expanded),
            (Ok(Some(_)), _) => Ok(Way::AsIs),
            (_, Ok(Some(_))) => Ok(Way::Expanded),
            (Err(error), _) | (_, Err(error)) => Err(error),
            (Ok(None), Ok(None)) => {
                let [outputs, inputs] = Self::DIMS;
                let format = self.packed.format();
                let shapes = format!("[{rows}, {inputs}] x [{inputs}, {outputs}] ({format:?})");
                Err(Error::Backend {
                    message: format!("the device computes wrong matrix products: {shapes}"),
                })
            }
        }
    }

    /// How long a product takes, the shortest of some; none where it is wrong.
    fn time(&self, way: Way, rows: usize) -> Result<Option<Duration>, Error> {
        let [outputs, inputs] = Self::DIMS;
        let values = numbers(77, [rows, inputs]);
        contained(|| {
            let x = TensorData::new(values.clone(), [rows, inputs]);
            let x = Tensor::<2>::from_data(x, self.device).cast(self.dtype);
            let ways = Ways { few: way, many: way };
            let weight = Quantised::new(&self.packed, self.device, ways).expect("they have 8 or 4 bits");
            let mut shortest = Duration::MAX;
            let mut product = Vec::new();
            // The first compiles.
            for _ in 0..4 {
                let started = Instant::now();
                let y = weight.product(x.clone());
                product = to_host(y.slice([0..rows, 0..outputs]))?;
                shortest = shortest.min(started.elapsed());
            }
            Ok(self.is_right(&values, &product).then_some(shortest))
        })
    }

    /// Whether a product is that of the formula; of each row some outputs are looked at, the first and the last among them.
    fn is_right(&self, x: &[f32], product: &[f32]) -> bool {
        let [outputs, inputs] = Self::DIMS;
        let looked_at: Vec<u32> = (0..outputs as u32).step_by(89).chain([outputs as u32 - 1]).collect();
        let weights = self.packed.rows(&looked_at);
        // Of the sum of all magnitudes: what tensor cores and bf16 leave of each product, which mostly cancels.
        let tolerance = if self.dtype == DType::F32 { 1e-4 } else { 1e-3 };
        let rows = x.chunks_exact(inputs).zip(product.chunks_exact(outputs));
        product.len() == x.len() / inputs * outputs
            && rows.into_iter().all(|(x, product)| {
                weights.chunks_exact(inputs).zip(&looked_at).all(|(weights, &output)| {
                    let products = weights.iter().zip(x).map(|(w, x)| f64::from(*w) * f64::from(*x));
                    let (sum, size) = products.fold((0.0, 0.0), |(sum, size), y| (sum + y, size + y.abs()));
                    (f64::from(product[output as usize]) - sum).abs() <= tolerance * size
                })
            })
    }
}

/// Numbers from -0.5 to 0.5 in no order: fractions of the multiples of the golden ratio.
fn numbers(seed: usize, shape: [usize; 2]) -> Vec<f32> {
    let fraction = |at: usize| ((seed + at) as f64 * 0.618_033_988_75).fract() as f32;
    (0..shape[0] * shape[1]).map(|at| fraction(at) - 0.5).collect()
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;

    /// `x Wᵀ` written out.
    fn by_hand(packed: &Packed, x: &[f32]) -> Vec<f64> {
        let [outputs, inputs] = packed.dims();
        let weights = packed.rows(&(0..outputs as u32).collect::<Vec<_>>());
        let sum = |x: &[f32], w: &[f32]| x.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum();
        let row = |x| weights.chunks_exact(inputs).map(move |w| sum(x, w));
        x.chunks_exact(inputs).flat_map(row).collect()
    }

    #[test]
    fn weights_come_to_a_device_as_they_are() {
        let device = Device::flex();
        let ways = Ways { few: Way::Expanded, many: Way::Expanded };
        for format in [WeightFormat::Q8, WeightFormat::Q4] {
            // Rows of whole blocks, of less than one and of more.
            for [rows, inputs, outputs] in [[1, 32, 4], [5, 96, 40], [33, 256, 65], [2, 1120, 3]] {
                let packed = Packed::new(format, [outputs, inputs], &numbers(3, [outputs, inputs]));
                let x = numbers(77, [rows, inputs]);
                let weight = Quantised::new(&packed, &device, ways).expect("8 or 4 bits");
                let bits = if format == WeightFormat::Q8 { 9 } else { 5 };
                assert_eq!(weight.bytes(), (outputs * inputs * bits / 8) as u64);

                let y =
                    weight.product(Tensor::from_data(TensorData::new(x.clone(), [rows, inputs]), &device));

                let found = to_host(y).expect("the CPU has it");
                for (found, expected) in found.iter().zip(by_hand(&packed, &x)) {
                    assert!((f64::from(*found) - expected).abs() < 1e-4, "{format:?}: {found}, {expected}");
                }
            }
        }
        let floats = Packed::new(WeightFormat::Bf16, [4, 32], &numbers(3, [4, 32]));
        assert!(Quantised::new(&floats, &device, ways).is_none());
    }

    #[test]
    fn a_way_that_is_wrong_is_not_taken() {
        // burn's CPU backend rounds such products to 8 or 4 bits again.
        let expected = Ways { few: Way::Expanded, many: Way::Expanded };
        for format in [WeightFormat::Q8, WeightFormat::Q4] {
            assert_eq!(Ways::measured(&Device::flex(), DType::F32, format).expect("one is right"), expected);
        }
    }

    #[test]
    fn a_wrong_product_is_found() {
        let device = Device::flex();
        let probe = Probe::new(&device, DType::F32, WeightFormat::Q8);
        let x = numbers(77, [2, Probe::DIMS[1]]);
        let right: Vec<f32> = by_hand(&probe.packed, &x).into_iter().map(|y| y as f32).collect();

        assert!(probe.is_right(&x, &right));
        assert!(!probe.is_right(&x, &right[1..]));
        assert!(!probe.is_right(&x, &vec![0.0; right.len()]));
        assert!(!probe.is_right(&x, &vec![f32::NAN; right.len()]));
    }
}
