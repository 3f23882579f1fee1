//! Forward passes with all intermediate values on the host, for comparison with a reference.

use std::ops::ControlFlow;

use burn::tensor::{DType, Device, Tensor};

use crate::{
    Error,
    config::TextConfig,
    generation::{EncodedRequest, EncodedVisual, PaddedBatch},
    layers::{Observer, Step},
    model::{Model, to_host},
    position::{Positions, runs},
    processor::PositionRule,
    text::text_rotary,
    vision::PatchGrid,
};

/// Patches of one picture as a processor gave them.
#[derive(Clone, Debug, PartialEq)]
pub struct TracePicture {
    /// `[patches, patch_dim]`, row by row.
    pub pixel_values: Vec<f32>,
    /// Patches in time, height and width.
    pub grid_thw: [usize; 3],
}

/// A batch to trace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TraceInput {
    /// Token ids of each row without padding, one pad token per merged patch.
    pub rows: Vec<Vec<u32>>,
    /// Images of all rows, in order.
    pub images: Vec<TracePicture>,
    /// Videos of all rows, in order.
    pub videos: Vec<TracePicture>,
    /// How positions after videos are counted.
    pub position_rule: PositionRule,
}

/// One intermediate value.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceTensor {
    /// Where it was taken: `vision.block.0`, `text.layer.1`, …; the second vision pass is called `vision_2`.
    pub name: String,
    /// `[rows, width]`; for the decoder `rows = batch * seq` with rows padded on the left.
    pub shape: [usize; 2],
    /// The values, row by row.
    pub values: Vec<f32>,
}

/// What a forward pass and greedy decoding gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Intermediate values in the order in which they came.
    pub tensors: Vec<TraceTensor>,
    /// Positions of each row, without padding.
    pub positions: Vec<Positions>,
    /// Pads before each row.
    pub pads: Vec<usize>,
    /// `[batch * seq, vocab]`, row by row, pads included.
    pub logits: TraceTensor,
    /// For each row the ids chosen greedily; end tokens do not stop it.
    pub greedy_ids: Vec<Vec<u32>>,
    /// For each row the logits that each id was chosen from.
    pub greedy_logits: Vec<Vec<Vec<f32>>>,
}

/// Copies everything it sees.
#[derive(Default)]
struct Recorder {
    tensors: Vec<TraceTensor>,
    vision_pass: usize,
    failure: Option<Error>,
}

impl Observer for Recorder {
    fn observe(&mut self, step: Step, output: &Tensor<2>) -> ControlFlow<()> {
        match to_host(output.clone()) {
            Ok(values) => {
                let mut name = step.to_string();
                if self.vision_pass > 1 {
                    name = name.replace("vision.", "vision_2.");
                }
                self.tensors.push(TraceTensor { name, shape: output.dims(), values });
                ControlFlow::Continue(())
            }
            Err(error) => {
                self.failure = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}

impl Model {
    /// Runs a batch with the cache and records everything, then decodes `new_tokens` tokens greedily.
    ///
    /// Images and videos go through the vision tower in one pass each, as in the reference.
    ///
    /// # Errors
    ///
    /// [`Error::ImageTokens`] when pads and pictures do not match, [`Error::PatchGrid`] for broken grids,
    /// [`Error::TokenId`] for ids outside the vocabulary, [`Error::Backend`] when the backend fails.
    pub fn trace(&self, input: &TraceInput, new_tokens: usize) -> Result<Trace, Error> {
        crate::model::contained(|| self.run_trace(input, new_tokens))
    }

    fn run_trace(&self, input: &TraceInput, new_tokens: usize) -> Result<Trace, Error> {
        let vocab = self.config().text.vocab_size;
        if let Some(&id) = input.rows.iter().flatten().find(|&&id| id as usize >= vocab) {
            return Err(Error::TokenId { id, vocab });
        }
        let encoded = self.encode_trace(input)?;
        let mut recorder = Recorder::default();
        let longest = encoded.iter().map(|row| row.input_ids.len()).max().unwrap_or(0);
        let mut batch = PaddedBatch::new(self, &encoded, new_tokens);
        let pads = batch.pads().to_vec();

        let mut passes = Vec::new();
        for pictures in [&input.images, &input.videos] {
            let rows = self.trace_pictures(pictures, &mut recorder);
            passes.push(rows.map_err(|error| recorder.failure.take().unwrap_or(error))?.into_iter());
        }
        let video_token = self.config().video_token_id;
        let mut features = Vec::new();
        for (row, (encoded, pads)) in encoded.iter().zip(&pads).enumerate() {
            for visual in &encoded.visuals {
                let is_video = encoded.input_ids[visual.tokens.start] == video_token;
                let rows = passes[usize::from(is_video)].next().ok_or(Error::Stopped)?;
                features.push((row * longest + pads + visual.tokens.start, rows));
            }
        }
        let hidden = batch.forward(&encoded, features, &mut recorder);
        let hidden = hidden.ok_or_else(|| recorder.failure.take().unwrap_or(Error::Stopped))?;
        let [rows, width] = hidden.dims();
        let all = self.network().logits(hidden.clone());
        let logits = TraceTensor { name: "logits".into(), shape: all.dims(), values: to_host(all)? };

        let (mut greedy_ids, mut greedy_logits) =
            (vec![Vec::new(); encoded.len()], vec![Vec::new(); encoded.len()]);
        let mut step = if new_tokens == 0 || rows == 0 {
            Vec::new()
        } else {
            batch.last_logits(hidden.reshape([rows, width]))?
        };
        for token in 0..new_tokens {
            let ids: Vec<u32> = step.iter().map(|row| crate::generation::argmax(row)).collect();
            for (row, logits) in step.into_iter().enumerate() {
                greedy_ids[row].push(ids[row]);
                greedy_logits[row].push(logits);
            }
            step = if token + 1 < new_tokens { batch.decode(&ids)? } else { Vec::new() };
        }
        let positions = encoded.into_iter().map(|row| row.positions).collect();
        Ok(Trace { tensors: recorder.tensors, positions, pads, logits, greedy_ids, greedy_logits })
    }

    /// Features of each picture, from one pass over all of them.
    fn trace_pictures(
        &self,
        pictures: &[TracePicture],
        recorder: &mut Recorder,
    ) -> Result<Vec<Tensor<2>>, Error> {
        if pictures.is_empty() {
            return Ok(Vec::new());
        }
        recorder.vision_pass += 1;
        let grids = self.grids(pictures)?;
        let pixels = pictures.iter().flat_map(|picture| picture.pixel_values.iter().copied()).collect();
        let merged = self.network().see(pixels, &grids, self.device(), recorder).ok_or(Error::Stopped)?;
        let [_, width] = merged.dims();
        let mut start = 0;
        Ok(grids
            .iter()
            .map(|grid| {
                let range = start..start + grid.tokens();
                start = range.end;
                merged.clone().slice([range, 0..width])
            })
            .collect())
    }

    fn grids(&self, pictures: &[TracePicture]) -> Result<Vec<PatchGrid>, Error> {
        let vision = &self.config().vision;
        let merge_size = vision.spatial_merge_size;
        pictures
            .iter()
            .map(|picture| {
                let thw = picture.grid_thw;
                let grid = PatchGrid::new(thw, merge_size).ok_or(Error::PatchGrid { thw, merge_size })?;
                if picture.pixel_values.len() != grid.patches() * vision.patch_dim() {
                    return Err(Error::PixelValues {
                        found: picture.pixel_values.len(),
                        expected: grid.patches() * vision.patch_dim(),
                    });
                }
                Ok(grid)
            })
            .collect()
    }

    /// Counts positions and places pictures, each row taking as many pictures as it has pads for.
    fn encode_trace(&self, input: &TraceInput) -> Result<Vec<EncodedRequest>, Error> {
        let pads = [self.config().image_token_id, self.config().video_token_id];
        let all = [self.grids(&input.images)?, self.grids(&input.videos)?];
        let mut used = [0, 0];
        let mut rows = Vec::with_capacity(input.rows.len());
        for (index, ids) in input.rows.iter().enumerate() {
            let last = index + 1 == input.rows.len();
            let mut own: [&[PatchGrid]; 2] = [&[]; 2];
            for kind in 0..2 {
                let rest = &all[kind][used[kind]..];
                let tokens = ids.iter().filter(|&&id| id == pads[kind]).count();
                let mut sum = 0;
                let fits = rest.iter().take_while(|grid| {
                    sum += grid.tokens();
                    sum <= tokens
                });
                // The last row takes what is left, so that pictures too many are found out.
                let count = if last { rest.len() } else { fits.count() };
                own[kind] = &rest[..count];
                used[kind] += count;
            }
            let runs = runs(ids, pads, own[0], own[1])?;
            let positions = Positions::new(&runs, input.position_rule);
            let visuals = visual_places(&runs);
            rows.push(EncodedRequest { input_ids: ids.clone(), positions, visuals });
        }
        Ok(rows)
    }
}

/// The places of the pictures of a row; their features are computed elsewhere.
fn visual_places(runs: &[crate::position::Run]) -> Vec<EncodedVisual> {
    let mut start = 0;
    let mut visuals = Vec::new();
    for run in runs {
        let len = match *run {
            crate::position::Run::Text(count) => count,
            crate::position::Run::Visual(grid) => {
                let tokens = start..start + grid.tokens();
                visuals.push(EncodedVisual { pixel_values: Vec::new(), grid, key: [0; 32], tokens });
                grid.tokens()
            }
        };
        start += len;
    }
    visuals
}

/// Cosines and sines of the decoder's rotary tables in f32, `[seq, head_dim]` each, row by row.
///
/// # Errors
///
/// [`Error::Backend`] when the device fails.
pub fn rotary_tables(
    config: &TextConfig,
    position_ids: [&[u32]; 3],
    device: &Device,
) -> Result<[Vec<f32>; 2], Error> {
    crate::model::contained(|| {
        let [cos, sin] = text_rotary(&[position_ids], config, device, DType::F32).tables();
        Ok([to_host(cos)?, to_host(sin)?])
    })
}
