use std::fmt;

use super::report::{Report, Stage, Verdict};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} on {}", self.golden().display(), self.device())?;
        let rows: Vec<[String; 5]> = self.stages().iter().map(row).collect();
        let head = ["stage", "cases", "largest difference", "tolerance", "verdict"].map(str::to_owned);
        let mut widths = head.each_ref().map(|cell| cell.chars().count());
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let [name, cases, largest, tolerance, _] = widths;
        for [a, b, c, d, e] in std::iter::once(&head).chain(&rows) {
            writeln!(f, "{a:name$}  {b:>cases$}  {c:>largest$}  {d:>tolerance$}  {e}")?;
        }
        for stage in self.stages().iter().filter(|stage| stage.miss_count() > 0) {
            writeln!(f, "\n{}: {} of {} do not fit", stage.name(), stage.miss_count(), stage.cases())?;
            for miss in stage.misses() {
                writeln!(f, "  {}", visible(miss))?;
            }
        }
        list(f, "\nnot run", self.not_run().iter().map(|line| (line.as_str(), 1)))?;
        list(f, "\nleft out by the directory itself", self.left_out().iter().map(|line| (line.as_str(), 1)))?;
        list(f, "\nnot checked", self.unchecked().iter().map(|(name, count)| (name.as_str(), *count)))?;
        let verdict = if self.passed() { "everything checked agrees" } else { "MISS" };
        write!(f, "\n{} cases: {verdict}", self.cases())
    }
}

fn row(stage: &Stage) -> [String; 5] {
    let largest = if stage.largest() == 0.0 { "0".to_owned() } else { format!("{:.1e}", stage.largest()) };
    let verdict = match stage.verdict() {
        Verdict::Pass => "pass",
        Verdict::Miss => "MISS",
    };
    [
        stage.name().to_owned(),
        stage.cases().to_string(),
        largest,
        stage.tolerance().to_string(),
        verdict.to_owned(),
    ]
}

fn list<'a>(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    lines: impl Iterator<Item = (&'a str, usize)>,
) -> fmt::Result {
    for (index, (line, count)) in lines.enumerate() {
        if index == 0 {
            writeln!(f, "{title}:")?;
        }
        let times = if count > 1 { format!(" ({count})") } else { String::new() };
        writeln!(f, "  {}{times}", visible(line))?;
    }
    Ok(())
}

/// Names come from files; control characters in them do not reach the terminal.
fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}
