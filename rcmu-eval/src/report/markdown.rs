use std::fmt::Write;

use crate::{
    Outcome,
    report::{
        Report, outcome_words,
        text::{cut, interval_words, method_words, percent},
        visible,
    },
};

/// Characters of a text that a list of items shows.
const MAX_SHOWN: usize = 240;

impl Report {
    /// Writes the table, the outcomes and a list of the items to show as Markdown with tables.
    ///
    /// Long texts are cut to their first 240 characters.
    pub fn to_markdown(&self) -> String {
        let mut text = format!("# {}\n\n{}\n\n", escape(&self.title), escape(&self.headline().words()));
        text.push_str("| | |\n|---|---|\n");
        for (name, value) in self.facts() {
            text.push_str(&table_line(&[escape(&name), escape(&value)]));
        }
        text.push_str("\n## Results\n\nValues in percent. Worst and best count every failed item as wrong and as right.\n\n");
        text.push_str("| measure | slice | items | value | 95 % interval | worst to best | chance |\n");
        text.push_str("|---|---|--:|--:|--:|--:|--:|\n");
        for row in &self.rows {
            text.push_str(&table_line(&[
                escape(&row.measure),
                escape(&row.slice),
                row.count.to_string(),
                format!("**{}**", percent(row.value)),
                row.interval.map_or("–".into(), |interval| {
                    format!("{} ({})", interval_words(&interval), method_words(interval.method))
                }),
                format!("{} to {}", percent(row.worst), percent(row.best)),
                row.chance.map_or("–".into(), percent),
            ]));
        }
        text.push_str("\n## Outcomes\n\n| kind |");
        for outcome in Outcome::ALL {
            write!(text, " {} |", outcome_words(outcome)).expect("a string takes all text");
        }
        text.push_str("\n|---|--:|--:|--:|--:|--:|\n");
        for (kind, counts) in &self.outcomes {
            let mut cells = vec![escape(kind.name())];
            cells.extend(Outcome::ALL.map(|outcome| counts.get(&outcome).copied().unwrap_or(0).to_string()));
            text.push_str(&table_line(&cells));
        }
        if !self.items.is_empty() {
            self.push_items(&mut text);
        }
        text
    }

    fn push_items(&self, text: &mut String) {
        text.push_str("\n## Items\n\n| item | kind | verdict | question | reply | expected | how |\n");
        text.push_str("|---|---|---|---|---|---|---|\n");
        for item in self.listed() {
            let sample = &item.sample;
            text.push_str(&table_line(&[
                escape(&sample.id),
                escape(item.score.kind.name()),
                item.verdict().name().to_owned(),
                escape(&sample.question),
                escape(item.said()),
                escape(&sample.answer),
                escape(&item.score.how),
            ]));
        }
    }
}

pub(super) fn table_line(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// A text in which nothing is Markdown, HTML, a link or a mention, on one line.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::new();
    let shown = visible(&cut(text, MAX_SHOWN));
    for c in shown.chars() {
        match c {
            '\n' | '\t' => escaped.push(' '),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '.' if escaped.ends_with(['w', 'W']) => escaped.push_str("\\."),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '#' | '+' | '!' | '|' | '~'
            | '$' | ':' | '@' | '=' => {
                escaped.push('\\');
                escaped.push(c);
            }
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn nothing_is_left_to_interpret() {
        assert_eq!(escape("a|b\nc"), "a\\|b c");
        assert_eq!(escape("<b>&amp;"), "&lt;b&gt;&amp;amp;");
        assert_eq!(
            escape("![x](https://e.org) www.e.org @me"),
            "\\!\\[x\\]\\(https\\://e.org\\) www\\.e.org \\@me"
        );
        assert_eq!(escape("`a` **b** __c__"), "\\`a\\` \\*\\*b\\*\\* \\_\\_c\\_\\_");
    }
}
