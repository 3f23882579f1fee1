use crate::{
    SummaryRow,
    metrics::names,
    report::{
        Report,
        text::{interval_words, percent},
        visible,
    },
};

/// What a report is headed by, best first; rates of faults and controls say less.
const HEADLINES: [&str; 4] = [names::ACCURACY, names::RCID_SCORE, names::EXACT_MATCH, names::CITATION_F1];

/// The one number of a report, or why it has none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Headline<'a> {
    /// The row of the table that says most.
    Row(&'a SummaryRow),
    /// So many items failed that one number would mislead.
    Refused {
        /// Items that could not be measured.
        failures: usize,
        /// All items.
        total: usize,
        /// The most failures that were allowed.
        allowed: usize,
    },
    /// Nothing was measured.
    Nothing,
}

impl Report {
    /// Its headline: accuracy, else `RCIDScore`, exact match or F1 of citations over all items, whichever is first there, else
    /// the first row; none where more items failed than [`Report::allowed_failures`].
    pub fn headline(&self) -> Headline<'_> {
        let failures = self.failures();
        if failures > self.allowed_failures {
            return Headline::Refused { failures, total: self.total(), allowed: self.allowed_failures };
        }
        let row = |measure: &&str| self.rows.iter().find(|row| row.measure == **measure);
        HEADLINES.iter().find_map(row).or(self.rows.first()).map_or(Headline::Nothing, Headline::Row)
    }
}

impl Headline<'_> {
    /// The headline as a sentence; texts in it are not escaped for any format.
    pub fn words(&self) -> String {
        match self {
            Self::Row(row) => {
                let interval = row.interval.map_or(String::new(), |interval| {
                    format!(" (95 % interval {})", interval_words(&interval))
                });
                let chance = row
                    .chance
                    .map_or(String::new(), |chance| format!("; guessing would get {} %", percent(chance)));
                format!(
                    "{} over {}: {} %{interval}, {} items{chance}.",
                    visible(&row.measure),
                    visible(&row.slice),
                    percent(row.value),
                    row.count
                )
            }
            Self::Refused { failures, total, allowed } => format!(
                "No headline: {failures} of {total} items could not be measured, and {allowed} are allowed. The \
                 columns worst and best say what the values would be had they all been wrong or right."
            ),
            Self::Nothing => "No headline: nothing was measured.".into(),
        }
    }
}
