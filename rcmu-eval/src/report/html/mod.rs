//! One page that holds everything: style, plots, pictures and items.
//!
//! Askama escapes every value; the one text that goes in as it is, the style, is ours. The page forbids scripts, frames,
//! forms and the network to itself, and of styles it allows that one by its hash.

mod answer;
mod item;
mod picture;
mod plot;

use askama::Template;
use sha2::{Digest, Sha256};

use crate::{
    Error, Outcome, SummaryRow,
    metrics::{Better, Measure},
    report::{
        Headline, Report,
        html::{item::ItemView, picture::Pictures, plot::Plot},
        outcome_words,
        text::{interval_words, method_words, percent, to_base64},
        visible,
    },
};

pub(super) use plot::DifferencePlot;

/// The look of all pages.
const STYLE: &str = include_str!("../../../templates/style.css");

/// The head that all pages share: the policy and the style.
pub(super) struct Head {
    /// The page's title.
    pub(super) title: String,
    /// What the page may load.
    pub(super) policy: String,
    /// The style, as it is.
    pub(super) style: &'static str,
}

impl Head {
    pub(super) fn new(title: &str) -> Self {
        let hash = to_base64(&Sha256::digest(STYLE));
        Self {
            title: visible(title),
            policy: format!(
                "default-src 'none'; img-src data:; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'"
            ),
            style: STYLE,
        }
    }
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    head: Head,
    facts: Vec<(String, String)>,
    headline: Option<RowView>,
    words: String,
    parts: Vec<Part>,
    total: usize,
    failures: usize,
    low: &'static str,
    tables: Vec<Table>,
    kinds: Vec<(&'static str, Vec<usize>)>,
    outcomes: Vec<&'static str>,
    pictures: Vec<picture::Embedded>,
    items: Vec<ItemView>,
    filters: Vec<Filter>,
}

/// Rows that stand together.
struct Table {
    is_folded: bool,
    rows: Vec<RowView>,
}

/// One line of a table.
struct RowView {
    measure: String,
    slice: String,
    is_first: bool,
    meaning: &'static str,
    arrow: &'static str,
    count: usize,
    value: String,
    interval: String,
    method: &'static str,
    worst: String,
    best: String,
    chance: String,
    plot: Plot,
}

/// A stretch of the bar of outcomes, in thousandths of its width.
struct Part {
    class: &'static str,
    name: &'static str,
    count: usize,
    x: f64,
    width: f64,
}

/// A button that shows some of the items.
struct Filter {
    class: &'static str,
    name: &'static str,
    count: usize,
}

impl Report {
    /// Writes one self-contained page: the table with intervals, plots, and the items to show with their pictures.
    ///
    /// Pictures that several items share stand in it once.
    ///
    /// # Errors
    ///
    /// [`Error::ReportPage`] if the template cannot be filled; no content of a report leads to it.
    pub fn to_html(&self) -> Result<String, Error> {
        let low = if self.rows.iter().any(|row| row.value < 0.0 || row.worst < 0.0) { -1.0 } else { 0.0 };
        let mut pictures = Pictures::default();
        let items: Vec<_> = self
            .listed()
            .enumerate()
            .map(|(at, item)| ItemView::new(self, item, at, &mut pictures))
            .collect();
        let headline = match self.headline() {
            Headline::Row(row) => Some(row_view(row, low, "")),
            Headline::Refused { .. } | Headline::Nothing => None,
        };
        let page = Page {
            head: Head::new(&self.title),
            facts: self.facts(),
            headline,
            words: self.headline().words(),
            parts: self.parts(),
            total: self.total(),
            failures: self.failures(),
            low: if low < 0.0 { "\u{2212}100" } else { "0" },
            tables: self.tables(low),
            kinds: self
                .outcomes
                .iter()
                .map(|(kind, counts)| {
                    let of = |outcome| counts.get(&outcome).copied().unwrap_or(0);
                    (kind.name(), Outcome::ALL.map(of).to_vec())
                })
                .collect(),
            outcomes: Outcome::ALL.map(outcome_words).to_vec(),
            filters: filters(&items),
            pictures: pictures.embedded,
            items,
        };
        page.render().map_err(|source| Error::ReportPage { source })
    }

    /// The rows over all items, and folded those over kinds of items.
    fn tables(&self, low: f64) -> Vec<Table> {
        let (all, kinds): (Vec<_>, Vec<_>) = self.rows.iter().partition(|row| row.slice == "all");
        let tables = [(false, all), (true, kinds)].into_iter().filter(|(_, rows)| !rows.is_empty());
        let table = |(is_folded, rows): (bool, Vec<&SummaryRow>)| {
            let before = [""].into_iter().chain(rows.iter().map(|row| row.measure.as_str()));
            let rows = rows.iter().zip(before).map(|(row, before)| row_view(row, low, before)).collect();
            Table { is_folded, rows }
        };
        tables.map(table).collect()
    }

    fn parts(&self) -> Vec<Part> {
        let total = self.total().max(1) as f64;
        let mut x = 0.0;
        let mut parts = Vec::new();
        for outcome in Outcome::ALL {
            let count = self.count(outcome);
            let width = count as f64 * 1000.0 / total;
            parts.push(Part { class: outcome_class(outcome), name: outcome_words(outcome), count, x, width });
            x += width;
        }
        parts
    }
}

fn row_view(row: &SummaryRow, low: f64, before: &str) -> RowView {
    let measure = Measure::find(&row.measure);
    RowView {
        measure: visible(&row.measure),
        slice: visible(&row.slice),
        is_first: row.measure != before,
        meaning: measure.map_or("", |measure| measure.meaning),
        arrow: match measure.map(|measure| measure.better) {
            Some(Better::Higher) => "↑",
            Some(Better::Lower) => "↓",
            None => "",
        },
        count: row.count,
        value: percent(row.value),
        interval: row.interval.map_or("–".into(), |interval| interval_words(&interval)),
        method: row
            .interval
            .map_or("no interval: fewer than two pictures", |interval| method_words(interval.method)),
        worst: percent(row.worst),
        best: percent(row.best),
        chance: row.chance.map_or("–".into(), percent),
        plot: Plot::new(row, low),
    }
}

fn filters(items: &[ItemView]) -> Vec<Filter> {
    let filter = |class: &'static str, name| {
        let count = items.iter().filter(|item| item.verdict == class || item.outcome == class).count();
        Filter { class, name, count }
    };
    let all = Filter { class: "all", name: "all", count: items.len() };
    let some = [
        filter("right", "right"),
        filter("wrong", "wrong"),
        filter("measured", "measured only"),
        filter("abstained", "declined"),
        filter("unparseable", "unreadable"),
        filter("failed", "failed"),
    ];
    [all].into_iter().chain(some.into_iter().filter(|filter| filter.count > 0)).collect()
}

const fn outcome_class(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Scored => "scored",
        Outcome::Abstained => "abstained",
        Outcome::Unparseable => "unparseable",
        Outcome::JudgeFailed => "judge-failed",
        Outcome::ModelFailed => "model-failed",
    }
}
