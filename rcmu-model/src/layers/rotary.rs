use burn::tensor::{DType, Device, Tensor, TensorData};

/// Cosines and sines that turn queries and keys by their positions.
///
/// Built on the host for one forward pass; the same for all layers and heads. The first half of the width is paired
/// with the second (`rotate_half`, as GPT-NeoX does), not even with odd places.
#[derive(Clone, Debug)]
pub(crate) struct Rotary {
    /// `[batch, 1, seq, head_dim]`
    cos: Tensor<4>,
    /// `[batch, 1, seq, head_dim]`
    sin: Tensor<4>,
}

impl Rotary {
    /// Inverse frequencies `theta^(-2i/width)` for `i` in `0..width/2`.
    pub(crate) fn inverse_frequencies(theta: f64, width: usize) -> Vec<f32> {
        (0..width / 2).map(|i| theta.powf(-((2 * i) as f64) / width as f64) as f32).collect()
    }

    /// Makes the tables from the angles of each token.
    ///
    /// `angles` holds `batch * seq` rows of `head_dim / 2` angles in radians; each row is used twice to fill the
    /// width.
    pub(crate) fn new(angles: &[f32], [batch, seq, half]: [usize; 3], device: &Device, dtype: DType) -> Self {
        assert_eq!(angles.len(), batch * seq * half, "one angle per token and frequency");
        let table = |f: fn(f32) -> f32| {
            let values: Vec<f32> = angles
                .chunks_exact(half.max(1))
                .flat_map(|row| row.iter().chain(row).map(|&angle| f(angle)))
                .collect();
            let data = TensorData::new(values, [batch, 1, seq, 2 * half]);
            let table = Tensor::<4>::from_data(data, (device, DType::F32));
            if dtype == DType::F32 { table } else { table.cast(dtype) }
        };
        Self { cos: table(f32::cos), sin: table(f32::sin) }
    }

    /// Turns queries or keys.
    ///
    /// # Shapes
    ///
    /// - `x`: `[batch, heads, seq, head_dim]`
    /// - output: the same
    pub(crate) fn apply(&self, x: Tensor<4>) -> Tensor<4> {
        let [batch, heads, seq, head_dim] = x.dims();
        let half = head_dim / 2;
        let first = x.clone().slice([0..batch, 0..heads, 0..seq, 0..half]);
        let second = x.clone().slice([0..batch, 0..heads, 0..seq, half..head_dim]);
        let turned = Tensor::cat(vec![second.neg(), first], 3);
        x * self.cos.clone() + turned * self.sin.clone()
    }

    /// `[batch, seq]` of the tokens that the tables are for.
    pub(crate) fn tokens_per_row(&self) -> [usize; 2] {
        let [batch, _, seq, _] = self.cos.dims();
        [batch, seq]
    }

    /// The tables, one row of `head_dim` values per token: cosines and sines.
    pub(crate) fn tables(&self) -> [Tensor<4>; 2] {
        [self.cos.clone(), self.sin.clone()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_fall_from_one_by_powers_of_theta() {
        let frequencies = Rotary::inverse_frequencies(10_000.0, 8);

        // 10000^0, 10000^(-1/4), 10000^(-1/2), 10000^(-3/4)
        assert_eq!(frequencies, [1.0, 0.1, 0.01, 0.001]);
    }
}
