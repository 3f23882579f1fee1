use std::{
    error::Error as StdError,
    fmt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use burn::tensor::{DType, Device, Tensor};
use rcmu_core::{Control, Event, GenerateError, GenerateOptions, Generation, Generator, Request};
use sha2::{Digest, Sha256};

use crate::{
    Error,
    config::{GenerationConfig, ModelConfig},
    device::{is_cuda, is_flex},
    generation::{Plan, Session},
    grammar::{Constraint, Grammars},
    kernels::{WeightFormat, WeightFormats},
    params::{ComputeDtype, LoadProgress, Params},
    probe,
    processor::{Dialect, PictureLimits, PictureOptions, Processor},
    qwen2_vl::Qwen2Vl,
    tokenizer::Tokenizer,
    weights::{Checkpoint, CheckpointLimits, Maps},
};

pub(crate) use crate::panics::{callers_own, contained};

/// How to load a model.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LoadOptions {
    /// What to compute in; by default bf16 on CUDA and f32 elsewhere.
    pub dtype: Option<ComputeDtype>,
    /// Keeps the weights of linear layers in these formats: fewer bytes in memory, and fewer to read for every token. On the
    /// CPU all formats are there, beside activations of f32; on other devices those of 8 and 4 bits, as tensors that burn
    /// multiplies, beside any, and what the model computes in. By default weights are kept as [`pack_checkpoint`](crate::weights::pack_checkpoint) has
    /// written them, or in what the model computes in.
    pub weights: Option<WeightFormats>,
    /// Rounds activations to bf16 beside weights that are kept as bf16, wherever more than eight tokens or patches go through
    /// a layer together and in the vision tower's attention, on CPUs that multiply bf16 numbers (AVX-512 BF16); without effect
    /// on others. Products with those weights then take half the time, and lose what they lose wherever a model computes in
    /// bf16. By default activations stay f32.
    pub bf16_activations: bool,
    /// Which of the reference's ways of reading pictures to follow.
    pub dialect: Dialect,
    /// Smallest and largest pictures, unless a caller says otherwise.
    pub picture_options: PictureOptions,
    /// What pictures may cost.
    pub picture_limits: PictureLimits,
    /// What the files of a checkpoint may cost.
    pub checkpoint_limits: CheckpointLimits,
    /// Bytes that weights, cache and activations together may take: what is over it is refused before it is read or runs.
    pub memory_budget: Option<u64>,
    /// Expands what files hold packed, as training needs it.
    pub(crate) expands: bool,
    /// Set by [`LoadOptions::map_weights`] alone, whose caller makes a promise.
    pub(crate) maps: bool,
}

impl LoadOptions {
    /// Whether the weights can be kept on the device as it is asked for.
    fn check_weights(&self, device: &Device, dtype: ComputeDtype) -> Result<(), Error> {
        let kernels = is_flex(device) && keeps_packed(device, dtype);
        let can_be_kept =
            |format| matches!(format, WeightFormat::Q8 | WeightFormat::Q4) || format == dtype.format();
        let formats = self.weights.map(|WeightFormats { vision, decoder, table }| [vision, decoder, table]);
        let can_be_kept = formats.is_none_or(|formats| formats.into_iter().all(can_be_kept));
        if kernels || !self.maps && (formats.is_none() || keeps_packed(device, dtype) && can_be_kept) {
            return Ok(());
        }
        Err(Error::PackedWeights { device: format!("{device:?}"), dtype })
    }
}

/// Whether weights of 8 and 4 bits are kept on a device beside activations of a number type.
fn keeps_packed(device: &Device, dtype: ComputeDtype) -> bool {
    !device.is_autodiff() && (dtype == ComputeDtype::F32 || !is_flex(device))
}

/// A loaded Qwen2-VL: weights on a device, tokenizer and processor.
///
/// Immutable and cheap to clone: clones share the weights between any number of threads and [`Session`]s.
#[derive(Clone)]
pub struct Model {
    shared: Arc<Shared>,
}

/// What all clones of a model share.
struct Shared {
    network: Qwen2Vl,
    config: ModelConfig,
    generation_config: GenerationConfig,
    tokenizer: Tokenizer,
    grammars: Grammars,
    processor: Processor,
    device: Device,
    dtype: ComputeDtype,
    picture_options: PictureOptions,
    memory_budget: Option<u64>,
    parameter_count: u64,
    weight_bytes: u64,
    notes: Vec<String>,
    identity: String,
    /// Whether an adapter was worked into the weights after they were loaded.
    #[cfg(feature = "train")]
    has_adapter: bool,
    broken: AtomicBool,
}

impl Model {
    /// Loads a checkpoint directory in the Hugging Face layout.
    ///
    /// Names, shapes and dtypes of all tensors are checked against the config before any memory is set aside. Tensors
    /// are read one by one: the peak is the weights, one tensor and a few buffers.
    ///
    /// # Errors
    ///
    /// Any [`Error`] about files, config, tokenizer or weights; [`Error::Backend`] when the device cannot be used.
    pub fn load(
        dir: &Path,
        device: &Device,
        options: &LoadOptions,
        progress: &mut dyn FnMut(LoadProgress),
    ) -> Result<Self, Error> {
        let _entered = tracing::info_span!("load", dir = %dir.display()).entered();
        let checkpoint = Checkpoint::open(dir, &options.checkpoint_limits)?;
        let config = checkpoint.config().clone();
        let tokenizer = Tokenizer::from_dir(dir, config.text.vocab_size)?;
        let processor = Processor::from_dir(dir, options.dialect, options.picture_limits.clone())?;
        config.check_against(&processor, &tokenizer)?;
        let dtype = options.dtype.unwrap_or_else(|| default_dtype(device));
        options.check_weights(device, dtype)?;
        let (network, weight_bytes) = contained(|| {
            let multiplier = probe::check(device, dtype.dtype())?;
            let packs = !options.expands && keeps_packed(device, dtype);
            let (formats, maps) = (options.weights, Maps::new(options));
            let params = Params::new(&checkpoint, device, dtype, formats, packs, maps, progress);
            let params = params.with_halves(options.bf16_activations).with_multiplier(multiplier);
            let mut params = params.within(options.memory_budget)?;
            let network = Qwen2Vl::load(&mut params, &config)?;
            device.sync().map_err(|error| Error::Backend { message: error.to_string() })?;
            Ok((network, params.bytes()))
        })?;
        let notes = checkpoint.notes().iter().chain(tokenizer.notes()).cloned().collect();
        let shared = Shared {
            network,
            generation_config: checkpoint.generation_config().clone(),
            tokenizer,
            grammars: Grammars::default(),
            processor,
            device: device.clone(),
            dtype,
            picture_options: options.picture_options.clone(),
            memory_budget: options.memory_budget,
            parameter_count: checkpoint.parameter_count(),
            weight_bytes,
            notes,
            identity: String::new(),
            #[cfg(feature = "train")]
            has_adapter: false,
            config,
            broken: AtomicBool::new(false),
        };
        let shared = Shared { identity: identity(&shared, &checkpoint, options), ..shared };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Starts a session: questions that share picture features and the beginning of the prompt.
    pub fn session(&self) -> Session {
        Session::new(self.clone())
    }

    /// Tells what a request will need, without decoding pictures or running the model.
    ///
    /// # Errors
    ///
    /// Any error of the tokenizer, the pictures' headers or the options. A plan that does not fit is no error here;
    /// see [`Plan::check`].
    pub fn plan(&self, request: &Request) -> Result<Plan, Error> {
        self.check_options(&request.options)?;
        self.plan_outline(&self.outline(&request.prompt, &request.visuals)?, &request.options)
    }

    /// The checked `config.json`.
    pub fn config(&self) -> &ModelConfig {
        &self.shared.config
    }

    /// The checkpoint's defaults for generation.
    pub fn generation_config(&self) -> &GenerationConfig {
        &self.shared.generation_config
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.shared.tokenizer
    }

    /// The image processor.
    pub fn processor(&self) -> &Processor {
        &self.shared.processor
    }

    /// Where the weights are.
    pub fn device(&self) -> &Device {
        &self.shared.device
    }

    /// What the model computes in.
    pub fn compute_dtype(&self) -> ComputeDtype {
        self.shared.dtype
    }

    /// Bounds of picture sizes.
    pub fn picture_options(&self) -> &PictureOptions {
        &self.shared.picture_options
    }

    /// Bytes that one request may need in all, if limited.
    pub fn memory_budget(&self) -> Option<u64> {
        self.shared.memory_budget
    }

    /// Number of parameters.
    pub fn parameter_count(&self) -> u64 {
        self.shared.parameter_count
    }

    /// Bytes of the weights; with a table of 8 or 4 bits on a GPU also those of its copy in the host's memory.
    pub fn weight_bytes(&self) -> u64 {
        self.shared.weight_bytes
    }

    /// What was odd about the checkpoint, its tokenizer included, but did not keep it from loading.
    pub fn notes(&self) -> &[String] {
        &self.shared.notes
    }

    /// The same model with other weights.
    #[cfg(feature = "train")]
    pub(crate) fn with_network(&self, network: Qwen2Vl, name: &str) -> Self {
        let identity = format!("{}, {name}", self.shared.identity);
        Self { shared: Arc::new(Shared { identity, ..self.around(network) }) }
    }

    /// The same model with weights that an adapter was worked into.
    #[cfg(feature = "train")]
    pub(crate) fn adapted(&self, network: Qwen2Vl, name: &str) -> Self {
        let identity = format!("{}, {name}", self.shared.identity);
        Self { shared: Arc::new(Shared { identity, has_adapter: true, ..self.around(network) }) }
    }

    /// The same model, some of whose weights are kept elsewhere.
    #[cfg(feature = "train")]
    pub(crate) fn with_structure(&self, network: Qwen2Vl) -> Self {
        Self { shared: Arc::new(self.around(network)) }
    }

    /// Whether an adapter was worked into the weights.
    #[cfg(feature = "train")]
    pub(crate) fn has_adapter(&self) -> bool {
        self.shared.has_adapter
    }

    #[cfg(feature = "train")]
    fn around(&self, network: Qwen2Vl) -> Shared {
        let shared = &self.shared;
        Shared {
            network,
            config: shared.config.clone(),
            generation_config: shared.generation_config.clone(),
            tokenizer: shared.tokenizer.clone(),
            grammars: shared.grammars.clone(),
            processor: shared.processor.clone(),
            device: shared.device.clone(),
            dtype: shared.dtype,
            picture_options: shared.picture_options.clone(),
            memory_budget: shared.memory_budget,
            parameter_count: shared.parameter_count,
            weight_bytes: shared.weight_bytes,
            notes: shared.notes.clone(),
            identity: shared.identity.clone(),
            has_adapter: shared.has_adapter,
            broken: AtomicBool::new(false),
        }
    }

    /// Compiles the grammar of the options, if there is one.
    pub(crate) fn constraint(&self, options: &GenerateOptions) -> Result<Option<Constraint>, Error> {
        let shared = &self.shared;
        let ends = &shared.generation_config.eos_token_ids;
        options.grammar.as_ref().map(|it| shared.grammars.compile(it, &shared.tokenizer, ends)).transpose()
    }

    pub(crate) fn network(&self) -> &Qwen2Vl {
        &self.shared.network
    }

    /// Waits for the device, so that times are those of the work and not of its queueing.
    pub(crate) fn settle(&self) {
        if let Err(error) = self.shared.device.sync() {
            tracing::warn!(%error, "the device did not settle");
        }
    }

    /// Runs work on the device so that a panic of the backend becomes an error and marks the model as broken.
    pub(crate) fn guarded<T>(&self, work: impl FnOnce() -> Result<T, Error>) -> Result<T, GenerateError> {
        if self.shared.broken.load(Ordering::Acquire) {
            let message = "an earlier request broke the backend; load the model anew".to_owned();
            return Err(GenerateError::BackendFailed { message });
        }
        match contained(work) {
            Ok(value) => Ok(value),
            Err(Error::Backend { message }) => {
                self.shared.broken.store(true, Ordering::Release);
                Err(GenerateError::BackendFailed { message })
            }
            Err(error @ Error::NonFiniteLogits { .. }) => Err(GenerateError::Engine(boxed(error))),
            Err(error) => Err(GenerateError::Request(boxed(error))),
        }
    }
}

impl Generator for Model {
    fn identity(&self) -> String {
        self.shared.identity.clone()
    }

    fn generate(
        &self,
        request: &Request,
        control: &Control,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<Generation, GenerateError> {
        self.session().generate(request, control, on_event)
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model")
            .field("identity", &self.shared.identity)
            .field("parameters", &self.shared.parameter_count)
            .field("dtype", &self.shared.dtype)
            .field("device", &self.shared.device)
            .finish_non_exhaustive()
    }
}

fn boxed(error: Error) -> Box<dyn StdError + Send + Sync> {
    Box::new(error)
}

/// bf16 on CUDA, f32 elsewhere: CPUs emulate bf16, and WGSL does not have it.
fn default_dtype(device: &Device) -> ComputeDtype {
    if is_cuda(device) && device.supports_dtype(DType::BF16) { ComputeDtype::Bf16 } else { ComputeDtype::F32 }
}

/// Copies a tensor to the host as f32.
pub(crate) fn to_host<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, Error> {
    let broken = |message: String| Error::Backend { message };
    let tensor = if tensor.dtype() == DType::F32 { tensor } else { tensor.cast(DType::F32) };
    let data = tensor.try_into_data().map_err(|error| broken(error.to_string()))?;
    data.try_to_vec::<f32>().map_err(|error| broken(format!("{error:?}")))
}

/// A name that changes with the settings, the tokenizer, the weights' files, the dtype and the way pictures are read.
fn identity(shared: &Shared, checkpoint: &Checkpoint, options: &LoadOptions) -> String {
    let mut hash = Sha256::new();
    hash.update(checkpoint.fingerprint());
    hash.update(shared.tokenizer.fingerprint());
    hash.update(format!("{:?}/{:?}", shared.generation_config, shared.processor.config()));
    hash.update(format!("{:?}/{:?}/{:?}", shared.dtype, options.dialect, options.picture_options));
    if let Some(formats) = options.weights {
        hash.update(format!("{formats:?}"));
    } else if options.maps {
        // Matrices are multiplied in the formats of the file, whose sums are not those of f32 weights.
        hash.update("as stored");
    } else if let Some(formats) = checkpoint.formats() {
        hash.update(format!("{formats:?}"));
    }
    if options.bf16_activations {
        hash.update("bf16 activations");
    }
    let digest: [u8; 32] = hash.finalize().into();
    let [a, b, ..] = *digest.as_chunks::<8>().0 else { return "qwen2-vl".into() };
    format!("qwen2-vl-{:016x}{:016x}", u64::from_be_bytes(a), u64::from_be_bytes(b))
}

const _: fn() = || {
    fn is_shared<T: Send + Sync>() {}
    is_shared::<Model>();
};

#[cfg(all(test, feature = "flex"))]
mod tests;
