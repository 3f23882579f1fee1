use burn::tensor::{DType, Device};

use super::PatchGrid;
use crate::layers::Rotary;

/// Base of the vision tower's frequencies; fixed in the reference, not part of the config.
const THETA: f64 = 10_000.0;

/// Tables for the patches of all pictures: half of the frequencies turn by the row, half by the column of a patch.
///
/// Rows and columns start anew for every picture and time slice.
pub(super) fn vision_rotary(grids: &[PatchGrid], head_dim: usize, device: &Device) -> Rotary {
    let frequencies = Rotary::inverse_frequencies(THETA, head_dim / 2);
    let patches = grids.iter().map(|grid| grid.patches()).sum();
    let mut angles = Vec::with_capacity(patches * head_dim / 2);
    for grid in grids {
        for _ in 0..grid.frames() {
            for place in grid.places() {
                for at in place {
                    angles.extend(frequencies.iter().map(|frequency| at as f32 * frequency));
                }
            }
        }
    }
    // In f32 whatever the weights are: the reference turns the queries and keys of the vision tower in f32.
    Rotary::new(&angles, [1, patches, head_dim / 2], device, DType::F32)
}
