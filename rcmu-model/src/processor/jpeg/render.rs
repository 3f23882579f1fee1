//! From coefficients to RGB pixels, one row of units after another.

use super::{
    color::ColorModel,
    frame::Frame,
    idct::{self, Block},
    scan::Grid,
    upsample::Upsampling,
};

/// The samples of a component, of the last three rows of units.
struct Plane {
    /// Samples in a row, with the filling of the last blocks.
    stride: usize,
    /// Rows in a row of units.
    unit_height: usize,
    samples: Vec<u8>,
    /// Width and height without filling.
    size: [usize; 2],
    upsampling: Upsampling,
}

impl Plane {
    /// Row `y` of the component, if it is one of those kept.
    fn row(&self, y: usize) -> &[u8] {
        let first = y % (3 * self.unit_height) * self.stride;
        &self.samples[first..first + self.size[0]]
    }
}

/// Builds the picture from top to bottom.
///
/// A row of units is shown when the next one is there, whose first samples it mixes with its last.
pub(super) struct Renderer<'a> {
    frame: &'a Frame,
    model: ColorModel,
    planes: Vec<Plane>,
    /// One row of each component, as wide as the picture or wider.
    rows: Vec<Vec<u8>>,
    pixels: Vec<u8>,
    /// Rows of units that came, and pixel rows that were shown.
    units: usize,
    shown: usize,
}

impl<'a> Renderer<'a> {
    pub(super) fn new(frame: &'a Frame, model: ColorModel) -> Self {
        let planes = (0..frame.components.len()).map(|component| {
            let ([across, down], size) = (frame.ratio(component), frame.samples(component));
            let stride = frame.blocks_across(component) * 8;
            let unit_height = frame.components[component].sampling[1] * 8;
            let samples = vec![0; 3 * unit_height * stride];
            Plane { stride, unit_height, samples, size, upsampling: Upsampling::new(across, down, size[0]) }
        });
        let [width, height] = frame.pixels();
        let row = |_| Vec::with_capacity(frame.units()[0] * frame.unit_width());
        Self {
            frame,
            model,
            planes: planes.collect(),
            rows: (0..frame.components.len()).map(row).collect(),
            pixels: vec![0; width * height * 3],
            units: 0,
            shown: 0,
        }
    }

    /// Takes row `row` of the grids as the next row of units.
    pub(super) fn push(&mut self, row: usize, grids: &[Grid], steps: &[Block<u16>]) {
        for ((plane, grid), steps) in self.planes.iter_mut().zip(grids).zip(steps) {
            let down = plane.unit_height / 8;
            let to = self.units % 3 * plane.unit_height;
            for y in 0..down {
                let first = (row * down + y) * grid.across;
                let start = (to + y * 8) * plane.stride;
                let strip = &mut plane.samples[start..start + 8 * plane.stride];
                for (x, block) in grid.blocks[first..first + grid.across].iter().enumerate() {
                    let samples = idct::inverse(block, steps);
                    for (line, from) in strip.chunks_exact_mut(plane.stride).zip(samples.as_chunks::<8>().0) {
                        line[x * 8..x * 8 + 8].copy_from_slice(from);
                    }
                }
            }
        }
        self.units += 1;
        self.show((self.units - 1) * self.frame.unit_height());
    }

    /// Gives the pixels away, once all rows of units came.
    pub(super) fn finish(mut self) -> Vec<u8> {
        debug_assert_eq!(self.units, self.frame.units()[1]);
        self.show(self.frame.pixels()[1]);
        self.pixels
    }

    /// Fills the pixel rows up to `end`.
    fn show(&mut self, end: usize) {
        let width = self.frame.pixels()[0];
        for y in self.shown..end {
            for (plane, row) in self.planes.iter().zip(&mut self.rows) {
                plane.upsampling.fill(y, plane.size[1], |y| plane.row(y), row);
            }
            self.model.convert(&self.rows, &mut self.pixels[y * width * 3..(y + 1) * width * 3]);
        }
        self.shown = end;
    }
}
