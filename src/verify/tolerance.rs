use std::fmt;

/// How far a number may be from the reference's.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Tolerance {
    /// Not at all.
    Exact,
    /// By this much.
    Within(f64),
    /// By so many times the noise that each case states for itself.
    Noise(f64),
}

impl Tolerance {
    /// The largest difference allowed; 0 where each case has its own.
    pub const fn limit(self) -> f64 {
        match self {
            Self::Exact | Self::Noise(_) => 0.0,
            Self::Within(limit) => limit,
        }
    }
}

impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact => f.write_str("exact"),
            Self::Within(limit) => write!(f, "{limit:e}"),
            Self::Noise(times) => write!(f, "{times} x stated"),
        }
    }
}

/// Tolerances of the numbers that a device computes in f32.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tolerances {
    /// Outputs of the vision tower, which are of the order of 1.
    pub(super) vision: Tolerance,
    /// Outputs of the decoder layers.
    pub(super) hidden: Tolerance,
    /// Logits, which reach ±23.
    pub(super) logits: Tolerance,
}

impl Tolerances {
    /// The reference itself is up to 8.4e-5 away from the same computation in f64 on logits, and its two attention
    /// kernels are up to 3.1e-5 apart: another order of additions cannot do better, a wrong formula does far worse.
    pub(super) const CPU: Self = Self {
        vision: Tolerance::Within(1e-4),
        hidden: Tolerance::Within(1e-4),
        logits: Tolerance::Within(5e-4),
    };
    /// Kernels of a GPU add in yet another order, fuse multiplications with additions, and take `exp`, `erf` and
    /// reciprocal roots from the driver, which may be a few units in the last place off: five times the CPU's.
    pub(super) const GPU: Self = Self {
        vision: Tolerance::Within(5e-4),
        hidden: Tolerance::Within(5e-4),
        logits: Tolerance::Within(2.5e-3),
    };
}

/// Sums of the same f64 values, added in another order.
pub(super) const SUM: f64 = 1e-9;

/// Cosines and sines of angles up to some 20, each rounded to f32 before and after.
pub(super) const ROTARY: Tolerance = Tolerance::Within(1e-5);

/// Probabilities: a softmax in f32 over two dozen logits.
pub(super) const PROBABILITY: Tolerance = Tolerance::Within(1e-6);

/// Levels of a channel of a JPEG. The arithmetic here is that of libjpeg, to the bit; a reference that was built with
/// another transform is within one level of brightness and of colour, which is two levels of blue.
pub(super) const JPEG_LEVELS: Tolerance = Tolerance::Within(2.0);

/// Times the reference's own distance between bf16 and f32: two kernels in bf16 round at different places.
pub(super) const BF16_FACTOR: f64 = 3.0;
