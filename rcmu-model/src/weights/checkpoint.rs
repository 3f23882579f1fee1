use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use half::bf16;
use sha2::{Digest, Sha256};

use super::{
    HeaderLimits, TensorDtype, expected_tensors,
    header::shown,
    index::{Index, Located, locate, pickled},
    map::Maps,
    packed,
    read::{Source, Value, bytes, parts, too_large, values},
    table::ExpectedTensor,
};
use crate::{
    Error,
    config::{GenerationConfig, ModelConfig},
    json,
    kernels::{Mapped, Packed, Packing, WeightFormat, WeightFormats},
};

/// Rows of a packed matrix that are unpacked at once.
const ROWS: usize = 1024;

/// What happens to weights that are NaN or infinite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scan {
    /// Loading fails and names the first one.
    #[default]
    Reject,
    /// Nothing; saves a pass over matrices that are mapped, or read as they are. What broken numbers then give may differ
    /// between machines. Numbers that are packed in fewer bits are looked at all the same: it would hide broken ones.
    Skip,
}

/// What the files of a checkpoint may cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckpointLimits {
    /// Limits of each weight file's header.
    pub header: HeaderLimits,
    /// What happens to broken numbers.
    pub scan: Scan,
}

/// A checkpoint directory whose files fit together.
///
/// # Invariant
///
/// Every tensor of the model is there once, with the shape that the config asks for, in a format that can be loaded.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    config: ModelConfig,
    generation_config: GenerationConfig,
    tensors: BTreeMap<String, Located>,
    formats: Option<WeightFormats>,
    tensor_count: usize,
    parameter_count: u64,
    scan: Scan,
    notes: Vec<String>,
    fingerprint: [u8; 32],
}

impl Checkpoint {
    /// Reads the settings and the headers of all weight files and compares them.
    ///
    /// # Errors
    ///
    /// [`Error::ReadFile`], [`Error::CheckpointFile`], [`Error::ConfigSyntax`], [`Error::Config`], or
    /// [`Error::Weights`] with every tensor that is missing, unexpected, or has another shape or format.
    pub fn open(dir: &Path, limits: &CheckpointLimits) -> Result<Self, Error> {
        let mut config = ModelConfig::from_dir(dir)?;
        let mut notes = notes_on_files(dir);
        let Index { tensors, formats } = locate(dir, &limits.header)?;
        if !config.tie_word_embeddings && !is_there(&tensors, "lm_head.weight") {
            config.tie_word_embeddings = true;
            notes.push("the head is missing; the embedding table serves as head".into());
        }
        let generation_config = GenerationConfig::from_dir(dir, &config)?;
        let expected = expected_tensors(&config);
        let tensors = compare(&config, &expected, tensors, &mut notes)?;
        let parameters = expected.iter().map(|tensor| tensor.shape.iter().product::<usize>() as u64);
        Ok(Self {
            tensor_count: expected.len(),
            parameter_count: parameters.sum(),
            fingerprint: fingerprint(&config, &tensors)?,
            scan: limits.scan,
            config,
            generation_config,
            tensors,
            formats,
            notes,
        })
    }

    /// The checked settings; the head counts as tied where its weight is missing.
    pub const fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The checked defaults for generation.
    pub const fn generation_config(&self) -> &GenerationConfig {
        &self.generation_config
    }

    /// What was ignored or made good.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Tensors of the model.
    pub const fn tensor_count(&self) -> usize {
        self.tensor_count
    }

    /// Parameters of the model.
    pub const fn parameter_count(&self) -> u64 {
        self.parameter_count
    }

    /// SHA-256 over the settings, every tensor's name, format and shape, and the first and last 4 KiB of each tensor.
    ///
    /// Cheap, and different for trainings that touch any tensor at its ends; not a proof that all weights are equal.
    pub const fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    /// Reads one tensor, row by row, as f32.
    ///
    /// # Errors
    ///
    /// [`Error::ReadFile`], [`Error::ReadWeights`], [`Error::NonFiniteWeight`], or [`Error::CheckpointFile`] for a name that
    /// the model does not have.
    pub fn read_f32(&self, name: &str) -> Result<Vec<f32>, Error> {
        self.read(name)
    }

    /// Reads one tensor, row by row, as bfloat16; rounds to nearest where the file has more bits.
    ///
    /// # Errors
    ///
    /// As [`Checkpoint::read_f32`].
    pub fn read_bf16(&self, name: &str) -> Result<Vec<bf16>, Error> {
        self.read(name)
    }

    /// The format that the file holds a matrix in, where it is a packed one.
    pub(crate) fn packed_format(&self, name: &str) -> Option<WeightFormat> {
        self.tensors.get(name)?.packed.map(|(format, _)| format)
    }

    /// The formats that [`pack_checkpoint`](super::pack_checkpoint) has written the matrices in, where it has.
    pub(crate) const fn formats(&self) -> Option<WeightFormats> {
        self.formats
    }

    /// Whether a tensor is stored as bfloat16.
    pub(super) fn is_bf16(&self, name: &str) -> bool {
        self.tensors.get(name).is_some_and(|located| located.entry.dtype == TensorDtype::Bf16)
    }

    /// Reads one matrix that the file holds packed.
    ///
    /// # Errors
    ///
    /// As [`Checkpoint::read_f32`]; [`Error::CheckpointFile`] for one that is not packed.
    pub(crate) fn read_packed(&self, name: &str) -> Result<Packed, Error> {
        self.read_scanned(name, self.scan == Scan::Reject)
    }

    /// The same, with the scales looked at or not.
    fn read_scanned(&self, name: &str, scan: bool) -> Result<Packed, Error> {
        let (located, mut file) = self.find(name)?;
        let Located { file: path, entry, packed, .. } = located;
        let bytes = bytes(&mut file, Source { entry, name, path, scan: false })?;
        let packed = packed.and_then(|(format, dims)| Packed::from_bytes(format, dims, &bytes));
        let Some(packed) = packed else {
            let problem = format!("has no packed tensor {}", shown(name));
            return Err(Error::CheckpointFile { path: path.clone(), problem });
        };
        let broken = if scan { packed.first_broken() } else { None };
        match broken {
            Some(index) => Err(Error::NonFiniteWeight { name: name.to_owned(), index }),
            None => Ok(packed),
        }
    }

    /// Reads one matrix and packs it. Floats come part by part: beside what is packed only a part of them is in memory.
    ///
    /// # Errors
    ///
    /// As [`Checkpoint::read_f32`].
    pub(crate) fn pack(&self, name: &str, format: WeightFormat, dims: [usize; 2]) -> Result<Packed, Error> {
        if self.packed_format(name) == Some(format) {
            return self.read_packed(name);
        }
        let (located, mut file) = self.find(name)?;
        let Located { file: path, entry, packed, .. } = located;
        let mut packing = Packing::new(format, dims).ok_or_else(|| too_large(path, name))?;
        if packed.is_some() {
            // Whatever is made of a broken scale would no longer show it.
            let stored = self.read_scanned(name, true)?;
            let all: Vec<u32> = (0..dims[0] as u32).collect();
            all.chunks(ROWS).for_each(|rows| packing.push(&stored.rows(rows)));
            return Ok(packing.finish());
        }
        // What would no longer show that it is not finite is looked at before it is packed, whatever the scan.
        let hides = matches!(format, WeightFormat::Q8 | WeightFormat::Q4 | WeightFormat::F16);
        let source = Source { entry, name, path, scan: hides || self.scan == Scan::Reject };
        match format {
            // What is too large for bf16 is found after it has been rounded.
            WeightFormat::Bf16 => parts(&mut file, source, dims[1], &mut |part| packing.push_bf16(part))?,
            _ => parts(&mut file, source, dims[1], &mut |part| packing.push(part))?,
        }
        Ok(packing.finish())
    }

    /// The format that the file holds a matrix in; none for formats that have no kernels.
    pub(crate) fn stored_format(&self, name: &str) -> Option<WeightFormat> {
        let located = self.tensors.get(name)?;
        match (located.packed, located.entry.dtype) {
            (Some((format, _)), _) => Some(format),
            (None, TensorDtype::F32) => Some(WeightFormat::F32),
            (None, TensorDtype::F16) => Some(WeightFormat::F16),
            (None, TensorDtype::Bf16) => Some(WeightFormat::Bf16),
            (None, TensorDtype::U8 | TensorDtype::Other { .. }) => None,
        }
    }

    /// Leaves one matrix where it is in its file; none where it cannot be read there.
    ///
    /// # Errors
    ///
    /// As [`Checkpoint::read_f32`].
    pub(crate) fn map(&self, name: &str, dims: [usize; 2], maps: &mut Maps) -> Result<Option<Packed>, Error> {
        let (located, file) = self.find(name)?;
        let (path, entry) = (&located.file, &located.entry);
        let place = usize::try_from(entry.offset).ok().zip(usize::try_from(entry.bytes).ok());
        let Some(((start, len), format)) = place.zip(self.stored_format(name)) else { return Ok(None) };
        let mapped = Mapped::new(maps.of(path, &file)?, start, len);
        let Some(packed) = mapped.and_then(|bytes| Packed::mapped(format, dims, bytes)) else {
            return Ok(None);
        };
        let broken = if self.scan == Scan::Reject { packed.first_broken() } else { None };
        match broken {
            Some(index) => Err(Error::NonFiniteWeight { name: name.to_owned(), index }),
            None => Ok(Some(packed)),
        }
    }

    fn read<T: Value>(&self, name: &str) -> Result<Vec<T>, Error> {
        let (located, mut file) = self.find(name)?;
        if let Some((_, [outputs, _])) = located.packed {
            let all: Vec<u32> = (0..outputs as u32).collect();
            return Ok(self.read_scanned(name, true)?.rows(&all).into_iter().map(T::from_f32).collect());
        }
        let scan = self.scan == Scan::Reject;
        values(&mut file, Source { entry: &located.entry, name, path: &located.file, scan })
    }

    /// A tensor and its file, which stands at its first byte.
    fn find(&self, name: &str) -> Result<(&Located, File), Error> {
        let Some(located) = self.tensors.get(name) else {
            let problem = format!("has no tensor {}", shown(name));
            return Err(Error::CheckpointFile { path: PathBuf::new(), problem });
        };
        let mut file = located.open()?;
        let sought = file.seek(SeekFrom::Start(located.entry.offset));
        sought.map_err(|source| Error::ReadFile { path: located.file.clone(), source })?;
        Ok((located, file))
    }
}

/// Whether a tensor is there, packed or not.
fn is_there(tensors: &BTreeMap<String, Located>, name: &str) -> bool {
    tensors.contains_key(name) || packed::is_there(tensors, name)
}

/// Files that are there but not used.
fn notes_on_files(dir: &Path) -> Vec<String> {
    let mut notes = Vec::new();
    let template = ["chat_template.json", "chat_template.jinja"].iter().find(|name| dir.join(name).exists());
    if let Some(name) = template {
        notes.push(format!("{name} is not run; prompts are written by the program"));
    }
    let config = json::read_capped(&dir.join("config.json"), crate::config::MAX_BYTES);
    let config = config.ok().and_then(|bytes| json::parse(&bytes).ok());
    if let Some(name) = pickled(dir) {
        notes.push(format!("{} can run code when it is read and is ignored", shown(&name)));
    }
    if config.is_some_and(|config| config.get("auto_map").is_some()) {
        notes.push("auto_map in config.json names code, which is not run".into());
    }
    notes
}

/// Lists every difference between what the model needs and what the files have.
fn compare(
    config: &ModelConfig,
    expected: &[ExpectedTensor],
    mut tensors: BTreeMap<String, Located>,
    notes: &mut Vec<String>,
) -> Result<BTreeMap<String, Located>, Error> {
    let mut problems = Vec::new();
    let mut used = BTreeMap::new();
    for tensor in expected {
        let name = &tensor.name;
        let Some(located) = tensors.remove(name) else {
            match packed::take(tensor, &mut tensors) {
                Some(Ok(located)) => _ = used.insert(name.clone(), located),
                Some(Err(problem)) => problems.push(problem),
                None => problems.push(format!("{name} is missing")),
            }
            continue;
        };
        let found = &located.entry.shape;
        if !same_shape(config, tensor, found) {
            problems.push(format!("{name} has shape {found:?}, expected {:?}", tensor.shape));
        }
        if let TensorDtype::U8 | TensorDtype::Other { .. } = located.entry.dtype {
            problems.push(format!("{name} is stored in a format other than F32, F16 and BF16"));
        }
        used.insert(name.clone(), located);
    }
    for name in tensors.into_keys() {
        if name == "lm_head.weight" || packed::is_head(&name) {
            notes.push("lm_head.weight is ignored: the embedding table is the head".into());
        } else if name.ends_with("rotary_emb.inv_freq") {
            notes.push(format!("{} is ignored: frequencies are computed", shown(&name)));
        } else {
            problems.push(format!("{} is not part of the model", shown(&name)));
        }
    }
    if problems.is_empty() { Ok(used) } else { Err(Error::Weights { problems }) }
}

/// The patch embedding is stored as the kernel of a convolution, `[out, channels, frames, rows, columns]`.
fn same_shape(config: &ModelConfig, tensor: &ExpectedTensor, found: &[usize]) -> bool {
    if tensor.name != "visual.patch_embed.proj.weight" {
        return found == tensor.shape;
    }
    let vision = &config.vision;
    let (frames, side) = (vision.temporal_patch_size, vision.patch_size);
    found == tensor.shape || found == [vision.embed_dim, vision.in_channels, frames, side, side]
}

fn fingerprint(config: &ModelConfig, tensors: &BTreeMap<String, Located>) -> Result<[u8; 32], Error> {
    let mut hash = Sha256::new();
    hash.update(format!("{config:?}"));
    for (name, located) in tensors {
        let Located { file, entry, .. } = located;
        hash.update(format!("{name}:{:?}:{:?}:{}\n", entry.dtype, entry.shape, entry.bytes));
        let mut opened = located.open()?;
        let len = entry.bytes.min(4096);
        for offset in [entry.offset, entry.offset + entry.bytes - len] {
            let mut bytes = vec![0; len as usize];
            let read = opened.seek(SeekFrom::Start(offset)).and_then(|_| opened.read_exact(&mut bytes));
            read.map_err(|source| Error::ReadWeights { path: file.clone(), offset, source })?;
            hash.update(&bytes);
        }
    }
    Ok(hash.finalize().into())
}
