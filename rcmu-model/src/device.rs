//! The one place that asks which backends are compiled in.

use burn::tensor::{Device, StreamId};

/// Where all that is asked of a device is queued, from whatever thread: GPU runtimes have a queue for each by themselves, and
/// wait for another's wherever its weights are read.
pub(crate) const QUEUE: StreamId = StreamId { value: 0 };

/// Whether tensors of this device live on the `flex` CPU backend.
#[cfg(feature = "flex")]
pub(crate) fn is_flex(device: &Device) -> bool {
    *device == Device::flex()
}

/// Whether tensors of this device live on the `flex` CPU backend.
#[cfg(not(feature = "flex"))]
pub(crate) fn is_flex(_: &Device) -> bool {
    false
}

/// Whether the device is an NVIDIA GPU driven through CUDA.
#[cfg(feature = "cuda")]
pub(crate) fn is_cuda(device: &Device) -> bool {
    // The device has no accessor for its runtime; its printed form begins with it.
    format!("{device:?}").to_ascii_lowercase().contains("cuda")
}

/// Whether the device is an NVIDIA GPU driven through CUDA.
#[cfg(not(feature = "cuda"))]
pub(crate) fn is_cuda(_: &Device) -> bool {
    false
}

/// Names of the backends that are compiled in: `flex`, `cuda`, `metal`, `vulkan`, `wgpu`.
pub const fn backends() -> &'static [&'static str] {
    &[
        #[cfg(feature = "flex")]
        "flex",
        #[cfg(feature = "cuda")]
        "cuda",
        #[cfg(feature = "metal")]
        "metal",
        #[cfg(feature = "vulkan")]
        "vulkan",
        #[cfg(feature = "wgpu")]
        "wgpu",
    ]
}

/// The first device of a backend; `None` when the backend is not compiled in.
///
/// With `vulkan` and `wgpu` the environment variable `RCMU_SOFTWARE_GPU=1` asks for a driver that runs on the CPU, as in
/// tests on machines without a GPU.
pub fn device(backend: &str) -> Option<Device> {
    match backend {
        #[cfg(feature = "flex")]
        "flex" => Some(Device::flex()),
        #[cfg(feature = "cuda")]
        "cuda" => Some(Device::cuda(0)),
        #[cfg(feature = "metal")]
        "metal" => Some(Device::metal(gpu_kind())),
        #[cfg(feature = "vulkan")]
        "vulkan" => Some(Device::vulkan(gpu_kind())),
        #[cfg(feature = "wgpu")]
        "wgpu" => Some(Device::wgpu(gpu_kind())),
        _ => None,
    }
}

/// Bytes per second that a GPU reads from its memory, measured now; `None` for other devices and where it has no clock.
#[cfg(any(feature = "cuda", feature = "metal", feature = "vulkan", feature = "wgpu"))]
pub fn read_bandwidth(device: &Device) -> Option<f64> {
    use burn::tensor::{MemoryAccess, ThroughputKey, ThroughputMode};

    let key = ThroughputKey { mode: ThroughputMode::memory(MemoryAccess::Read) };
    let measured = QUEUE.executes(|| device.performance_stats(&[key]));
    let value = measured.first()?.value.ok()?;
    Some(value.bytes_per_s(&key)).filter(|bytes| bytes.is_finite())
}

/// Bytes per second that a GPU reads from its memory; `None`, since none is compiled in.
#[cfg(not(any(feature = "cuda", feature = "metal", feature = "vulkan", feature = "wgpu")))]
pub fn read_bandwidth(_: &Device) -> Option<f64> {
    None
}

/// Bytes of a GPU's memory that this process has set aside, what is kept for reuse among them; `None` for other devices.
pub fn reserved_bytes(device: &Device) -> Option<u64> {
    QUEUE.executes(|| device.memory_pool_usage()).map(|usage| usage.bytes_reserved)
}

/// Which adapter the graphics backends take.
#[cfg(any(feature = "metal", feature = "vulkan", feature = "wgpu"))]
fn gpu_kind() -> burn::tensor::DeviceKind {
    if std::env::var_os("RCMU_SOFTWARE_GPU").is_some_and(|value| value == "1") {
        burn::tensor::DeviceKind::Cpu
    } else {
        burn::tensor::DeviceKind::default()
    }
}
