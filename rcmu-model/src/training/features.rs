use std::{collections::HashMap, sync::Mutex};

use burn::tensor::Tensor;

use super::conversation::Example;
use crate::model::Model;

/// Most bytes of features that are kept.
const MAX_BYTES: usize = 256 << 20;

/// Features of pictures, kept while no training changes what the model sees.
///
/// Those that came first stay: data that are gone through again and again would push out each other's features otherwise.
#[derive(Debug, Default)]
pub(crate) struct FeatureStore {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    bytes: usize,
    features: HashMap<[u8; 32], Tensor<2>>,
}

impl FeatureStore {
    /// Sees the pictures of an example in advance, or takes what was seen before; their pixels are then let go.
    pub(crate) fn see(&self, example: &mut Example, model: &Model) {
        for visual in &mut example.request.visuals {
            let known = self.lock().features.get(&visual.key).cloned();
            let pixels = std::mem::take(&mut visual.pixel_values);
            let features = known.unwrap_or_else(|| {
                let seen = model.network().see(pixels, &[visual.grid], model.device(), &mut ());
                let seen = seen.expect("the silent observer lets the pass run to its end");
                self.keep(visual.key, &seen);
                seen
            });
            example.features.push(features);
        }
    }

    /// How many pictures' features are kept.
    #[cfg(all(test, feature = "flex"))]
    pub(crate) fn len(&self) -> usize {
        self.lock().features.len()
    }

    fn keep(&self, key: [u8; 32], features: &Tensor<2>) {
        let bytes = features.dims().iter().product::<usize>() * features.dtype().size();
        let mut kept = self.lock();
        if kept.bytes + bytes <= MAX_BYTES {
            kept.bytes += bytes;
            kept.features.insert(key, features.clone());
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
