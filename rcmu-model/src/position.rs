//! Positions of tokens in time, height and width (M-RoPE).

use crate::{Error, processor::PositionRule, vision::PatchGrid};

/// A run of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// This many text tokens.
    Text(usize),
    /// The tokens of one image or video.
    Visual(PatchGrid),
}

/// Positions of every token of a sequence, and where generated tokens go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Positions {
    /// `[3, seq]`: time, height, width.
    pub position_ids: [Vec<u32>; 3],
    /// Position of the first generated token minus the number of tokens; `rope_deltas` of the reference.
    pub rope_delta: i64,
}

impl Positions {
    /// Counts positions over the runs of one sequence.
    ///
    /// # Source
    ///
    /// `get_rope_index` of the reference: a text token takes the next position in all three axes; the tokens of a
    /// picture take its start plus their time slice, row and column, counted in merged patches.
    pub fn new(runs: &[Run], rule: PositionRule) -> Self {
        let mut positions = Self::default();
        let mut next: u32 = 0;
        for run in runs {
            match *run {
                Run::Text(count) => {
                    for _ in 0..count {
                        positions.push([next; 3]);
                        next += 1;
                    }
                }
                Run::Visual(grid) => {
                    let [frames, rows, columns] = grid.merged();
                    for t in 0..frames {
                        for h in 0..rows {
                            for w in 0..columns {
                                positions.push([t, h, w].map(|offset| next + offset as u32));
                            }
                        }
                    }
                    let largest = match rule {
                        PositionRule::MaxOfAll => frames.max(rows).max(columns),
                        PositionRule::MaxOfSpace => rows.max(columns),
                    };
                    next += largest as u32;
                }
            }
        }
        let largest = positions.position_ids.iter().flatten().max();
        let after = largest.map_or(0, |&position| i64::from(position) + 1);
        positions.rope_delta = after - positions.len() as i64;
        positions
    }

    fn push(&mut self, thw: [u32; 3]) {
        for (axis, position) in self.position_ids.iter_mut().zip(thw) {
            axis.push(position);
        }
    }

    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.position_ids[0].len()
    }

    /// Whether there are no tokens.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The position, in all three axes, of the token at `index`, counted from the start of the prompt.
    pub(crate) fn of_generated(rope_delta: i64, index: usize) -> u32 {
        // Never negative: the delta was counted from a position after all tokens of the prompt.
        (index as i64 + rope_delta).max(0) as u32
    }
}

/// Splits token ids into runs: each unbroken stretch of image or video pads is made of whole pictures, in order.
///
/// # Errors
///
/// [`Error::ImageTokens`] when the pads of a kind are not exactly the tokens of its pictures.
pub fn runs(
    ids: &[u32],
    [image_token, video_token]: [u32; 2],
    images: &[PatchGrid],
    videos: &[PatchGrid],
) -> Result<Vec<Run>, Error> {
    let mut runs = Vec::new();
    let mut left = [images.iter(), videos.iter()];
    let mut at = 0;
    while at < ids.len() {
        let start = at;
        let kind = [image_token, video_token].iter().position(|&token| ids[at] == token);
        let Some(kind) = kind else {
            while at < ids.len() && ids[at] != image_token && ids[at] != video_token {
                at += 1;
            }
            runs.push(Run::Text(at - start));
            continue;
        };
        let pad = ids[at];
        let grid = left[kind].next();
        let tokens = grid.map_or(0, |grid| grid.tokens());
        let found = ids[start..].iter().take(tokens.max(1)).take_while(|&&id| id == pad).count();
        match grid {
            Some(&grid) if found == tokens => runs.push(Run::Visual(grid)),
            _ => return Err(mismatch(ids, pad, [images, videos][kind])),
        }
        at += tokens;
    }
    for (kind, mut rest) in left.into_iter().enumerate() {
        if rest.next().is_some() {
            return Err(mismatch(ids, [image_token, video_token][kind], [images, videos][kind]));
        }
    }
    Ok(runs)
}

fn mismatch(ids: &[u32], pad: u32, grids: &[PatchGrid]) -> Error {
    Error::ImageTokens {
        tokens: ids.iter().filter(|&&id| id == pad).count(),
        features: grids.iter().map(|grid| grid.tokens()).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(thw: [usize; 3]) -> PatchGrid {
        PatchGrid::new(thw, 2).expect("a whole grid")
    }

    #[test]
    fn a_picture_takes_rows_and_columns_and_text_goes_on_after_the_larger() {
        let runs = [Run::Text(2), Run::Visual(grid([1, 2, 6])), Run::Text(1)];

        let positions = Positions::new(&runs, PositionRule::MaxOfAll);

        // Start 2, one row and three columns of merged patches; then 2 + max(1, 1, 3) = 5.
        assert_eq!(positions.position_ids[0], [0, 1, 2, 2, 2, 5]);
        assert_eq!(positions.position_ids[1], [0, 1, 2, 2, 2, 5]);
        assert_eq!(positions.position_ids[2], [0, 1, 2, 3, 4, 5]);
        assert_eq!(positions.rope_delta, 0);
    }

    #[test]
    fn the_two_rules_differ_for_long_videos_only() {
        let runs = [Run::Visual(grid([5, 2, 4])), Run::Text(1)];

        let after = Positions::new(&runs, PositionRule::MaxOfAll);
        let overlap = Positions::new(&runs, PositionRule::MaxOfSpace);

        // 5 slices of 1 x 2 tokens; text at 5 or at 2. The largest position is 5 or 4.
        assert_eq!((after.position_ids[0][10], after.rope_delta), (5, 6 - 11));
        assert_eq!((overlap.position_ids[0][10], overlap.rope_delta), (2, 5 - 11));
    }

    #[test]
    fn pads_must_be_exactly_the_tokens_of_the_pictures() {
        let images = [grid([1, 2, 4])];
        let check = |ids: &[u32]| runs(ids, [9, 8], &images, &[]);

        assert_eq!(
            check(&[1, 9, 9, 2]).expect("two pads"),
            [Run::Text(1), Run::Visual(images[0]), Run::Text(1)]
        );
        for ids in [&[1, 9, 2][..], &[1, 9, 9, 9], &[1, 2], &[9, 1, 9], &[8, 9, 9]] {
            assert!(matches!(check(ids), Err(Error::ImageTokens { .. })), "{ids:?}");
        }
    }
}
