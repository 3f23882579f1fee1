use burn::{
    module::Module,
    tensor::{
        Tensor,
        activation::{gelu, sigmoid, silu},
    },
};

use super::{Bias, Linear};
use crate::{Error, fused, params::Params};

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
        self.down_proj.forward(fused::swiglu(gate, up).unwrap_or_else(|[gate, up]| silu(gate) * up))
    }
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
        self.fc2.forward(gelu(self.fc1.forward(x)))
    }
}
