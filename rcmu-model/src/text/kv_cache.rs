use burn::tensor::{DType, Device, Tensor};

use crate::{config::TextConfig, device::is_flex};

/// Keys (already turned) and values of the tokens so far, for all layers of one batch.
///
/// Room is set aside once; tokens are written in place. Their number is the column of the next one, not its position: a
/// picture takes more columns than positions.
#[derive(Debug)]
pub(crate) struct KvCache {
    layers: Vec<LayerCache>,
    len: usize,
    capacity: usize,
}

/// Keys and values of one layer.
#[derive(Debug)]
pub(crate) struct LayerCache {
    /// None where nothing is kept.
    buffers: Option<Buffers>,
    len: usize,
}

#[derive(Debug)]
struct Buffers {
    /// `[batch, kv_heads, capacity, head_dim]`
    keys: Tensor<4>,
    /// `[batch, kv_heads, capacity, head_dim]`
    values: Tensor<4>,
}

impl KvCache {
    /// Sets room aside for `capacity` tokens.
    pub(crate) fn new(
        config: &TextConfig,
        batch: usize,
        capacity: usize,
        device: &Device,
        dtype: DType,
    ) -> Self {
        let shape = [batch, config.num_key_value_heads, capacity, config.head_dim()];
        let layers = (0..config.num_hidden_layers)
            .map(|_| {
                let keys = Tensor::zeros(shape, (device, dtype));
                let values = Tensor::zeros(shape, (device, dtype));
                LayerCache { buffers: Some(Buffers { keys, values }), len: 0 }
            })
            .collect();
        Self { layers, len: 0, capacity }
    }

    /// A cache that keeps nothing: every pass sees its own tokens only. For training.
    #[cfg(feature = "train")]
    pub(crate) fn passing(layers: usize) -> Self {
        let layers = (0..layers).map(|_| LayerCache { buffers: None, len: 0 }).collect();
        Self { layers, len: 0, capacity: 0 }
    }

    /// Bytes that a cache for `tokens` tokens takes; `None` on overflow.
    pub(crate) fn bytes(config: &TextConfig, tokens: usize, value_size: usize) -> Option<u64> {
        let per_token = 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim();
        (per_token as u64).checked_mul(tokens as u64)?.checked_mul(value_size as u64)
    }

    /// Bytes set aside, whether tokens are there or not.
    pub(crate) fn held_bytes(&self) -> u64 {
        let buffers = self.layers.iter().filter_map(|layer| layer.buffers.as_ref());
        let tensors = buffers.flat_map(|Buffers { keys, values }| [keys, values]);
        tensors.map(|tensor| (tensor.shape().num_elements() * tensor.dtype().size()) as u64).sum()
    }

    /// Tokens in the cache.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn layer(&mut self, index: usize) -> &mut LayerCache {
        &mut self.layers[index]
    }

    /// Takes the tokens that all layers have just appended into the count.
    pub(crate) fn advance(&mut self) {
        self.len = self.layers.last().map_or(self.len, |layer| layer.len);
    }

    /// Forgets all tokens from `len` on.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
        for layer in &mut self.layers {
            layer.len = self.len;
        }
    }

    /// A cache of several rows with room for `capacity` tokens, each of which begins with the first `len` tokens of this
    /// one's only row.
    pub(crate) fn forked(&self, rows: usize, len: usize, capacity: usize) -> Self {
        let copy = |old: &Tensor<4>| {
            let [_, kv_heads, _, head_dim] = old.dims();
            let larger = Tensor::zeros([rows, kv_heads, capacity, head_dim], (&old.device(), old.dtype()));
            let kept = old.clone().slice([0..1, 0..kv_heads, 0..len, 0..head_dim]).repeat_dim(0, rows);
            larger.slice_assign([0..rows, 0..kv_heads, 0..len, 0..head_dim], kept)
        };
        let fork = |layer: &LayerCache| {
            let buffers = layer.buffers.as_ref();
            let buffers =
                buffers.map(|Buffers { keys, values }| Buffers { keys: copy(keys), values: copy(values) });
            LayerCache { buffers, len }
        };
        Self { layers: self.layers.iter().map(fork).collect(), len, capacity }
    }

    /// Makes room for `capacity` tokens in all, keeping those that are there.
    pub(crate) fn reserve(&mut self, capacity: usize) {
        if capacity <= self.capacity {
            return;
        }
        for layer in &mut self.layers {
            if let Some(buffers) = &mut layer.buffers {
                buffers.keys.inplace(|keys| grown(&keys, layer.len, capacity));
                buffers.values.inplace(|values| grown(&values, layer.len, capacity));
            }
        }
        self.capacity = capacity;
    }
}

impl LayerCache {
    /// Whether every pass sees its own tokens only.
    pub(crate) const fn keeps_nothing(&self) -> bool {
        self.buffers.is_none()
    }

    /// Whether there are no tokens yet.
    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends keys and values of new tokens and returns those of all tokens.
    ///
    /// # Shapes
    ///
    /// - `keys`, `values`: `[batch, kv_heads, seq, head_dim]`
    /// - output: `[batch, kv_heads, len + seq, head_dim]` each, or the same with all heads beside each other,
    ///   `[batch * kv_heads, 1, len + seq, head_dim]`
    pub(super) fn append(&mut self, keys: Tensor<4>, values: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let Some(buffers) = &mut self.buffers else { return (keys, values) };
        let [batch, kv_heads, seq, head_dim] = keys.dims();
        let end = self.len + seq;
        let new = [0..batch, 0..kv_heads, self.len..end, 0..head_dim];
        // The cache owns its buffers alone here, so that the write happens in place.
        buffers.keys.inplace(|cache| cache.slice_assign(new.clone(), keys));
        buffers.values.inplace(|cache| cache.slice_assign(new, values));
        self.len = end;
        let [keys, values] = [&buffers.keys, &buffers.values];
        if is_flex(&keys.device()) {
            (sliced(keys, end), sliced(values, end))
        } else {
            (window(keys, end), window(values, end))
        }
    }
}

/// The first `len` tokens.
fn sliced(cache: &Tensor<4>, len: usize) -> Tensor<4> {
    let [batch, kv_heads, _, head_dim] = cache.dims();
    cache.clone().slice([0..batch, 0..kv_heads, 0..len, 0..head_dim])
}

/// The first `len` tokens where they lie, all heads beside each other, `[batch * kv_heads, 1, len, head_dim]`.
///
/// GPU backends copy a slice unless it ends on a boundary of the device's memory: on CUDA, which has one every 512 bytes, at
/// every second token of bf16 heads 128 wide (burn 0.22.1). A window may end anywhere.
fn window(cache: &Tensor<4>, len: usize) -> Tensor<4> {
    let [batch, kv_heads, capacity, head_dim] = cache.dims();
    let rows = cache.clone().reshape([batch * kv_heads, capacity, head_dim]);
    // [batch * kv_heads, 1, head_dim, len], the only window whose next would begin behind the end.
    rows.unfold::<4, _>(1, len, capacity).swap_dims(2, 3)
}

/// A larger copy with the first `len` tokens.
fn grown(old: &Tensor<4>, len: usize, capacity: usize) -> Tensor<4> {
    let [batch, kv_heads, _, head_dim] = old.dims();
    let larger = Tensor::zeros([batch, kv_heads, capacity, head_dim], (&old.device(), old.dtype()));
    if len == 0 {
        return larger;
    }
    let kept = [0..batch, 0..kv_heads, 0..len, 0..head_dim];
    larger.slice_assign(kept.clone(), old.clone().slice(kept))
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::tensor::TensorData;

    use super::*;

    #[test]
    fn a_window_has_what_a_slice_has() {
        let shape @ [batch, kv_heads, capacity, head_dim] = [2, 3, 7, 4];
        let values: Vec<f32> = (0..batch * kv_heads * capacity * head_dim).map(|at| at as f32).collect();
        let cache = Tensor::<4>::from_data(TensorData::new(values, shape), &Device::flex());

        for len in 1..=capacity {
            let expected = sliced(&cache, len).reshape([batch * kv_heads, 1, len, head_dim]);
            assert_eq!(window(&cache, len).into_data(), expected.into_data());
        }
    }
}
