//! Reads the parameters of a checkpoint onto a device, one by one.

use burn::{
    module::Param,
    tensor::{DType, Device, Tensor, TensorData},
};

use crate::{Error, weights::Checkpoint};

/// The data type that the model computes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ComputeDtype {
    /// 32-bit floats: exact, and the fast choice on CPUs.
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

    /// burn's name for it.
    pub(crate) const fn dtype(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::Bf16 => DType::BF16,
        }
    }
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
    progress: &'a mut dyn FnMut(LoadProgress),
    state: LoadProgress,
}

impl<'a> Params<'a> {
    pub(crate) fn new(
        checkpoint: &'a Checkpoint,
        device: &'a Device,
        dtype: ComputeDtype,
        progress: &'a mut dyn FnMut(LoadProgress),
    ) -> Self {
        let state = LoadProgress {
            tensors: 0,
            total_tensors: checkpoint.tensor_count(),
            parameters: 0,
            total_parameters: checkpoint.parameter_count(),
        };
        Self { checkpoint, device, dtype, progress, state }
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
        self.state.tensors += 1;
        self.state.parameters += shape.iter().product::<usize>() as u64;
        (self.progress)(self.state);
        Ok(Param::from_tensor(tensor))
    }
}
