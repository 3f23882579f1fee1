//! Low-rank adapters: burn's own, attached to the layers that the settings name.

use burn::{
    module::{Lora, Module, ModuleVisitor, Param, ParamGroup, ParamId},
    tensor::{Tensor, TensorData},
};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

use super::{LoraSettings, TrainError, parameters::Parameter};
use crate::{config::ModelConfig, qwen2_vl::Qwen2Vl};

/// The merger's layers as targets here and, being numbers in checkpoints, there.
pub(super) const MERGER: [(&str, &str); 2] = [("fc1", "merger.mlp.0"), ("fc2", "merger.mlp.2")];

/// Attaches adapters to the layers of tower, merger and decoder whose name is among the targets.
pub(super) fn attach(
    network: Qwen2Vl,
    settings: &LoraSettings,
    config: &ModelConfig,
) -> Result<Qwen2Vl, TrainError> {
    if config.tie_word_embeddings && settings.targets.iter().any(|target| target == "lm_head") {
        return Err(TrainError::Setting {
            setting: "lora.targets",
            found: "lm_head".into(),
            expected: "other layers: the head of this model is its embedding table",
        });
    }
    let mut finder = Finder { path: Vec::new(), targets: &settings.targets, found: Vec::new() };
    network.visit(&mut finder);
    if finder.found.is_empty() {
        return Err(TrainError::Setting {
            setting: "lora.targets",
            found: settings.targets.join(", "),
            expected: "names of linear layers, such as `q_proj` or `qkv`",
        });
    }
    let group = ParamGroup::from_ids(finder.found);
    let mut network = network.apply_lora(Lora::new(settings.rank, settings.alpha).set_param_group(group));
    network.retie(config);
    Ok(network)
}

/// Finds the weights of layers by the last parts of their name.
struct Finder<'a> {
    path: Vec<String>,
    targets: &'a [String],
    found: Vec<ParamId>,
}

impl ModuleVisitor for Finder<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        // The matrix of a layer's weight, which is a module of its own.
        if let [.., layer, field, _] = self.path.as_slice()
            && D == 2
            && field == "weight"
            && self.targets.contains(layer)
        {
            self.found.push(param.id);
        }
    }

    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }
}

/// Whether a parameter is one of an adapter's factors.
pub(super) fn is_factor(name: &str) -> bool {
    name.ends_with(".lora_a") || name.ends_with(".lora_b")
}

/// Fills the first factors with random numbers of the seed; the second ones are zero, so that nothing changes yet.
pub(super) fn initialize(parameters: &mut [Parameter], settings: &LoraSettings, seed: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(0x6c6f_7261);
    let width = 1.0 / settings.rank as f32;
    for parameter in parameters.iter_mut().filter(|parameter| parameter.name.ends_with(".lora_a")) {
        let size = parameter.dims.iter().product::<usize>();
        // Uniform, with the variance that a normal distribution of deviation 1 / rank has.
        let value = || (rng.next_u32() as f32 / u32::MAX as f32 * 2.0 - 1.0) * width * 3_f32.sqrt();
        let data = TensorData::new(std::iter::repeat_with(value).take(size).collect::<Vec<f32>>(), [size]);
        parameter.value = Tensor::from_data(data, &parameter.value.device());
    }
}

/// A weight of the model as training has left it.
pub(super) struct TrainedWeight<'a> {
    parameter: &'a Parameter,
    /// The factors of its adapter, and what their product is multiplied by.
    adapter: Option<([&'a Parameter; 2], f64)>,
}

impl TrainedWeight<'_> {
    pub(super) fn name(&self) -> &str {
        &self.parameter.name
    }

    pub(super) fn dims(&self) -> &[usize] {
        &self.parameter.dims
    }

    /// Its values with the adapter worked into them, `[values]`.
    pub(super) fn merged(&self) -> Tensor<1> {
        let value = self.parameter.value.clone();
        let Some((factors, scale)) = self.adapter else { return value };
        let matrix = |factor: &Parameter| factor.value.clone().reshape([factor.dims[0], factor.dims[1]]);
        changed(value, factors.map(matrix), scale)
    }

    /// The parameter with these values.
    pub(super) fn into_parameter(self) -> Parameter {
        let mut parameter = self.parameter.clone();
        parameter.value = self.merged();
        parameter
    }
}

/// The weights of the model, each with its adapter if it has one.
pub(super) fn weights<'a>(
    parameters: &'a [Parameter],
    settings: Option<&LoraSettings>,
) -> Vec<TrainedWeight<'a>> {
    let scale = settings.map(|settings| settings.alpha / settings.rank as f64);
    let mut weights = Vec::with_capacity(parameters.len());
    let mut rest = parameters.iter().peekable();
    while let Some(parameter) = rest.next() {
        let first = rest.next_if(|next| next.name.ends_with(".lora_a"));
        let factors = first.map(|a| [a, rest.next().expect("the factors stand in pairs")]);
        weights.push(TrainedWeight { parameter, adapter: factors.zip(scale) });
    }
    weights
}

/// A weight with the scaled product of its factors added.
///
/// # Shapes
///
/// - `weight`: `[out * in]`
/// - factors: `[out, rank]`, `[rank, in]`
/// - output: `[out * in]`
pub(super) fn changed(weight: Tensor<1>, [a, b]: [Tensor<2>; 2], scale: f64) -> Tensor<1> {
    weight + (a.matmul(b) * scale).reshape([-1])
}
