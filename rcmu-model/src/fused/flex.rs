//! The operations on tensors of burn's CPU backend.

use burn::{
    backend::{
        Flex, backend_extension,
        flex::{FlexTensor, Layout},
        tensor::FloatTensor,
    },
    tensor::{Bytes, DType},
};

use super::{
    Heads, Threads,
    attention::{self, Inputs, Mixed, Tokens},
    rows,
};

/// The operations that training needs too.
#[cfg_attr(feature = "train", backend_extension(Flex, Autodiff))]
#[cfg_attr(not(feature = "train"), backend_extension(Flex))]
pub(crate) trait FusedOps: burn::backend::Backend {
    /// See [`super::attend`].
    fn attend(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
        heads: Heads,
    ) -> FloatTensor<Self>;

    /// See [`super::rms_norm`].
    fn rms_norm(x: FloatTensor<Self>, weight: FloatTensor<Self>, eps: f64) -> FloatTensor<Self>;

    /// See [`super::swiglu`].
    fn swiglu(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// The operations that have no gradient.
#[backend_extension(Flex)]
pub(crate) trait PlainOps: burn::backend::Backend {
    /// See [`super::quick_gelu`].
    fn quick_gelu(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// See [`super::turn`].
    fn turn(x: FloatTensor<Self>, cos: FloatTensor<Self>, sin: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// The values of a tensor whose rows stand one after another.
pub(super) fn values(tensor: &FlexTensor) -> &[f32] {
    let (start, end) = tensor.layout().contiguous_offsets().expect("it was made contiguous");
    &tensor.storage::<f32>()[start..end]
}

/// The tensor with other values: in its own memory where nobody else has it, and it has no more than these.
fn changed(mut tensor: FlexTensor, change: impl FnOnce(&mut [f32])) -> FlexTensor {
    let count = tensor.layout().num_elements();
    let is_whole = tensor.layout().contiguous_offsets() == Some((0, count));
    if is_whole
        && let Some(values) = tensor.try_storage_mut::<f32>()
        && values.len() == count
    {
        change(values);
        return tensor;
    }
    let tensor = tensor.to_contiguous();
    let mut copy = values(&tensor).to_vec();
    change(&mut copy);
    like(&tensor, copy)
}

/// The tensor, or a copy where the numbers of a row do not stand one after another.
fn with_whole_rows(tensor: FlexTensor) -> FlexTensor {
    if matches!(tensor.layout().strides(), &[rows, 1] if rows > 0) { tensor } else { tensor.to_contiguous() }
}

/// The rows of such a tensor, `[tokens, width]`.
fn tokens(tensor: &FlexTensor) -> Tokens<'_> {
    let layout = tensor.layout();
    let stride = usize::try_from(layout.strides()[0]).expect("rows stand in order");
    Tokens { values: &tensor.storage::<f32>()[layout.start_offset()..], stride }
}

pub(super) fn tensor(values: Vec<f32>, shape: &[usize]) -> FlexTensor {
    FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(shape.into()), DType::F32)
}

pub(super) fn like(other: &FlexTensor, values: Vec<f32>) -> FlexTensor {
    FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(other.layout().shape().clone()), DType::F32)
}

/// What attention needs again for its gradient.
#[derive(Clone, Debug)]
pub(super) struct Attended {
    /// Queries, keys, values, cosines, sines.
    pub(super) inputs: [FlexTensor; 5],
    heads: Heads,
}

impl Attended {
    pub(super) fn new(inputs: [FlexTensor; 5], heads: Heads) -> Self {
        let [query, key, value, cos, sin] = inputs;
        let [query, key, value] = [query, key, value].map(with_whole_rows);
        Self { inputs: [query, key, value, cos.to_contiguous(), sin.to_contiguous()], heads }
    }

    pub(super) fn inputs(&self) -> Inputs<'_> {
        let [query, key, value, cos, sin] = &self.inputs;
        let [query, key, value] = [query, key, value].map(tokens);
        let [cos, sin] = [cos, sin].map(values);
        Inputs { query, key, value, cos, sin, heads: self.heads }
    }

    pub(super) fn forward(&self, threads: Threads) -> (FlexTensor, Vec<f32>) {
        let Mixed { out, log_sums } = attention::forward(self.inputs(), threads);
        let Heads { batch, seq, heads, head_dim, .. } = self.heads;
        (tensor(out, &[batch * seq, heads * head_dim]), log_sums)
    }
}

impl FusedOps for Flex {
    fn attend(
        query: FlexTensor,
        key: FlexTensor,
        value: FlexTensor,
        cos: FlexTensor,
        sin: FlexTensor,
        heads: Heads,
    ) -> FlexTensor {
        Attended::new([query, key, value, cos, sin], heads).forward(Threads::All).0
    }

    fn rms_norm(x: FlexTensor, weight: FlexTensor, eps: f64) -> FlexTensor {
        let (x, weight) = (x.to_contiguous(), weight.to_contiguous());
        like(&x, rows::rms_norm(values(&x), values(&weight), eps, Threads::All))
    }

    fn swiglu(gate: FlexTensor, up: FlexTensor) -> FlexTensor {
        let up = up.to_contiguous();
        changed(gate, |gate| rows::swiglu(gate, values(&up), Threads::All))
    }
}

impl PlainOps for Flex {
    fn quick_gelu(x: FlexTensor) -> FlexTensor {
        changed(x, rows::quick_gelu)
    }

    fn turn(x: FlexTensor, cos: FlexTensor, sin: FlexTensor) -> FlexTensor {
        let [x, cos, sin] = [x, cos, sin].map(|tensor| tensor.to_contiguous());
        let [tokens, width] = std::array::from_fn(|at| x.layout().shape()[at]);
        like(&x, rows::turn(values(&x), width, [&cos, &sin].map(values), tokens))
    }
}
