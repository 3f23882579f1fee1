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
        let unchecked = gathered(self.unchecked());
        list(f, "\nnot checked", unchecked.iter().map(|(name, count)| (name.as_str(), *count)))?;
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

/// Names that differ in one place only, in one line: `{tiny, tiny_bf16}/config.json: x`, `model.json: {a, b}.x`.
fn gathered(names: &[(String, usize)]) -> Vec<(String, usize)> {
    let by_key = |name: &str| -> Option<[String; 3]> {
        let (file, path) = name.split_once(": ")?;
        let (key, rest) = path.split_once('.')?;
        Some([format!("{file}: "), key.to_owned(), format!(".{rest}")])
    };
    let by_folder = |name: &str| -> Option<[String; 3]> {
        let (folder, rest) = name.split_once('/')?;
        Some([String::new(), folder.to_owned(), format!("/{rest}")])
    };
    join_variants(join_variants(names.to_vec(), by_key), by_folder)
}

/// Joins names that are equal but for their middle part.
fn join_variants(
    names: Vec<(String, usize)>,
    split: impl Fn(&str) -> Option<[String; 3]>,
) -> Vec<(String, usize)> {
    let mut groups: Vec<(String, String, Vec<String>, usize)> = Vec::new();
    for (name, count) in names {
        let [start, middle, end] = split(&name).unwrap_or_else(|| [name, String::new(), String::new()]);
        match groups.iter_mut().find(|group| group.0 == start && group.1 == end && group.3 == count) {
            Some(group) => group.2.push(middle),
            None => groups.push((start, end, vec![middle], count)),
        }
    }
    let joined = |(start, end, middles, count): (String, String, Vec<String>, usize)| {
        let middle =
            if middles.len() == 1 { middles[0].clone() } else { format!("{{{}}}", middles.join(", ")) };
        (format!("{start}{middle}{end}"), count)
    };
    groups.into_iter().map(joined).collect()
}

/// Names come from files; control characters in them do not reach the terminal.
fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_in_one_place_share_a_line() {
        let names = ["m.json: a.x", "m.json: b.x", "n.json: y", "t/c.json: z", "u/c.json: z"];

        let lines = gathered(&names.map(|name| (name.to_owned(), 1)));

        let lines: Vec<&str> = lines.iter().map(|(line, _)| line.as_str()).collect();
        assert_eq!(lines, ["m.json: {a, b}.x", "n.json: y", "{t, u}/c.json: z"]);
    }

    #[test]
    fn control_characters_of_a_name_are_not_printed() {
        assert_eq!(visible("a\u{1b}[31m\n"), "a\u{FFFD}[31m\u{FFFD}");
    }
}
