use burn::tensor::{DType, Tensor};

use crate::device::is_flex;

/// Does in f32 what a GPU backend would compose of operations in its input's type, and rounds the result to that type once,
/// as the reference's kernels do. burn's CPU backend has kernels of its own for what is done here.
pub(super) fn in_f32<const D: usize>(
    x: Tensor<D>,
    operation: impl FnOnce(Tensor<D>) -> Tensor<D>,
) -> Tensor<D> {
    if is_flex(&x.device()) { operation(x) } else { through_f32(x, operation) }
}

/// The same on every device.
pub(super) fn through_f32<const D: usize>(
    x: Tensor<D>,
    operation: impl FnOnce(Tensor<D>) -> Tensor<D>,
) -> Tensor<D> {
    let dtype = x.dtype();
    if dtype == DType::F32 { operation(x) } else { operation(x.cast(DType::F32)).cast(dtype) }
}
