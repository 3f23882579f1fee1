use rcmu_core::ImageSize;
use rcmu_model::{
    Error,
    processor::{PixelBounds, SizeRule, smart_resize},
};

use super::{
    golden::Golden,
    json::Node,
    refusal::Refusal,
    report::{Report, Stage, equal},
};

/// Checks both `smart_resize` functions row by row.
pub(super) fn check(golden: &Golden, report: &mut Report) {
    let Some(rows) = golden.section("resize.json", report) else { return };
    let mut stage = Stage::exact("resize tables");
    for row in rows.items() {
        for (key, rule) in
            [("transformers", SizeRule::Transformers), ("qwen_vl_utils", SizeRule::QwenVlUtils)]
        {
            stage.case(&format!("{}.{key}", row.name()), check_row(&row, key, rule));
        }
    }
    report.push(stage);
}

fn check_row(row: &Node<'_>, key: &str, rule: SizeRule) -> Result<(), String> {
    let (height, width): (u32, u32) = (row.field("height")?, row.field("width")?);
    let bounds = (row.field("min_pixels")?, row.field("max_pixels")?);
    let factor = row.field("factor")?;
    let expected = row.need(key)?;
    let found = ImageSize::new(width, height)
        .map_err(Error::from)
        .and_then(|size| smart_resize(size, factor, PixelBounds::new(bounds.0, bounds.1)?, rule));
    if let Some(refusal) = Refusal::of(&expected) {
        let refusal = refusal?;
        return match found {
            Err(Error::AspectRatio { max, .. }) => {
                let (long, short) = (f64::from(height.max(width)), f64::from(height.min(width)));
                refusal.is_one_of(&["ValueError"])?;
                refusal.counts(&[f64::from(max), long / short])
            }
            Err(_) if height == 0 || width == 0 => {
                refusal.is_one_of(&["ZeroDivisionError"])?;
                refusal.says("division by zero")
            }
            other => Err(format!("the reference refuses it, here it is {other:?}")),
        };
    }
    let expected: [u32; 2] = expected.take()?;
    match found {
        Ok(size) => equal(&[size.height(), size.width()], &expected),
        // A side without a pixel is a result there and an error here.
        Err(Error::EmptyResize { .. }) if expected.contains(&0) => Ok(()),
        Err(error) => Err(format!("{error} instead of {expected:?}")),
    }
}
