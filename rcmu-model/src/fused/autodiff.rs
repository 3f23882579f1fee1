//! The operations as burn's autodiff knows them.

use std::sync::Arc;

use burn::{
    backend::{
        Autodiff, Flex,
        autodiff::{
            NodeId,
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        backend_extension,
        flex::{FlexTensor, Layout},
        tensor::FloatTensor,
    },
    tensor::{Bytes, DType},
};

use super::{
    Heads, Word,
    attention::{self, Inputs, Mixed, Results},
    rows,
};

/// The operations on tensors of a backend.
#[backend_extension(Flex, Autodiff)]
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

    /// See [`super::told`].
    fn told(logits: FloatTensor<Self>, words: Arc<[Word]>) -> FloatTensor<Self>;
}

/// The values of a tensor whose rows stand one after another.
fn values(tensor: &FlexTensor) -> &[f32] {
    let (start, end) = tensor.layout().contiguous_offsets().expect("it was made contiguous");
    &tensor.storage::<f32>()[start..end]
}

fn tensor(values: Vec<f32>, shape: &[usize]) -> FlexTensor {
    FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(shape.into()), DType::F32)
}

fn like(other: &FlexTensor, values: Vec<f32>) -> FlexTensor {
    FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(other.layout().shape().clone()), DType::F32)
}

/// What attention needs again for its gradient.
#[derive(Clone, Debug)]
struct Attended {
    /// Queries, keys, values, cosines, sines.
    inputs: [FlexTensor; 5],
    heads: Heads,
}

impl Attended {
    fn new(inputs: [FlexTensor; 5], heads: Heads) -> Self {
        Self { inputs: inputs.map(|tensor| tensor.to_contiguous()), heads }
    }

    fn inputs(&self) -> Inputs<'_> {
        let [query, key, value, cos, sin] = self.inputs.each_ref().map(values);
        Inputs { query, key, value, cos, sin, heads: self.heads }
    }

    fn forward(&self) -> (FlexTensor, Vec<f32>) {
        let Mixed { out, log_sums } = attention::forward(self.inputs());
        let Heads { batch, seq, heads, head_dim, .. } = self.heads;
        (tensor(out, &[batch * seq, heads * head_dim]), log_sums)
    }
}

/// A loss over words, `[1]`, and what its gradient needs.
fn told(logits: &FlexTensor, words: Arc<[Word]>) -> (FlexTensor, Told) {
    let logits = logits.to_contiguous();
    let vocab = logits.layout().shape()[1];
    let (loss, log_sums) = rows::told(values(&logits), vocab, &words);
    (tensor(vec![loss], &[1]), Told { logits, words, log_sums: log_sums.into() })
}

#[derive(Clone, Debug)]
struct Told {
    logits: FlexTensor,
    words: Arc<[Word]>,
    log_sums: Arc<[f32]>,
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
        Attended::new([query, key, value, cos, sin], heads).forward().0
    }

    fn rms_norm(x: FlexTensor, weight: FlexTensor, eps: f64) -> FlexTensor {
        let (x, weight) = (x.to_contiguous(), weight.to_contiguous());
        like(&x, rows::rms_norm(values(&x), values(&weight), eps))
    }

    fn swiglu(gate: FlexTensor, up: FlexTensor) -> FlexTensor {
        let (gate, up) = (gate.to_contiguous(), up.to_contiguous());
        like(&gate, rows::swiglu(values(&gate), values(&up)))
    }

    fn told(logits: FlexTensor, words: Arc<[Word]>) -> FlexTensor {
        told(&logits, words).0
    }
}

/// Hands gradients to those inputs that want them.
fn register<const N: usize>(parents: [Option<NodeId>; N], found: [FlexTensor; N], grads: &mut Gradients) {
    for (parent, gradient) in parents.into_iter().zip(found) {
        if let Some(node) = parent {
            grads.register::<Flex>(node, gradient);
        }
    }
}

#[derive(Debug)]
struct Attend;

impl Backward<Flex, 3> for Attend {
    type State = (Attended, FlexTensor, Arc<[f32]>);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&ops.node).to_contiguous();
        let (attended, out, log_sums) = ops.state;
        let results = Results { out: values(&out), log_sums: &log_sums, gradient: values(&gradient) };
        let [query, key, value] = attention::backward(attended.inputs(), results);
        let [of_query, of_key, of_value, ..] = &attended.inputs;
        register(
            ops.parents.map(|parent| parent.map(|node| node.id)),
            [like(of_query, query), like(of_key, key), like(of_value, value)],
            grads,
        );
    }
}

#[derive(Debug)]
struct Norm;

impl Backward<Flex, 2> for Norm {
    type State = (FlexTensor, FlexTensor, f64);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&ops.node).to_contiguous();
        let (x, weight, eps) = ops.state;
        let [to_x, to_weight] = rows::rms_norm_backward(values(&x), values(&weight), eps, values(&gradient));
        register(
            ops.parents.map(|parent| parent.map(|node| node.id)),
            [like(&x, to_x), like(&weight, to_weight)],
            grads,
        );
    }
}

#[derive(Debug)]
struct Gated;

impl Backward<Flex, 2> for Gated {
    type State = (FlexTensor, FlexTensor);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&ops.node).to_contiguous();
        let (gate, up) = ops.state;
        let [to_gate, to_up] = rows::swiglu_backward(values(&gate), values(&up), values(&gradient));
        register(
            ops.parents.map(|parent| parent.map(|node| node.id)),
            [like(&gate, to_gate), like(&up, to_up)],
            grads,
        );
    }
}

#[derive(Debug)]
struct Tell;

impl Backward<Flex, 1> for Tell {
    type State = Told;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&ops.node).to_contiguous();
        let Told { logits, words, log_sums } = ops.state;
        let vocab = logits.layout().shape()[1];
        let found = rows::told_backward(values(&logits), vocab, &words, &log_sums, values(&gradient)[0]);
        register(ops.parents.map(|parent| parent.map(|node| node.id)), [like(&logits, found)], grads);
    }
}

impl<C: CheckpointStrategy> FusedOps for Autodiff<Flex, C> {
    fn attend(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
        heads: Heads,
    ) -> FloatTensor<Self> {
        let nodes = [query.node(), key.node(), value.node()];
        let inputs = [query, key, value, cos, sin].map(FloatTensor::<Self>::into_primitive);
        let attended = Attended::new(inputs, heads);
        let (out, log_sums) = attended.forward();
        match Attend.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((attended, out.clone(), log_sums.into()), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }

    fn rms_norm(x: FloatTensor<Self>, weight: FloatTensor<Self>, eps: f64) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node()];
        let (x, weight) = (x.into_primitive().to_contiguous(), weight.into_primitive().to_contiguous());
        let out = Flex::rms_norm(x.clone(), weight.clone(), eps);
        match Norm.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((x, weight, eps), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }

    fn swiglu(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self> {
        let nodes = [gate.node(), up.node()];
        let (gate, up) = (gate.into_primitive().to_contiguous(), up.into_primitive().to_contiguous());
        let out = Flex::swiglu(gate.clone(), up.clone());
        match Gated.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((gate, up), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }

    fn told(logits: FloatTensor<Self>, words: Arc<[Word]>) -> FloatTensor<Self> {
        let nodes = [logits.node()];
        let (loss, state) = told(&logits.into_primitive(), words);
        match Tell.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(state, loss),
            OpsKind::UnTracked(prep) => prep.finish(loss),
        }
    }
}
