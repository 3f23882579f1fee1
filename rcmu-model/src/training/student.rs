use burn::module::Module;

use super::sights::SightHead;
use crate::qwen2_vl::Qwen2Vl;

/// The model in training, with what helps it to learn and is no part of it.
#[derive(Module, Debug)]
pub(crate) struct Student {
    pub(crate) network: Qwen2Vl,
    pub(crate) sight: SightHead,
}
