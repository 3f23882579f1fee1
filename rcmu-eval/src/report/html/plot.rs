use crate::{Interval, SummaryRow};

/// Width of a plot in its own units.
const WIDTH: f64 = 240.0;
/// Room for half a dot at both ends.
const MARGIN: f64 = 6.0;

/// A value with its interval, bounds and chance level on a line from `low` to 1.
pub(super) struct Plot {
    pub(super) value: f64,
    pub(super) interval: Option<(f64, f64)>,
    pub(super) bounds: (f64, f64),
    pub(super) chance: Option<f64>,
    pub(super) grid: Vec<f64>,
}

impl Plot {
    pub(super) fn new(row: &SummaryRow, low: f64) -> Self {
        let x = |value: f64| place((value - low) / (1.0 - low));
        let (left, right) = (row.worst.min(row.best), row.worst.max(row.best));
        Self {
            value: x(row.value),
            interval: row.interval.map(|interval| (x(interval.low), x(interval.high))),
            bounds: (x(left), x(right)),
            chance: row.chance.map(x),
            grid: (0..=4).map(|step| place(f64::from(step) / 4.0)).collect(),
        }
    }

    /// Width of the strip between the bounds.
    pub(super) fn bounds_width(&self) -> f64 {
        self.bounds.1 - self.bounds.0
    }
}

/// A difference with its interval on a line from `-most` to `most`.
pub(in crate::report) struct DifferencePlot {
    pub(in crate::report) value: f64,
    pub(in crate::report) interval: Option<(f64, f64)>,
    pub(in crate::report) zero: f64,
}

impl DifferencePlot {
    pub(in crate::report) fn new(difference: f64, interval: Option<Interval>, most: f64) -> Self {
        let x = |value: f64| place(f64::midpoint(value / most, 1.0));
        Self {
            value: x(difference),
            interval: interval.map(|interval| (x(interval.low), x(interval.high))),
            zero: x(0.0),
        }
    }
}

/// A share of the line in the plot's units, to a tenth.
fn place(share: f64) -> f64 {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    ((MARGIN + share * (WIDTH - 2.0 * MARGIN)) * 10.0).round() / 10.0
}
