use burn::{
    module::{Module, Param},
    tensor::Tensor,
};

use crate::{Error, params::Params};

/// Linear layer `x Wᵀ + b` over weights in the checkpoint's layout.
#[derive(Module, Debug)]
pub(crate) struct Linear {
    /// `[out, in]`
    weight: Param<Tensor<2>>,
    /// `[out]`
    bias: Option<Param<Tensor<1>>>,
}

impl Linear {
    /// Reads `weight` and, if the layer has one, `bias`.
    pub(crate) fn load(
        params: &mut Params<'_>,
        name: &str,
        [inputs, outputs]: [usize; 2],
        bias: Bias,
    ) -> Result<Self, Error> {
        let weight = params.load(&format!("{name}.weight"), [outputs, inputs])?;
        let bias = match bias {
            Bias::Yes => Some(params.load(&format!("{name}.bias"), [outputs])?),
            Bias::No => None,
        };
        Ok(Self { weight, bias })
    }

    /// A layer that shares the embedding table as its weight (tied head).
    pub(crate) fn tied(weight: &Param<Tensor<2>>) -> Self {
        Self { weight: weight.clone(), bias: None }
    }

    /// Applies the layer to every row.
    ///
    /// # Shapes
    ///
    /// - `x`: `[rows, in]`
    /// - output: `[rows, out]`
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        // Two dimensions on purpose: the CPU backend reads the transposed view in place, but would copy the weight
        // on every call for inputs of three.
        let y = x.matmul(self.weight.val().transpose());
        match &self.bias {
            Some(bias) => y + bias.val().unsqueeze::<2>(),
            None => y,
        }
    }
}

/// Whether a linear layer adds a bias.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bias {
    /// `x Wᵀ + b`
    Yes,
    /// `x Wᵀ`
    No,
}
