//! Adapters alone, in files of their own: `adapter_config.json` and `adapter_model.safetensors`.
//!
//! # Source
//!
//! The layout is that of Hugging Face PEFT: `base_model.model.`, the name of the layer in the published checkpoint, then
//! `.lora_A.weight` of `[rank, in]` and `.lora_B.weight` of `[out, rank]`; the layer's weight is `W + alpha / rank * B A`.

use std::{
    collections::{BTreeSet, HashMap},
    fs::{self, File},
    io::Read,
    path::Path,
};

use burn::tensor::{DType, Tensor, TensorData};
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    LoraSettings, TrainError,
    files::{floats, write_durably, write_tensors},
    lora::{self, MERGER, Names},
    parameters::{Parameter, has_parameters, parameters, replica},
    trainer::Trainer,
};
use crate::{
    model::{Model, to_host},
    weights::{HeaderLimits, WeightHeader, expected_tensors, hub_name},
};

const CONFIG: &str = "adapter_config.json";
const WEIGHTS: &str = "adapter_model.safetensors";
const PREFIX: &str = "base_model.model.";
/// Most bytes of the description of an adapter.
const MAX_CONFIG_BYTES: u64 = 1 << 20;
/// Most bytes of the factors of an adapter.
const MAX_WEIGHT_BYTES: u64 = 8 << 30;

/// What is said of an adapter; fields of other programs are passed over.
#[derive(Debug, Serialize, Deserialize)]
struct AdapterConfig {
    peft_type: String,
    r: usize,
    lora_alpha: f64,
    target_modules: BTreeSet<String>,
    #[serde(default)]
    lora_dropout: f64,
    #[serde(default = "no_bias")]
    bias: String,
    #[serde(default)]
    base_model_name_or_path: Option<String>,
    #[serde(default)]
    task_type: Option<String>,
    #[serde(default)]
    use_dora: bool,
    #[serde(default)]
    use_rslora: bool,
    /// Other settings of some layers, which are not known here.
    #[serde(default, skip_serializing)]
    rank_pattern: Option<serde_json::Map<String, Value>>,
    #[serde(default, skip_serializing)]
    alpha_pattern: Option<serde_json::Map<String, Value>>,
}

fn no_bias() -> String {
    "none".to_owned()
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
        let of_merger = of_merger.map(|(_, published)| published.to_owned());
        let config = AdapterConfig {
            peft_type: "LORA".into(),
            r: settings.rank,
            lora_alpha: settings.alpha,
            target_modules: settings.targets.iter().cloned().chain(of_merger).collect(),
            lora_dropout: 0.0,
            bias: no_bias(),
            base_model_name_or_path: self.start().to_str().map(str::to_owned),
            task_type: Some("CAUSAL_LM".into()),
            use_dora: false,
            use_rslora: false,
            rank_pattern: None,
            alpha_pattern: None,
        };
        fs::create_dir_all(dir).map_err(TrainError::file(dir))?;
        let text = serde_json::to_vec_pretty(&config).expect("plain data");
        write_durably(&dir.join(CONFIG), &text)?;
        write_tensors(&dir.join(WEIGHTS), tensors)
    }

    /// Goes on from adapters that were written before; the training must have adapters of the same rank and targets.
    ///
    /// # Errors
    ///
    /// [`TrainError::Setting`] when the training has no adapters, [`TrainError::File`] when a file cannot be read, and
    /// [`TrainError::Checkpoint`] when it is no adapter of this model and these settings; nothing is changed then.
    pub fn load_adapter(&mut self, dir: &Path) -> Result<(), TrainError> {
        let Some(settings) = self.settings.lora.clone() else {
            return Err(TrainError::Setting {
                setting: "lora",
                found: "nothing".into(),
                expected: "adapters to load into",
            });
        };
        let saved = settings_of(dir)?;
        let sorted = |settings: &LoraSettings| {
            let mut settings = settings.clone();
            settings.targets.retain(|target| MERGER.iter().all(|(_, published)| target != published));
            settings.targets.sort();
            settings
        };
        if sorted(&saved) != sorted(&settings) {
            let problem = format!("its settings are {saved:?}, those of the training {settings:?}");
            return Err(TrainError::Checkpoint { path: dir.to_owned(), problem });
        }
        fill(&mut self.parameters, dir)?;
        self.forget_seen();
        Ok(())
    }
}

impl Model {
    /// The model with an adapter beside its weights, which stay as they are and are shared.
    ///
    /// The files are those of [`Trainer::export_adapter`] or of PEFT for the same model. The model's weights are burn's tensors
    /// of what it computes in, as they are on the CPU where nothing is said about them and files have none packed; on a GPU
    /// `LoadOptions::weights` of that type expands packed files.
    ///
    /// # Errors
    ///
    /// [`TrainError::File`] when a file cannot be read, [`TrainError::Setting`] when it names no layer of this model or
    /// weights are packed, quantised or mapped, and [`TrainError::Checkpoint`] when it is no adapter of this model.
    pub fn with_adapter(&self, dir: &Path) -> Result<Self, TrainError> {
        let settings = settings_of(dir)?;
        let names: Vec<String> =
            expected_tensors(self.config()).into_iter().map(|tensor| tensor.name).collect();
        if !has_parameters(self.network(), names.len()) {
            return Err(TrainError::Setting {
                setting: "weights",
                found: "in formats of their own".to_owned(),
                expected: "what the model computes in, beside an adapter",
            });
        }
        let network = lora::attach(self.network().clone(), &settings, Names::Published, self.config())?;
        let mut parameters = parameters(&network, &names);
        let fingerprint = fill(&mut parameters, dir)?;
        let mut network = replica(
            network,
            &parameters,
            &self.device().clone().without_autodiff(),
            self.compute_dtype().dtype(),
        );
        network.retie(self.config());
        let LoraSettings { rank, alpha, .. } = settings;
        Ok(self
            .with_network(network, &format!("adapter {fingerprint:016x} of rank {rank} and alpha {alpha}")))
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

/// Reads what is said of an adapter.
fn settings_of(dir: &Path) -> Result<LoraSettings, TrainError> {
    let bad = |problem: String| TrainError::Checkpoint { path: dir.to_owned(), problem };
    let text = read(&dir.join(CONFIG), MAX_CONFIG_BYTES)?;
    let config: AdapterConfig = serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))?;
    if config.peft_type != "LORA" || config.bias != "none" || config.use_dora || config.use_rslora {
        return Err(bad("only plain LoRA without biases is known".into()));
    }
    let patterns = [&config.rank_pattern, &config.alpha_pattern];
    if patterns.into_iter().flatten().any(|pattern| !pattern.is_empty()) {
        return Err(bad("ranks and alphas of their own for some layers are not known".into()));
    }
    if !(1..=1024).contains(&config.r) || !config.lora_alpha.is_finite() || config.lora_alpha <= 0.0 {
        return Err(bad(format!("rank {} and alpha {} are no settings", config.r, config.lora_alpha)));
    }
    let targets = config.target_modules.into_iter().collect();
    Ok(LoraSettings { rank: config.r, alpha: config.lora_alpha, targets })
}

/// Puts the saved factors in place of all factors; changes nothing when one is missing, too many or of another shape.
/// Returns what differs for files that differ.
fn fill(parameters: &mut [Parameter], dir: &Path) -> Result<u64, TrainError> {
    let bad = |problem: String| TrainError::Checkpoint { path: dir.to_owned(), problem };
    let bytes = read(&dir.join(WEIGHTS), MAX_WEIGHT_BYTES)?;
    let header = WeightHeader::read(&mut bytes.as_slice(), bytes.len() as u64, &HeaderLimits::default());
    let header = header.map_err(|problem| bad(format!("`{WEIGHTS}` {problem}")))?;
    // Layers are named as in the checkpoint that the adapter was trained beside, of whatever layout.
    let layer_of = |name: &str| name.strip_prefix(PREFIX).map(|layer| format!("{PREFIX}{}", hub_name(layer)));
    let names: HashMap<String, &str> = header
        .entries()
        .iter()
        .map(|entry| (layer_of(&entry.name).unwrap_or_else(|| entry.name.clone()), entry.name.as_str()))
        .collect();
    let file = SafeTensors::deserialize(&bytes).map_err(|error| bad(error.to_string()))?;
    let mut found: HashMap<&str, Tensor<1>> = HashMap::new();
    for parameter in parameters.iter().filter(|parameter| lora::is_factor(&parameter.name)) {
        let name = published_name(&parameter.name);
        let stored = names.get(&name).ok_or_else(|| bad(format!("`{name}` is missing")))?;
        let view = file.tensor(stored).map_err(|error| bad(error.to_string()))?;
        if view.dtype() != Dtype::F32 || view.shape() != parameter.dims {
            let (dtype, shape) = (view.dtype(), view.shape());
            return Err(bad(format!("`{name}` is {dtype:?} {shape:?}, expected F32 {:?}", parameter.dims)));
        }
        let values: Vec<f32> =
            view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        if values.iter().any(|value| !value.is_finite()) {
            return Err(bad(format!("`{name}` has values that are no numbers")));
        }
        let (size, dtype): (usize, DType) = (values.len(), parameter.value.dtype());
        let value = Tensor::<1>::from_data(TensorData::new(values, [size]), &parameter.value.device());
        found.insert(&parameter.name, value.cast(dtype));
    }
    if file.len() > found.len() {
        let more = file.len() - found.len();
        return Err(bad(format!("{more} of its tensors belong to no layer that has an adapter")));
    }
    let mut found: HashMap<String, Tensor<1>> =
        found.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    for parameter in parameters {
        if let Some(value) = found.remove(&parameter.name) {
            parameter.value = value;
        }
    }
    let [first, ..] = *Sha256::digest(&bytes).as_chunks::<8>().0 else { return Ok(0) };
    Ok(u64::from_be_bytes(first))
}

/// Reads a file of limited size.
fn read(path: &Path, limit: u64) -> Result<Vec<u8>, TrainError> {
    let mut bytes = Vec::new();
    if !fs::metadata(path).map_err(TrainError::file(path))?.is_file() {
        let problem = "it is not a regular file".to_owned();
        return Err(TrainError::Checkpoint { path: path.to_owned(), problem });
    }
    let file = File::open(path).map_err(TrainError::file(path))?;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(TrainError::file(path))?;
    if bytes.len() as u64 > limit {
        let problem = format!("it has more than {limit} bytes");
        return Err(TrainError::Checkpoint { path: path.to_owned(), problem });
    }
    Ok(bytes)
}
