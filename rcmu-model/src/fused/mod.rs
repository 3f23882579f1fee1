//! Operations of the model on the CPU that burn would otherwise take apart.
//!
//! ```text
//! queries, keys, values ─ attend ─► mixed values     turned, compared, weighed and mixed in blocks that stay in the cache
//! rows ─ rms_norm, quick_gelu, turn ─► rows          gate, up ─ swiglu ─► rows          logits ─ told ─► loss
//! ```
//!
//! Taken apart, attention writes a dozen matrices of `[batch, heads, seq, seq]` to memory and reads them again; here none is
//! written. What training needs has its gradient beside it. No `unsafe`: `pulp` picks the copy for this machine at run
//! time. Under autodiff they work on one thread, since training shares micro-batches out among its workers; otherwise on
//! all.
//!
//! Elsewhere (other backends, other number types) they decline and the callers compose burn's operations.

#![allow(
    clippy::inline_always,
    reason = "a loop is compiled for vector units only where it is inlined into its copy"
)]

#[cfg(feature = "flex")]
mod attention;
#[cfg(all(feature = "flex", feature = "train"))]
mod autodiff;
#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "flex")]
mod rows;
#[cfg(all(feature = "flex", feature = "train", test))]
mod tests;
#[cfg(feature = "flex")]
pub(crate) mod vectors;

/// Heads of an attention over sequences of one length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::struct_field_names, reason = "the names of the configuration")]
pub(crate) struct Heads {
    /// Sequences.
    pub(crate) batch: usize,
    /// Tokens of each.
    pub(crate) seq: usize,
    /// Heads of the queries.
    pub(crate) heads: usize,
    /// Heads of the keys and values; divides `heads`.
    pub(crate) kv_heads: usize,
    /// Width of a head.
    pub(crate) head_dim: usize,
    /// Whether a token looks only at itself and those before it.
    pub(crate) causal: bool,
}

/// How many threads share the work.
#[cfg(feature = "flex")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Threads {
    /// The calling one.
    One,
    /// All of rayon's.
    All,
}

/// One word that a row of logits has to tell: the row, the word, and the weight of its loss.
#[cfg(feature = "train")]
pub(crate) type Word = (u32, u32, f32);

#[cfg(not(feature = "flex"))]
mod declined {
    #![allow(clippy::unnecessary_wraps, reason = "the signatures of the operations that are not compiled in")]

    use burn::tensor::Tensor;

    use super::Heads;

    pub(crate) const fn works_on<const D: usize>(_: &Tensor<D>) -> bool {
        false
    }

    pub(crate) fn attend(_: [&Tensor<2>; 3], _: [Tensor<4>; 2], _: Heads) -> Option<Tensor<2>> {
        None
    }

    pub(crate) fn rms_norm(_: &Tensor<2>, _: &Tensor<1>, _: f64) -> Option<Tensor<2>> {
        None
    }

    #[allow(clippy::result_large_err, reason = "what is declined comes back as it came")]
    pub(crate) fn swiglu(gate: Tensor<2>, up: Tensor<2>) -> Result<Tensor<2>, [Tensor<2>; 2]> {
        Err([gate, up])
    }

    #[allow(clippy::result_large_err, reason = "what is declined comes back as it came")]
    pub(crate) fn quick_gelu(x: Tensor<2>) -> Result<Tensor<2>, Tensor<2>> {
        Err(x)
    }

    pub(crate) fn turn(_: &Tensor<2>, _: [Tensor<4>; 2]) -> Option<Tensor<2>> {
        None
    }

    #[cfg(feature = "train")]
    pub(crate) fn told(_: &Tensor<2>, _: &[super::Word]) -> Option<Tensor<1>> {
        None
    }
}

#[cfg(not(feature = "flex"))]
pub(crate) use declined::*;

#[cfg(feature = "flex")]
pub(crate) use operations::*;

#[cfg(feature = "flex")]
mod operations {
    use burn::{
        backend::Dispatch,
        tensor::{DType, Tensor},
    };

    use super::{
        Heads,
        flex::{FusedOps, PlainOps},
    };
    use crate::device;

    /// Whether the operations work on this tensor.
    pub(crate) fn works_on<const D: usize>(x: &Tensor<D>) -> bool {
        #[cfg(feature = "train")]
        let device = x.device().without_autodiff();
        #[cfg(not(feature = "train"))]
        let device = x.device();
        x.dtype() == DType::F32 && device::is_flex(&device)
    }

    /// Whether those without a gradient do.
    fn works_plainly_on(x: &Tensor<2>) -> bool {
        x.dtype() == DType::F32 && device::is_flex(&x.device()) && !x.device().is_autodiff()
    }

    /// Turns queries and keys by their positions and mixes the values that each query looks at.
    ///
    /// # Shapes
    ///
    /// - queries: `[batch * seq, heads * head_dim]`
    /// - keys, values: `[batch * seq, kv_heads * head_dim]`
    /// - `tables`: cosines and sines, `batch * seq` rows of `head_dim`
    /// - output: `[batch * seq, heads * head_dim]`
    pub(crate) fn attend(
        [query, key, value]: [&Tensor<2>; 3],
        tables: [Tensor<4>; 2],
        heads: Heads,
    ) -> Option<Tensor<2>> {
        works_on(query).then(|| {
            let [query, key, value] = [query, key, value].map(|x| x.clone().into_dispatch());
            let [cos, sin] = tables.map(Tensor::into_dispatch);
            Tensor::from_dispatch(Dispatch::attend(query, key, value, cos, sin, heads))
        })
    }

    /// `x / sqrt(mean(x²) + eps) * weight` for every row, `[rows, hidden]` in and out.
    pub(crate) fn rms_norm(x: &Tensor<2>, weight: &Tensor<1>, eps: f64) -> Option<Tensor<2>> {
        works_on(x).then(|| {
            let (x, weight) = (x.clone().into_dispatch(), weight.clone().into_dispatch());
            Tensor::from_dispatch(Dispatch::rms_norm(x, weight, eps))
        })
    }

    /// `silu(gate) * up`, `[rows, width]` in and out; what is declined comes back.
    #[allow(clippy::result_large_err, reason = "what is declined comes back as it came")]
    pub(crate) fn swiglu(gate: Tensor<2>, up: Tensor<2>) -> Result<Tensor<2>, [Tensor<2>; 2]> {
        if !works_on(&gate) {
            return Err([gate, up]);
        }
        Ok(Tensor::from_dispatch(Dispatch::swiglu(gate.into_dispatch(), up.into_dispatch())))
    }

    /// `x * sigmoid(1.702 x)`, `[rows, width]` in and out; not under autodiff. What is declined comes back.
    #[allow(clippy::result_large_err, reason = "what is declined comes back as it came")]
    pub(crate) fn quick_gelu(x: Tensor<2>) -> Result<Tensor<2>, Tensor<2>> {
        if !works_plainly_on(&x) {
            return Err(x);
        }
        Ok(Tensor::from_dispatch(Dispatch::quick_gelu(x.into_dispatch())))
    }

    /// Turns heads by their positions; not under autodiff.
    ///
    /// # Shapes
    ///
    /// - `x`: `[tokens, heads * head_dim]`
    /// - `tables`: cosines and sines, `tokens` rows of `head_dim`
    /// - output: `[tokens, heads * head_dim]`
    pub(crate) fn turn(x: &Tensor<2>, tables: [Tensor<4>; 2]) -> Option<Tensor<2>> {
        works_plainly_on(x).then(|| {
            let [cos, sin] = tables.map(Tensor::into_dispatch);
            Tensor::from_dispatch(Dispatch::turn(x.clone().into_dispatch(), cos, sin))
        })
    }

    /// The weighted sum of the negative log-likelihoods of words, `[1]`.
    ///
    /// # Shapes
    ///
    /// - `logits`: `[rows, vocab]`
    #[cfg(feature = "train")]
    pub(crate) fn told(logits: &Tensor<2>, words: &[super::Word]) -> Option<Tensor<1>> {
        use super::autodiff::LossOps;

        works_on(logits)
            .then(|| Tensor::from_dispatch(Dispatch::told(logits.clone().into_dispatch(), words.into())))
    }
}
