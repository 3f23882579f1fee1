use rcmu_model::{
    Model,
    trace::{Trace, TraceInput},
};
use rcmu_prompt::ChatOptions;
use serde_json::Value;

use super::{
    chats,
    model::{Case, Models, Stages, with_causes},
    report::{Stage, equal},
    rope::compare_row,
};

/// Checks what goes into the model and each value inside it; returns what the model gave.
pub(super) fn check(
    case: &Case<'_>,
    models: &Models,
    stages: &mut Stages,
) -> Result<(TraceInput, Trace), String> {
    check_prompts(case, &models.tied, &mut stages.prompts)?;
    let input = case.input(&models.tied)?;
    check_pixels(case, &input, stages);
    check_token_types(case, &models.tied, &mut stages.prompts);

    let new_tokens = match case.tensor("greedy_ids")? {
        Some(ids) => ids.dims::<2>()?[1],
        None => 1,
    };
    let trace = models.tied.trace(&input, new_tokens).map_err(|error| with_causes(&error))?;
    if trace.pads != case.pads || trace.positions.len() != case.rows.len() {
        return Err(format!("rows have {:?} pads instead of {:?}", trace.pads, case.pads));
    }
    check_positions(case, &trace, &mut stages.positions);
    check_layers(case, &trace, stages);
    compare(case, "logits", &trace.logits.values, trace.logits.shape[1], &mut stages.logits);
    check_untied(case, models, &input, &mut stages.untied);
    check_stated_noise(case, &trace, &mut stages.bf16);
    Ok((input, trace))
}

/// Messages give the prompt, the prompt gives the ids.
fn check_prompts(case: &Case<'_>, model: &Model, stage: &mut Stage) -> Result<(), String> {
    let conversations: Vec<Vec<Value>> = case.record.field("conversations")?;
    stage.equal(case.name(), &conversations.len(), &case.prompts.len());
    for (row, messages) in conversations.iter().enumerate().take(case.prompts.len()) {
        let name = format!("{}, row {row}", case.name());
        let rendered = chats::conversation(messages)?.render(ChatOptions::default()).to_reference_text();
        stage.equal(&name, &rendered, &case.prompts[row]);
        let (prompt, visuals) = case.request(row);
        let encoded = model.encode(&prompt, &visuals).map_err(|error| with_causes(&error));
        stage.case(&name, encoded.and_then(|encoded| equal(&encoded.input_ids, &case.rows[row])));
    }
    Ok(())
}

fn check_pixels(case: &Case<'_>, input: &TraceInput, stages: &mut Stages) {
    for (pictures, values, grid) in [
        (&input.images, "in.pixel_values", "in.image_grid_thw"),
        (&input.videos, "in.pixel_values_videos", "in.video_grid_thw"),
    ] {
        if pictures.is_empty() {
            continue;
        }
        let found: Vec<f32> =
            pictures.iter().flat_map(|picture| picture.pixel_values.iter().copied()).collect();
        let patches: usize = pictures.iter().map(|picture| picture.grid_thw.iter().product::<usize>()).sum();
        let width = found.len() / patches.max(1);
        let name = format!("{} {values}", case.name());
        match rows_of(case, values, [patches, width]) {
            Ok(Some(expected)) => stages.pixels.near(&name, &found, &expected),
            Ok(None) => {}
            Err(problem) => stages.pixels.case(&name, Err(problem)),
        }
        let grids: Vec<i64> =
            pictures.iter().flat_map(|picture| picture.grid_thw).map(|side| side as i64).collect();
        compare_integers(case, grid, &[pictures.len(), 3], &grids, &mut stages.pixels);
    }
}

/// The values of a tensor of this shape.
pub(super) fn rows_of(case: &Case<'_>, name: &str, shape: [usize; 2]) -> Result<Option<Vec<f32>>, String> {
    let Some(tensor) = case.tensor(name)? else { return Ok(None) };
    equal(&tensor.dims()?, &shape)?;
    tensor.floats().map(Some)
}

fn compare_integers(case: &Case<'_>, name: &str, shape: &[usize], found: &[i64], stage: &mut Stage) {
    let compare = || -> Result<bool, String> {
        let Some(tensor) = case.tensor(name)? else { return Ok(false) };
        equal(&tensor.shape.as_slice(), &shape)?;
        equal(&found, &tensor.integers()?.as_slice())?;
        Ok(true)
    };
    match compare() {
        Ok(false) => {}
        other => stage.case(&format!("{} {name}", case.name()), other.map(|_| ())),
    }
}

/// 1 for each token of an image, 2 for each of a video; transformers 5 only.
fn check_token_types(case: &Case<'_>, model: &Model, stage: &mut Stage) {
    if !case.golden.is_v5() {
        return;
    }
    let config = model.config();
    let kind =
        |id: &u32| i64::from(*id == config.image_token_id) + 2 * i64::from(*id == config.video_token_id);
    let rows = case.rows.iter().zip(&case.pads);
    let found: Vec<i64> =
        rows.flat_map(|(ids, &pads)| std::iter::repeat_n(0, pads).chain(ids.iter().map(kind))).collect();
    compare_integers(case, "in.mm_token_type_ids", &[case.rows.len(), case.seq], &found, stage);
}

/// Positions are stored for prompts with pictures only.
fn check_positions(case: &Case<'_>, trace: &Trace, stage: &mut Stage) {
    if !case.has_visuals() {
        return;
    }
    let compare = || -> Result<bool, String> {
        let Some(tensor) = case.tensor("position_ids")? else { return Ok(false) };
        let (rows, seq) = (case.rows.len(), case.seq);
        equal(&tensor.dims()?, &[3, rows, seq])?;
        let expected = tensor.integers()?;
        for (row, found) in trace.positions.iter().enumerate() {
            let axis = |axis: usize| &expected[(axis * rows + row) * seq..][..seq];
            compare_row(case.golden, found, case.pads[row], [axis(0), axis(1), axis(2)])?;
        }
        Ok(true)
    };
    match compare() {
        Ok(false) => {}
        other => stage.case(&format!("{} position_ids", case.name()), other.map(|_| ())),
    }
    // transformers 4 counts the pads of a row as tokens.
    let uncounted = |pads: &usize| if case.golden.is_v5() { 0 } else { *pads as i64 };
    let deltas = trace.positions.iter().zip(&case.pads);
    let deltas: Vec<i64> = deltas.map(|(found, pads)| found.rope_delta - uncounted(pads)).collect();
    compare_integers(case, "rope_deltas", &[case.rows.len(), 1], &deltas, stage);
}

/// Every value inside the model that is stored, and every one that must be.
fn check_layers(case: &Case<'_>, trace: &Trace, stages: &mut Stages) {
    for found in &trace.tensors {
        if found.name.starts_with("text.") {
            compare(case, &found.name, &found.values, found.shape[1], &mut stages.hidden);
            continue;
        }
        let name = format!("{} {}", case.name(), found.name);
        match rows_of(case, &found.name, found.shape) {
            Ok(Some(expected)) => stages.vision.near(&name, &found.values, &expected),
            Ok(None) => {}
            Err(problem) => stages.vision.case(&name, Err(problem)),
        }
    }
    let is_layer =
        |name: &&str| ["vision.", "vision_2.", "text."].iter().any(|start| name.starts_with(start));
    for name in case.tensor_names().into_iter().filter(is_layer) {
        if !trace.tensors.iter().any(|found| found.name == name) {
            stages
                .hidden
                .case(&format!("{} {name}", case.name()), Err("the model has no such layer".to_owned()));
        }
    }
}

/// Compares `[batch, seq, width]` at all tokens that are no pads.
fn compare(case: &Case<'_>, name: &str, found: &[f32], width: usize, stage: &mut Stage) {
    let label = format!("{} {name}", case.name());
    match at_real_tokens(case, name, found, width) {
        Ok(Some([found, expected])) => stage.near(&label, &found, &expected),
        Ok(None) => {}
        Err(problem) => stage.case(&label, Err(problem)),
    }
}

/// What was found and what is expected of a tensor `[batch, seq, width]` at all tokens that are no pads.
pub(super) fn at_real_tokens(
    case: &Case<'_>,
    name: &str,
    found: &[f32],
    width: usize,
) -> Result<Option<[Vec<f32>; 2]>, String> {
    let Some(tensor) = case.tensor(name)? else { return Ok(None) };
    equal(&tensor.dims()?, &[case.rows.len(), case.seq, width])?;
    equal(&found.len(), &tensor.shape.iter().product())?;
    Ok(Some([real_rows(case, found, width), real_rows(case, &tensor.floats()?, width)]))
}

/// The rows of all tokens that are no pads.
pub(super) fn real_rows(case: &Case<'_>, values: &[f32], width: usize) -> Vec<f32> {
    let rows = values.chunks_exact((case.seq * width).max(1)).zip(&case.pads);
    rows.flat_map(|(row, pads)| row[pads * width..].iter().copied()).collect()
}

/// The logits after the last token of each row, `[batch, vocab]`.
pub(super) fn last_rows(case: &Case<'_>, trace: &Trace) -> Vec<f32> {
    let vocab = trace.logits.shape[1];
    let rows = trace.logits.values.chunks_exact((case.seq * vocab).max(1));
    rows.flat_map(|row| row[(case.seq - 1) * vocab..].iter().copied()).collect()
}

/// A checkpoint with a head of its own.
fn check_untied(case: &Case<'_>, models: &Models, input: &TraceInput, stage: &mut Stage) {
    let Some(model) = &models.untied else { return };
    let name = format!("{} untied_last_logits", case.name());
    let compare = || -> Result<Option<[Vec<f32>; 2]>, String> {
        let shape = [case.rows.len(), model.config().text.vocab_size];
        let Some(expected) = rows_of(case, "untied_last_logits", shape)? else { return Ok(None) };
        let trace = model.trace(input, 0).map_err(|error| with_causes(&error))?;
        Ok(Some([last_rows(case, &trace), expected]))
    };
    match compare() {
        Ok(Some([found, expected])) => stage.near(&name, &found, &expected),
        Ok(None) => {}
        Err(problem) => stage.case(&name, Err(problem)),
    }
}

/// The reference's stated distance between bf16 and f32 must be true of our f32.
fn check_stated_noise(case: &Case<'_>, trace: &Trace, stage: &mut Stage) {
    let name = format!("{} bf16.last_logits and f32", case.name());
    let compare = || -> Result<Option<(Vec<f32>, f64)>, String> {
        let Some(expected) = last_bf16_logits(case)? else { return Ok(None) };
        let noise = case.record.need("bf16_sdpa")?.field::<f64>("max_abs_logit_diff")?;
        Ok(Some((expected, noise + case.logits_tolerance.limit())))
    };
    match compare() {
        Ok(Some((expected, limit))) => stage.near_within(&name, &last_rows(case, trace), &expected, limit),
        Ok(None) => {}
        Err(problem) => stage.case(&name, Err(problem)),
    }
}

/// The reference's logits in bf16 after the last token of each row, `[batch, vocab]`.
pub(super) fn last_bf16_logits(case: &Case<'_>) -> Result<Option<Vec<f32>>, String> {
    let Some(tensor) = case.tensor("bf16.last_logits")? else { return Ok(None) };
    let [rows, _] = tensor.dims()?;
    equal(&rows, &case.rows.len())?;
    tensor.floats().map(Some)
}
