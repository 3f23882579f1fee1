use std::sync::Arc;

use burn::{
    module::{Module, Param},
    tensor::{DType, Device, Int, Tensor, TensorData},
};

use crate::{
    Error,
    kernels::{FEW_ROWS, Packed},
    params::Params,
};

/// A matrix in the checkpoint's layout: on the device in what the model computes in, or packed in memory.
#[derive(Module, Debug)]
pub(crate) struct Weight {
    /// `[out, in]`; what training changes. None where the matrix is packed.
    plain: Option<Param<Tensor<2>>>,
    /// `[out, in]`
    #[module(skip)]
    packed: Option<Arc<Packed>>,
}

impl Weight {
    /// Reads `{name}.weight` in the form that the load options ask for.
    pub(crate) fn load(params: &mut Params<'_>, name: &str, shape: [usize; 2]) -> Result<Self, Error> {
        let name = format!("{name}.weight");
        Ok(match params.format(&name) {
            Some(format) => {
                let packed = params.load_packed(&name, format, shape)?;
                Self { plain: None, packed: Some(Arc::new(packed)) }
            }
            None => Self { plain: Some(params.load(&name, shape)?), packed: None },
        })
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
        if weights.iter().all(|(weight, _)| weight.packed.is_some()) {
            let packed =
                weights.map(|(weight, bias)| (&**weight.packed.as_ref().expect("all are packed"), bias));
            return packed_products(packed, x);
        }
        weights.map(|(weight, bias)| match (&weight.plain, &weight.packed) {
            (Some(weight), _) => {
                // Two dimensions on purpose: the CPU backend reads the transposed view in place, but would copy the
                // weight on every call for inputs of three.
                let y = x.clone().matmul(weight.val().transpose());
                match bias {
                    Some(bias) => y + bias.unsqueeze::<2>(),
                    None => y,
                }
            }
            (None, Some(packed)) => {
                let [y] = packed_products([(packed, bias)], x.clone());
                y
            }
            (None, None) => unreachable!("a weight is plain or packed"),
        })
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
                on_device(packed.rows(rows), [rows.len(), width], device)
            }
            (None, None) => unreachable!("a weight is plain or packed"),
        }
    }

    /// What the model computes in: activations next to packed weights are f32.
    pub(crate) fn compute_dtype(&self) -> DType {
        self.plain.as_ref().map_or(DType::F32, |weight| weight.val().dtype())
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
    let products = if rows <= FEW_ROWS { Packed::linear(layers, x) } else { Packed::products(layers, x) };
    let mut outputs = layers.iter().map(|(packed, _)| packed.dims()[0]);
    products.map(|y| on_device(y, [rows, outputs.next().expect("one for each")], &device))
}

fn numbers(data: &TensorData) -> &[f32] {
    data.as_slice().expect("what is next to packed weights is f32")
}

fn on_device(values: Vec<f32>, shape: [usize; 2], device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values, shape), (device, DType::F32))
}
