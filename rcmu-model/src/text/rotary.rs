use burn::tensor::{DType, Device};

use crate::{config::TextConfig, layers::Rotary};

/// Tables for tokens with a position in time, height and width each (M-RoPE).
///
/// The frequencies are split into three sections; each section turns by one axis.
///
/// `positions` holds, for each row of the batch, `[3][seq]` positions of the same length.
///
/// # Source
///
/// `apply_multimodal_rotary_pos_emb` of the reference; the tables take the dtype of the activations.
pub(crate) fn text_rotary(
    positions: &[[&[u32]; 3]],
    config: &TextConfig,
    device: &Device,
    dtype: DType,
) -> Rotary {
    let half = config.head_dim() / 2;
    let frequencies = Rotary::inverse_frequencies(config.rope_theta, config.head_dim());
    let axis_of = section_axes(config.mrope_section);
    let seq = positions.first().map_or(0, |row| row[0].len());
    let mut angles = Vec::with_capacity(positions.len() * seq * half);
    for row in positions {
        let [t, h, w] = *row;
        for ((&t, &h), &w) in t.iter().zip(h).zip(w) {
            let position = [t, h, w].map(|at| at as f32);
            let turned = frequencies.iter().zip(&axis_of);
            angles.extend(turned.map(|(frequency, &axis)| position[axis] * frequency));
        }
    }
    Rotary::new(&angles, [positions.len(), seq, half], device, dtype)
}

/// The axis that each frequency turns by: time, height, then width.
fn section_axes(sections: [usize; 3]) -> Vec<usize> {
    sections.iter().enumerate().flat_map(|(axis, &len)| std::iter::repeat_n(axis, len)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_follow_each_other() {
        assert_eq!(section_axes([2, 3, 3]), [0, 0, 1, 1, 1, 2, 2, 2]);
    }
}
