//! The operations as burn's autodiff knows them.

use std::sync::Arc;

use burn::backend::{
    Autodiff, Flex,
    autodiff::{
        NodeId,
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    backend_extension,
    flex::FlexTensor,
    tensor::FloatTensor,
};

use super::{
    Heads, Threads, Word,
    attention::gradient::{self, Results},
    flex::{Attended, FusedOps, like, tensor, values},
    rows::{self, gradients},
};

/// The loss of words.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait LossOps: burn::backend::Backend {
    /// See [`super::told`].
    fn told(logits: FloatTensor<Self>, words: Arc<[Word]>) -> FloatTensor<Self>;
}

/// A loss over words, `[1]`, and what its gradient needs.
fn told(logits: &FlexTensor, words: Arc<[Word]>) -> (FlexTensor, Told) {
    let logits = logits.to_contiguous();
    let vocab = logits.layout().shape()[1];
    let (loss, log_sums) = gradients::told(values(&logits), vocab, &words);
    (tensor(vec![loss], &[1]), Told { logits, words, log_sums: log_sums.into() })
}

#[derive(Clone, Debug)]
struct Told {
    logits: FlexTensor,
    words: Arc<[Word]>,
    log_sums: Arc<[f32]>,
}

impl LossOps for Flex {
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
        let [query, key, value] = gradient::backward(attended.inputs(), results);
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
        let [to_x, to_weight] =
            gradients::rms_norm_backward(values(&x), values(&weight), eps, values(&gradient));
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
        let [to_gate, to_up] = gradients::swiglu_backward(values(&gate), values(&up), values(&gradient));
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
        let found = gradients::told_backward(values(&logits), vocab, &words, &log_sums, values(&gradient)[0]);
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
        let (out, log_sums) = attended.forward(Threads::One);
        match Attend.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((attended, out.clone(), log_sums.into()), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }

    fn rms_norm(x: FloatTensor<Self>, weight: FloatTensor<Self>, eps: f64) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node()];
        let (x, weight) = (x.into_primitive().to_contiguous(), weight.into_primitive().to_contiguous());
        let out = like(&x, rows::rms_norm(values(&x), values(&weight), eps, Threads::One));
        match Norm.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((x, weight, eps), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }

    fn swiglu(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self> {
        let nodes = [gate.node(), up.node()];
        let (gate, up) = (gate.into_primitive().to_contiguous(), up.into_primitive().to_contiguous());
        let mut out = values(&gate).to_vec();
        rows::swiglu(&mut out, values(&up), Threads::One);
        let out = like(&gate, out);
        match Gated.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((gate, up), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }
}

impl<C: CheckpointStrategy> LossOps for Autodiff<Flex, C> {
    fn told(logits: FloatTensor<Self>, words: Arc<[Word]>) -> FloatTensor<Self> {
        let nodes = [logits.node()];
        let (loss, state) = told(&logits.into_primitive(), words);
        match Tell.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(state, loss),
            OpsKind::UnTracked(prep) => prep.finish(loss),
        }
    }
}
