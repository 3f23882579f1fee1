use std::path::Path;

use askama::Template;
use serde::{Deserialize, Serialize};

use crate::{
    Error,
    metrics::{Better, Comparison, Measure},
    report::{
        files,
        html::{DifferencePlot, Head},
        markdown::{escape, table_line},
        text::{interval_words, p_words, percent, points},
        visible,
    },
};

/// Two runs compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComparisonReport {
    /// Its heading.
    pub title: String,
    /// What the first run is called.
    pub first: String,
    /// What the second run is called.
    pub second: String,
    /// What else the runs depend on, in the order of showing.
    pub settings: Vec<ComparedSetting>,
    /// The table.
    pub rows: Vec<ComparisonRow>,
    /// The rows of either run's table that are not compared.
    pub uncompared: Vec<UncomparedRow>,
}

/// A setting of both runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparedSetting {
    /// What it is called.
    pub name: String,
    /// Its value in the first run.
    pub first: String,
    /// Its value in the second run.
    pub second: String,
}

impl ComparedSetting {
    /// The value, or both where they differ.
    fn words(&self) -> String {
        if self.first == self.second {
            return self.first.clone();
        }
        format!("{} and {}", self.first, self.second)
    }
}

/// One measure over one slice of the items that both runs measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComparisonRow {
    /// Which items: the name of a kind, or `all`.
    pub slice: String,
    /// What was found.
    pub comparison: Comparison,
}

/// A row of either run's table that is not compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UncomparedRow {
    /// The measure.
    pub measure: String,
    /// Which items: the name of a kind, or `all`.
    pub slice: String,
    /// How many items the row of the first run is about; 0 where it has none.
    pub first: usize,
    /// How many items the row of the second run is about; 0 where it has none.
    pub second: usize,
    /// Why it is not compared.
    pub why: Uncompared,
}

/// Why a row is not compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Uncompared {
    /// The second run has no such row.
    OnlyFirst,
    /// The first run has no such row.
    OnlySecond,
    /// Both have it, and it has no value over the items that both measured.
    NothingShared,
}

impl Uncompared {
    /// The reason as a sentence without its end.
    pub const fn words(self) -> &'static str {
        match self {
            Self::OnlyFirst => "the second run has not measured it",
            Self::OnlySecond => "the first run has not measured it",
            Self::NothingShared => "it has no value over the items that both runs measured",
        }
    }
}

#[derive(Template)]
#[template(path = "comparison.html")]
struct Page {
    head: Head,
    first: String,
    second: String,
    settings: Vec<(String, String)>,
    most: String,
    rows: Vec<RowView>,
    uncompared: Vec<UncomparedView>,
}

struct UncomparedView {
    measure: String,
    slice: String,
    first: usize,
    second: usize,
    why: &'static str,
}

struct RowView {
    measure: String,
    slice: String,
    meaning: &'static str,
    count: usize,
    left_out: String,
    first: String,
    second: String,
    difference: String,
    interval: String,
    p: String,
    discordant: String,
    mcnemar: String,
    g: String,
    effect: String,
    verdict: &'static str,
    class: &'static str,
    plot: DifferencePlot,
}

impl ComparisonReport {
    /// Writes a table as Markdown.
    pub fn to_markdown(&self) -> String {
        let mut text = format!("# {}\n\n", escape(&self.title));
        let runs = [("First", &self.first), ("Second", &self.second)];
        text.push_str("| | |\n|---|---|\n");
        for (name, run) in runs {
            text.push_str(&table_line(&[name.into(), escape(run)]));
        }
        for setting in &self.settings {
            text.push_str(&table_line(&[escape(&setting.name), escape(&setting.words())]));
        }
        text.push_str("\nValues in percent, differences in percentage points, second minus first.\n\n");
        text.push_str("| measure | slice | pairs | left out | first | second | difference | 95 % interval | p | only first : only second right | McNemar's p | Cohen's g | Cohen's d_z | verdict |\n");
        text.push_str("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|\n");
        for row in self.views(self.most()) {
            text.push_str(&table_line(&[
                escape(&row.measure),
                escape(&row.slice),
                row.count.to_string(),
                row.left_out,
                row.first,
                row.second,
                format!("**{}**", row.difference),
                row.interval,
                escape(&row.p),
                escape(&row.discordant),
                escape(&row.mcnemar),
                row.g,
                row.effect,
                row.verdict.to_owned(),
            ]));
        }
        if !self.uncompared.is_empty() {
            text.push_str(
                "\n## Not compared\n\n| measure | slice | items of first | items of second | why |\n",
            );
            text.push_str("|---|---|--:|--:|---|\n");
        }
        for row in &self.uncompared {
            text.push_str(&table_line(&[
                escape(&row.measure),
                escape(&row.slice),
                row.first.to_string(),
                row.second.to_string(),
                row.why.words().to_owned(),
            ]));
        }
        text
    }

    /// Writes every form of the comparison into a folder, which is made if it is not there: `comparison.html`,
    /// `comparison.md`, `comparison.json` and `comparison.csv`.
    ///
    /// # Errors
    ///
    /// [`Error::File`] naming what cannot be written; else as [`ComparisonReport::to_html`] and
    /// [`ComparisonReport::to_json`].
    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        files::write(
            folder,
            &[
                ("comparison.html", self.to_html()?),
                ("comparison.md", self.to_markdown()),
                ("comparison.json", self.to_json()?),
                ("comparison.csv", self.to_csv()),
            ],
        )
    }

    /// Writes one self-contained page that forbids itself scripts and the network.
    ///
    /// # Errors
    ///
    /// [`Error::ReportPage`] if the template cannot be filled; no content of a comparison leads to it.
    pub fn to_html(&self) -> Result<String, Error> {
        let most = self.most();
        let page = Page {
            head: Head::new(&self.title),
            first: visible(&self.first),
            second: visible(&self.second),
            settings: self
                .settings
                .iter()
                .map(|setting| (visible(&setting.name), visible(&setting.words())))
                .collect(),
            most: percent(most),
            rows: self.views(most),
            uncompared: self.uncompared.iter().map(uncompared_view).collect(),
        };
        page.render().map_err(|source| Error::ReportPage { source })
    }

    /// The end of the plots' lines: the largest difference or end of an interval, up to the next tenth.
    fn most(&self) -> f64 {
        let values = self.rows.iter().flat_map(|row| {
            let paired = &row.comparison.paired;
            let ends = paired.interval.map_or([0.0; 2], |interval| [interval.low, interval.high]);
            [paired.difference.abs(), ends[0].abs(), ends[1].abs()]
        });
        (values.filter(|value| value.is_finite()).fold(0.0, f64::max) * 10.0).ceil().max(1.0) / 10.0
    }

    fn views(&self, most: f64) -> Vec<RowView> {
        self.rows.iter().map(|row| view(row, most)).collect()
    }
}

fn uncompared_view(row: &UncomparedRow) -> UncomparedView {
    UncomparedView {
        measure: visible(&row.measure),
        slice: visible(&row.slice),
        first: row.first,
        second: row.second,
        why: row.why.words(),
    }
}

fn view(row: &ComparisonRow, most: f64) -> RowView {
    let (found, paired) = (&row.comparison, &row.comparison.paired);
    let measure = Measure::find(&found.measure);
    let none = || "–".to_owned();
    let (verdict, class) = verdict(found);
    let effect = |effect: f64| format!("{effect:.2}").replace('-', "\u{2212}");
    RowView {
        measure: visible(&found.measure),
        slice: visible(&row.slice),
        meaning: measure.map_or("", |measure| measure.meaning),
        count: paired.count,
        left_out: (found.only_in_first + found.only_in_second).to_string(),
        first: percent(paired.first),
        second: percent(paired.second),
        difference: points(paired.difference),
        interval: paired.interval.map_or_else(none, |interval| interval_words(&interval)),
        p: paired.p_value.map_or_else(none, p_words),
        discordant: found
            .mcnemar
            .map_or_else(none, |test| format!("{} : {}", test.only_first, test.only_second)),
        mcnemar: found.mcnemar.map_or_else(none, |test| p_words(test.exact_p)),
        g: found.mcnemar.map_or_else(none, |test| effect(test.g)),
        effect: paired.effect_size.map_or_else(none, effect),
        verdict,
        class,
        plot: DifferencePlot::new(paired.difference, paired.interval, most),
    }
}

/// What the interval says: it leaves out 0, or it does not.
pub(super) fn verdict(found: &Comparison) -> (&'static str, &'static str) {
    let better = Measure::find(&found.measure).map(|measure| measure.better);
    let sign = match found.paired.interval {
        Some(interval) if interval.low > 0.0 => 1,
        Some(interval) if interval.high < 0.0 => -1,
        _ => 0,
    };
    match (sign, better) {
        (0, _) => ("no clear difference", "unclear"),
        (1, Some(Better::Higher)) | (-1, Some(Better::Lower)) => ("second is better", "right"),
        (_, Some(_)) => ("second is worse", "wrong"),
        (_, None) => ("they differ", "measured"),
    }
}
