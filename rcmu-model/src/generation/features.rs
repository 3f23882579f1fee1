use burn::tensor::Tensor;

/// Features of pictures seen before, least recently used first.
///
/// Keyed by SHA-256 over the pixels that the model saw, their size and the preprocessing; a path or a name never
/// counts.
#[derive(Debug)]
pub(crate) struct FeatureStore {
    /// Key and `[merged_patches, hidden]`.
    entries: Vec<([u8; 32], Tensor<2>)>,
    limit_bytes: usize,
}

impl FeatureStore {
    /// Keeps features of up to `limit_bytes`.
    pub(crate) const fn new(limit_bytes: usize) -> Self {
        Self { entries: Vec::new(), limit_bytes }
    }

    /// Bytes that are kept.
    pub(crate) fn bytes(&self) -> usize {
        self.entries.iter().map(|(_, features)| bytes(features)).sum()
    }

    /// Forgets all pictures.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }

    /// The features of a picture, if they are still there.
    pub(crate) fn find(&mut self, key: &[u8; 32]) -> Option<Tensor<2>> {
        let at = self.entries.iter().position(|(other, _)| other == key)?;
        let entry = self.entries.remove(at);
        let features = entry.1.clone();
        self.entries.push(entry);
        Some(features)
    }

    /// Keeps the features of a picture; drops the least recently used to stay within the limit.
    pub(crate) fn insert(&mut self, key: [u8; 32], features: Tensor<2>) {
        if bytes(&features) > self.limit_bytes {
            return;
        }
        self.entries.retain(|(other, _)| *other != key);
        self.entries.push((key, features));
        while self.bytes() > self.limit_bytes {
            self.entries.remove(0);
        }
    }
}

fn bytes(features: &Tensor<2>) -> usize {
    let [rows, width] = features.dims();
    rows * width * features.dtype().size()
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn the_least_recently_used_picture_goes_first() {
        let device = Device::flex();
        let picture = |rows| Tensor::<2>::zeros([rows, 4], &device);
        // Two rows of four f32 are 32 bytes; three such pictures do not fit.
        let mut store = FeatureStore::new(64);

        store.insert([1; 32], picture(2));
        store.insert([2; 32], picture(2));
        assert!(store.find(&[1; 32]).is_some());
        store.insert([3; 32], picture(2));

        assert!(store.find(&[2; 32]).is_none());
        assert!(store.find(&[1; 32]).is_some() && store.find(&[3; 32]).is_some());
        store.insert([4; 32], picture(5));
        assert!(store.find(&[4; 32]).is_none(), "larger than the whole store");
    }
}
