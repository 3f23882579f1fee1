use std::ops::Range;

use rcmu_core::{Control, Prompt, Visual};

use super::plan::VisualPlan;
use crate::{
    Error,
    model::Model,
    position::{Positions, runs},
    processor::ProcessedVisual,
    tokenizer::EncodedPrompt,
    vision::PatchGrid,
};

/// A request as the model reads it.
#[derive(Clone, Debug)]
pub struct EncodedRequest {
    /// Token ids, one pad per merged patch of each picture.
    pub input_ids: Vec<u32>,
    /// Positions of all tokens.
    pub positions: Positions,
    /// The pictures in the order of their tokens.
    pub(crate) visuals: Vec<EncodedVisual>,
}

/// A processed picture and where its tokens stand.
#[derive(Clone, Debug)]
pub(crate) struct EncodedVisual {
    pub(crate) pixel_values: Vec<f32>,
    pub(crate) grid: PatchGrid,
    /// SHA-256 over pixels, size and preprocessing.
    pub(crate) key: [u8; 32],
    pub(crate) tokens: Range<usize>,
}

/// Token ids and the size of every picture, before any pixel is decoded.
pub(crate) struct Outline {
    pub(crate) input_ids: Vec<u32>,
    pub(crate) visuals: Vec<VisualPlan>,
}

impl Model {
    /// Encodes the prompt and reads the sizes of the pictures.
    pub(crate) fn outline(&self, prompt: &Prompt, visuals: &[Visual]) -> Result<Outline, Error> {
        self.outline_encoded(&self.tokenizer().encode(prompt)?, visuals)
    }

    /// Reads the sizes of the pictures of an encoded prompt.
    pub(crate) fn outline_encoded(
        &self,
        encoded: &EncodedPrompt,
        visuals: &[Visual],
    ) -> Result<Outline, Error> {
        let plans = visuals
            .iter()
            .map(|visual| {
                let plan = self.processor().plan(visual, self.picture_options())?;
                Ok(VisualPlan::new(&plan, self.grid(plan.grid_thw)?, matches!(visual, Visual::Video(_))))
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let tokens = |video: bool| -> Vec<usize> {
            plans.iter().filter(|plan| plan.is_video == video).map(VisualPlan::tokens).collect()
        };
        let input_ids = encoded.expand(&tokens(false), &tokens(true))?;
        if input_ids.is_empty() {
            return Err(Error::EmptyPrompt);
        }
        Ok(Outline { input_ids, visuals: plans })
    }

    /// Decodes and resizes the pictures and counts the positions; [`Error::Stopped`] when it was stopped from outside.
    pub(crate) fn encode_outline(
        &self,
        outline: Outline,
        visuals: &[Visual],
        control: &Control,
    ) -> Result<EncodedRequest, Error> {
        let mut processed = Vec::with_capacity(visuals.len());
        let stops = || control.stop_reason().is_some();
        for visual in visuals {
            let picture = self.processor().process_until(visual, self.picture_options(), &stops)?;
            let grid = self.grid(picture.grid_thw)?;
            processed.push((picture, grid, matches!(visual, Visual::Video(_))));
        }
        let grids = |video: bool| -> Vec<PatchGrid> {
            processed.iter().filter(|entry| entry.2 == video).map(|entry| entry.1).collect()
        };
        let (images, videos) = (grids(false), grids(true));
        let pads = [self.config().image_token_id, self.config().video_token_id];
        let runs = runs(&outline.input_ids, pads, &images, &videos)?;
        let positions = Positions::new(&runs, self.processor().dialect().position_rule());
        let visuals = place(&outline.input_ids, pads, processed);
        Ok(EncodedRequest { input_ids: outline.input_ids, positions, visuals })
    }

    /// Encodes a prompt with its pictures, without running the model.
    ///
    /// # Errors
    ///
    /// Any error of the tokenizer or the processor; [`Error::EmptyPrompt`]; [`Error::ImageTokens`] when pictures and places
    /// do not match.
    pub fn encode(&self, prompt: &Prompt, visuals: &[Visual]) -> Result<EncodedRequest, Error> {
        let outline = self.outline(prompt, visuals)?;
        self.encode_outline(outline, visuals, &Control::default())
    }

    fn grid(&self, thw: [usize; 3]) -> Result<PatchGrid, Error> {
        let merge_size = self.config().vision.spatial_merge_size;
        PatchGrid::new(thw, merge_size).ok_or(Error::PatchGrid { thw, merge_size })
    }
}

/// Finds the tokens of each picture; `runs` has checked that they are there. The result is in the order of tokens.
fn place(
    ids: &[u32],
    pads: [u32; 2],
    processed: Vec<(ProcessedVisual, PatchGrid, bool)>,
) -> Vec<EncodedVisual> {
    // Where the next picture of each kind may begin.
    let mut from = [0; 2];
    let mut visuals: Vec<EncodedVisual> = processed
        .into_iter()
        .map(|(picture, grid, is_video)| {
            let kind = usize::from(is_video);
            let offset = ids[from[kind]..].iter().position(|&id| id == pads[kind]).unwrap_or(0);
            let start = from[kind] + offset;
            from[kind] = start + grid.tokens();
            let tokens = start..from[kind];
            EncodedVisual { pixel_values: picture.pixel_values, grid, key: picture.key, tokens }
        })
        .collect();
    visuals.sort_by_key(|visual| visual.tokens.start);
    visuals
}
