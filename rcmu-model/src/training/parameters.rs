use std::collections::{HashMap, HashSet};

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId},
    tensor::{DType, Device, Gradients, Tensor},
};

/// One parameter of a model in training.
#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    /// Its name in the checkpoint; adapters add `.lora_a` and `.lora_b`.
    pub(crate) name: String,
    /// Its shape.
    pub(crate) dims: Vec<usize>,
    /// Whether training changes it.
    pub(crate) trained: bool,
    /// Its values in order, outside autodiff: `[values]`.
    pub(crate) value: Tensor<1>,
    id: ParamId,
}

/// The parameters of a module, each once, under the names that `names` gives in the order of the module.
pub(crate) fn parameters(module: &impl Module, names: &[String]) -> Vec<Parameter> {
    let mut collector = Collector { names: names.iter(), found: Vec::new(), adapter: None };
    module.visit(&mut collector);
    assert!(collector.names.next().is_none(), "every name belongs to a parameter");
    collector.found
}

/// Whether a module has at least as many parameters: weights in 8 and 4 bits, and those for our own kernels, are none.
pub(crate) fn has_parameters(module: &impl Module, count: usize) -> bool {
    struct Ids(HashSet<ParamId>);
    impl ModuleVisitor for Ids {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.insert(param.id);
        }
    }
    let mut ids = Ids(HashSet::new());
    module.visit(&mut ids);
    ids.0.len() >= count
}

struct Collector<'a> {
    names: std::slice::Iter<'a, String>,
    found: Vec<Parameter>,
    /// Factors seen of the adapter that the walk is in.
    adapter: Option<usize>,
}

impl ModuleVisitor for Collector<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        // A tied head is the embedding table again.
        if self.found.iter().any(|known| known.id == param.id) {
            return;
        }
        let name = match &mut self.adapter {
            Some(factors) => {
                let suffix = if *factors == 0 { "lora_a" } else { "lora_b" };
                let base = self.found[self.found.len() - 1 - *factors].name.clone();
                *factors += 1;
                format!("{base}.{suffix}")
            }
            None => self.names.next().expect("every parameter has a name").clone(),
        };
        let value = param.base().inner();
        let dims = value.dims().to_vec();
        let size = dims.iter().product::<usize>();
        self.found.push(Parameter { name, dims, trained: true, value: value.reshape([size]), id: param.id });
    }

    fn enter_module(&mut self, _: &str, container: &str) {
        if container == "Reparameterization" {
            self.adapter = Some(0);
        }
    }

    fn exit_module(&mut self, _: &str, container: &str) {
        if container == "Reparameterization" {
            self.adapter = None;
        }
    }
}

/// A copy of the module that holds these values, in this type, as leaves of a graph of its own.
///
/// With a device that has no autodiff the copy is for inference.
pub(crate) fn replica<M: Module>(module: M, parameters: &[Parameter], device: &Device, dtype: DType) -> M {
    let index = parameters.iter().enumerate().map(|(at, parameter)| (parameter.id, at)).collect();
    module.map(&mut Replicator { parameters, index, device, dtype })
}

struct Replicator<'a> {
    parameters: &'a [Parameter],
    index: HashMap<ParamId, usize>,
    device: &'a Device,
    dtype: DType,
}

impl ModuleMapper for Replicator<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let id = param.id;
        let Some(parameter) = self.index.get(&id).map(|&at| &self.parameters[at]) else { return param };
        let dims: [usize; D] = parameter.dims.as_slice().try_into().expect("the rank is that of the module");
        let value = cast(parameter.value.clone().reshape(dims), self.dtype);
        let param = Param::initialized(id, value);
        if self.device.is_autodiff() {
            param.map(Tensor::from_inner).set_require_grad(parameter.trained)
        } else {
            param
        }
    }
}

/// The structure of a module: values that training changes live beside it, and are not kept here as they were at first.
pub(crate) fn without_trained<M: Module>(module: M, parameters: &[Parameter]) -> M {
    struct Emptier(HashSet<ParamId>);
    impl ModuleMapper for Emptier {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            if !self.0.contains(&param.id) {
                return param;
            }
            let nothing = Tensor::zeros([1; D], &param.base().device());
            Param::initialized(param.id, nothing)
        }
    }
    let trained = parameters.iter().filter(|parameter| parameter.trained);
    module.map(&mut Emptier(trained.map(|parameter| parameter.id).collect()))
}

fn cast<const D: usize>(x: Tensor<D>, dtype: DType) -> Tensor<D> {
    if x.dtype() == dtype { x } else { x.cast(dtype) }
}

/// The gradients of the parameters, `[values]` each, in f32, in their order; `None` where there is none.
pub(crate) fn gradients(
    module: &impl Module,
    parameters: &[Parameter],
    gradients: &mut Gradients,
) -> Vec<Option<Tensor<1>>> {
    let index = parameters.iter().enumerate().map(|(at, parameter)| (parameter.id, at)).collect();
    let mut taker = Taker { index, gradients, found: vec![None; parameters.len()] };
    module.visit(&mut taker);
    taker.found
}

struct Taker<'a> {
    index: HashMap<ParamId, usize>,
    gradients: &'a mut Gradients,
    found: Vec<Option<Tensor<1>>>,
}

impl ModuleVisitor for Taker<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(&at) = self.index.get(&param.id) else { return };
        if self.found[at].is_none()
            && let Some(gradient) = param.base().grad_remove(self.gradients)
        {
            let size = gradient.dims().iter().product::<usize>();
            self.found[at] = Some(cast(gradient.reshape([size]), DType::F32));
        }
    }
}
