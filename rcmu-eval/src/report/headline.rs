use crate::{
    SummaryRow,
    report::{
        Report,
        text::{interval_words, percent},
        visible,
    },
};

/// The one number of a report, or why it has none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Headline<'a> {
    /// The first row of the table.
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
    /// Its headline: the first row, unless more items failed than [`Report::allowed_failures`].
    pub fn headline(&self) -> Headline<'_> {
        let failures = self.failures();
        if failures > self.allowed_failures {
            return Headline::Refused { failures, total: self.total(), allowed: self.allowed_failures };
        }
        self.rows.first().map_or(Headline::Nothing, Headline::Row)
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
