//! The frame header: size, components, and what decoding will cost.

use rcmu_core::ImageSize;

use super::invalid;
use crate::{
    Error,
    processor::{PictureFormat, PictureLimits, header::stored_size},
};

/// One component of the pixels, such as the brightness.
pub(super) struct Component {
    /// The name that scans call it by.
    pub(super) id: u8,
    /// Blocks across and down in one unit of the frame.
    pub(super) sampling: [usize; 2],
    /// Which table of quantisation steps it takes.
    pub(super) steps: usize,
}

/// Start of frame.
pub(super) struct Frame {
    pub(super) size: ImageSize,
    pub(super) progressive: bool,
    pub(super) components: Vec<Component>,
    /// The largest sampling across and down.
    most: [usize; 2],
}

impl Frame {
    /// Reads the segment of a frame header.
    pub(super) fn read(segment: &[u8], progressive: bool, limits: &PictureLimits) -> Result<Self, Error> {
        let &[precision, h1, h0, w1, w0, count, ref components @ ..] = segment else {
            return Err(invalid("its frame header is too short"));
        };
        if precision != 8 {
            return Err(invalid("its samples do not have 8 bits"));
        }
        if !matches!(count, 1 | 3 | 4) || components.len() != usize::from(count) * 3 {
            return Err(invalid("it does not have 1, 3 or 4 components"));
        }
        let [height, width] = [[h1, h0], [w1, w0]].map(|side| u32::from(u16::from_be_bytes(side)));
        let size = stored_size(PictureFormat::Jpeg, [width, height], limits)?;
        let mut components: Vec<Component> = components
            .as_chunks::<3>()
            .0
            .iter()
            .map(|&[id, sampling, steps]| Component {
                id,
                sampling: [sampling >> 4, sampling & 15].map(usize::from),
                steps: steps.into(),
            })
            .collect();
        for (index, component) in components.iter().enumerate() {
            if component.sampling.iter().any(|side| !(1..=4).contains(side)) {
                return Err(invalid("a sampling factor is not 1 to 4"));
            }
            if component.steps > 3 {
                return Err(invalid("a table of quantisation steps is not 0 to 3"));
            }
            if components[..index].iter().any(|other| other.id == component.id) {
                return Err(invalid("two components have the same identifier"));
            }
        }
        if let [only] = &mut components[..] {
            // A component alone is coded block by block, whatever its sampling.
            only.sampling = [1, 1];
        }
        let most = [0, 1].map(|axis| {
            components.iter().map(|component| component.sampling[axis]).max().expect("there is a component")
        });
        let frame = Self { size, progressive, components, most };
        for component in 0..frame.components.len() {
            let sampling = frame.components[component].sampling;
            if most[0] % sampling[0] != 0 || most[1] % sampling[1] != 0 {
                return Err(invalid("a component is not a whole number of times smaller than the picture"));
            }
        }
        Ok(frame)
    }

    /// Width and height in pixels.
    pub(super) fn pixels(&self) -> [usize; 2] {
        [self.size.width() as usize, self.size.height() as usize]
    }

    /// Units across and down: each holds all components of the same pixels.
    pub(super) fn units(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.pixels()[axis].div_ceil(8 * self.most[axis]))
    }

    /// How many times smaller a component is across and down.
    pub(super) fn ratio(&self, component: usize) -> [usize; 2] {
        [0, 1].map(|axis| self.most[axis] / self.components[component].sampling[axis])
    }

    /// Samples of a component across and down, without the filling of the last blocks.
    pub(super) fn samples(&self, component: usize) -> [usize; 2] {
        let ratio = self.ratio(component);
        [0, 1].map(|axis| self.pixels()[axis].div_ceil(ratio[axis]))
    }

    /// Pixels of a unit across.
    pub(super) fn unit_width(&self) -> usize {
        8 * self.most[0]
    }

    /// Rows of pixels in a row of units.
    pub(super) fn unit_height(&self) -> usize {
        8 * self.most[1]
    }

    /// Blocks of a component in a row of units.
    pub(super) fn blocks_across(&self, component: usize) -> usize {
        self.units()[0] * self.components[component].sampling[0]
    }

    /// Whether one scan gives all coefficients of a block; `first_scan` is the number of its components.
    pub(super) fn in_one_scan(&self, first_scan: usize) -> bool {
        !self.progressive && first_scan == self.components.len()
    }

    /// Bytes that decoding holds at once.
    ///
    /// These are the RGB pixels; two bytes for each coefficient that has to wait, for later scans or for its row of
    /// units; three rows of units of samples, and one row of pixels, of each component.
    pub(super) fn decode_bytes(&self, first_scan: usize) -> u64 {
        let [width, height] = self.units();
        let per_unit: usize = self.components.iter().map(|c| c.sampling[0] * c.sampling[1]).sum();
        let waiting = if self.in_one_scan(first_scan) { 1 } else { height };
        let row = self.components.len() * width * self.unit_width();
        let work = width * per_unit * (waiting * 128 + 3 * 64) + row;
        self.size.pixels() * 3 + work as u64
    }

    /// The component that scans call by this name.
    pub(super) fn component(&self, id: u8) -> Option<usize> {
        self.components.iter().position(|component| component.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(components: &[[u8; 3]]) -> Result<Frame, Error> {
        let segment = [&[8, 0, 17, 0, 33, components.len() as u8][..], components.as_flattened()].concat();
        Frame::read(&segment, false, &PictureLimits::default())
    }

    #[test]
    fn a_picture_of_33x17_is_filled_to_whole_units() {
        let frame = read(&[[1, 0x22, 0], [2, 0x11, 1], [3, 0x12, 1]]).unwrap();

        // Units of 16x16 pixels.
        assert_eq!(frame.units(), [3, 2]);
        assert_eq!([0, 1, 2].map(|c| frame.samples(c)), [[33, 17], [17, 9], [17, 17]]);
        assert_eq!([0, 1, 2].map(|c| frame.ratio(c)), [[1, 1], [2, 2], [2, 1]]);
        assert_eq!([0, 1, 2].map(|c| frame.blocks_across(c)), [6, 3, 3]);
        // 561 pixels; 3 units of 4 + 1 + 2 blocks of 128 bytes and three times 64; three rows of 48 samples.
        assert_eq!(frame.decode_bytes(3), 561 * 3 + 21 * (128 + 192) + 144);
        // All coefficients have to wait.
        assert_eq!(frame.decode_bytes(1), 561 * 3 + 21 * (2 * 128 + 192) + 144);
    }

    #[test]
    fn a_component_alone_is_coded_block_by_block() {
        let frame = read(&[[1, 0x22, 0]]).unwrap();

        assert_eq!((frame.units(), frame.blocks_across(0)), ([5, 3], 5));
    }

    #[test]
    fn components_that_cannot_be_decoded_are_refused() {
        for components in [
            &[[1, 0x02, 0]][..],
            &[[1, 0x51, 0]],
            &[[1, 0x11, 4]],
            &[[1, 0x11, 0], [2, 0x11, 0]],
            &[[1, 0x31, 0], [2, 0x21, 0], [3, 0x11, 0]],
            &[[1, 0x11, 0], [1, 0x11, 0], [3, 0x11, 0]],
        ] {
            assert!(matches!(read(components), Err(Error::PictureInvalid { .. })), "{components:?}");
        }
    }
}
