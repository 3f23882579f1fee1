use burn::{module::Module, tensor::Tensor};

use super::kv_cache::LayerCache;
use crate::{
    Error,
    config::TextConfig,
    fused::{self, Heads},
    layers::{Attender, AttentionMask, Bias, Linear, Rotary},
    params::Params,
};

/// Causal attention with grouped key and value heads; queries, keys and values have biases, the output has none.
#[derive(Module, Debug)]
pub(super) struct TextAttention {
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    o_proj: Linear,
    head_dim: usize,
}

impl TextAttention {
    pub(super) fn load(params: &mut Params<'_>, name: &str, config: &TextConfig) -> Result<Self, Error> {
        let width = config.hidden_size;
        let kv_width = config.num_key_value_heads * config.head_dim();
        Ok(Self {
            q_proj: Linear::load(params, &format!("{name}.q_proj"), [width, width], Bias::Yes)?,
            k_proj: Linear::load(params, &format!("{name}.k_proj"), [width, kv_width], Bias::Yes)?,
            v_proj: Linear::load(params, &format!("{name}.v_proj"), [width, kv_width], Bias::Yes)?,
            o_proj: Linear::load(params, &format!("{name}.o_proj"), [width, width], Bias::No)?,
            head_dim: config.head_dim(),
        })
    }

    /// How well some queries fit all keys of their row, before the softmax and without a mask.
    ///
    /// # Shapes
    ///
    /// - `x`: `[batch * seq, hidden]`
    /// - `places`: `[batch * queries]` rows of `x`, equally many for each row of the batch
    /// - output: `[batch, heads, queries, seq]`
    #[cfg(feature = "train")]
    pub(super) fn scores(
        &self,
        x: Tensor<2>,
        rotary: &Rotary,
        places: Tensor<1, burn::tensor::Int>,
    ) -> Tensor<4> {
        let [batch, seq] = rotary.tokens_per_row();
        let (head_dim, queries) = (self.head_dim, places.dims()[0] / batch.max(1));
        let (query, key) = (self.q_proj.forward(x.clone()), self.k_proj.forward(x));
        let [heads, kv_heads] = [&query, &key].map(|x| x.dims()[1] / head_dim);
        let turned = |x: Tensor<2>, count: usize| rotary.apply(x.reshape([batch, seq, count, head_dim]));
        let query = turned(query, heads).reshape([batch * seq, heads * head_dim]);
        let query = query.select(0, places).reshape([batch, queries, heads, head_dim]).swap_dims(1, 2);
        // The heads that share keys stand next to each other.
        let query = query.reshape([batch, kv_heads, heads / kv_heads * queries, head_dim]);
        let scores = query.matmul(turned(key, kv_heads).permute([0, 2, 3, 1]));
        scores.reshape([batch, heads, queries, seq]) / (head_dim as f64).sqrt()
    }

    /// Mixes each token with those before it.
    ///
    /// # Shapes
    ///
    /// - `x`: `[batch * seq, hidden]`
    /// - `rotary`: tables of `[batch, seq, 1, head_dim]`
    /// - output: `[batch * seq, hidden]`
    pub(super) fn forward(
        &self,
        x: Tensor<2>,
        rotary: &Rotary,
        mask: &AttentionMask,
        cache: &mut LayerCache,
        attender: Attender,
    ) -> Tensor<2> {
        let [rows, hidden] = x.dims();
        let [batch, seq] = rotary.tokens_per_row();
        assert_eq!(batch * seq, rows, "the rotary tables hold one row per token");
        let [query, key, value] = Linear::forward_each([&self.q_proj, &self.k_proj, &self.v_proj], x);
        let count = |x: &Tensor<2>| x.dims()[1] / self.head_dim;
        let tokens = |x: Tensor<2>| {
            let count = count(&x);
            x.reshape([batch, seq, count, self.head_dim])
        };
        let heads = |x: Tensor<2>| tokens(x).swap_dims(1, 2);
        let turned = |x: Tensor<2>| match fused::turn(&x, rotary.tables()) {
            Some(turned) => heads(turned),
            None => rotary.apply(tokens(x)).swap_dims(1, 2),
        };
        // One token needs none of the blocks, and the cache's own kernel is made for it.
        let alone = cache.keeps_nothing() || (cache.is_empty() && seq > 1);
        if let (AttentionMask::Causal, true) = (mask, alone) {
            let (heads_of, kv_heads, head_dim) = (count(&query), count(&key), self.head_dim);
            let shape = Heads { batch, seq, heads: heads_of, kv_heads, head_dim, causal: true };
            if let Some(mixed) = fused::attend([&query, &key, &value], rotary.tables(), shape) {
                if !cache.keeps_nothing() {
                    cache.append(turned(key), heads(value));
                }
                return self.o_proj.forward(mixed);
            }
        }

        let (keys, values) = cache.append(turned(key), heads(value));
        let mixed = attender.forward(turned(query), keys, values, mask);
        self.o_proj.forward(mixed.swap_dims(1, 2).reshape([rows, hidden]))
    }
}

#[cfg(all(test, feature = "flex", feature = "train"))]
mod tests {
    use std::path::PathBuf;

    use burn::tensor::{Device, TensorData, activation::softmax};

    use super::*;
    use crate::{
        ComputeDtype,
        layers::Multiplier,
        text::{KvCache, text_rotary},
        weights::{Checkpoint, CheckpointLimits},
    };

    #[test]
    fn scores_of_all_queries_mix_the_values_as_the_attention_does() {
        let dir = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/golden/tiny"));
        let checkpoint = Checkpoint::open(&dir, &CheckpointLimits::default()).expect("the tiny model opens");
        let config = checkpoint.config().text.clone();
        let (device, [batch, seq]) = (Device::flex(), [2, 5]);
        let progress = &mut |_| ();
        let mut params = Params::new(&checkpoint, &device, ComputeDtype::F32, None, false, None, progress);
        let attention = TextAttention::load(&mut params, "model.layers.0.self_attn", &config).expect("loads");
        let rows: Vec<f32> =
            (0..batch * seq * config.hidden_size).map(|at| ((at * 37 % 101) as f32 - 50.0) / 25.0).collect();
        let x = Tensor::<2>::from_data(TensorData::new(rows, [batch * seq, config.hidden_size]), &device);
        let positions: [&[u32]; 3] = [&[0, 1, 1, 1, 3], &[0, 1, 1, 2, 3], &[0, 1, 2, 1, 3]];
        let rotary = text_rotary(&[positions, positions], &config, &device, x.dtype());

        let mut cache = KvCache::new(&config, batch, seq, &device, x.dtype());
        let attender = Attender::Explicit(Multiplier::Whole);
        let mixed = attention.forward(x.clone(), &rotary, &AttentionMask::Full, cache.layer(0), attender);
        let places = Tensor::arange(0..(batch * seq) as i64, &device);
        let weights = softmax(attention.scores(x.clone(), &rotary, places), 3);

        let (heads, kv_heads, head_dim) =
            (config.num_attention_heads, config.num_key_value_heads, config.head_dim());
        let values = attention.v_proj.forward(x).reshape([batch, seq, kv_heads, head_dim]);
        // Head by head, so that nothing rests on how heads are grouped but the reference's rule.
        let by_head = (0..heads).map(|head| {
            let kv_head = head / (heads / kv_heads);
            let value = values.clone().slice([0..batch, 0..seq, kv_head..kv_head + 1, 0..head_dim]);
            let weight = weights.clone().slice([0..batch, head..head + 1, 0..seq, 0..seq]);
            weight.matmul(value.swap_dims(1, 2)).swap_dims(1, 2)
        });
        let all = Tensor::cat(by_head.collect(), 2).reshape([batch * seq, heads * head_dim]);
        let difference = (attention.o_proj.forward(all) - mixed.clone()).abs().max().into_scalar::<f32>();

        assert!(mixed.abs().max().into_scalar::<f32>() > 1e-2);
        assert!(difference < 1e-5, "{difference}");
    }
}
