//! Reads the parameters of a checkpoint onto a device, one by one.

use burn::{
    module::Param,
    tensor::{DType, Device, Tensor, TensorData},
};

use serde::{Deserialize, Serialize};

use crate::{
    Error,
    device::is_flex,
    kernels::{ActivationBits, Packed, WeightFormat, WeightFormats},
    layers::{Multiplier, Quantised, Ways},
    panics::callers_own,
    weights::{Checkpoint, ExpectedTensor, Maps, expected_tensors},
};

/// The data type that the model computes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ComputeDtype {
    /// 32-bit floats: exact, and the fast choice on CPUs.
    #[default]
    F32,
    /// bfloat16: half the memory, for GPUs that have it.
    Bf16,
}

impl ComputeDtype {
    /// Bytes of one value.
    pub const fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::Bf16 => 2,
        }
    }

    /// Whether a device can compute in it.
    pub fn is_supported(self, device: &Device) -> bool {
        device.supports_dtype(self.dtype())
    }

    /// The same as a format of weights.
    pub(crate) const fn format(self) -> WeightFormat {
        match self {
            Self::F32 => WeightFormat::F32,
            Self::Bf16 => WeightFormat::Bf16,
        }
    }

    /// burn's name for it.
    pub(crate) const fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::Bf16 => DType::BF16,
        }
    }
}

/// Whether rows of the matrix of this name are read, token by token.
pub(crate) fn is_table(name: &str) -> bool {
    name == "model.embed_tokens.weight"
}

/// How far loading has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadProgress {
    /// Tensors loaded.
    pub tensors: usize,
    /// Tensors to load.
    pub total_tensors: usize,
    /// Parameters loaded.
    pub parameters: u64,
    /// Parameters to load.
    pub total_parameters: u64,
}

/// A checked checkpoint on its way onto a device.
pub(crate) struct Params<'a> {
    checkpoint: &'a Checkpoint,
    device: &'a Device,
    dtype: ComputeDtype,
    formats: Option<WeightFormats>,
    /// Whether what the file has packed stays so.
    packs: bool,
    /// Files whose matrices are left where they are.
    maps: Option<Maps>,
    /// Whether activations beside weights of bf16 may be rounded to bf16.
    halves: bool,
    multiplier: Multiplier,
    /// How products with weights of 8 and of 4 bits are made on a device that is not the CPU, once it has been asked.
    ways: [Option<Ways>; 2],
    progress: &'a mut dyn FnMut(LoadProgress),
    state: LoadProgress,
    bytes: u64,
}

impl<'a> Params<'a> {
    pub(crate) fn new(
        checkpoint: &'a Checkpoint,
        device: &'a Device,
        dtype: ComputeDtype,
        formats: Option<WeightFormats>,
        packs: bool,
        maps: Option<Maps>,
        progress: &'a mut dyn FnMut(LoadProgress),
    ) -> Self {
        let state = LoadProgress {
            tensors: 0,
            total_tensors: checkpoint.tensor_count(),
            parameters: 0,
            total_parameters: checkpoint.parameter_count(),
        };
        Self {
            checkpoint,
            device,
            dtype,
            formats,
            packs,
            maps,
            halves: false,
            multiplier: Multiplier::default(),
            ways: [None; 2],
            progress,
            state,
            bytes: 0,
        }
    }

    /// The same, with activations beside weights of bf16 rounded to bf16 where it is asked for.
    pub(crate) fn with_halves(self, halves: bool) -> Self {
        Self { halves, ..self }
    }

    /// The same for a device that multiplies f32 numbers so.
    pub(crate) fn with_multiplier(self, multiplier: Multiplier) -> Self {
        Self { multiplier, ..self }
    }

    /// The same, if the weights fit a budget, as far as their formats tell before they are read.
    pub(crate) fn within(self, budget: Option<u64>) -> Result<Self, Error> {
        let bytes = |tensor: ExpectedTensor| {
            let count = tensor.shape.iter().product::<usize>() as u64;
            // Vectors are never packed.
            let format = self.format(&tensor.name).filter(|_| tensor.shape.len() > 1);
            format.unwrap_or_else(|| self.dtype.format()).bytes(count)
        };
        let needed = expected_tensors(self.checkpoint.config()).into_iter().map(bytes).sum();
        match budget {
            Some(budget) if needed > budget => Err(Error::MemoryBudget { needed, budget }),
            _ => Ok(self),
        }
    }

    /// Loads one tensor.
    ///
    /// Its bytes are converted while they are read, so that no second copy of the tensor exists on a CPU.
    pub(crate) fn load<const D: usize>(
        &mut self,
        name: &str,
        shape: [usize; D],
    ) -> Result<Param<Tensor<D>>, Error> {
        let data = match self.dtype {
            ComputeDtype::F32 => TensorData::new(self.checkpoint.read_f32(name)?, shape),
            ComputeDtype::Bf16 => TensorData::new(self.checkpoint.read_bf16(name)?, shape),
        };
        let tensor = Tensor::from_data(data, (self.device, self.dtype.dtype()));
        self.count(&shape, (shape.iter().product::<usize>() * self.dtype.size()) as u64);
        Ok(Param::from_tensor(tensor))
    }

    /// How the matrix of this name is packed; `None` where none is.
    pub(crate) fn format(&self, name: &str) -> Option<WeightFormat> {
        // Floats that a file was asked to hold are kept so where there are kernels for them.
        let told = || self.checkpoint.formats().filter(|_| !self.quantises()).map(|formats| formats.of(name));
        let stored = || match (self.packs, &self.maps) {
            (true, Some(_)) => self.checkpoint.stored_format(name),
            (true, None) => self.checkpoint.packed_format(name).or_else(told),
            (false, _) => None,
        };
        let format = self.formats.map(|formats| formats.of(name)).or_else(stored);
        format.filter(|&format| !self.quantises() || format != self.dtype.format())
    }

    /// Loads one matrix packed, or leaves it where it is. Floats of the file are read part by part, so that only a part of
    /// one tensor is in memory unpacked.
    pub(crate) fn load_packed(
        &mut self,
        name: &str,
        format: WeightFormat,
        shape: [usize; 2],
    ) -> Result<Packed, Error> {
        if let Some(maps) = self.maps.as_mut().filter(|_| self.checkpoint.stored_format(name) == Some(format))
            && let Some(mapped) = self.checkpoint.map(name, shape, maps)?
        {
            self.count(&shape, mapped.bytes());
            return Ok(mapped.beside(ActivationBits::beside(name)).with_halves(self.halves));
        }
        let packed = self.checkpoint.pack(name, format, shape)?;
        self.count(&shape, packed.bytes());
        Ok(packed.beside(ActivationBits::beside(name)).with_halves(self.halves))
    }

    /// Whether weights in fewer bits are tensors of the device, and not for our own kernels.
    pub(crate) fn quantises(&self) -> bool {
        !is_flex(self.device)
    }

    /// burn's name for what the model computes in.
    pub(crate) const fn dtype(&self) -> DType {
        self.dtype.dtype()
    }

    /// How the device multiplies f32 numbers.
    pub(crate) const fn multiplier(&self) -> Multiplier {
        self.multiplier
    }

    /// Loads one matrix of 8 or 4 bits onto the device: as it was packed, and as what is multiplied, if it ever is.
    pub(crate) fn load_quantised(
        &mut self,
        name: &str,
        format: WeightFormat,
        shape: [usize; 2],
    ) -> Result<(Packed, Option<Quantised>), Error> {
        let packed = self.checkpoint.pack(name, format, shape)?;
        let is_multiplied = !is_table(name) || self.checkpoint.config().tie_word_embeddings;
        let quantised = if is_multiplied { Some(self.quantised(&packed)?) } else { None };
        let host = if is_table(name) { packed.bytes() } else { 0 };
        self.count(&shape, host + quantised.as_ref().map_or(0, Quantised::bytes));
        Ok((packed, quantised))
    }

    /// Weights on the device.
    fn quantised(&mut self, packed: &Packed) -> Result<Quantised, Error> {
        let (device, dtype, format) = (self.device, self.dtype.dtype(), packed.format());
        let ways = &mut self.ways[usize::from(format == WeightFormat::Q4)];
        let ways = match *ways {
            Some(ways) => ways,
            None => *ways.insert(Ways::measured(device, dtype, format, self.multiplier)?),
        };
        Ok(Quantised::new(packed, device, ways).expect("they have 8 or 4 bits"))
    }

    /// Bytes of the weights that were loaded.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    fn count(&mut self, shape: &[usize], bytes: u64) {
        self.bytes += bytes;
        self.state.tensors += 1;
        self.state.parameters += shape.iter().product::<usize>() as u64;
        callers_own(|| (self.progress)(self.state));
    }
}
