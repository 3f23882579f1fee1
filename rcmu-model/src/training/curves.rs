use std::fmt::Write;

use super::StepReport;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 56.0;
const BOTTOM: f64 = 32.0;
const TOP: f64 = 24.0;

/// Draws the loss of a training over its steps, on a logarithmic scale, as an SVG picture.
///
/// `metrics` holds one [`StepReport`] as JSON per line. Steps that a resumed training did again count with their last
/// line. The line is the mean of neighbouring steps.
///
/// # Errors
///
/// The line that is not a report.
pub fn curves_svg(metrics: &str) -> Result<String, serde_json::Error> {
    let mut reports: Vec<StepReport> = metrics.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    reports.reverse();
    reports.sort_by_key(|report| report.step);
    reports.dedup_by_key(|report| report.step);
    let span = (reports.len() / 240).max(1);
    let points: Vec<(f64, f64)> = reports
        .chunks(span)
        .map(|chunk| {
            let mean = chunk.iter().map(|report| report.loss).sum::<f64>() / chunk.len() as f64;
            (chunk[chunk.len() - 1].step as f64, mean.max(1e-6).log10())
        })
        .collect();
    let last = points.last().map_or(1.0, |point| point.0).max(1.0);
    let low = points.iter().map(|point| point.1).fold(f64::INFINITY, f64::min).min(0.0).floor();
    let high = points.iter().map(|point| point.1).fold(f64::NEG_INFINITY, f64::max).max(low + 1.0).ceil();
    let x = |step: f64| LEFT + (WIDTH - LEFT - 16.0) * step / last;
    let y = |value: f64| TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low);

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"16\">loss in nats, logarithmic, over {last} steps</text>\n"
    );
    for power in low as i32..=high as i32 {
        let at = y(f64::from(power));
        let value = 10_f64.powi(power);
        let right = WIDTH - 16.0;
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{value}</text>",
            LEFT - 6.0,
            at + 4.0
        );
    }
    let line = points.iter().fold(String::new(), |mut line, &(step, loss)| {
        let _ = write!(line, "{:.1},{:.1} ", x(step), y(loss));
        line
    });
    let _ =
        writeln!(svg, "<polyline points=\"{line}\" fill=\"none\" stroke=\"#2456b0\" stroke-width=\"1.5\"/>");
    svg.push_str("</svg>\n");
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_goes_from_the_first_loss_to_the_last() {
        let line = |step, loss| {
            format!(
                r#"{{"step":{step},"loss":{loss},"gradient_norm":1,"learning_rate":1,"tokens":1,"targets":1,"seconds":1}}"#
            )
        };
        // Step 2 was done twice; the second time counts.
        let metrics = [line(1, 10.0), line(2, 5.0), line(2, 1.0), line(4, 0.1)].join("\n");

        let svg = curves_svg(&metrics).expect("four reports");

        // From 10 (top, 24) over 1 (the middle, 176) to 0.1 (the bottom, 328); a quarter of 648 pixels per step.
        assert!(svg.contains("points=\"218.0,24.0 380.0,176.0 704.0,328.0 \""), "{svg}");
    }
}
