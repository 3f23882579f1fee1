use rcmu_model::{ComputeDtype, Model};

use super::{
    VerifyOptions,
    forward::{at_real_tokens, last_bf16_logits, last_rows, rows_of},
    golden::Golden,
    model::{Case, load, with_causes},
    report::{Report, Stage},
    tolerance::{BF16_FACTOR, Tolerance},
};

const FOLDER: &str = "tiny_bf16";

/// Checks the model in bf16, where the device has it: two kernels in bf16 never agree better than their noise.
///
/// A formula may be wrong by less than that noise, as positions whose axes are swapped are here: what they compute is
/// checked in f32.
///
/// This is the last section: a driver that breaks over bf16 cannot harm the others.
pub(super) fn check(golden: &Golden, options: &VerifyOptions, report: &mut Report) {
    let Some(records) = golden.document("model.json") else { return };
    if !golden.has(&format!("{FOLDER}/config.json")) {
        return;
    }
    if !ComputeDtype::Bf16.is_supported(&options.device) {
        return report.absent("the model in bf16: the device does not have it");
    }
    let new = |name| Stage::new(name, Tolerance::Noise(BF16_FACTOR));
    let mut stages =
        Stages { vision: new("vision, bf16"), logits: new("logits, bf16"), mean: new("logits, bf16, mean") };
    match load(golden, options, FOLDER, ComputeDtype::Bf16) {
        Ok(model) => {
            for (name, record) in records.entries() {
                let case = Case::read(golden, name, record.clone(), &model, options.tolerances.logits);
                if let Err(problem) = case.and_then(|case| check_case(&case, &model, &mut stages)) {
                    stages.logits.case(record.name(), Err(problem));
                }
            }
        }
        Err(problem) => stages.logits.case(FOLDER, Err(problem)),
    }
    // A set of texts alone has nothing for the vision tower.
    let Stages { vision, logits, mean } = stages;
    if vision.cases() > 0 {
        report.push(vision);
    }
    report.push(logits);
    report.push(mean);
}

/// The stages of this section.
struct Stages {
    vision: Stage,
    logits: Stage,
    mean: Stage,
}

/// Compares with the reference's f32, from which its own bf16 is as far as it states, and with its bf16.
fn check_case(case: &Case<'_>, model: &Model, stages: &mut Stages) -> Result<(), String> {
    let stated = case.record.need("bf16_sdpa")?;
    let limit = |name: &str| Ok::<_, String>(BF16_FACTOR * stated.field::<f64>(name)?);
    let (largest, mean) = (limit("max_abs_logit_diff")?, limit("mean_abs_logit_diff")?);
    let trace = model.trace(&case.input(model)?, 0).map_err(|error| with_causes(&error))?;

    // The reference states the distance of its first pass, that over the images, if there are any.
    if let Some(found) = trace.tensors.iter().find(|tensor| tensor.name == "vision.merged")
        && let Some(expected) = rows_of(case, &found.name, found.shape)?
    {
        let name = format!("{} {}", case.name(), found.name);
        stages.vision.near_within(&name, &found.values, &expected, limit("max_abs_vision_diff")?);
    }
    let (logits, width) = (&trace.logits.values, trace.logits.shape[1]);
    let everywhere = at_real_tokens(case, "logits", logits, width)?;
    let last = last_bf16_logits(case)?.map(|expected| [last_rows(case, &trace), expected]);
    for (name, pair) in [("logits", everywhere), ("bf16.last_logits", last)] {
        if let Some([found, expected]) = pair {
            let name = format!("{} {name}", case.name());
            stages.logits.near_within(&name, &found, &expected, largest);
            stages.mean.near_on_average(&name, &found, &expected, mean);
        }
    }
    Ok(())
}
