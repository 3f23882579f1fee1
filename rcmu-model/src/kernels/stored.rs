use super::{GROUP, Packed, Values, WeightFormat};

impl WeightFormat {
    /// Bytes of one row of `inputs` weights in a file; none for formats that files of floats have.
    pub(crate) const fn row_bytes(self, inputs: usize) -> Option<usize> {
        if !inputs.is_multiple_of(GROUP) {
            return None;
        }
        match self {
            Self::Q8 => Some(inputs + inputs / GROUP * 2),
            Self::Q4 => Some(inputs / 2 + inputs / GROUP * 2),
            Self::F32 | Self::Bf16 | Self::F16 => None,
        }
    }
}

impl Packed {
    /// The weights as files hold them: of each row first the numbers, then the scales, little-endian. Empty for formats
    /// that files of floats have.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let groups = self.inputs / GROUP;
        let mut bytes = Vec::new();
        match &self.values {
            Values::F32(_) | Values::Bf16(_) | Values::F16(_) => {}
            Values::Q8 { quants, scales } => {
                for (quants, scales) in quants.chunks_exact(self.inputs).zip(scales.chunks_exact(groups)) {
                    bytes.extend(quants.iter().map(|&quant| quant as u8));
                    bytes.extend(scales.iter().flat_map(|scale| scale.to_le_bytes()));
                }
            }
            Values::Q4 { quants, scales } => {
                for (quants, scales) in quants.chunks_exact(self.inputs / 2).zip(scales.chunks_exact(groups))
                {
                    bytes.extend(quants);
                    bytes.extend(scales.iter().flat_map(|scale| scale.to_le_bytes()));
                }
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
        let numbers = width - inputs / GROUP * 2;
        let (mut quants, mut scales) = (Vec::new(), Vec::new());
        quants.try_reserve_exact(outputs * numbers).ok()?;
        scales.try_reserve_exact(outputs * inputs / GROUP).ok()?;
        for row in bytes.chunks_exact(width) {
            let (row_numbers, row_scales) = row.split_at(numbers);
            quants.extend_from_slice(row_numbers);
            scales.extend(row_scales.as_chunks::<2>().0.iter().map(|&scale| u16::from_le_bytes(scale)));
        }
        let values = match format {
            WeightFormat::Q4 => Values::Q4 { quants, scales },
            _ => Values::Q8 { quants: quants.into_iter().map(|quant| quant as i8).collect(), scales },
        };
        Some(Self { outputs, inputs, values })
    }

    /// The first weight whose scale is not finite.
    pub(crate) fn first_broken(&self) -> Option<usize> {
        match &self.values {
            Values::F32(_) | Values::Bf16(_) | Values::F16(_) => None,
            Values::Q8 { scales, .. } | Values::Q4 { scales, .. } => {
                // The exponent of what is not finite has no bit that is not set.
                scales.iter().position(|scale| scale & 0x7c00 == 0x7c00).map(|group| group * GROUP)
            }
        }
    }
}
