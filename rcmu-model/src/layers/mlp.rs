use burn::{
    module::Module,
    tensor::{
        Tensor,
        activation::{gelu, sigmoid, silu},
    },
};

use super::{Bias, Linear, in_f32::in_f32};
use crate::{Error, device::is_flex, fused, params::Params};

/// SwiGLU feed-forward network of the decoder: `down(silu(gate(x)) * up(x))`.
#[derive(Module, Debug)]
#[allow(clippy::struct_field_names, reason = "the checkpoint's names")]
pub(crate) struct SwiGluMlp {
    gate_proj: Linear,
    up_proj: Linear,
    down_proj: Linear,
}

impl SwiGluMlp {
    pub(crate) fn load(
        params: &mut Params<'_>,
        name: &str,
        hidden_size: usize,
        intermediate_size: usize,
    ) -> Result<Self, Error> {
        let (widen, narrow) = ([hidden_size, intermediate_size], [intermediate_size, hidden_size]);
        Ok(Self {
            gate_proj: Linear::load(params, &format!("{name}.gate_proj"), widen, Bias::No)?,
            up_proj: Linear::load(params, &format!("{name}.up_proj"), widen, Bias::No)?,
            down_proj: Linear::load(params, &format!("{name}.down_proj"), narrow, Bias::No)?,
        })
    }

    /// Mixes the features of every row.
    ///
    /// # Shapes
    ///
    /// - `x`: `[rows, hidden]`
    /// - output: `[rows, hidden]`
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let [gate, up] = Linear::forward_each([&self.gate_proj, &self.up_proj], x);
        self.down_proj.forward(fused::swiglu(gate, up).unwrap_or_else(|[gate, up]| gated(gate) * up))
    }
}

/// `x * sigmoid(x)`, whose sigmoid burn's GPU backends would compose with a logarithm and round before the product.
fn gated(x: Tensor<2>) -> Tensor<2> {
    let device = x.device();
    let composed = is_flex(&device) || device.is_autodiff();
    in_f32(x, |x| if composed { silu(x) } else { quotient(x) })
}

/// `x / (1 + exp(-x))`; zero where the exponential is infinite, and its gradient not a number there.
fn quotient(x: Tensor<2>) -> Tensor<2> {
    x.clone() / (x.neg().exp() + 1.0)
}

/// Feed-forward network of a vision block: `fc2(quick_gelu(fc1(x)))` with `quick_gelu(x) = x * sigmoid(1.702 x)`.
#[derive(Module, Debug)]
pub(crate) struct QuickGeluMlp {
    fc1: Linear,
    fc2: Linear,
}

impl QuickGeluMlp {
    pub(crate) fn load(
        params: &mut Params<'_>,
        name: &str,
        hidden_size: usize,
        intermediate_size: usize,
    ) -> Result<Self, Error> {
        let (widen, narrow) = ([hidden_size, intermediate_size], [intermediate_size, hidden_size]);
        Ok(Self {
            fc1: Linear::load(params, &format!("{name}.fc1"), widen, Bias::Yes)?,
            fc2: Linear::load(params, &format!("{name}.fc2"), narrow, Bias::Yes)?,
        })
    }

    /// Mixes the features of every row.
    ///
    /// # Shapes
    ///
    /// - `x`: `[rows, hidden]`
    /// - output: `[rows, hidden]`
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let x = fused::quick_gelu(self.fc1.forward(x));
        self.fc2.forward(x.unwrap_or_else(|x| x.clone() * sigmoid(x * 1.702)))
    }
}

/// Feed-forward network of the merger: two linear layers, called `0` and `2` in the checkpoint, and the exact GELU.
#[derive(Module, Debug)]
pub(crate) struct GeluMlp {
    fc1: Linear,
    fc2: Linear,
}

impl GeluMlp {
    pub(crate) fn load(
        params: &mut Params<'_>,
        name: &str,
        [inputs, hidden_size, outputs]: [usize; 3],
    ) -> Result<Self, Error> {
        Ok(Self {
            fc1: Linear::load(params, &format!("{name}.0"), [inputs, hidden_size], Bias::Yes)?,
            fc2: Linear::load(params, &format!("{name}.2"), [hidden_size, outputs], Bias::Yes)?,
        })
    }

    /// Maps every row.
    ///
    /// # Shapes
    ///
    /// - `x`: `[rows, in]`
    /// - output: `[rows, out]`
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.fc2.forward(in_f32(self.fc1.forward(x), gelu))
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::tensor::{DType, Device};
    use half::bf16;

    use super::{super::in_f32::through_f32, *};

    #[test]
    fn a_gate_far_below_zero_has_a_gradient() {
        let x = Tensor::<1>::from_floats([-100.0, 100.0], &Device::flex().autodiff()).unsqueeze::<2>();
        let x = x.require_grad();

        let gradients = gated(x.clone()).sum().backward();

        let slopes = x.grad(&gradients).expect("it is tracked").into_data().try_to_vec::<f32>().expect("f32");
        assert!(slopes[0].abs() < 1e-30 && (slopes[1] - 1.0).abs() < 1e-6, "{slopes:?}");
    }

    #[test]
    fn a_gate_is_rounded_once() {
        let numbers: Vec<f32> = (-800..800).map(|at| bf16::from_f32(at as f32 / 4.0).to_f32()).collect();
        let x = Tensor::<1>::from_floats(numbers.as_slice(), &Device::flex()).unsqueeze::<2>();
        let values = |x: Tensor<2>| x.cast(DType::F32).into_data().try_to_vec::<f32>().expect("f32");

        let found = values(quotient(x.clone()));
        let rounded = values(through_f32(x.cast(DType::BF16), quotient));

        for ((number, found), rounded) in numbers.into_iter().zip(found).zip(rounded) {
            let expected = f64::from(number) / (1.0 + (-f64::from(number)).exp());
            // Where the exponential is more than f32 has, a zero.
            let apart = (f64::from(found) - expected).abs();
            assert!(apart <= expected.abs() * 1e-6 + 3e-37, "{number}: {found}");
            // Half of the last of eight bits.
            let apart = (f64::from(rounded) - expected).abs();
            assert!(apart <= expected.abs() * (1.0 / 256.0 + 1e-6) + 3e-37, "{number}: {rounded}");
        }
    }
}
