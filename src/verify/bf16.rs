use rcmu_model::{ComputeDtype, Model};

use super::{
    VerifyOptions,
    forward::{bf16_logits, last_rows},
    golden::Golden,
    model::{Case, load, with_causes},
    report::{Report, Stage},
    tolerance::{BF16_FACTOR, Tolerance},
};

const FOLDER: &str = "tiny_bf16";

/// Checks the model in bf16, where the device has it: two kernels in bf16 never agree better than their noise.
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
    let mut stage = Stage::new("logits, bf16", Tolerance::Noise(BF16_FACTOR));
    match load(golden, options, FOLDER, ComputeDtype::Bf16) {
        Ok(model) => {
            for (name, record) in records.entries() {
                let case = Case::read(golden, name, record.clone(), &model, options.tolerances.logits);
                if let Err(problem) = case.and_then(|case| check_case(&case, &model, &mut stage)) {
                    stage.case(record.name(), Err(problem));
                }
            }
        }
        Err(problem) => stage.case(FOLDER, Err(problem)),
    }
    report.push(stage);
}

fn check_case(case: &Case<'_>, model: &Model, stage: &mut Stage) -> Result<(), String> {
    let Some((expected, noise)) = bf16_logits(case)? else { return Ok(()) };
    let trace = model.trace(&case.input(model)?, 0).map_err(|error| with_causes(&error))?;
    stage.near_within(case.name(), &last_rows(case, &trace), &expected, BF16_FACTOR * noise);
    Ok(())
}
