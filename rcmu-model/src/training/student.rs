use burn::module::Module;

use super::sights::{SightHead, SubjectHead};
use crate::qwen2_vl::Qwen2Vl;

/// The model in training, with what helps it to learn and is no part of it.
#[derive(Module, Debug)]
pub(crate) struct Student {
    pub(crate) network: Qwen2Vl,
    /// Reads boxes from the features of pictures.
    pub(crate) sight: SightHead,
    /// Reads boxes from hidden states where a box has just been read.
    pub(crate) gather: SightHead,
    /// Reads from hidden states of a text what it is about.
    pub(crate) subject: SubjectHead,
}

/// Names of the parameters that are no part of the model, in order.
pub(crate) const HELPERS: [&str; 5] =
    ["sight.weight", "sight.bias", "gather.weight", "gather.bias", "subject.weight"];
