use rcmu_model::SamplerSettings;

use super::{
    golden::Golden,
    json::Node,
    report::{Report, Stage, equal},
    tolerance::PROBABILITY,
};

/// Logits divided by a temperature, relative to their size: one rounding in f32.
const SCALED: f32 = 1e-6;

/// Checks penalty, temperature, filters and probabilities step by step.
pub(super) fn check(golden: &Golden, report: &mut Report) {
    let Some(rows) = golden.section("sampling.json", report) else { return };
    let mut kept = Stage::exact("sampling, tokens kept");
    let mut probabilities = Stage::new("sampling, probabilities", PROBABILITY);
    for row in rows.items() {
        if let Err(problem) = check_row(&row, &mut kept, &mut probabilities) {
            kept.case(row.name(), Err(problem));
        }
    }
    report.push(kept);
    report.push(probabilities);
}

fn check_row(row: &Node<'_>, kept: &mut Stage, probabilities: &mut Stage) -> Result<(), String> {
    let mut logits: Vec<f32> = row.field("logits")?;
    let seen: Vec<u32> = row.field("previous_ids")?;
    let (penalty, temperature): (f32, f32) = (row.field("repetition_penalty")?, row.field("temperature")?);
    let (top_k, top_p): (usize, f32) = (row.field("top_k")?, row.field("top_p")?);
    if logits.is_empty() || !(temperature > 0.0 && penalty > 0.0) || top_k == 0 {
        return Err("its settings are out of range".to_owned());
    }
    // The reference leaves out a step that changes nothing.
    for (key, factor) in [("after_repetition_penalty", penalty), ("after_temperature", temperature)] {
        equal(&row.get(key).is_some(), &(factor.to_bits() != 1.0_f32.to_bits()))
            .map_err(|_| format!("{key} does not fit the settings"))?;
    }
    let filter = |top_k, top_p| SamplerSettings::sampling(temperature, top_k, top_p, penalty);

    let settings = filter(Some(top_k), Some(top_p).filter(|&p| p < 1.0));
    settings.penalize(&mut logits, &seen);
    if let Some(penalized) = row.get("after_repetition_penalty") {
        probabilities.near(penalized.name(), &logits, &penalized.take::<Vec<f32>>()?);
    }
    if let Some(scaled) = row.get("after_temperature") {
        let expected: Vec<f32> = scaled.take()?;
        let is_near =
            |(own, expected): (&f32, &f32)| (own / temperature - expected).abs() <= SCALED * expected.abs();
        let fits = expected.len() == logits.len() && logits.iter().zip(&expected).all(is_near);
        let outcome = if fits { Ok(()) } else { Err("other logits after the temperature".to_owned()) };
        probabilities.case(scaled.name(), outcome);
    }
    let by_top_k: Vec<u32> = filter(Some(top_k), None).candidates(&logits).iter().map(|c| c.id).collect();
    let node = row.need("kept_by_top_k")?;
    kept.case(node.name(), equal(&by_top_k, &node.take()?));

    let candidates = settings.candidates(&logits);
    let ids: Vec<u32> = candidates.iter().map(|c| c.id).collect();
    let node = row.need("kept")?;
    let expected_ids: Vec<u32> = node.take()?;
    kept.case(node.name(), same_but_for_ties(&ids, &expected_ids, &logits));
    let mut found = vec![0.0; logits.len()];
    for candidate in candidates {
        found[candidate.id as usize] = candidate.probability;
    }
    let node = row.need("probabilities")?;
    let expected: Vec<f32> = node.take()?;
    let is_kept =
        |(id, &probability): (usize, &f32)| probability == 0.0 || expected_ids.contains(&(id as u32));
    if !expected.iter().enumerate().all(is_kept) {
        probabilities.case(node.name(), Err("a token that is not kept has a probability".to_owned()));
        return Ok(());
    }
    if expected.len() != logits.len() {
        return Err(format!("{} probabilities for {} logits", expected.len(), logits.len()));
    }
    probabilities.near(node.name(), &by_logit(&found, &logits), &by_logit(&expected, &logits));
    Ok(())
}

/// Which of several equal logits are kept, the reference leaves to its sort, whose order of equals depends on the CPU.
fn same_but_for_ties(found: &[u32], expected: &[u32], logits: &[f32]) -> Result<(), String> {
    let kept = |ids: &[u32]| -> Option<Vec<f32>> {
        let mut kept: Vec<f32> =
            ids.iter().map(|&id| logits.get(id as usize).copied()).collect::<Option<_>>()?;
        kept.sort_by(f32::total_cmp);
        Some(kept)
    };
    let is_ascending = expected.is_sorted_by(|a, b| a < b);
    if is_ascending && kept(expected).is_some() && kept(found) == kept(expected) {
        return Ok(());
    }
    equal(&found, &expected).and(Err("its ids are not in order".to_owned()))
}

/// Probabilities in the order of their logits, those of equal logits in their own order.
fn by_logit(probabilities: &[f32], logits: &[f32]) -> Vec<f32> {
    let mut pairs: Vec<(f32, f32)> = logits.iter().copied().zip(probabilities.iter().copied()).collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    pairs.into_iter().map(|(_, probability)| probability).collect()
}
