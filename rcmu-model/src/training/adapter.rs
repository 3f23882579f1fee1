//! Adapters alone, in files of their own: `adapter_config.json` and `adapter_model.safetensors`.
//!
//! # Source
//!
//! The layout is that of Hugging Face PEFT: `base_model.model.`, the name of the layer in the published checkpoint, then
//! `.lora_A.weight` of `[rank, in]` and `.lora_B.weight` of `[out, rank]`; the layer's weight is `W + alpha / rank * B A`.

use std::{collections::BTreeSet, fs, path::Path};

use burn::tensor::DType;
use serde::Serialize;

use super::{
    TrainError,
    files::{floats, write_durably, write_tensors},
    lora::{self, MERGER},
    parameters::{has_parameters, parameters, replica},
    peft::{Adapter, CONFIG, PREFIX, WEIGHTS},
    trainer::Trainer,
};
use crate::{
    model::{Model, to_host},
    weights::expected_tensors,
};

/// What is written of an adapter.
#[derive(Debug, Serialize)]
struct AdapterConfig<'a> {
    peft_type: &'a str,
    r: usize,
    lora_alpha: f64,
    target_modules: BTreeSet<&'a str>,
    lora_dropout: f64,
    bias: &'a str,
    base_model_name_or_path: Option<&'a str>,
    task_type: &'a str,
    use_dora: bool,
    use_rslora: bool,
}

impl Trainer {
    /// Writes the adapters alone, in the layout of PEFT, in f32.
    ///
    /// # Errors
    ///
    /// [`TrainError::Setting`] when the training has no adapters; [`TrainError::File`] when the directory cannot be
    /// written; [`TrainError::NotFinite`] when a factor is not a number.
    #[expect(clippy::missing_panics_doc, reason = "plain data can always be written")]
    pub fn export_adapter(&self, dir: &Path) -> Result<(), TrainError> {
        let Some(settings) = &self.settings.lora else {
            return Err(TrainError::Setting {
                setting: "lora",
                found: "nothing".into(),
                expected: "adapters to write",
            });
        };
        let mut tensors = Vec::new();
        for parameter in self.parameters.iter().filter(|parameter| lora::is_factor(&parameter.name)) {
            let values = || {
                let values = to_host(parameter.value.clone())?;
                if values.iter().any(|value| !value.is_finite()) {
                    return Err(TrainError::NotFinite { step: self.step, what: "a factor" });
                }
                Ok(values)
            };
            tensors.push(floats(published_name(&parameter.name), parameter.dims.clone(), values));
        }
        let of_merger = MERGER.into_iter().filter(|(name, _)| settings.targets.iter().any(|it| it == name));
        let of_merger = of_merger.map(|(_, published)| published);
        let config = AdapterConfig {
            peft_type: "LORA",
            r: settings.rank,
            lora_alpha: settings.alpha,
            target_modules: settings.targets.iter().map(String::as_str).chain(of_merger).collect(),
            lora_dropout: 0.0,
            bias: "none",
            base_model_name_or_path: self.start().to_str(),
            task_type: "CAUSAL_LM",
            use_dora: false,
            use_rslora: false,
        };
        fs::create_dir_all(dir).map_err(TrainError::file(dir))?;
        let text = serde_json::to_vec_pretty(&config).expect("plain data");
        write_durably(&dir.join(CONFIG), &text)?;
        write_tensors(&dir.join(WEIGHTS), tensors)
    }

    /// Begins with adapters that were written before; the training must have adapters of the same rank and alpha beside the
    /// same layers.
    ///
    /// # Errors
    ///
    /// [`TrainError::Setting`] when the training has no adapters or has done steps, [`TrainError::File`] when a file cannot be
    /// read, and [`TrainError::Checkpoint`] when it is no adapter of this model and these settings; nothing is changed then.
    pub fn load_adapter(&mut self, dir: &Path) -> Result<(), TrainError> {
        let refused = |setting, found, expected| TrainError::Setting { setting, found, expected };
        let settings = self.settings.lora.as_ref();
        let settings = settings.ok_or_else(|| refused("lora", "nothing".into(), "adapters to load into"))?;
        if self.step > 0 {
            let expected = "an adapter to begin with, before the first step";
            return Err(refused("adapter", format!("one after step {}", self.step), expected));
        }
        let mut adapter = Adapter::read(dir)?;
        let (rank, alpha) = (adapter.rank, adapter.alpha);
        if rank != settings.rank || alpha.to_bits() != settings.alpha.to_bits() {
            let own = format!("{} and {}", settings.rank, settings.alpha);
            let problem = format!("its rank and alpha are {rank} and {alpha}, those of the training {own}");
            return Err(adapter.bad(problem));
        }
        let mut values = Vec::new();
        // A weight's factors follow it.
        for (at, three) in self.parameters.windows(3).enumerate() {
            let [weight, first, _] = three else { continue };
            if !first.name.ends_with(".lora_a") {
                continue;
            }
            let Some([a, b]) = adapter.take(weight)? else {
                return Err(adapter.bad(format!("`{}` has no factors", weight.name)));
            };
            values.extend([(at + 1, b.reshape([-1])), (at + 2, a.reshape([-1]))]);
        }
        adapter.finish()?;
        for (at, value) in values {
            self.parameters[at].value = value;
        }
        self.forget_seen();
        Ok(())
    }
}

impl Model {
    /// The model with an adapter worked into its weights: those of the adapter's layers are new, all others are shared.
    ///
    /// The files are those of [`Trainer::export_adapter`] or of PEFT for the same model, whose names of factors say which layers
    /// they belong to. The model's weights are burn's tensors of what it computes in, as they are on the CPU where nothing is
    /// said about them and files have none packed; on a GPU `LoadOptions::weights` of that type expands packed files.
    ///
    /// # Errors
    ///
    /// [`TrainError::File`] when a file cannot be read, [`TrainError::Setting`] when weights are packed, quantised or mapped or
    /// have another adapter worked into them, and [`TrainError::Checkpoint`] when it is no adapter of this model.
    pub fn with_adapter(&self, dir: &Path) -> Result<Self, TrainError> {
        let names: Vec<String> =
            expected_tensors(self.config()).into_iter().map(|tensor| tensor.name).collect();
        let refused =
            |setting, found: &str, expected| TrainError::Setting { setting, found: found.into(), expected };
        if !has_parameters(self.network(), names.len()) {
            let expected = "what the model computes in, beside an adapter";
            return Err(refused("weights", "in formats of their own", expected));
        }
        if self.has_adapter() {
            return Err(refused("adapter", "the second one", "one, beside the model as it was loaded"));
        }
        let mut adapter = Adapter::read(dir)?;
        let scale = adapter.alpha / adapter.rank as f64;
        let mut parameters = parameters(self.network(), &names);
        for parameter in &mut parameters {
            if let Some([a, b]) = adapter.take(parameter)? {
                let value = parameter.value.clone().cast(DType::F32);
                parameter.value = lora::changed(value, [b, a], scale);
            }
        }
        let (rank, alpha, fingerprint) = (adapter.rank, adapter.alpha, adapter.fingerprint);
        adapter.finish()?;
        let device = self.device().clone().without_autodiff();
        let mut network = replica(self.network().clone(), &parameters, &device, self.compute_dtype().dtype());
        network.retie(self.config());
        Ok(self.adapted(network, &format!("adapter {fingerprint:016x} of rank {rank} and alpha {alpha}")))
    }
}

/// `model.layers.0.self_attn.q_proj.weight.lora_a`, which is `[out, rank]`, is published as the factor B.
fn published_name(parameter: &str) -> String {
    let (layer, factor) = match parameter.strip_suffix(".weight.lora_a") {
        Some(layer) => (layer, "lora_B"),
        None => (parameter.trim_end_matches(".weight.lora_b"), "lora_A"),
    };
    format!("{PREFIX}{layer}.{factor}.weight")
}
