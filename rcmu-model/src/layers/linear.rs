use burn::{
    module::{Module, Param},
    tensor::Tensor,
};

use super::Weight;
use crate::{Error, params::Params};

/// Linear layer `x Wᵀ + b` over weights in the checkpoint's layout.
#[derive(Module, Debug)]
pub(crate) struct Linear {
    /// `[out, in]`
    weight: Weight,
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
        let weight = Weight::load(params, name, [outputs, inputs])?;
        let bias = match bias {
            Bias::Yes => Some(params.load(&format!("{name}.bias"), [outputs])?),
            Bias::No => None,
        };
        Ok(Self { weight, bias })
    }

    /// A layer that shares the embedding table as its weight (tied head).
    pub(crate) fn tied(weight: &Weight) -> Self {
        Self { weight: weight.clone(), bias: None }
    }

    /// Whether activations beside the layer are rounded to bf16, in attention, too.
    #[cfg(feature = "flex")]
    pub(crate) fn rounds_attention(&self) -> bool {
        self.weight.rounds_attention()
    }

    /// Applies the layer to every row.
    ///
    /// # Shapes
    ///
    /// - `x`: `[rows, in]`
    /// - output: `[rows, out]`
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let [y] = Self::forward_each([self], x);
        y
    }

    /// Applies several layers to every row.
    ///
    /// # Shapes
    ///
    /// - `x`: `[rows, in]`
    /// - output: `[rows, out]` each
    pub(crate) fn forward_each<const N: usize>(layers: [&Self; N], x: Tensor<2>) -> [Tensor<2>; N] {
        let with_bias = |layer: &Self| layer.bias.as_ref().map(Param::val);
        Weight::products(layers.map(|layer| (&layer.weight, with_bias(layer))), x)
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
