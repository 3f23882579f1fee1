use burn::tensor::Tensor;

use super::{
    Optimizer, TrainError, TrainSettings,
    muon::{self, MOMENTUM},
    parameters::Parameter,
};

/// `AdamW` with decoupled weight decay for matrices.
///
/// Its state lives beside the parameters, in their order, so that a checkpoint holds it under their names and a
/// resumed training takes the same path bit for bit.
///
/// # Source
///
/// Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (arXiv 1711.05101), algorithm 2, without the
/// schedule multiplier, which is part of the learning rate here.
#[derive(Clone, Debug)]
pub(crate) struct AdamW {
    /// Steps taken.
    pub(crate) steps: u64,
    /// First and second moments, `[values]` each; `None` for parameters that are not trained. Where Muon is at work, the first is
    /// its momentum and the second stays zero.
    pub(crate) moments: Vec<Option<[Tensor<1>; 2]>>,
}

impl AdamW {
    /// Starts with moments of zero.
    pub(crate) fn new(parameters: &[Parameter]) -> Self {
        let moments = parameters
            .iter()
            .map(|parameter| {
                parameter.trained.then(|| [parameter.value.zeros_like(), parameter.value.zeros_like()])
            })
            .collect();
        Self { steps: 0, moments }
    }

    /// Changes the parameters by one step.
    pub(crate) fn step(
        &mut self,
        parameters: &mut [Parameter],
        gradients: Vec<Option<Tensor<1>>>,
        settings: &TrainSettings,
        learning_rate: f64,
    ) {
        self.steps += 1;
        let [beta1, beta2] = settings.betas;
        let power = self.steps as i32;
        let (correction1, correction2) = (1.0 - beta1.powi(power), 1.0 - beta2.powi(power));
        for ((parameter, moments), gradient) in parameters.iter_mut().zip(&mut self.moments).zip(gradients) {
            let (Some([first, second]), Some(gradient)) = (moments.as_mut(), gradient) else { continue };
            if settings.optimizer == Optimizer::Muon && muon::is_hidden_matrix(parameter) {
                *first = first.clone() * MOMENTUM + gradient.clone();
                let ahead = first.clone() * MOMENTUM + gradient;
                let step = muon::orthogonal(ahead, [parameter.dims[0], parameter.dims[1]]);
                let decay = learning_rate * settings.weight_decay;
                parameter.value = parameter.value.clone() * (1.0 - decay) - step * learning_rate;
                continue;
            }
            *first = first.clone() * beta1 + gradient.clone() * (1.0 - beta1);
            *second = second.clone() * beta2 + gradient.square() * (1.0 - beta2);
            let size = (second.clone() / correction2).sqrt() + settings.epsilon;
            let change = first.clone() / correction1 / size * learning_rate;
            // Where Muon's matrices are held small by decay, tables and heads are left alone: rare words would fade.
            let decays = parameter.dims.len() > 1 && settings.optimizer == Optimizer::AdamW;
            let decay = if decays { learning_rate * settings.weight_decay } else { 0.0 };
            parameter.value = parameter.value.clone() * (1.0 - decay) - change;
        }
    }
}

/// Scales gradients down to a largest common norm; returns the norm before.
///
/// # Errors
///
/// [`TrainError::NotFinite`] when the norm is not a number.
pub(crate) fn clip(gradients: &mut [Option<Tensor<1>>], largest: f64, step: u64) -> Result<f64, TrainError> {
    let squares = gradients.iter().flatten().map(|gradient| {
        let sum: f32 = gradient.clone().square().sum().into_scalar();
        f64::from(sum)
    });
    let norm = squares.sum::<f64>().sqrt();
    if !norm.is_finite() {
        return Err(TrainError::NotFinite { step, what: "a gradient" });
    }
    if norm > largest {
        for gradient in gradients.iter_mut().flatten() {
            *gradient = gradient.clone() * (largest / norm);
        }
    }
    Ok(norm)
}
