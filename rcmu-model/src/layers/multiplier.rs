use burn::tensor::{DType, Tensor};

/// How matrices of f32 numbers are multiplied on a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Multiplier {
    /// As the device does it.
    #[default]
    Whole,
    /// In parts that stay as they are where the device rounds numbers to eleven bits before it multiplies them: burn's products of
    /// f32 numbers are those of TF32 on CUDA (burn 0.22.1), which has no setting for it.
    InParts,
}

impl Multiplier {
    /// `a b`
    ///
    /// # Shapes
    ///
    /// - `a`: `[.., rows, inner]`
    /// - `b`: `[.., inner, columns]`
    /// - output: `[.., rows, columns]`
    pub(crate) fn product<const D: usize>(self, a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
        self.combined(a, b, Tensor::matmul)
    }

    /// `a bᵀ`
    ///
    /// # Shapes
    ///
    /// - `a`: `[.., rows, inner]`
    /// - `b`: `[.., columns, inner]`
    /// - output: `[.., rows, columns]`
    pub(crate) fn product_transposed<const D: usize>(self, a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
        self.combined(a, b, |a, b| a.matmul(b.transpose()))
    }

    fn combined<const D: usize>(
        self,
        a: Tensor<D>,
        b: Tensor<D>,
        product: impl Fn(Tensor<D>, Tensor<D>) -> Tensor<D>,
    ) -> Tensor<D> {
        if self == Self::Whole || a.dtype() != DType::F32 || a.device().is_autodiff() {
            return product(a, b);
        }
        let ([a, small_a], [b, small_b]) = (parts(a), parts(b));
        // The product of the small parts is left out: it is about as small as what f32 loses.
        let small = product(small_a, b.clone()) + product(a.clone(), small_b);
        product(a, b) + small
    }
}

/// The first eleven bits of each number, and what is left of it: together the number itself.
///
/// # Source
///
/// Dekker, A floating-point technique for extending the available precision (1971), section 5; needs each operation rounded
/// by itself.
fn parts<const D: usize>(x: Tensor<D>) -> [Tensor<D>; 2] {
    /// 2^13 + 1: an f32 number has 24 bits, of which 13 go to the second part.
    const SPLITTER: f32 = 8193.0;
    let scaled = x.clone() * SPLITTER;
    let first = scaled.clone() - (scaled - x.clone());
    [first.clone(), x - first]
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    /// Numbers from -0.5 to 0.5 with 24 bits, the same in every run: fractions of the multiples of the golden ratio.
    fn numbers(seed: usize, count: usize) -> Vec<f32> {
        (seed..seed + count).map(|at| ((at as f64 * 0.618_033_988_75).fract() - 0.5) as f32).collect()
    }

    fn tensor(values: Vec<f32>, shape: [usize; 2]) -> Tensor<2> {
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    fn values(tensor: Tensor<2>) -> Vec<f32> {
        tensor.into_data().try_to_vec().expect("f32")
    }

    /// The nearest number with ten bits after the first, as tensor cores read f32 numbers.
    fn tf32(x: f32) -> f32 {
        f32::from_bits((x.to_bits() + (1 << 12)) & !((1 << 13) - 1))
    }

    #[test]
    fn parts_add_up_and_the_first_is_kept_by_tensor_cores() {
        let whole: Vec<f32> = numbers(3, 1000)
            .into_iter()
            .chain([0.0, 1.0, f32::EPSILON, 65504.0, 3.0e30, -1.5e-20, 1.0 + f32::EPSILON])
            .collect();
        let [first, second] = parts(tensor(whole.clone(), [1, whole.len()])).map(values);

        for ((whole, first), second) in whole.into_iter().zip(first).zip(second) {
            assert_eq!([first + second, tf32(first)].map(f32::to_bits), [whole, first].map(f32::to_bits));
            assert!(second.abs() <= whole.abs() / 1024.0, "of {whole}");
        }
    }

    #[test]
    fn parts_that_are_rounded_give_what_f32_gives() {
        let [rows, inner, columns] = [7, 600, 9];
        let (left, right) = (numbers(3, rows * inner), numbers(5000, columns * inner));
        let rounding = |a: Tensor<2>, b: Tensor<2>| {
            let [a, b] = [a, b]
                .map(|x| (x.dims(), x))
                .map(|(dims, x)| tensor(values(x).into_iter().map(tf32).collect(), dims));
            a.matmul(b.transpose())
        };
        // The largest distance from the formula, in sums of all magnitudes.
        let apart = |product: Tensor<2>| {
            let product = values(product);
            let products = |at: usize| {
                let (row, column) = (at / columns, at % columns);
                let pairs = left[row * inner..].iter().zip(&right[column * inner..]).take(inner);
                pairs.map(|(a, b)| f64::from(*a) * f64::from(*b))
            };
            let far = |at: usize| {
                let size: f64 = products(at).map(f64::abs).sum();
                (f64::from(product[at]) - products(at).sum::<f64>()).abs() / size
            };
            (0..rows * columns).map(far).fold(0.0, f64::max)
        };
        let (a, b) = (tensor(left.clone(), [rows, inner]), tensor(right.clone(), [columns, inner]));

        let of_f32 = apart(Multiplier::Whole.product_transposed(a.clone(), b.clone()));
        let whole = apart(Multiplier::Whole.combined(a.clone(), b.clone(), rounding));
        let in_parts = apart(Multiplier::InParts.combined(a.clone(), b.clone(), rounding));

        let plainly = apart(Multiplier::InParts.product(a.clone(), b.clone().transpose()));
        let transposed = apart(Multiplier::InParts.product_transposed(a, b));

        // A sum of 600 f32 numbers may be off by 3.6e-5 in the worst order.
        for apart in [of_f32, in_parts, plainly, transposed] {
            assert!(apart < 1e-6, "{of_f32} {in_parts} {plainly} {transposed}");
        }
        assert!(whole > 20.0 * in_parts, "{whole} {in_parts}");
    }
}
