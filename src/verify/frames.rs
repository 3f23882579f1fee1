use rcmu_model::{
    Error,
    processor::{FrameOptions, FrameRule, sample_frames},
};

use super::{
    golden::Golden,
    json::Node,
    refusal::Refusal,
    report::{Report, Stage, equal},
};

/// Long lists of frames are stored as their first and last so many.
const STORED_END: usize = 32;

/// Checks both ways to choose the frames of a video row by row.
pub(super) fn check(golden: &Golden, report: &mut Report) {
    let Some(rows) = golden.section("frames.json", report) else { return };
    let mut stage = Stage::exact("video frames");
    for row in rows.items() {
        stage.case(row.name(), check_row(&row));
    }
    report.push(stage);
}

fn check_row(row: &Node<'_>) -> Result<(), String> {
    let (rule, source) = if row.get("transformers_nframes").is_some() {
        (FrameRule::Transformers, "transformers")
    } else {
        (FrameRule::QwenVlUtils, "qwen_vl_utils")
    };
    let (total, fps): (u64, f64) = (row.field("total_frames")?, row.field("video_fps")?);
    let options = row.need("options")?;
    options.strike();
    let options = frame_options(&options)?;
    let (count, indices) = (row.need(&format!("{source}_nframes"))?, row.need(&format!("{source}_indices"))?);
    indices.strike();
    let found = sample_frames(total, fps, &options, rule);
    if let Some(refusal) = Refusal::of(&count) {
        if !indices.is_null() {
            return Err("an error and frames at once".to_owned());
        }
        return check_refusal(&refusal?, rule, &found);
    }

    let mut found = found.map_err(|error| error.to_string())?;
    equal(&found.len(), &count.take()?)?;
    if found.len() > 2 * STORED_END {
        found.drain(STORED_END..found.len() - STORED_END);
    }
    let mut expected: Vec<u64> = indices.peek()?;
    // Rounding in f32 can make transformers name the frame behind the last one, which does not exist.
    let past_end = |last: &&mut u64| rule == FrameRule::Transformers && **last == total;
    if let Some(last) = expected.last_mut().filter(past_end) {
        *last -= 1;
    }
    equal(&found, &expected)
}

fn frame_options(options: &Node<'_>) -> Result<FrameOptions, String> {
    let mut known = FrameOptions::default();
    for (key, value) in options.entries() {
        match key {
            "fps" => known.fps = value.peek()?,
            "min_frames" => known.min_frames = value.peek()?,
            "max_frames" => known.max_frames = value.peek()?,
            "nframes" | "num_frames" => known.num_frames = Some(value.peek()?),
            other => return Err(format!("option {other:?} is not known")),
        }
    }
    Ok(known)
}

fn check_refusal(refusal: &Refusal, rule: FrameRule, found: &Result<Vec<u64>, Error>) -> Result<(), String> {
    let Err(Error::FrameCount { wanted, total, .. }) = found else {
        return Err(format!("the reference refuses it, here it is {found:?}"));
    };
    let (wanted, total) = (*wanted as f64, *total as f64);
    match rule {
        FrameRule::QwenVlUtils => {
            refusal.is_one_of(&["ValueError"])?;
            refusal.counts(&[2.0, total, wanted])
        }
        FrameRule::Transformers if wanted > total => {
            refusal.is_one_of(&["ValueError"])?;
            refusal.counts(&[wanted, total])
        }
        FrameRule::Transformers => {
            refusal.is_one_of(&["ZeroDivisionError", "ValueError"])?;
            refusal.says("division by zero")
        }
    }
}
