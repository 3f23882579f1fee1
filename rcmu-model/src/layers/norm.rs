use burn::{
    module::{Module, Param},
    tensor::{DType, Tensor, module::layer_norm},
};

use crate::{Error, fused, params::Params};

/// Root-mean-square norm: `x / sqrt(mean(x²) + eps) * weight`, the mean in f32.
///
/// # Source
///
/// `Qwen2RMSNorm` of the reference: the normalised value is cast back to the input's dtype before it is multiplied
/// by the weight.
#[derive(Module, Debug)]
pub(crate) struct RmsNorm {
    /// `[hidden]`
    weight: Param<Tensor<1>>,
    eps: f64,
}

impl RmsNorm {
    pub(crate) fn load(
        params: &mut Params<'_>,
        name: &str,
        hidden_size: usize,
        eps: f64,
    ) -> Result<Self, Error> {
        Ok(Self { weight: params.load(&format!("{name}.weight"), [hidden_size])?, eps })
    }

    /// Normalises every row.
    ///
    /// # Shapes
    ///
    /// - `x`: `[rows, hidden]`
    /// - output: `[rows, hidden]`
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        if let Some(y) = fused::rms_norm(&x, &self.weight.val(), self.eps) {
            return y;
        }
        let dtype = x.dtype();
        let x = if dtype == DType::F32 { x } else { x.cast(DType::F32) };
        let scale = (x.clone().square().mean_dim(1) + self.eps).sqrt().recip();
        let y = x * scale;
        let y = if dtype == DType::F32 { y } else { y.cast(dtype) };
        y * self.weight.val().unsqueeze::<2>()
    }
}

/// Layer norm with weight and bias.
#[derive(Module, Debug)]
pub(crate) struct LayerNorm {
    /// `[hidden]`
    weight: Param<Tensor<1>>,
    /// `[hidden]`
    bias: Param<Tensor<1>>,
}

impl LayerNorm {
    /// Constant of the reference's vision tower; not part of the config.
    const EPS: f64 = 1e-6;

    pub(crate) fn load(params: &mut Params<'_>, name: &str, hidden_size: usize) -> Result<Self, Error> {
        Ok(Self {
            weight: params.load(&format!("{name}.weight"), [hidden_size])?,
            bias: params.load(&format!("{name}.bias"), [hidden_size])?,
        })
    }

    /// Normalises every row.
    ///
    /// # Shapes
    ///
    /// - `x`: `[rows, hidden]`
    /// - output: `[rows, hidden]`
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        layer_norm(x, self.weight.val(), Some(self.bias.val()), Self::EPS)
    }
}
