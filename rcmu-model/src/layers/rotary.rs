use burn::tensor::{DType, Device, Tensor, TensorData};

/// Cosines and sines that turn queries and keys by their positions.
///
/// Built on the host for one forward pass; the same for all layers and heads. The first half of the width is paired
/// with the second (`rotate_half`, as GPT-NeoX does), not even with odd places.
#[derive(Clone, Debug)]
pub(crate) struct Rotary {
    /// `[batch, seq, 1, head_dim]`
    cos: Tensor<4>,
    /// `[batch, seq, 1, head_dim]`
    sin: Tensor<4>,
    /// `[batch, seq, 1, head_dim]`: the first half with the other sign
    signed_sin: Tensor<4>,
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
        let table = |first: fn(f32) -> f32, second: fn(f32) -> f32| {
            let values: Vec<f32> = angles
                .chunks_exact(half.max(1))
                .flat_map(|row| row.iter().map(|&it| first(it)).chain(row.iter().map(|&it| second(it))))
                .collect();
            // Rounded here: the device has one thing less to do.
            let data = TensorData::new(values, [batch, seq, 1, 2 * half]).convert_dtype(dtype);
            Tensor::<4>::from_data(data, (device, dtype))
        };
        Self {
            cos: table(f32::cos, f32::cos),
            sin: table(f32::sin, f32::sin),
            signed_sin: table(|angle| -angle.sin(), f32::sin),
        }
    }

    /// Turns queries or keys.
    ///
    /// # Shapes
    ///
    /// - `x`: `[batch, seq, heads, head_dim]`
    /// - output: the same
    pub(crate) fn apply(&self, x: Tensor<4>) -> Tensor<4> {
        let shape @ [batch, seq, heads, head_dim] = x.dims();
        let swapped = x.clone().reshape([batch, seq, heads, 2, head_dim / 2]).flip([3]).reshape(shape);
        x * self.cos.clone() + swapped * self.signed_sin.clone()
    }

    /// `[batch, seq]` of the tokens that the tables are for.
    pub(crate) fn tokens_per_row(&self) -> [usize; 2] {
        let [batch, seq, _, _] = self.cos.dims();
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

    #[cfg(feature = "flex")]
    #[test]
    fn each_half_is_turned_against_the_other() {
        let [batch, seq, heads, half] = [2, 3, 5, 4];
        let number = |at: usize| ((at * 37 % 101) as f32 - 50.0) / 25.0;
        let angles: Vec<f32> = (0..batch * seq * half).map(|at| number(at) * 3.0).collect();
        let x: Vec<f32> = (0..batch * seq * heads * 2 * half).map(|at| number(at + 7)).collect();
        let rotary = Rotary::new(&angles, [batch, seq, half], &Device::flex(), DType::F32);
        let data = TensorData::new(x.clone(), [batch, seq, heads, 2 * half]);

        let turned = rotary.apply(Tensor::from_data(data, &Device::flex())).into_data();

        let turned = turned.try_to_vec::<f32>().expect("f32");
        for (row, (x, turned)) in x.chunks(2 * half).zip(turned.chunks(2 * half)).enumerate() {
            for (at, angle) in angles[row / heads * half..].iter().take(half).enumerate() {
                let (a, b) = (x[at], x[half + at]);
                let [cos, sin] = [angle.cos(), angle.sin()];
                let expected = [a * cos - b * sin, b * cos + a * sin];
                assert_eq!([turned[at], turned[half + at]].map(f32::to_bits), expected.map(f32::to_bits));
            }
        }
    }

    #[cfg(feature = "flex")]
    #[test]
    fn tables_are_rounded_to_the_nearest_number_of_their_type() {
        let angles: Vec<f32> = (0..6000).map(|at| at as f32 * 0.37).collect();
        let rotary = Rotary::new(&angles, [1, 1500, 4], &Device::flex(), DType::BF16);

        for (table, f) in rotary.tables().into_iter().zip([f32::cos, f32::sin]) {
            assert_eq!(table.dtype(), DType::BF16);
            let found = table.cast(DType::F32).into_data().try_to_vec::<f32>().expect("f32");
            let rows = angles.chunks(4).flat_map(|row| row.iter().chain(row));
            let expected = rows.map(|&angle| half::bf16::from_f32(f(angle)).to_f32()).collect::<Vec<_>>();
            assert_eq!(found, expected);
        }
    }
}
