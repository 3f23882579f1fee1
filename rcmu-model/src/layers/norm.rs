use burn::{
    module::{Module, Param},
    tensor::{DType, Tensor, module::layer_norm},
};

use super::in_f32::in_f32;
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
        in_f32(x, |x| self.normed(x))
    }

    /// The same in what the rows are in.
    fn normed(&self, x: Tensor<2>) -> Tensor<2> {
        let [weight, bias] = [&self.weight, &self.bias].map(|it| it.val().cast(x.dtype()));
        layer_norm(x, weight, Some(bias), Self::EPS)
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::tensor::{Device, TensorData};
    use half::bf16;

    use super::{super::in_f32::through_f32, *};

    #[test]
    fn a_layer_norm_in_bf16_is_rounded_once() {
        let [rows, width] = [7, 96];
        let numbers = |seed: usize, count: usize| -> Vec<f32> {
            (seed..seed + count)
                .map(|at| bf16::from_f32((at * 37 % 101) as f32 / 7.0 - 5.0).to_f32())
                .collect()
        };
        let (x, weight, bias) = (numbers(3, rows * width), numbers(11, width), numbers(29, width));
        let tensor = |values: &[f32]| {
            let data = TensorData::new(values.to_vec(), [values.len()]);
            Tensor::<1>::from_data(data, (&Device::flex(), DType::BF16))
        };
        let [w, b] = [&weight, &bias].map(|values| Param::from_tensor(tensor(values)));
        let norm = LayerNorm { weight: w, bias: b };

        let found = through_f32(tensor(&x).reshape([rows, width]), |x| norm.normed(x));

        assert_eq!(found.dtype(), DType::BF16);
        let found = found.cast(DType::F32).into_data().try_to_vec::<f32>().expect("f32");
        for (x, found) in x.chunks(width).zip(found.chunks(width)) {
            let mean = x.iter().map(|&x| f64::from(x)).sum::<f64>() / width as f64;
            let variance = x.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / width as f64;
            for (at, &found) in found.iter().enumerate() {
                let normed = (f64::from(x[at]) - mean) / (variance + LayerNorm::EPS).sqrt();
                let expected = normed * f64::from(weight[at]) + f64::from(bias[at]);
                // Half of the last of eight bits, and what f32 loses where both terms cancel.
                let apart = (f64::from(found) - expected).abs();
                assert!(apart <= expected.abs() / 256.0 + 1e-5, "{found} and {expected}");
            }
        }
    }
}
