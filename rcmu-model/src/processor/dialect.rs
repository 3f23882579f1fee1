/// Whose preprocessing is followed, where the reference programs disagree with each other.
///
/// One picture gives different tensors in qwen-vl-utils 0.0.14, transformers 4.57 and transformers 5.23.
/// The default shows the model what a person sees; the others reproduce one program each, faults included.
///
/// | | `Visible` | `QwenVlUtils` | `Transformers457` | `Transformers523` |
/// |---|---|---|---|---|
/// | EXIF orientation | applied | ignored | applied | ignored |
/// | RGBA | over white | over white | alpha dropped | over white |
/// | grey with alpha, `tRNS` | over white | alpha dropped | alpha dropped | over white |
/// | 16-bit grey | high byte | clipped at 255 | clipped at 255 | clipped at 255 |
/// | size of a picture | transformers | qwen-vl-utils, then transformers | transformers | transformers |
/// | resampling | Pillow | Pillow, then torchvision | torchvision | torchvision |
/// | frames of a video | torchvision | Pillow to multiples of 56, then torchvision | torchvision | torchvision |
/// | positions after a long video | past all of it | past all of it | past all of it | past its height and width |
///
/// `QwenVlUtils` is the pipeline of the published README: the second step does nothing as long as the picture's
/// own limits are those of the processor. Where it resizes frames of a video once more, it does so on floats there and on
/// bytes here: sharp edges then differ by up to some 30 levels.
///
/// A transparent colour (`tRNS`) is the pixels of that colour. Pillow, and so `Transformers523`, finds others in PNG files
/// of 2, 4 and 16 bits of grey and of 16 bits of colours; that is not reproduced. Orientation is read from EXIF only, not
/// from XMP or the text chunks of PNG files, where Pillow looks, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// What a person sees: turned upright, transparency over white.
    #[default]
    Visible,
    /// qwen-vl-utils 0.0.14 followed by the processor of transformers.
    QwenVlUtils,
    /// `load_image` and the processor of transformers 4.57.
    Transformers457,
    /// The processor of transformers 5.23 given an opened picture.
    Transformers523,
}

/// What happens to the EXIF orientation of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExifRule {
    /// The picture is turned upright.
    Apply,
    /// The pixels stay as stored.
    Ignore,
}

/// What happens to transparency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AlphaRule {
    /// Every kind of transparency is blended over white.
    OverWhite,
    /// Only files with red, green, blue and alpha are blended; other transparency is dropped.
    OverWhiteIfRgba,
    /// Colours stay as stored, alpha is dropped.
    Drop,
}

/// How 16-bit grey becomes 8-bit; other 16-bit samples always keep their high byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gray16Rule {
    /// The high byte: the picture keeps its shades.
    HighByte,
    /// Values above 255 become 255, as Pillow converts its mode `I;16`.
    Clip,
}

/// Whose `smart_resize` sizes a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SizeRule {
    /// transformers: no side is ever below one block.
    Transformers,
    /// qwen-vl-utils 0.0.14: sides start at one block, and shrinking may leave none, which is an error here.
    QwenVlUtils,
}

/// Whose bicubic filter resizes a picture; reproduced bit for bit but for the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resampler {
    /// Pillow up to 12: rows first, then columns.
    Pillow,
    /// Pillow 13: columns first when the height shrinks by more than twice as many pixels as the width.
    Pillow13,
    /// torchvision on 8-bit pixels with antialiasing: 16-bit weights.
    Torchvision,
    /// torchvision's older functions, which filter in `f32` and round once, at the end; within one level, not exact.
    TorchvisionFloat,
}

/// Whose arithmetic turns a byte into a normalised number; they differ by at most 2.4e-7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Normalization {
    /// Rescales in `f64`, then subtracts and divides in `f32`.
    Pil,
    /// Subtracts and divides once by values scaled to 255.
    Torchvision,
}

/// Where the text after an image or a video continues to count positions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PositionRule {
    #[default]
    /// After the largest position used: `max(t, h, w)` further. transformers 4.57 and the original code.
    MaxOfAll,
    /// After height and width only: `max(h, w)` further. transformers 5.x.
    MaxOfSpace,
}

/// Whose rule chooses the frames of a video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameRule {
    /// qwen-vl-utils 0.0.14: evenly spread from the first frame to the last.
    QwenVlUtils,
    /// transformers 5.x: steps of equal length from the first frame.
    Transformers,
}

impl Dialect {
    /// All dialects, the default first.
    pub const ALL: [Self; 4] =
        [Self::Visible, Self::QwenVlUtils, Self::Transformers457, Self::Transformers523];

    /// What happens to the EXIF orientation.
    pub const fn exif_rule(self) -> ExifRule {
        match self {
            Self::Visible | Self::Transformers457 => ExifRule::Apply,
            Self::QwenVlUtils | Self::Transformers523 => ExifRule::Ignore,
        }
    }

    /// What happens to transparency.
    pub const fn alpha_rule(self) -> AlphaRule {
        match self {
            Self::Visible | Self::Transformers523 => AlphaRule::OverWhite,
            Self::QwenVlUtils => AlphaRule::OverWhiteIfRgba,
            Self::Transformers457 => AlphaRule::Drop,
        }
    }

    /// How 16-bit grey becomes 8-bit.
    pub const fn gray16_rule(self) -> Gray16Rule {
        match self {
            Self::Visible => Gray16Rule::HighByte,
            Self::QwenVlUtils | Self::Transformers457 | Self::Transformers523 => Gray16Rule::Clip,
        }
    }

    /// Whose `smart_resize` comes first.
    pub const fn size_rule(self) -> SizeRule {
        match self {
            Self::QwenVlUtils => SizeRule::QwenVlUtils,
            Self::Visible | Self::Transformers457 | Self::Transformers523 => SizeRule::Transformers,
        }
    }

    /// Whose filter resizes a picture first.
    pub const fn resampler(self) -> Resampler {
        match self {
            Self::Visible | Self::QwenVlUtils => Resampler::Pillow,
            Self::Transformers457 | Self::Transformers523 => Resampler::Torchvision,
        }
    }

    /// Whose arithmetic normalises: torchvision's in every pipeline as installed today.
    pub const fn normalization(self) -> Normalization {
        Normalization::Torchvision
    }

    /// Where text continues after a video.
    pub const fn position_rule(self) -> PositionRule {
        match self {
            Self::Transformers523 => PositionRule::MaxOfSpace,
            Self::Visible | Self::QwenVlUtils | Self::Transformers457 => PositionRule::MaxOfAll,
        }
    }

    /// Whose rule chooses the frames of a video.
    pub const fn frame_rule(self) -> FrameRule {
        match self {
            Self::Visible | Self::QwenVlUtils => FrameRule::QwenVlUtils,
            Self::Transformers457 | Self::Transformers523 => FrameRule::Transformers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_what_a_person_sees() {
        let dialect = Dialect::default();

        assert_eq!(dialect.exif_rule(), ExifRule::Apply);
        assert_eq!(dialect.alpha_rule(), AlphaRule::OverWhite);
        assert_eq!(dialect.position_rule(), PositionRule::MaxOfAll);
    }

    #[test]
    fn no_two_dialects_follow_the_same_rules() {
        let rules = Dialect::ALL.map(|d| (d.exif_rule(), d.alpha_rule(), d.size_rule(), d.resampler()));
        for (i, a) in rules.iter().enumerate() {
            assert!(!rules[..i].contains(a), "{:?}", Dialect::ALL[i]);
        }
    }
}
