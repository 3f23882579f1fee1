//! Widens the rows of a component that is stored smaller.

/// How a component becomes as large as the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upsampling {
    /// Repeats samples; by one, it leaves them as they are.
    Repeat { across: usize, down: usize },
    /// Doubles the width, mixing with the neighbour.
    Across,
    /// Doubles the height, mixing with the neighbour.
    Down,
    /// Doubles both, mixing with the neighbours.
    Both,
}

impl Upsampling {
    /// Chooses as the reference does; `width` is in samples of the component.
    pub(super) fn new(across: usize, down: usize, width: usize) -> Self {
        match (across, down) {
            (2, 1) if width > 2 => Self::Across,
            (1, 2) => Self::Down,
            (2, 2) if width > 2 => Self::Both,
            _ => Self::Repeat { across, down },
        }
    }

    /// Fills row `y` of the picture from the `height` rows of the component; its last samples may be left out.
    ///
    /// A sample weighs three quarters, the neighbour on the side of the new sample one quarter. Halves are rounded
    /// up on one side and down on the other, so that the picture gets no brighter on average.
    ///
    /// # Source
    ///
    /// The "fancy" triangle filter of the Independent JPEG Group's library and of libjpeg-turbo.
    pub(super) fn fill<'a>(
        self,
        y: usize,
        height: usize,
        row: impl Fn(usize) -> &'a [u8],
        out: &mut Vec<u8>,
    ) {
        out.clear();
        let (near, far) = match self {
            Self::Repeat { across, down } => {
                let near = row(y / down);
                match across {
                    1 => out.extend_from_slice(near),
                    _ => near.iter().for_each(|&sample| out.resize(out.len() + across, sample)),
                }
                return;
            }
            Self::Across => (row(y), row(y)),
            Self::Down | Self::Both => {
                let far =
                    if y.is_multiple_of(2) { (y / 2).saturating_sub(1) } else { (y / 2 + 1).min(height - 1) };
                (row(y / 2), row(far))
            }
        };
        let column = |(&near, &far): (&u8, &u8)| 3 * u32::from(near) + u32::from(far);
        match self {
            Self::Down => {
                let half = 1 + y as u32 % 2;
                out.extend(near.iter().zip(far).map(|pair| ((column(pair) + half) >> 2) as u8));
            }
            // Sums of the columns are four times the samples.
            Self::Both => mix_across(near.iter().zip(far).map(column), [8, 7], 4, out),
            _ => mix_across(near.iter().map(|&near| u32::from(near)), [1, 2], 2, out),
        }
    }
}

/// Doubles a row; `halves` are added on the left and on the right before `bits` are dropped.
fn mix_across(row: impl Iterator<Item = u32>, [left, right]: [u32; 2], bits: u32, out: &mut Vec<u8>) {
    let mut row = row.peekable();
    let mut last = None;
    while let Some(this) = row.next() {
        // The first and the last sample stand alone: their neighbour is themselves.
        let next = row.peek().copied().unwrap_or(this);
        out.push(((3 * this + last.unwrap_or(this) + left) >> bits) as u8);
        out.push(((3 * this + next + right) >> bits) as u8);
        last = Some(this);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: [[u8; 3]; 2] = [[0, 100, 255], [40, 41, 7]];

    fn filled(upsampling: Upsampling, y: usize) -> Vec<u8> {
        let mut out = Vec::new();
        upsampling.fill(y, ROWS.len(), |row| &ROWS[row], &mut out);
        out
    }

    #[test]
    fn width_is_mixed_three_to_one() {
        // 0 | (0 + 100 + 2) / 4 | (300 + 0 + 1) / 4 | (300 + 255 + 2) / 4 | (765 + 100 + 1) / 4 | 255
        assert_eq!(filled(Upsampling::Across, 0), [0, 25, 75, 139, 216, 255]);
    }

    #[test]
    fn height_is_mixed_three_to_one() {
        assert_eq!(filled(Upsampling::Down, 0), ROWS[0]);
        // (0 + 40 + 2) / 4, (300 + 41 + 2) / 4, (765 + 7 + 2) / 4
        assert_eq!(filled(Upsampling::Down, 1), [10, 85, 193]);
        // (120 + 0 + 1) / 4, (123 + 100 + 1) / 4, (21 + 255 + 1) / 4
        assert_eq!(filled(Upsampling::Down, 2), [30, 56, 69]);
        assert_eq!(filled(Upsampling::Down, 3), ROWS[1]);
    }

    #[test]
    fn both_are_mixed_at_once() {
        // Columns 3 * near + far of row 1: 40, 341, 772.
        // (160 + 8) / 16, (120 + 341 + 7) / 16, (1023 + 40 + 8) / 16, (1023 + 772 + 7) / 16,
        // (2316 + 341 + 8) / 16, (3088 + 7) / 16
        assert_eq!(filled(Upsampling::Both, 1), [10, 29, 66, 112, 166, 193]);
    }

    #[test]
    fn other_ratios_repeat() {
        assert_eq!(filled(Upsampling::new(4, 2, 3), 2), [40, 40, 40, 40, 41, 41, 41, 41, 7, 7, 7, 7]);
        assert_eq!(filled(Upsampling::new(1, 1, 3), 1), ROWS[1]);
        // Two samples are too few to mix across, as in the reference.
        assert_eq!(Upsampling::new(2, 2, 2), Upsampling::Repeat { across: 2, down: 2 });
        assert_eq!(Upsampling::new(2, 1, 3), Upsampling::Across);
    }
}
