/// How many patches a picture has in time, height and width, before 2×2 patches are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PatchGrid {
    /// `[time, height, width]` in patches, all above zero; height and width multiples of the merge size.
    thw: [usize; 3],
    merge_size: usize,
}

impl PatchGrid {
    /// Makes a grid; `None` when a side is zero or height or width is not a multiple of `merge_size`.
    pub fn new(thw: [usize; 3], merge_size: usize) -> Option<Self> {
        let [time, height, width] = thw;
        let whole = merge_size > 0 && height % merge_size == 0 && width % merge_size == 0;
        (whole && time > 0 && height > 0 && width > 0).then_some(Self { thw, merge_size })
    }

    /// `[time, height, width]` in patches.
    pub const fn thw(self) -> [usize; 3] {
        self.thw
    }

    /// `[time, height, width]` in merged patches.
    pub const fn merged(self) -> [usize; 3] {
        [self.thw[0], self.thw[1] / self.merge_size, self.thw[2] / self.merge_size]
    }

    /// Time slices: 1 for an image, half the frames of a video.
    pub const fn frames(self) -> usize {
        self.thw[0]
    }

    /// Patches of one time slice.
    pub const fn patches_per_frame(self) -> usize {
        self.thw[1] * self.thw[2]
    }

    /// Patches of the whole picture.
    pub const fn patches(self) -> usize {
        self.thw[0] * self.patches_per_frame()
    }

    /// Tokens that stand for the picture in the prompt.
    pub const fn tokens(self) -> usize {
        self.patches() / (self.merge_size * self.merge_size)
    }

    /// Rows and columns of each patch of one time slice, in the order of `pixel_values`: block by block of
    /// `merge_size` × `merge_size` patches, so that the patches of one merged patch follow each other.
    pub(crate) fn places(self) -> impl Iterator<Item = [usize; 2]> {
        let [_, height, width] = self.thw;
        let m = self.merge_size;
        (0..height / m).flat_map(move |block_row| {
            (0..width / m).flat_map(move |block_column| {
                (0..m).flat_map(move |row| {
                    (0..m).map(move |column| [block_row * m + row, block_column * m + column])
                })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_grids_are_refused() {
        assert_eq!(PatchGrid::new([1, 3, 4], 2), None);
        assert_eq!(PatchGrid::new([1, 0, 4], 2), None);
        assert_eq!(PatchGrid::new([0, 2, 4], 2), None);
        assert_eq!(PatchGrid::new([1, 2, 2], 0), None);
    }

    #[test]
    fn places_go_block_by_block() -> Result<(), &'static str> {
        let grid = PatchGrid::new([1, 2, 4], 2).ok_or("a whole grid")?;

        let places: Vec<_> = grid.places().collect();

        assert_eq!(places, [[0, 0], [0, 1], [1, 0], [1, 1], [0, 2], [0, 3], [1, 2], [1, 3]]);
        assert_eq!((grid.patches(), grid.tokens()), (8, 2));
        Ok(())
    }
}
