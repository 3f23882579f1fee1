use crate::{ImageSize, RegionId};

/// Why a value of this crate could not be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An image has a side of zero pixels.
    #[error("image size {width}x{height} has an empty side")]
    EmptyImage {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// The corners of a box are not in order, or the box has no area. The message states the rule of pixels; a box
    /// on the grid may have equal corners, and gets this error for swapped ones only.
    #[error("box [{}, {}, {}, {}] needs x1 < x2 and y1 < y2", xyxy[0], xyxy[1], xyxy[2], xyxy[3])]
    BoxCorners {
        /// The box as given, `[x1, y1, x2, y2]`.
        xyxy: [f64; 4],
    },
    /// A box coordinate is NaN, infinite, negative or too large to be a pixel or grid position.
    #[error("box coordinate {value} at place {place} of [x1, y1, x2, y2] is outside 0..={max}")]
    BoxCoordinate {
        /// The coordinate as given.
        value: f64,
        /// Which of the four coordinates, counted from 0.
        place: usize,
        /// The largest coordinate allowed.
        max: u32,
    },
    /// A box reaches over the edge of its image.
    #[error("box [{}, {}, {}, {}] reaches outside the {size} image", xyxy[0], xyxy[1], xyxy[2], xyxy[3])]
    BoxOutsideImage {
        /// The box in pixels, `[x1, y1, x2, y2]`.
        xyxy: [u32; 4],
        /// The image it was given for.
        size: ImageSize,
    },
    /// A region is not valid; the cause says why.
    #[error("region {region} is not valid")]
    Region {
        /// The number that the region has or would have.
        region: RegionId,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// A text is longer than the limit.
    #[error("{field} has {len} bytes, the limit is {max}")]
    TextTooLong {
        /// Which text.
        field: &'static str,
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// A text that must say something is empty or blank.
    #[error("{field} is empty")]
    EmptyText {
        /// Which text.
        field: &'static str,
    },
    /// More regions or reference pictures than a scene may have.
    #[error("{count} regions or reference pictures, the limit is {max}")]
    TooManyRegions {
        /// How many were given.
        count: usize,
        /// The limit.
        max: usize,
    },
    /// A multiple-choice question has too few or too many options.
    #[error("a multiple-choice question has 2 to 26 options, found {count}{}", if *count > 26 { " or more" } else { "" })]
    Choices {
        /// How many were given; no more than 27 are counted.
        count: usize,
    },
    /// An option of generation is out of its range.
    #[error("{option} = {value} is outside {expected}")]
    GenerateOption {
        /// The field of `GenerateOptions`.
        option: &'static str,
        /// Its value, printed.
        value: String,
        /// The allowed range, in words.
        expected: &'static str,
    },
    /// A region file cannot be read.
    #[error("{format}, {place}: {problem}")]
    Import {
        /// Name of the format.
        format: &'static str,
        /// Line, field or entry.
        place: String,
        /// What was expected and what was found.
        problem: String,
    },
}
