//! Whether the parts of a checkpoint belong together.

use rcmu_core::SpecialToken;

use super::{ModelConfig, fields::Problems};
use crate::{Error, processor::Processor, tokenizer::Tokenizer};

impl ModelConfig {
    /// Checks that processor and tokenizer belong to the same model.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] with everything that does not fit.
    pub(crate) fn check_against(&self, processor: &Processor, tokenizer: &Tokenizer) -> Result<(), Error> {
        let mut problems = Problems::new();
        let layout = processor.config().layout();
        let vision = &self.vision;
        for (name, found, expected) in [
            ("patch_size", layout.patch_size, vision.patch_size),
            ("merge_size", layout.merge_size, vision.spatial_merge_size),
            ("temporal_patch_size", layout.temporal_patch_size, vision.temporal_patch_size),
            ("in_channels", 3, vision.in_channels),
        ] {
            if found != expected {
                problems.push(format!("the processor's {name} is {found}, the model's is {expected}"));
            }
        }
        for (token, id) in
            [(SpecialToken::ImagePad, self.image_token_id), (SpecialToken::VideoPad, self.video_token_id)]
        {
            let found = tokenizer.id(token);
            if found != id {
                problems.push(format!("the tokenizer's {token} is {found}, the model's is {id}"));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(Error::Config { file: "config.json", problems }) }
    }
}
