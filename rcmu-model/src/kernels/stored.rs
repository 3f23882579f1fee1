use rayon::prelude::*;

use super::{
    BLOCK, GROUP, Mapped, Numbers, Packed, Values, WeightFormat,
    numbers::Coming,
    rows::{split, split_mut, words_of_row},
};

/// The words of each block of a row.
fn blocks(row: &[u16], bits: usize) -> impl Iterator<Item = &[u16]> {
    row.chunks(words_of_row(BLOCK * GROUP, bits))
}

impl WeightFormat {
    /// Bytes of one row of `inputs` weights in a file; none for formats that files of floats have.
    pub(crate) const fn row_bytes(self, inputs: usize) -> Option<usize> {
        if !inputs.is_multiple_of(GROUP) {
            return None;
        }
        match self {
            Self::Q8 => Some(2 * words_of_row(inputs, 8)),
            Self::Q4 => Some(2 * words_of_row(inputs, 4)),
            Self::F32 | Self::Bf16 | Self::F16 => None,
        }
    }
}

impl Packed {
    /// The weights as files hold them, scales little-endian. Empty for formats that files of floats have.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let (words, bits) = match &self.values {
            Values::Q8(words) => (words, 8),
            Values::Q4(words) => (words, 4),
            Values::F32(_) | Values::Bf16(_) | Values::F16(_) => return Vec::new(),
        };
        let mut bytes = Vec::with_capacity(size_of_val(&**words));
        for row in words.chunks_exact(words_of_row(self.inputs, bits).max(1)) {
            for (numbers, scales) in blocks(row, bits).map(|block| split(block, bits)) {
                bytes.extend_from_slice(bytemuck::cast_slice(numbers));
                bytes.extend(scales.iter().flat_map(|scale| scale.to_le_bytes()));
            }
        }
        bytes
    }

    /// Weights as files hold them; none where the bytes do not fill the shape.
    pub(crate) fn from_bytes(
        format: WeightFormat,
        [outputs, inputs]: [usize; 2],
        bytes: &[u8],
    ) -> Option<Self> {
        let width =
            format.row_bytes(inputs).filter(|width| outputs.checked_mul(*width) == Some(bytes.len()))?;
        let mut numbers = Coming::new(bytes.len() / 2)?;
        let words: &mut [u16] = numbers.next(bytes.len() / 2);
        bytemuck::cast_slice_mut(words).copy_from_slice(bytes);
        // Scales are little-endian in files.
        let bits = if format == WeightFormat::Q4 { 4 } else { 8 };
        for row in words.chunks_exact_mut((width / 2).max(1)) {
            for block in row.chunks_mut(words_of_row(BLOCK * GROUP, bits)) {
                for scale in split_mut(block, bits).1 {
                    *scale = u16::from_le(*scale);
                }
            }
        }
        let values = if bits == 4 { Values::Q4(numbers.finish()) } else { Values::Q8(numbers.finish()) };
        Some(Self::of([outputs, inputs], values))
    }

    /// Weights that stay in a file; none where its bytes do not fill the shape, or cannot be read where they are.
    pub(crate) fn mapped(format: WeightFormat, [outputs, inputs]: [usize; 2], bytes: Mapped) -> Option<Self> {
        let width = match format {
            WeightFormat::F32 => 4 * inputs,
            WeightFormat::Bf16 | WeightFormat::F16 => 2 * inputs,
            WeightFormat::Q8 | WeightFormat::Q4 => format.row_bytes(inputs)?,
        };
        if outputs.checked_mul(width) != Some(bytes.len()) {
            return None;
        }
        let values = match format {
            WeightFormat::F32 => Values::F32(Numbers::mapped(bytes)?),
            WeightFormat::Bf16 => Values::Bf16(Numbers::mapped(bytes)?),
            WeightFormat::F16 => Values::F16(Numbers::mapped(bytes)?),
            WeightFormat::Q8 => Values::Q8(Numbers::mapped(bytes)?),
            WeightFormat::Q4 => Values::Q4(Numbers::mapped(bytes)?),
        };
        Some(Self::of([outputs, inputs], values))
    }

    /// The weights of a tensor where it lies; none where it is not on the CPU, of f32 numbers and in order, or is under
    /// autodiff.
    #[cfg(not(feature = "flex"))]
    pub(crate) const fn of_tensor(_: &burn::tensor::Tensor<2>) -> Option<Self> {
        None
    }

    /// The weights of a tensor where it lies; none where it is not on the CPU, of f32 numbers and in order, or is under
    /// autodiff.
    #[cfg(feature = "flex")]
    pub(crate) fn of_tensor(weight: &burn::tensor::Tensor<2>) -> Option<Self> {
        use burn::{backend::Flex, tensor::DType};

        let [outputs, inputs] = weight.dims();
        let tensor = weight.clone().try_into_primitive::<Flex>().ok()?;
        if tensor.layout().contiguous_offsets() != Some((0, outputs * inputs)) || tensor.dtype() != DType::F32
        {
            return None;
        }
        let values = Values::F32(Numbers::of_tensor(tensor.data_arc())?);
        Some(Self::of([outputs, inputs], values))
    }

    /// The first weight that is not finite, or whose scale is not.
    pub(crate) fn first_broken(&self) -> Option<usize> {
        // The exponent of what is not finite has no bit that is not set.
        const fn is_broken(half: u16) -> bool {
            half & 0x7c00 == 0x7c00
        }
        let first = |words: &[u16], bits: usize| {
            let broken = |row: &[u16]| {
                blocks(row, bits).flat_map(|block| split(block, bits).1).position(|&scale| is_broken(scale))
            };
            let rows = words.par_chunks(words_of_row(self.inputs, bits).max(1)).enumerate();
            let found = rows.find_map_first(|(at, row)| Some((at, broken(row)?)));
            found.map(|(at, group)| at * self.inputs + group * GROUP)
        };
        match &self.values {
            Values::F32(values) => values.par_iter().position_first(|value| !value.is_finite()),
            Values::Bf16(values) => values.par_iter().position_first(|value| !value.is_finite()),
            Values::F16(values) => values.par_iter().position_first(|value| !value.is_finite()),
            Values::Q8(words) => first(words, 8),
            Values::Q4(words) => first(words, 4),
        }
    }
}
