//! What the files of an adapter say: its settings and its factors.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use burn::tensor::{DType, Tensor, TensorData};
use half::{bf16, f16};
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{TrainError, parameters::Parameter};
use crate::weights::{HeaderLimits, TensorDtype, TensorEntry, WeightHeader, hub_name};

pub(super) const CONFIG: &str = "adapter_config.json";
pub(super) const WEIGHTS: &str = "adapter_model.safetensors";
pub(super) const PREFIX: &str = "base_model.model.";
/// Most bytes of the description of an adapter.
const MAX_CONFIG_BYTES: u64 = 1 << 20;
/// Most bytes of the factors of an adapter.
const MAX_WEIGHT_BYTES: u64 = 8 << 30;

/// Ways to begin that leave the weights as they are; all others change them before there are factors.
const BEGINNINGS: [&str; 4] = ["gaussian", "eva", "orthogonal", "mica"];
/// Settings under which factors mean something else.
const UNKNOWN: [&str; 6] = [
    "alora_invocation_tokens",
    "arrow_config",
    "kasa_config",
    "layer_replication",
    "monteclora_config",
    "velora_config",
];

/// What is said of an adapter; which layers have one is told by the names of the factors.
#[derive(Debug, Deserialize)]
struct AdapterConfig {
    peft_type: String,
    r: usize,
    lora_alpha: f64,
    #[serde(default)]
    bias: Option<String>,
    #[serde(default)]
    lora_bias: bool,
    #[serde(default)]
    use_dora: bool,
    #[serde(default)]
    use_rslora: bool,
    /// Other settings of some layers, which are not known here.
    #[serde(default)]
    rank_pattern: Option<Map<String, Value>>,
    #[serde(default)]
    alpha_pattern: Option<Map<String, Value>>,
    #[serde(default)]
    init_lora_weights: Value,
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl AdapterConfig {
    /// Says what keeps the factors from being what they are taken for.
    fn check(&self) -> Result<(), String> {
        let has_biases = self.lora_bias || self.bias.as_ref().is_some_and(|bias| bias != "none");
        if self.peft_type != "LORA" || has_biases || self.use_dora || self.use_rslora {
            return Err("only plain LoRA without biases is known".into());
        }
        let patterns = [&self.rank_pattern, &self.alpha_pattern];
        if patterns.into_iter().flatten().any(|pattern| !pattern.is_empty()) {
            return Err("ranks and alphas of their own for some layers are not known".into());
        }
        if let Some(name) =
            UNKNOWN.iter().find(|name| self.others.get(**name).is_some_and(|it| !it.is_null()))
        {
            return Err(format!("`{name}` is not known"));
        }
        let begins = &self.init_lora_weights;
        let leaves_weights = match begins {
            Value::Null | Value::Bool(_) => true,
            Value::String(name) => BEGINNINGS.contains(&name.to_ascii_lowercase().as_str()),
            _ => false,
        };
        if !leaves_weights {
            return Err(format!(
                "`init_lora_weights` is {begins}, which changes the weights beside the adapter"
            ));
        }
        if !(1..=1024).contains(&self.r) || !self.lora_alpha.is_finite() || self.lora_alpha <= 0.0 {
            return Err(format!("rank {} and alpha {} are no settings", self.r, self.lora_alpha));
        }
        Ok(())
    }
}

/// An adapter as its files hold it.
pub(super) struct Adapter {
    pub(super) rank: usize,
    pub(super) alpha: f64,
    /// Differs for files that differ.
    pub(super) fingerprint: u64,
    dir: PathBuf,
    /// The factors of each layer, A and B, by the layer's name in the published checkpoint.
    layers: BTreeMap<String, [Option<Factor>; 2]>,
}

/// A factor in its file.
struct Factor {
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl Adapter {
    /// Reads and checks the files of an adapter.
    pub(super) fn read(dir: &Path) -> Result<Self, TrainError> {
        let bad = |problem: String| TrainError::Checkpoint { path: dir.to_owned(), problem };
        let text = read(&dir.join(CONFIG), MAX_CONFIG_BYTES)?;
        let config: AdapterConfig = serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))?;
        config.check().map_err(bad)?;
        let bytes = read(&dir.join(WEIGHTS), MAX_WEIGHT_BYTES)?;
        let header = WeightHeader::read(&mut bytes.as_slice(), bytes.len() as u64, &HeaderLimits::default());
        let header = header.map_err(|problem| bad(format!("`{WEIGHTS}` {problem}")))?;
        let mut layers: BTreeMap<String, [Option<Factor>; 2]> = BTreeMap::new();
        for entry in header.entries() {
            let name = &entry.name;
            let (layer, at) =
                place(name).ok_or_else(|| bad(format!("`{name}` is not a factor of a linear layer")))?;
            let factor = Factor { shape: entry.shape.clone(), values: values(entry, &bytes).map_err(bad)? };
            if layers.entry(layer).or_default()[at].replace(factor).is_some() {
                return Err(bad(format!("`{name}` is there under two names")));
            }
        }
        if layers.is_empty() {
            return Err(bad("it has no factors".into()));
        }
        let fingerprint = Sha256::digest(&bytes).as_chunks::<8>().0[0];
        Ok(Self {
            rank: config.r,
            alpha: config.lora_alpha,
            fingerprint: u64::from_be_bytes(fingerprint),
            dir: dir.to_owned(),
            layers,
        })
    }

    /// Takes out the factors of a weight, A `[rank, in]` and B `[out, rank]`, in f32; none where it has none.
    pub(super) fn take(&mut self, weight: &Parameter) -> Result<Option<[Tensor<2>; 2]>, TrainError> {
        let Some(layer) = weight.name.strip_suffix(".weight") else { return Ok(None) };
        let Some(factors) = self.layers.remove(layer) else { return Ok(None) };
        let &[outputs, inputs] = weight.dims.as_slice() else {
            return Err(self.bad(format!("`{layer}` is no linear layer")));
        };
        let [Some(a), Some(b)] = factors else {
            return Err(self.bad(format!("one of the factors of `{layer}` is missing")));
        };
        let expected = [[self.rank, inputs], [outputs, self.rank]];
        if [&a.shape, &b.shape] != [&expected[0][..], &expected[1]] {
            let found = [a.shape, b.shape];
            return Err(self.bad(format!("the factors of `{layer}` are {found:?}, expected {expected:?}")));
        }
        let device = weight.value.device();
        let matrix = |factor: Factor, dims| {
            Tensor::from_data(TensorData::new(factor.values, dims), (&device, DType::F32))
        };
        Ok(Some([matrix(a, expected[0]), matrix(b, expected[1])]))
    }

    /// Makes sure that all factors were taken.
    pub(super) fn finish(self) -> Result<(), TrainError> {
        match self.layers.first_key_value() {
            Some((layer, _)) => Err(self.bad(format!("there is no layer `{layer}` for its factors"))),
            None => Ok(()),
        }
    }

    pub(super) fn bad(&self, problem: String) -> TrainError {
        TrainError::Checkpoint { path: self.dir.clone(), problem }
    }
}

/// The layer of a factor, named as in the hub's layout whatever checkpoint the adapter was trained beside, and which of the
/// two it is.
fn place(name: &str) -> Option<(String, usize)> {
    let name = name.strip_prefix(PREFIX)?;
    let endings = [".lora_A.weight", ".lora_B.weight"];
    let (at, layer) =
        endings.iter().enumerate().find_map(|(at, ending)| Some((at, name.strip_suffix(ending)?)))?;
    Some((hub_name(layer), at))
}

/// The numbers of a tensor in these bytes of its file.
fn values(entry: &TensorEntry, file: &[u8]) -> Result<Vec<f32>, String> {
    // The header was checked against the length of the file.
    let bytes = &file[entry.offset as usize..][..entry.bytes as usize];
    let halves = || bytes.as_chunks::<2>().0.iter();
    let values: Vec<f32> = match entry.dtype {
        TensorDtype::F32 => bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        TensorDtype::F16 => halves().map(|b| f16::from_le_bytes(*b).to_f32()).collect(),
        TensorDtype::Bf16 => halves().map(|b| bf16::from_le_bytes(*b).to_f32()).collect(),
        dtype => return Err(format!("`{}` is {dtype:?}, expected F32, F16 or BF16", entry.name)),
    };
    if values.iter().any(|value| !value.is_finite()) {
        return Err(format!("`{}` has values that are no numbers", entry.name));
    }
    Ok(values)
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
