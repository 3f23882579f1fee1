use burn::tensor::{DType, Device, Int, Tensor, TensorData, activation::log_softmax};

use crate::fused::{self, Word};

/// The weighted sum of the negative log-likelihoods of words, `[1]`.
///
/// # Shapes
///
/// - `logits`: `[rows, vocab]`
pub(crate) fn negative_log_likelihood(logits: Tensor<2>, words: &[Word]) -> Tensor<1> {
    let device = logits.device();
    let logits = if logits.dtype() == DType::F32 { logits } else { logits.cast(DType::F32) };
    if words.is_empty() {
        return Tensor::zeros([1], &device);
    }
    if let Some(loss) = fused::told(&logits, words) {
        return loss;
    }
    let column = |pick: fn(&Word) -> u32| words.iter().map(|word| pick(word) as i32).collect();
    let (rows, tokens) = (ints(column(|word| word.0), &device), ints(column(|word| word.1), &device));
    let weights: Vec<f32> = words.iter().map(|word| word.2).collect();
    let weights = Tensor::<2>::from_data(TensorData::new(weights, [words.len(), 1]), &device);
    let chosen = log_softmax(logits, 1).select(0, rows).gather(1, tokens.unsqueeze_dim::<2>(1));
    (chosen * weights).sum().neg()
}

pub(crate) fn ints(values: Vec<i32>, device: &Device) -> Tensor<1, Int> {
    let len = values.len();
    Tensor::from_data(TensorData::new(values, [len]), (device, DType::I32))
}
