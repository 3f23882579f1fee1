//! Matrices of 8 and 4 bits as tensors of a device that has no kernels of ours.
//!
//! burn multiplies them as they are, or expands them first; which of the two is right and fast depends on the device, which is
//! asked once a load.

use std::time::{Duration, Instant};

use burn::tensor::{
    DType, Device, Tensor, TensorData,
    quantization::{QuantScheme, QuantStore, QuantValue, ScaleDtype},
};

use half::bf16;

use super::Multiplier;
use crate::{
    Error,
    kernels::{GROUP, Packed, Packing, WeightFormat},
    model::{contained, to_host},
};

/// A matrix of 8 or 4 bits on a device.
#[derive(Clone, Debug)]
pub(crate) struct Quantised {
    /// `[out, in]` together, one below the other, each 32 numbers of a row with a scale
    parts: Vec<Tensor<2>>,
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
    /// Of floats.
    multiplier: Multiplier,
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
/// The most bytes of a part, of floats where it is expanded: the largest buffer that every WebGPU device binds.
const PART: usize = 128 << 20;

impl Quantised {
    /// Moves weights onto a device; none where they are floats.
    pub(crate) fn new(packed: &Packed, device: &Device, ways: Ways) -> Option<Self> {
        let expanded = [ways.few, ways.many].contains(&Way::Expanded);
        let bits = match packed.format() {
            _ if expanded => 32,
            WeightFormat::Q4 => 5,
            _ => 9,
        };
        Self::in_parts(packed, device, ways, PART / bits * 8)
    }

    fn in_parts(packed: &Packed, device: &Device, ways: Ways, weights: usize) -> Option<Self> {
        let value = match packed.format() {
            WeightFormat::Q8 => QuantValue::Q8F,
            WeightFormat::Q4 => QuantValue::Q4F,
            WeightFormat::F32 | WeightFormat::Bf16 | WeightFormat::F16 => return None,
        };
        let scheme = QuantScheme::default()
            .with_value(value)
            .with_store(QuantStore::PackedU32(0))
            .per_block([GROUP as u8], ScaleDtype::F32);
        let [outputs, inputs] = packed.dims();
        let rows = (weights / inputs).max(1);
        let mut quantised = Self { parts: Vec::new(), bytes: 0, ways };
        for first in (0..outputs).step_by(rows) {
            let rows = first..outputs.min(first + rows);
            let shape = [rows.len(), inputs];
            let bytes = packed.exchanged(rows)?;
            quantised.bytes += bytes.len() as u64;
            let data = TensorData::from_bytes_vec(bytes, shape, DType::QFloat(scheme));
            quantised.parts.push(Tensor::from_data(data, device));
        }
        Some(quantised)
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
        match &*self.parts {
            [weight] => way.product(x, weight.clone(), self.ways.multiplier),
            parts => {
                let product =
                    |weight: &Tensor<2>| way.product(x.clone(), weight.clone(), self.ways.multiplier);
                Tensor::cat(parts.iter().map(product).collect(), 1)
            }
        }
    }
}

impl Way {
    /// `x Wᵀ`
    fn product(self, x: Tensor<2>, weight: Tensor<2>, multiplier: Multiplier) -> Tensor<2> {
        match self {
            Self::AsIs => x.matmul(weight.transpose()),
            Self::Expanded => {
                let weight = weight.dequantize();
                let weight = if weight.dtype() == x.dtype() { weight } else { weight.cast(x.dtype()) };
                multiplier.product_transposed(x, weight)
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
    pub(crate) fn measured(
        device: &Device,
        dtype: DType,
        format: WeightFormat,
        multiplier: Multiplier,
    ) -> Result<Self, Error> {
        // One that fills tiles and is about as large as a layer of the 2B model, so that times say something; one that does not.
        let probe = |dims| Probe { multiplier, ..Probe::new(device, dtype, format, dims) };
        let [large, odd] = [[2048, 1536], [333, 1120]].map(probe);
        let few = Probe::choose([(&large, 1), (&odd, 1), (&odd, 7), (&odd, FEW)])?;
        let many = Probe::choose([(&large, 64), (&odd, FEW + 1), (&odd, 33), (&odd, 100)])?;
        tracing::debug!(?device, ?dtype, ?format, ?few, ?many, "products with quantised weights");
        Ok(Self { few, many, multiplier })
    }
}

/// Weights whose products are known.
struct Probe<'a> {
    device: &'a Device,
    dtype: DType,
    multiplier: Multiplier,
    packed: Packed,
}

impl<'a> Probe<'a> {
    fn new(device: &'a Device, dtype: DType, format: WeightFormat, dims: [usize; 2]) -> Self {
        let mut packing = Packing::new(format, dims).expect("there is room for some megabytes");
        packing.push(&numbers(3, dims));
        Self { device, dtype, multiplier: Multiplier::default(), packed: packing.finish() }
    }

    /// The way for these numbers of rows, of which the first is timed.
    fn choose(cases: [(&Self, usize); 4]) -> Result<Way, Error> {
        let [as_is, expanded] = [Way::AsIs, Way::Expanded].map(|way| Self::time(way, cases));
        match (as_is, expanded) {
            (Ok(Some(as_is)), Ok(Some(expanded))) if as_is > 2 * expanded => Ok(Way::Expanded),
            (Ok(Some(_)), _) => Ok(Way::AsIs),
            (_, Ok(Some(_))) => Ok(Way::Expanded),
            (Err(error), _) | (_, Err(error)) => Err(error),
            (Ok(None), Ok(None)) => {
                let format = cases[0].0.packed.format();
                let message = format!("the device computes wrong matrix products with weights of {format:?}");
                Err(Error::Backend { message })
            }
        }
    }

    /// How long the first product takes, the shortest of some; none where one is wrong.
    fn time(way: Way, cases: [(&Self, usize); 4]) -> Result<Option<Duration>, Error> {
        /// Products between two looks at the result, so that these do not count for much.
        const TOGETHER: u32 = 8;
        contained(|| {
            let [(first, rows), ..] = cases;
            let (weight, x) = (first.weight(way), first.on_device(&first.activations(rows), rows));
            let mut shortest = Duration::MAX;
            // The first compiles.
            for _ in 0..3 {
                let started = Instant::now();
                let products: Vec<_> = (0..TOGETHER).map(|_| weight.product(x.clone())).collect();
                let last = products.last().expect("there are some").clone();
                to_host(last.slice([0..1, 0..1]))?;
                shortest = shortest.min(started.elapsed() / TOGETHER);
            }
            for (probe, rows) in cases {
                let (weight, x) = (probe.weight(way), probe.activations(rows));
                let product = to_host(weight.product(probe.on_device(&x, rows)))?;
                if !probe.is_right(&x, &product) {
                    return Ok(None);
                }
            }
            Ok(Some(shortest))
        })
    }

    fn weight(&self, way: Way) -> Quantised {
        let ways = Ways { few: way, many: way, multiplier: self.multiplier };
        Quantised::new(&self.packed, self.device, ways).expect("they have 8 or 4 bits")
    }

    /// Some rows of numbers that the model computes in.
    fn activations(&self, rows: usize) -> Vec<f32> {
        let mut x = numbers(77, [rows, self.packed.dims()[1]]);
        if self.dtype == DType::BF16 {
            for x in &mut x {
                *x = bf16::from_f32(*x).to_f32();
            }
        }
        x
    }

    fn on_device(&self, x: &[f32], rows: usize) -> Tensor<2> {
        let x = TensorData::new(x.to_vec(), [rows, self.packed.dims()[1]]);
        Tensor::<2>::from_data(x, (self.device, DType::F32)).cast(self.dtype)
    }

    /// Whether a product is that of the formula; of each row some outputs are looked at, the first and the last among them.
    fn is_right(&self, x: &[f32], product: &[f32]) -> bool {
        let [outputs, inputs] = self.packed.dims();
        let looked_at: Vec<u32> = (0..outputs as u32).step_by(89).chain([outputs as u32 - 1]).collect();
        let weights = self.packed.rows(&looked_at);
        // Of a product, what the output's own digits leave; of the sum of all magnitudes, what tensor cores and bf16 leave of
        // each of them.
        let [of_sum, of_size] = if self.dtype == DType::F32 { [2e-3, 1e-4] } else { [2e-2, 1e-3] };
        let rows = x.chunks_exact(inputs).zip(product.chunks_exact(outputs));
        product.len() == x.len() / inputs * outputs
            && rows.into_iter().all(|(x, product)| {
                weights.chunks_exact(inputs).zip(&looked_at).all(|(weights, &output)| {
                    let products = weights.iter().zip(x).map(|(w, x)| f64::from(*w) * f64::from(*x));
                    let (sum, size) = products.fold((0.0, 0.0), |(sum, size), y| (sum + y, size + y.abs()));
                    let apart = (f64::from(product[output as usize]) - sum).abs();
                    apart <= of_sum * sum.abs() + of_size * size
                })
            })
    }
}

/// Numbers from -0.5 to 0.5 in no order (Knuth's generator of MMIX).
fn numbers(seed: u64, shape: [usize; 2]) -> Vec<f32> {
    let next = |state: &mut u64| {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Some((*state >> 40) as f32 / (1 << 24) as f32 - 0.5)
    };
    let mut state = seed;
    std::iter::from_fn(|| next(&mut state)).take(shape[0] * shape[1]).collect()
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
        let ways = Ways { few: Way::Expanded, many: Way::Expanded, multiplier: Multiplier::Whole };
        for format in [WeightFormat::Q8, WeightFormat::Q4] {
            // Rows of whole blocks, of less than one and of more.
            for [rows, inputs, outputs] in [[1, 32, 4], [5, 96, 40], [33, 256, 65], [2, 1120, 3]] {
                let packed = Packed::new(format, [outputs, inputs], &numbers(3, [outputs, inputs]));
                let x = numbers(77, [rows, inputs]);
                let weight = Quantised::new(&packed, &device, ways).expect("8 or 4 bits");
                let bits = if format == WeightFormat::Q8 { 9 } else { 5 };
                assert_eq!(weight.bytes(), (outputs * inputs * bits / 8) as u64);
                // Parts of three rows, and of one where there is no room for a row.
                let parts = [3 * inputs, 1].map(|weights| {
                    Quantised::in_parts(&packed, &device, ways, weights).expect("8 or 4 bits")
                });
                assert_eq!(parts.each_ref().map(|weight| weight.parts.len()), [outputs.div_ceil(3), outputs]);

                let tensor = Tensor::<2>::from_data(TensorData::new(x.clone(), [rows, inputs]), &device);
                for weight in [&weight, &parts[0], &parts[1]] {
                    let y = weight.product(tensor.clone());

                    assert_eq!((y.dims(), weight.bytes()), ([rows, outputs], parts[0].bytes()));
                    let found = to_host(y).expect("the CPU has it");
                    for (found, expected) in found.iter().zip(by_hand(&packed, &x)) {
                        assert!(
                            (f64::from(*found) - expected).abs() < 1e-4,
                            "{format:?}: {found}, {expected}"
                        );
                    }
                }
            }
        }
        let floats = Packed::new(WeightFormat::Bf16, [4, 32], &numbers(3, [4, 32]));
        assert!(Quantised::new(&floats, &device, ways).is_none());
    }

    #[test]
    fn a_way_that_is_wrong_is_not_taken() {
        // burn's CPU backend rounds the weights anew when it turns them.
        let expected = Ways { few: Way::Expanded, many: Way::Expanded, multiplier: Multiplier::Whole };
        for format in [WeightFormat::Q8, WeightFormat::Q4] {
            let found = Ways::measured(&Device::flex(), DType::F32, format, Multiplier::Whole);
            assert_eq!(found.expect("one is right"), expected);
        }
    }

    #[test]
    fn right_products_pass_in_what_the_model_computes_in_and_wrong_ones_are_found() {
        let device = Device::flex();
        for dtype in [DType::F32, DType::BF16] {
            let probe = Probe::new(&device, dtype, WeightFormat::Q8, [2048, 1536]);
            let x = probe.activations(5);
            let computed = |y: f64| if dtype == DType::F32 { y as f32 } else { bf16::from_f64(y).to_f32() };
            let right: Vec<f32> = by_hand(&probe.packed, &x).into_iter().map(computed).collect();

            assert!(probe.is_right(&x, &right));
            assert!(!probe.is_right(&x, &right[1..]));
            assert!(!probe.is_right(&x, &vec![0.0; right.len()]));
            assert!(!probe.is_right(&x, &vec![f32::NAN; right.len()]));
            let mut one_row = right.clone();
            one_row[2 * 2048..3 * 2048].fill(0.0);
            assert!(!probe.is_right(&x, &one_row));
            let scaled: Vec<f32> = right.iter().map(|y| 1.1 * y).collect();
            assert!(!probe.is_right(&x, &scaled));
        }
    }
}
