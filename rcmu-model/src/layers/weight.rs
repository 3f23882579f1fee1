use std::sync::Arc;

use burn::{
    module::{Module, Param},
    tensor::{DType, Device, Int, Tensor, TensorData},
};

use super::{Multiplier, Quantised};
use crate::{
    Error,
    device::is_flex,
    kernels::{FEW_ROWS, GROUP, Packed},
    params::{Params, is_table},
};

/// A matrix in the checkpoint's layout: on the device in what the model computes in, or in fewer bits.
#[derive(Module, Debug)]
pub(crate) struct Weight {
    /// `[out, in]`; what training changes. None where the matrix is kept otherwise.
    plain: Option<Param<Tensor<2>>>,
    /// `[out, in]`, for our own kernels, and on other devices than theirs for reading rows.
    #[module(skip)]
    packed: Option<Arc<Packed>>,
    /// `[out, in]`, where there are no kernels of ours.
    #[module(skip)]
    quantised: Option<Arc<Quantised>>,
    /// What the model was loaded to compute in.
    #[module(skip)]
    dtype: DType,
    #[module(skip)]
    multiplier: Multiplier,
}

impl Weight {
    /// Reads `{name}.weight` in the form that the load options ask for.
    pub(crate) fn load(params: &mut Params<'_>, name: &str, shape: [usize; 2]) -> Result<Self, Error> {
        let name = format!("{name}.weight");
        let (dtype, multiplier) = (params.dtype(), params.multiplier());
        let mut weight = Self { plain: None, packed: None, quantised: None, dtype, multiplier };
        match params.format(&name) {
            Some(format) if !params.quantises() => {
                weight.packed = Some(Arc::new(params.load_packed(&name, format, shape)?));
            }
            // What has no whole groups stays floats.
            Some(format) if shape[1].is_multiple_of(GROUP) => {
                let (packed, quantised) = params.load_quantised(&name, format, shape)?;
                weight.quantised = quantised.map(Arc::new);
                weight.packed = is_table(&name).then(|| Arc::new(packed));
            }
            _ => weight.plain = Some(params.load(&name, shape)?),
        }
        Ok(weight)
    }

    /// `x Wᵀ + b` for each of several weights; packed ones share what is done to `x`.
    ///
    /// # Shapes
    ///
    /// - biases: `[out]`, where there is one
    /// - `x`: `[rows, in]`
    /// - output: `[rows, out]` each
    pub(crate) fn products<const N: usize>(
        weights: [(&Self, Option<Tensor<1>>); N],
        x: Tensor<2>,
    ) -> [Tensor<2>; N] {
        let plainly = x.dtype() == DType::F32 && is_flex(&x.device()) && !x.device().is_autodiff();
        let ours = plainly && (x.dims()[0] <= FEW_ROWS || Packed::has_best_tiles());
        let read = weights.each_ref().map(|(weight, _)| weight.read_in_place(ours));
        if read.iter().all(Option::is_some) {
            let mut read = read.iter().flatten();
            let packed = weights.map(|(_, bias)| (&**read.next().expect("one for each"), bias));
            return packed_products(packed, x);
        }
        weights.map(|(weight, bias)| {
            let x = x.clone();
            let y = match (&weight.plain, &weight.quantised, &weight.packed) {
                // Two dimensions on purpose: the CPU backend reads the transposed view in place, but would copy the
                // weight on every call for inputs of three.
                (Some(plain), ..) => weight.multiplier.product_transposed(x, plain.val()),
                (None, Some(quantised), _) => quantised.product(x),
                (None, None, Some(packed)) => {
                    let [y] = packed_products([(packed, bias)], x);
                    return y;
                }
                (None, None, None) => unreachable!("a weight is plain, packed or quantised"),
            };
            match bias {
                Some(bias) => y + bias.unsqueeze::<2>(),
                None => y,
            }
        })
    }

    /// The weights for our own kernels, where these multiply them best: those that are packed, and plain ones where `ours`
    /// says so.
    fn read_in_place(&self, ours: bool) -> Option<Arc<Packed>> {
        match (&self.plain, &self.quantised, &self.packed) {
            (None, None, Some(packed)) => Some(packed.clone()),
            (Some(plain), ..) if ours => Packed::of_tensor(&plain.val()).map(Arc::new),
            _ => None,
        }
    }

    /// Whether activations beside the weights are rounded to bf16, in attention, too.
    #[cfg(feature = "flex")]
    pub(super) fn rounds_attention(&self) -> bool {
        self.packed.as_ref().is_some_and(|packed| packed.rounds_attention())
    }

    /// Some rows.
    ///
    /// # Shapes
    ///
    /// - `rows`: numbers below `out`
    /// - output: `[rows, in]`
    pub(crate) fn rows(&self, rows: &[u32], device: &Device) -> Tensor<2> {
        match (&self.plain, &self.packed) {
            (Some(weight), _) => {
                let rows: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
                let len = rows.len();
                let rows = Tensor::<1, Int>::from_data(TensorData::new(rows, [len]), (device, DType::I32));
                let (table, dtype) = (weight.val(), self.compute_dtype());
                if dtype == DType::F32 || !device.is_autodiff() {
                    return table.select(0, rows);
                }
                // A row's gradient is a sum over all its tokens, which eight bits cannot hold.
                table.cast(DType::F32).select(0, rows).cast(dtype)
            }
            (None, Some(packed)) => {
                let [_, width] = packed.dims();
                on_device(packed.rows(rows), [rows.len(), width], device).cast(self.compute_dtype())
            }
            (None, None) => unreachable!("a weight whose rows are read is plain or packed"),
        }
    }

    /// What the model computes in.
    pub(crate) fn compute_dtype(&self) -> DType {
        self.plain.as_ref().map_or(self.dtype, |weight| weight.val().dtype())
    }
}

/// `x Wᵀ + b` over packed weights: inner products where each weight is used a few times, tiles where it is used often.
fn packed_products<const N: usize>(
    layers: [(&Packed, Option<Tensor<1>>); N],
    x: Tensor<2>,
) -> [Tensor<2>; N] {
    let ([rows, _], device) = (x.dims(), x.device());
    let x = x.into_data();
    let x = numbers(&x);
    let layers = layers.map(|(packed, bias)| (packed, bias.map(Tensor::into_data)));
    let layers = layers.each_ref().map(|(packed, bias)| (*packed, bias.as_ref().map(numbers)));
    let few = layers.iter().all(|(packed, _)| rows <= packed.few_rows());
    let products = if few { Packed::linear(layers, x) } else { Packed::products(layers, x) };
    let mut outputs = layers.iter().map(|(packed, _)| packed.dims()[0]);
    products.map(|y| on_device(y, [rows, outputs.next().expect("one for each")], &device))
}

fn numbers(data: &TensorData) -> &[f32] {
    data.as_slice().expect("what is next to packed weights is f32")
}

fn on_device(values: Vec<f32>, shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, shape), (device, DType::F32))
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;

    /// Numbers from -0.5 to 0.5, the same in every run.
    fn numbers(seed: usize, shape: [usize; 2], device: &Device) -> Tensor<2> {
        let values = (0..shape[0] * shape[1]).map(|at| ((seed + at) as f64 * 0.618_033_988_75).fract());
        let values: Vec<f32> = values.map(|value| value as f32 - 0.5).collect();
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    fn plain(weight: Tensor<2>) -> Weight {
        let dtype = weight.dtype();
        let (plain, multiplier) = (Some(Param::from_tensor(weight)), Multiplier::Whole);
        Weight { plain, packed: None, quantised: None, dtype, multiplier }
    }

    #[test]
    fn plain_weights_are_multiplied_where_they_lie() {
        let device = Device::flex();
        // Widths that fill no vector, rows for inner products and for tiles.
        for (rows, [outputs, inputs]) in
            [(1, [5, 7]), (3, [40, 70]), (FEW_ROWS, [9, 4100]), (FEW_ROWS + 1, [5, 7]), (50, [130, 600])]
        {
            let [first, second] = [3, 11].map(|seed| numbers(seed, [outputs, inputs], &device));
            let (x, bias) =
                (numbers(5, [rows, inputs], &device), numbers(8, [1, outputs], &device).squeeze());
            let expected = x.clone().matmul(first.clone().transpose()) + bias.clone().unsqueeze::<2>();
            let expected = [expected, x.clone().matmul(second.clone().transpose())];
            let weights = [plain(first), plain(second)];
            assert!(weights[0].read_in_place(true).is_some() && weights[0].read_in_place(false).is_none());

            let found = Weight::products([(&weights[0], Some(bias)), (&weights[1], None)], x);

            for (found, expected) in found.into_iter().zip(expected) {
                let apart = (found - expected).abs().max().into_scalar::<f32>();
                assert!(apart < 1e-4, "{rows} {outputs} {inputs}: {apart}");
            }
        }
    }

    #[test]
    fn a_part_of_a_tensor_is_left_to_burn() {
        let device = Device::flex();
        let (weight, x) = (numbers(3, [6, 10], &device), numbers(5, [2, 4], &device));
        let part = weight.clone().slice([2..6, 3..7]);
        let turned = numbers(4, [4, 5], &device).transpose();

        for weight in [part, turned] {
            let expected = x.clone().matmul(weight.clone().transpose());
            let weight = plain(weight);
            assert!(weight.read_in_place(true).is_none());
            let [found] = Weight::products([(&weight, None)], x.clone());
            assert_eq!(found.into_data(), expected.into_data());
        }
    }

    #[cfg(feature = "train")]
    #[test]
    fn few_rows_under_autodiff_have_gradients() {
        let device = Device::flex().autodiff();
        let (weight, x) = (plain(numbers(3, [6, 10], &device)), numbers(5, [2, 10], &device).require_grad());

        let [y] = Weight::products([(&weight, None)], x.clone());

        let gradient = x.grad(&y.sum().backward()).expect("the input has a gradient");
        let expected = weight.plain.expect("it is plain").val().inner().sum_dim(0);
        let apart = (gradient.slice([0..1, 0..10]) - expected).abs().max().into_scalar::<f32>();
        assert!(apart < 1e-5, "{apart}");
    }
}
