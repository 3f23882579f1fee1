use super::{NormalizeTable, RgbPixels, parallel::fill_rows};

/// How pixels are cut into patches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PatchLayout {
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Frames in a patch.
    pub temporal_patch_size: usize,
    /// Patches along the side of the block that becomes one token.
    pub merge_size: usize,
}

impl PatchLayout {
    /// Side of a block in pixels: resized pictures are whole numbers of blocks.
    pub const fn factor(self) -> usize {
        self.patch_size * self.merge_size
    }

    /// Values in a row of `pixel_values`.
    pub const fn patch_dim(self) -> usize {
        3 * self.temporal_patch_size * self.patch_size * self.patch_size
    }

    /// Patches in time, height and width of `frames` frames of this size.
    pub const fn grid_thw(self, frames: usize, size: rcmu_core::ImageSize) -> [usize; 3] {
        [
            frames.div_ceil(self.temporal_patch_size),
            size.height() as usize / self.patch_size,
            size.width() as usize / self.patch_size,
        ]
    }

    /// Tokens that a grid becomes after merging.
    pub const fn tokens(self, [t, h, w]: [usize; 3]) -> usize {
        t * h * w / (self.merge_size * self.merge_size)
    }
}

/// Cuts frames into rows of normalised patches.
///
/// One frame is a picture. Missing frames of the last patch repeat the last frame.
///
/// # Shapes
///
/// - `frames`: each `[height, width, 3]` with the same whole number of blocks
/// - output: `[grid_t * grid_h * grid_w, channel * time * y * x]`; rows block by block, so that the patches of one
///   token are neighbours
///
/// # Panics
///
/// When there is no frame, or a frame is not the size of the first or not a whole number of blocks.
pub fn patchify(frames: &[RgbPixels], table: &NormalizeTable, layout: PatchLayout) -> Vec<f32> {
    let last = frames.last().expect("a visual has at least one frame");
    let size = last.size();
    for frame in frames {
        assert_eq!(frame.size(), size, "frames of one video have one size");
    }
    let PatchLayout { patch_size, temporal_patch_size, merge_size } = layout;
    let (width, height) = (size.width() as usize, size.height() as usize);
    assert_eq!([width % layout.factor(), height % layout.factor()], [0, 0], "{size} is not whole blocks");

    let [grid_t, grid_h, grid_w] = layout.grid_thw(frames.len(), size);
    let patch_dim = layout.patch_dim();
    let block_len = merge_size * merge_size * patch_dim;
    let blocks_x = grid_w / merge_size;
    let mut values = vec![0.0; grid_t * grid_h * grid_w * patch_dim];
    // One row of blocks after the other, through all slices of time.
    fill_rows(&mut values, blocks_x * block_len, |row, values| {
        let blocks_y = grid_h / merge_size;
        let (t, block_y) = (row / blocks_y, row % blocks_y);
        let group: Vec<&RgbPixels> = (0..temporal_patch_size)
            .map(|i| frames.get(t * temporal_patch_size + i).unwrap_or(last))
            .collect();
        for (patch, values) in values.chunks_exact_mut(patch_dim).enumerate() {
            let (block_x, inside) = (patch / (merge_size * merge_size), patch % (merge_size * merge_size));
            let patch_y = block_y * merge_size + inside / merge_size;
            let patch_x = block_x * merge_size + inside % merge_size;
            let corner = patch_y * patch_size * width + patch_x * patch_size;
            fill_patch(values, &group, table, Window { corner, width, side: patch_size });
        }
    });
    values
}

/// A square of pixels in a frame.
#[derive(Clone, Copy)]
struct Window {
    /// Index of its first pixel.
    corner: usize,
    /// Width of the frame in pixels.
    width: usize,
    /// Side of the square in pixels.
    side: usize,
}

/// Fills one row: channel, then frame, then y, then x.
fn fill_patch(values: &mut [f32], group: &[&RgbPixels], table: &NormalizeTable, window: Window) {
    let mut lines = values.chunks_exact_mut(window.side);
    for channel in 0..3 {
        let table = table.channel(channel);
        for frame in group {
            for (y, line) in lines.by_ref().take(window.side).enumerate() {
                let begin = (window.corner + y * window.width) * 3;
                let (pixels, _) = frame.pixels()[begin..begin + window.side * 3].as_chunks::<3>();
                for (value, pixel) in line.iter_mut().zip(pixels) {
                    *value = table[usize::from(pixel[channel])];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rcmu_core::ImageSize;

    use super::*;
    use crate::processor::Normalization;

    const LAYOUT: PatchLayout = PatchLayout { patch_size: 1, temporal_patch_size: 2, merge_size: 2 };

    /// A 4x2 frame whose red channel counts pixels from `start`; other channels are red plus 100 and 200.
    fn frame(start: u8) -> RgbPixels {
        let pixels = (start..start + 8).flat_map(|v| [v, v + 100, v + 200]).collect();
        RgbPixels::new(ImageSize::new(4, 2).unwrap(), pixels).unwrap()
    }

    /// Rows of patches with the normalisation undone.
    fn rows(frames: &[RgbPixels]) -> Vec<Vec<i32>> {
        let table = NormalizeTable::new([0.0; 3], [1.0; 3], Normalization::Torchvision);
        let values = patchify(frames, &table, LAYOUT);
        values
            .chunks(LAYOUT.patch_dim())
            .map(|r| r.iter().map(|v| (v * 255.0).round() as i32).collect())
            .collect()
    }

    #[test]
    fn rows_walk_block_by_block_and_hold_channel_before_time() {
        let rows = rows(&[frame(0)]);

        // Blocks of 2x2 pixels: 0 1 4 5, then 2 3 6 7.
        let reds: Vec<i32> = rows.iter().map(|row| row[0]).collect();
        assert_eq!(reds, [0, 1, 4, 5, 2, 3, 6, 7]);
        assert_eq!(rows[2], [4, 4, 104, 104, 204, 204]);
    }

    #[test]
    fn an_odd_frame_is_paired_with_itself() {
        let rows = rows(&[frame(0), frame(10), frame(20)]);

        assert_eq!(rows.len(), 16);
        assert_eq!(rows[0][..2], [0, 10]);
        assert_eq!(rows[8][..2], [20, 20]);
    }
}
