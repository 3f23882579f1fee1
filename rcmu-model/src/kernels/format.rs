/// How the weights of a layer are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WeightFormat {
    /// 32-bit floats, 4 bytes a weight.
    F32,
    /// bfloat16, 2 bytes a weight; files of bf16 lose nothing.
    Bf16,
    /// 16-bit floats, 2 bytes a weight; files of f16 lose nothing. What is beyond ±65,504 becomes that.
    F16,
    /// 8-bit numbers, groups of 32 with an f16 scale: 34 bytes per 32 weights.
    Q8,
    /// 4-bit numbers, groups of 32 with an f16 scale: 18 bytes per 32 weights.
    Q4,
}

impl WeightFormat {
    /// The format called `f32`, `bf16`, `f16`, `q8` or `q4`.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "f32" => Self::F32,
            "bf16" => Self::Bf16,
            "f16" => Self::F16,
            "q8" => Self::Q8,
            "q4" => Self::Q4,
            _ => return None,
        })
    }

    /// Bytes of `weights` weights.
    pub const fn bytes(self, weights: u64) -> u64 {
        match self {
            Self::F32 => 4 * weights,
            Self::Bf16 | Self::F16 => 2 * weights,
            Self::Q8 => weights / 32 * 34,
            Self::Q4 => weights / 32 * 18,
        }
    }
}

/// How the weights of each kind of layer are kept in memory; on the CPU what the model computes in is f32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WeightFormats {
    /// Linear layers of the vision tower, its merger among them.
    pub vision: WeightFormat,
    /// Linear layers of the decoder.
    pub decoder: WeightFormat,
    /// The embedding table and the head.
    pub table: WeightFormat,
}

impl WeightFormats {
    /// The format of the matrix of this name, in the layout of the hub.
    pub(crate) fn of(self, name: &str) -> WeightFormat {
        match name {
            "model.embed_tokens.weight" | "lm_head.weight" => self.table,
            _ if name.starts_with("visual.") => self.vision,
            _ => self.decoder,
        }
    }

    /// The same for all layers.
    pub const fn all(format: WeightFormat) -> Self {
        Self { vision: format, decoder: format, table: format }
    }
}

/// One format for all layers; for 4 bits that of the decoder's, with 8 bits for the others: a vision tower and a head lose
/// more by rounding, and the decoder has most of the weights.
impl From<WeightFormat> for WeightFormats {
    fn from(format: WeightFormat) -> Self {
        match format {
            WeightFormat::Q4 => Self { decoder: WeightFormat::Q4, ..Self::all(WeightFormat::Q8) },
            other => Self::all(other),
        }
    }
}

/// What activations beside weights of 8 bits are rounded to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ActivationBits {
    /// 16 bits: far less is lost than the weights have lost.
    Sixteen,
    /// 8 bits, which units of AVX-512 multiply twice as fast: about as much is lost as the weights have lost.
    Eight,
}

impl ActivationBits {
    /// Those beside the matrix of this name, in the layout of the hub: in the vision tower the arithmetic of many patches is
    /// what takes time.
    pub(crate) fn beside(name: &str) -> Self {
        if name.starts_with("visual.") { Self::Eight } else { Self::Sixteen }
    }
}
