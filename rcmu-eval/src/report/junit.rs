use std::fmt::Write;

use crate::report::{
    Report, Verdict, outcome_words,
    text::{cut, visible},
};

/// Characters of a text that a build server gets to see.
const MAX_SHOWN: usize = 4000;

impl Report {
    /// Writes the items as a `JUnit` test suite: a wrong item is a failure, one that could not be measured an error.
    ///
    /// # Source
    ///
    /// The form is that of Apache Ant's `junitreport`, as build servers read it.
    pub fn to_junit(&self) -> String {
        let count = |verdict| self.items.iter().filter(|item| item.verdict() == verdict).count();
        let (tests, failures, errors) = (self.items.len(), count(Verdict::Wrong), count(Verdict::Failed));
        let title = escape(&self.title);
        let counts = format!(r#"name="{title}" tests="{tests}" failures="{failures}" errors="{errors}""#);
        let mut xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {counts}>\n<testsuite {counts}>\n<properties>\n"
        );
        let headline = [("headline".to_owned(), self.headline().words())];
        for (name, value) in headline.into_iter().chain(self.facts()) {
            push(
                &mut xml,
                format_args!("<property name=\"{}\" value=\"{}\"/>\n", escape(&name), escape(&value)),
            );
        }
        xml.push_str("</properties>\n");
        for item in &self.items {
            let score = &item.score;
            let name = escape(&item.sample.id);
            push(&mut xml, format_args!("<testcase classname=\"{}\" name=\"{name}\"", score.kind.name()));
            let element = match item.verdict() {
                Verdict::Right | Verdict::Measured => {
                    xml.push_str("/>\n");
                    continue;
                }
                Verdict::Wrong => "failure",
                Verdict::Failed => "error",
            };
            let kind = outcome_words(score.outcome);
            push(&mut xml, format_args!(">\n<{element} type=\"{kind}\" message=\"{}\">", escape(&score.how)));
            let body = format!(
                "question: {}\nreply: {}\nexpected: {}",
                cut(&item.sample.question, MAX_SHOWN),
                cut(item.said(), MAX_SHOWN),
                cut(&item.sample.answer, MAX_SHOWN)
            );
            push(&mut xml, format_args!("{}</{element}>\n</testcase>\n", escape(&body)));
        }
        xml.push_str("</testsuite>\n</testsuites>\n");
        xml
    }
}

fn push(xml: &mut String, text: std::fmt::Arguments<'_>) {
    xml.write_fmt(text).expect("a string takes all text");
}

/// A text for elements and attributes; what XML 1.0 cannot hold is shown by its number.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in visible(&cut(text, 4 * MAX_SHOWN)).chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push_str("&#9;"),
            _ => escaped.push(c),
        }
    }
    escaped
}
