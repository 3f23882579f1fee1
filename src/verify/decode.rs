use rcmu_core::{Control, GenerateOptions, Request};
use rcmu_model::{
    Model,
    processor::PositionRule,
    trace::{Trace, TraceInput},
};

use super::{
    forward::real_rows,
    json::Node,
    model::{Case, Models, Stages, process, with_causes},
    report::{Stage, equal},
    tolerance::BF16_FACTOR,
};

/// Checks greedy decoding: with the recorded pass, with sessions, in batches and row by row.
pub(super) fn check(
    case: &Case<'_>,
    models: &Models,
    (input, trace): &(TraceInput, Trace),
    stages: &mut Stages,
) -> Result<(), String> {
    let model = &models.tied;
    let Some(tensor) = case.tensor("greedy_ids")? else { return Ok(()) };
    let ids = tensor.id_rows()?;
    stages.greedy.equal(&format!("{} greedy_ids", case.name()), &trace.greedy_ids, &ids);
    let record = case.record.field::<Vec<Vec<u32>>>("greedy_ids")?;
    stages.greedy.equal(&format!("{} in model.json", case.name()), &record, &ids);
    check_logits(case, trace, stages)?;
    check_full_forward(case, model, input, trace, &mut stages.decode)?;
    check_sessions(case, model, &ids, stages);
    check_rows_alone(case, model, input, stages)?;
    check_other_kernels(case, &ids, &mut stages.records)
}

/// The logits of every step; margins and largest values follow from them and must be those of the record.
fn check_logits(case: &Case<'_>, trace: &Trace, stages: &mut Stages) -> Result<(), String> {
    let name = format!("{} greedy_logits", case.name());
    let vocab = trace.logits.shape[1];
    if let Some(tensor) = case.tensor("greedy_logits")? {
        let steps = trace.greedy_ids.first().map_or(0, Vec::len);
        equal(&tensor.dims()?, &[case.rows.len(), steps, vocab])?;
        let expected = tensor.floats()?;
        let found: Vec<f32> = trace.greedy_logits.iter().flatten().flatten().copied().collect();
        stages.decode.near(&name, &found, &expected);
        let margin = expected.chunks_exact(vocab.max(1)).map(margin).fold(f32::INFINITY, f32::min);
        let key = "greedy_smallest_margin";
        let outcome = case.record.field::<f32>(key).and_then(|stated| equal(&margin, &stated));
        stages.records.case(&format!("{}.{key}", case.name()), outcome);
    }
    if let Some(tensor) = case.tensor("logits")? {
        let largest = real_rows(case, &tensor.floats()?, vocab).into_iter().map(f32::abs).fold(0.0, f32::max);
        let key = "logits_abs_max";
        let outcome = case.record.field::<f32>(key).and_then(|stated| equal(&largest, &stated));
        stages.records.case(&format!("{}.{key}", case.name()), outcome);
    }
    Ok(())
}

/// How far the largest logit is above the next.
fn margin(logits: &[f32]) -> f32 {
    let mut top = [f32::NEG_INFINITY; 2];
    for &logit in logits {
        if logit > top[0] {
            top = [logit, top[0]];
        } else if logit > top[1] {
            top[1] = logit;
        }
    }
    top[0] - top[1]
}

/// Prefill and decoding, token by token, give the logits of one pass over all tokens.
fn check_full_forward(
    case: &Case<'_>,
    model: &Model,
    input: &TraceInput,
    trace: &Trace,
    stage: &mut Stage,
) -> Result<(), String> {
    // With the rule of transformers 5, text that follows a long video and generated text count positions
    // differently, in the reference too; with the other rule they never do.
    let mut input = input.clone();
    let again;
    let steps = if input.position_rule == PositionRule::MaxOfAll || input.videos.is_empty() {
        trace
    } else {
        input.position_rule = PositionRule::MaxOfAll;
        again = model.trace(&input, trace.greedy_ids[0].len()).map_err(|error| with_causes(&error))?;
        &again
    };
    // A made-up model may make tokens that stand for pictures; in a prompt they would need one.
    let config = model.config();
    let is_text = |id: &&u32| **id != config.image_token_id && **id != config.video_token_id;
    let fed = steps.greedy_ids.iter().map(|ids| ids.iter().take_while(is_text).count()).min().unwrap_or(0);
    let fed = fed.min(steps.greedy_ids.first().map_or(0, Vec::len).saturating_sub(1));
    if fed == 0 {
        return Ok(());
    }
    for (row, ids) in input.rows.iter_mut().zip(&steps.greedy_ids) {
        row.extend(&ids[..fed]);
    }
    let whole = model.trace(&input, 0).map_err(|error| with_causes(&error))?;
    let vocab = whole.logits.shape[1];
    for (row, logits) in whole.logits.values.chunks_exact((case.seq + fed) * vocab).enumerate() {
        let name = format!("{}, row {row}: {fed} tokens decoded and at once", case.name());
        let decoded = steps.greedy_logits[row][1..=fed].concat();
        stage.near(&name, &decoded, &logits[case.seq * vocab..]);
    }
    Ok(())
}

/// The ids until the model ends its turn, the end included.
fn until_end<'a>(model: &Model, ids: &'a [u32]) -> &'a [u32] {
    let ends = &model.generation_config().eos_token_ids;
    let end = ids.iter().position(|id| ends.contains(id));
    &ids[..end.map_or(ids.len(), |end| end + 1)]
}

/// The public way: one session per row, and all rows in one batch.
fn check_sessions(case: &Case<'_>, model: &Model, expected: &[Vec<u32>], stages: &mut Stages) {
    let requests: Vec<Request> = (0..case.rows.len())
        .map(|row| {
            let (prompt, visuals) = case.request(row);
            Request { prompt, visuals, options: GenerateOptions::greedy(expected[row].len() as u32) }
        })
        .collect();
    for (row, request) in requests.iter().enumerate() {
        let name = format!("{}, row {row}, in a session", case.name());
        let made = model.session().generate(request, &Control::default(), &mut |_| {});
        let made = made.map_err(|error| with_causes(&error));
        let outcome =
            made.and_then(|made| equal(&made.token_ids.as_slice(), &until_end(model, &expected[row])));
        let stage = if requests.len() > 1 { &mut stages.batches } else { &mut stages.greedy };
        stage.case(&name, outcome);
    }
    if requests.len() > 1 {
        let name = format!("{} in a batch", case.name());
        let made = model.generate_batch(&requests, &Control::default()).map_err(|error| with_causes(&error));
        let outcome = made.and_then(|made| {
            let found: Vec<&[u32]> = made.iter().map(|made| made.token_ids.as_slice()).collect();
            let expected: Vec<&[u32]> = expected.iter().map(|ids| until_end(model, ids)).collect();
            equal(&found, &expected)
        });
        stages.batches.case(&name, outcome);
    }
}

/// Each row of a batch alone makes the same tokens.
fn check_rows_alone(
    case: &Case<'_>,
    model: &Model,
    input: &TraceInput,
    stages: &mut Stages,
) -> Result<(), String> {
    let Some(node) = case.record.get("rows_alone_greedy_ids") else {
        return if case.rows.len() > 1 { Err("rows_alone_greedy_ids is missing".to_owned()) } else { Ok(()) };
    };
    let expected: Vec<Vec<u32>> = node.take()?;
    equal(&expected.len(), &case.rows.len())?;
    for (row, expected) in expected.iter().enumerate() {
        let (_, visuals) = case.request(row);
        let (images, videos): (Vec<_>, Vec<_>) =
            visuals.into_iter().partition(|visual| matches!(visual, rcmu_core::Visual::Image(_)));
        let alone = TraceInput {
            rows: vec![case.rows[row].clone()],
            images: process(model, &images)?,
            videos: process(model, &videos)?,
            position_rule: input.position_rule,
        };
        let made = model.trace(&alone, expected.len()).map_err(|error| with_causes(&error))?;
        stages.batches.equal(&format!("{}[{row}]", node.name()), &made.greedy_ids[0], expected);
    }
    Ok(())
}

/// What the record says of the reference's other kernels.
fn check_other_kernels(case: &Case<'_>, ids: &[Vec<u32>], stage: &mut Stage) -> Result<(), String> {
    let margin: f64 = case.record.need("greedy_smallest_margin")?.peek()?;
    for kernel in ["f32_sdpa", "bf16_eager", "bf16_sdpa"] {
        let Some(node) = case.record.get(kernel) else { continue };
        stage.case(node.name(), check_kernel(&node, margin, ids));
        if kernel != "bf16_sdpa" {
            continue;
        }
        let stored = || -> Result<(), String> {
            let Some(tensor) = case.tensor("bf16.greedy_ids")? else { return Ok(()) };
            equal(&tensor.id_rows()?, &node.field("greedy_ids")?)
        };
        stage.case(&format!("{} bf16.greedy_ids", case.name()), stored());
    }
    Ok(())
}

/// Another kernel's noise may change a token only where the margin is within it.
fn check_kernel(node: &Node<'_>, margin: f64, ids: &[Vec<u32>]) -> Result<(), String> {
    let own: Vec<Vec<u32>> = node.field("greedy_ids")?;
    let is_same = own == ids;
    equal(&is_same, &node.field("same_greedy")?)?;
    let noise: f64 = node.need("max_abs_logit_diff")?.peek()?;
    // Each of two logits moves by the noise at most.
    if margin > 2.0 * BF16_FACTOR * noise && !is_same {
        return Err(format!(
            "other ids than ours although the margin {margin} is far above the noise {noise}"
        ));
    }
    Ok(())
}
