//! Chooses a backend among those compiled in.

pub use rcmu_model::Device;

use crate::Error;

/// A kind of device that the model can run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// The CPU, in pure Rust (feature `flex`).
    Flex,
    /// NVIDIA GPUs (feature `cuda`).
    Cuda,
    /// Apple GPUs (feature `metal`).
    Metal,
    /// GPUs through Vulkan with SPIR-V kernels (feature `vulkan`).
    Vulkan,
    /// GPUs through WebGPU with WGSL kernels (feature `wgpu`).
    Wgpu,
}

impl Backend {
    /// All kinds, the fastest first.
    pub const ALL: [Self; 5] = [Self::Cuda, Self::Metal, Self::Vulkan, Self::Wgpu, Self::Flex];

    /// The name of the kind, which is that of its feature.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flex => "flex",
            Self::Cuda => "cuda",
            Self::Metal => "metal",
            Self::Vulkan => "vulkan",
            Self::Wgpu => "wgpu",
        }
    }

    /// The kind with this name.
    ///
    /// # Errors
    ///
    /// [`Error::Device`] listing the names that there are.
    pub fn from_name(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| Error::Device {
            reason: format!("{name:?} is none of cuda, metal, vulkan, wgpu, flex"),
        })
    }

    /// Whether the kind is compiled in.
    pub fn is_available(self) -> bool {
        rcmu_model::backends().contains(&self.name())
    }

    /// The first device of this kind.
    ///
    /// # Errors
    ///
    /// [`Error::Device`] when the kind is not compiled in. A missing driver shows only when the model is loaded.
    pub fn device(self) -> Result<Device, Error> {
        rcmu_model::device(self.name()).ok_or_else(|| Error::Device {
            reason: format!("enable the feature `{}` of `rcmu`", self.name()),
        })
    }
}

/// The device of the fastest kind that is compiled in.
///
/// # Errors
///
/// [`Error::Device`] when no backend is compiled in.
pub fn default_device() -> Result<Device, Error> {
    let kind = Backend::ALL.into_iter().find(|kind| kind.is_available());
    kind.map_or_else(
        || {
            let names = "`flex`, `cuda`, `metal`, `vulkan` or `wgpu`";
            Err(Error::Device { reason: format!("enable one of the features {names} of `rcmu`") })
        },
        Backend::device,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_make_the_round_trip_and_unknown_ones_are_refused() -> Result<(), Error> {
        for kind in Backend::ALL {
            assert_eq!(Backend::from_name(kind.name())?, kind);
        }
        assert!(matches!(Backend::from_name("tpu"), Err(Error::Device { .. })));
        Ok(())
    }

    #[test]
    fn a_kind_that_is_not_compiled_in_names_its_feature() {
        for kind in Backend::ALL.into_iter().filter(|kind| !kind.is_available()) {
            let error = kind.device().expect_err("not compiled in").to_string();
            assert!(error.contains(kind.name()), "{error}");
        }
    }
}
