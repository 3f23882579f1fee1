use std::collections::BTreeSet;

use crate::report::{ComparisonReport, Report, comparison::verdict, text::method_words, visible};

impl Report {
    /// Writes one line per item, with a column per measure (RFC 4180, lines end in CR LF).
    ///
    /// A text that a spreadsheet would take for a formula gets a leading apostrophe.
    pub fn to_csv(&self) -> String {
        let measures: BTreeSet<_> = self.items.iter().flat_map(|item| item.score.measures.keys()).collect();
        let mut head: Vec<_> = [
            "item", "kind", "cluster", "outcome", "verdict", "question", "reply", "expected", "cited",
            "invalid", "how",
        ]
        .map(str::to_owned)
        .into();
        head.extend(measures.iter().map(|name| cell(name)));
        let mut csv = line(&head);
        for item in &self.items {
            let (sample, score) = (&item.sample, &item.score);
            let cited: Vec<_> = item.cited.iter().map(ToString::to_string).collect();
            let invalid: Vec<_> = item.invalid.iter().map(ToString::to_string).collect();
            let outcome = super::outcome_words(score.outcome);
            let mut cells = vec![
                cell(&sample.id),
                cell(score.kind.name()),
                cell(&score.cluster),
                cell(outcome),
                cell(item.verdict().name()),
                cell(&sample.question),
                cell(item.said()),
                cell(&sample.answer),
                cell(&cited.join(" ")),
                cell(&invalid.join(" ")),
                cell(&score.how),
            ];
            cells.extend(measures.iter().map(|name| number(score.measures.get(*name).copied())));
            csv.push_str(&line(&cells));
        }
        csv
    }

    /// Writes one line per row of the table, in the form of [`Report::to_csv`].
    pub fn to_csv_table(&self) -> String {
        let head = ["measure", "slice", "count", "value", "low", "high", "method", "worst", "best", "chance"];
        let mut csv = line(&head.map(str::to_owned));
        for row in &self.rows {
            csv.push_str(&line(&[
                cell(&row.measure),
                cell(&row.slice),
                row.count.to_string(),
                number(Some(row.value)),
                number(row.interval.map(|interval| interval.low)),
                number(row.interval.map(|interval| interval.high)),
                row.interval.map_or(String::new(), |interval| method_words(interval.method).to_owned()),
                number(Some(row.worst)),
                number(Some(row.best)),
                number(row.chance),
            ]));
        }
        csv
    }
}

impl ComparisonReport {
    /// Writes one line per row, then one per row that is not compared and why, in the form of [`Report::to_csv`].
    pub fn to_csv(&self) -> String {
        let head = [
            "measure",
            "slice",
            "pairs",
            "only_in_first",
            "only_in_second",
            "first",
            "second",
            "difference",
            "low",
            "high",
            "p",
            "only_first_right",
            "only_second_right",
            "mcnemar_p",
            "chi_square",
            "chi_square_p",
            "g",
            "d_z",
            "verdict",
            "not_compared",
        ];
        let mut csv = line(&head.map(str::to_owned));
        for row in &self.rows {
            let (found, paired, test) = (&row.comparison, &row.comparison.paired, row.comparison.mcnemar);
            let count = |count: Option<usize>| count.map_or(String::new(), |count| count.to_string());
            csv.push_str(&line(&[
                cell(&found.measure),
                cell(&row.slice),
                paired.count.to_string(),
                found.only_in_first.to_string(),
                found.only_in_second.to_string(),
                number(Some(paired.first)),
                number(Some(paired.second)),
                number(Some(paired.difference)),
                number(paired.interval.map(|interval| interval.low)),
                number(paired.interval.map(|interval| interval.high)),
                number(paired.p_value),
                count(test.map(|test| test.only_first)),
                count(test.map(|test| test.only_second)),
                number(test.map(|test| test.exact_p)),
                number(test.map(|test| test.chi_square)),
                number(test.map(|test| test.chi_square_p)),
                number(test.map(|test| test.g)),
                number(paired.effect_size),
                verdict(found).0.to_owned(),
                String::new(),
            ]));
        }
        for row in &self.uncompared {
            let mut cells = vec![String::new(); head.len()];
            (cells[0], cells[1]) = (cell(&row.measure), cell(&row.slice));
            (cells[2], cells[3], cells[4]) = ("0".into(), row.first.to_string(), row.second.to_string());
            row.why.words().clone_into(&mut cells[head.len() - 1]);
            csv.push_str(&line(&cells));
        }
        csv
    }
}

fn line(cells: &[String]) -> String {
    format!("{}\r\n", cells.join(","))
}

fn number(value: Option<f64>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

/// A text as one cell.
///
/// # Source
///
/// The signs are those of OWASP, "CSV Injection"; spaces before them do not stop every spreadsheet.
fn cell(text: &str) -> String {
    let is_formula = text.starts_with(['\t', '\r'])
        || text
            .trim_start()
            .starts_with(['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}']);
    let text = format!("{}{}", if is_formula { "'" } else { "" }, visible(text));
    if text.contains([',', '"', '\n', '\r', '\t']) || text.starts_with(' ') || text.ends_with(' ') {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn cells_are_quoted_and_formulas_defused() {
        assert_eq!(cell("plain"), "plain");
        assert_eq!(cell("a,\"b\"\nc"), "\"a,\"\"b\"\"\nc\"");
        for (text, written) in [
            ("=1+2", "'=1+2"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "\"'\t=1\""),
            ("\r=1", "'\\u{d}=1"),
            (" =1", "' =1"),
            ("\n=1", "\"'\n=1\""),
            ("\u{ff1d}1", "'\u{ff1d}1"),
        ] {
            assert_eq!(cell(text), written);
        }
    }
}
