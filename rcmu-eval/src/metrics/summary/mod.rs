use std::collections::BTreeSet;

use rcmu_data::Kind;

use crate::{
    Interval, ItemScore, SummaryRow,
    metrics::{
        BootstrapOptions, Measure,
        bootstrap::{bootstrap_sums, cluster_sums},
        names, ordered_sum,
        summary::derived::{abstention_rows, bind_gap_row, macro_row},
        wilson,
    },
};

mod clusters;
mod derived;
mod tally;

pub(super) use derived::declined;
pub use tally::Tally;

/// The slice of all items.
const ALL: &str = "all";

/// The measured values of one measure in one slice, each with the place of its picture in the order of their keys.
type Values = Vec<(u32, f64)>;

/// Turns the scores of items into rows: each measure over all items and over each kind.
///
/// - **Value**: the mean over the measured items that have the measure.
/// - **Interval**: [`wilson`] for proportions of items that each have a picture of their own;
///   [`cluster_bootstrap`](crate::metrics::cluster_bootstrap) otherwise; where all values are equal 0 or all 1, so that drawing shows no spread,
///   [`wilson`] with one trial per picture. None for fewer than two pictures.
/// - **Worst and best**: the mean if each failed item had the worst or the best value of the measure. A failed item
///   counts where a measured item of its kind has the measure, and everywhere when no item of its kind was measured.
/// - **Chance**: for `accuracy`, the mean of what guessing would get, if that is known of every item.
///
/// Rows that are no plain means: `accuracy_macro`, `abstention_precision`, `abstention_f1` and `bind_gap`. They come
/// for all items only, with intervals by drawing pictures.
///
/// # Examples
///
/// Three measured items with accuracy 1, 1 and 0, and one that failed: the value is 2 / 3, at worst `2 / 4`, at best
/// `3 / 4`.
///
/// ```
/// use rcmu_data::Kind;
/// use rcmu_eval::{ItemScore, Outcome, metrics};
///
/// let item = |id: &str, outcome, accuracy: Option<f64>| ItemScore {
///     item: id.into(),
///     kind: Kind::VisualToContext,
///     cluster: id.into(),
///     outcome,
///     how: String::new(),
///     measures: accuracy.map(|value| ("accuracy".to_owned(), value)).into_iter().collect(),
/// };
/// let scores = [
///     item("a", Outcome::Scored, Some(1.0)),
///     item("b", Outcome::Scored, Some(1.0)),
///     item("c", Outcome::Unparseable, Some(0.0)),
///     item("d", Outcome::ModelFailed, None),
/// ];
///
/// let rows = metrics::summarise(&scores, &metrics::BootstrapOptions::default());
///
/// assert_eq!((rows[0].measure.as_str(), rows[0].slice.as_str(), rows[0].count), ("accuracy", "all", 3));
/// assert_eq!((rows[0].value, rows[0].worst, rows[0].best), (2.0 / 3.0, 0.5, 0.75));
/// ```
///
/// # Source
///
/// Ours.
pub fn summarise(scores: &[ItemScore], options: &BootstrapOptions) -> Vec<SummaryRow> {
    let mut tally = Tally::default();
    for score in scores {
        tally.add(score);
    }
    tally.rows(options)
}

fn rows_of(tally: &Tally, options: &BootstrapOptions) -> Vec<SummaryRow> {
    let table = Table::of(tally);
    let mut rows = Vec::new();
    for &(slice, measure) in &table.present {
        if measure != names::CHANCE {
            rows.push(table.row(slice.name(), measure, &table.values(slice, measure), options));
        }
    }
    rows.extend(macro_row(&table, options));
    rows.extend(abstention_rows(&table, options));
    rows.extend(bind_gap_row(&table, options));
    let slice_place =
        |slice: &str| Kind::ALL.iter().position(|kind| kind.name() == slice).map_or(0, |at| at + 1);
    rows.sort_by_key(|row| (Measure::place(&row.measure), row.measure.clone(), slice_place(&row.slice)));
    rows
}

/// Which items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Slice {
    All,
    Of(Kind),
}

impl Slice {
    const fn name(self) -> &'static str {
        match self {
            Self::All => ALL,
            Self::Of(kind) => kind.name(),
        }
    }
}

/// Which rows there are. Their values are gathered row by row: all of them at a time take much more than the items.
struct Table<'a> {
    tally: &'a Tally,
    /// The measures of each slice.
    present: BTreeSet<(Slice, &'a str)>,
    /// The place of each picture in the order of their keys.
    ranks: Vec<u32>,
}

impl<'a> Table<'a> {
    fn of(tally: &'a Tally) -> Self {
        let both = tally.kinds_and_measures().flat_map(|(kind, measure)| {
            [Slice::All, Slice::Of(kind)].map(|slice| (slice, tally.name(measure)))
        });
        let order = tally.clusters_in_order();
        let mut ranks = vec![0; order.len()];
        for (rank, place) in (0..).zip(order) {
            ranks[place as usize] = rank;
        }
        Self { tally, present: both.collect(), ranks }
    }

    /// The measured values of one row; empty where there is none.
    fn values(&self, slice: Slice, measure: &str) -> Values {
        let Some(measure) = self.tally.measure(measure) else { return Vec::new() };
        let items = self.tally.items().filter(|item| slice == Slice::All || slice == Slice::Of(item.kind()));
        items.filter_map(|item| Some((self.rank(item.cluster()), item.value(measure)?))).collect()
    }

    /// The place of a picture in the order of their keys.
    fn rank(&self, cluster: u32) -> u32 {
        self.ranks[cluster as usize]
    }

    /// Failed items of a slice that might have had a measure.
    fn failed(&self, slice: &str, measure: &str) -> usize {
        let counts = self.tally.failed.iter().filter(|(kind, _)| {
            let has_it = self.present.contains(&(Slice::Of(**kind), measure));
            (slice == ALL || slice == kind.name()) && (has_it || !self.tally.measured.contains(kind))
        });
        counts.map(|(_, count)| count).sum()
    }

    fn row(&self, slice: &str, measure: &str, values: &Values, options: &BootstrapOptions) -> SummaryRow {
        let sum = ordered_sum(values.iter().map(|(_, value)| *value).collect());
        let (count, failed) = (values.len(), self.failed(slice, measure) as f64);
        let with_failed = |value: f64| (sum + failed * value) / (count as f64 + failed);
        let (worst, best) = Measure::worst_and_best(measure);
        SummaryRow {
            measure: measure.to_owned(),
            slice: slice.to_owned(),
            count,
            value: sum / count as f64,
            interval: interval(values, options),
            worst: with_failed(worst),
            best: with_failed(best),
            chance: (measure == names::ACCURACY).then(|| self.chance(slice, count)).flatten(),
        }
    }

    fn chance(&self, slice: &str, count: usize) -> Option<f64> {
        let (slice, _) = self.present.iter().find(|(own, _)| own.name() == slice)?;
        let values = self.values(*slice, names::CHANCE);
        let sum = ordered_sum(values.iter().map(|(_, value)| *value).collect());
        (values.len() == count && count > 0).then(|| sum / count as f64)
    }
}

fn interval(values: &Values, options: &BootstrapOptions) -> Option<Interval> {
    let sums = cluster_sums(values.iter().copied());
    let clusters = sums.len();
    if clusters < 2 {
        return None;
    }
    let ones = values.iter().filter(|(_, value)| *value == 1.0).count();
    let is_proportion = values.iter().all(|(_, value)| *value == 0.0 || *value == 1.0);
    if is_proportion && clusters == values.len() {
        wilson(ones, values.len())
    } else if is_proportion && (ones == 0 || ones == values.len()) {
        wilson(if ones == 0 { 0 } else { clusters }, clusters)
    } else {
        bootstrap_sums(&sums, options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{IntervalMethod, Outcome};

    fn score(id: usize, kind: Kind, cluster: &str, measures: &[(&str, f64)]) -> ItemScore {
        let outcome = if measures.is_empty() { Outcome::JudgeFailed } else { Outcome::Scored };
        ItemScore {
            item: id.to_string(),
            kind,
            cluster: cluster.into(),
            outcome,
            how: String::new(),
            measures: measures.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
        }
    }

    fn find<'a>(rows: &'a [SummaryRow], measure: &str, slice: &str) -> &'a SummaryRow {
        let row = rows.iter().find(|row| row.measure == measure && row.slice == slice);
        row.unwrap_or_else(|| panic!("no row {measure} of {slice}"))
    }

    #[test]
    fn failed_items_move_the_bounds_of_faults_the_other_way() {
        let scores =
            [score(0, Kind::Description, "a", &[("swap_rate", 0.5)]), score(1, Kind::Description, "b", &[])];

        let rows = summarise(&scores, &BootstrapOptions::default());

        // Worst (0.5 + 1) / 2, best (0.5 + 0) / 2.
        let row = find(&rows, "swap_rate", "all");
        assert_eq!((row.value, row.worst, row.best, row.interval), (0.5, 0.75, 0.25, None));
    }

    #[test]
    fn a_failed_item_counts_only_for_measures_of_its_kind_or_for_all_when_these_are_unknown() {
        let scores = [
            score(0, Kind::Description, "a", &[("objects_named", 1.0)]),
            score(1, Kind::VisualToContext, "a", &[("accuracy", 1.0)]),
            score(2, Kind::VisualToContext, "a", &[]),
            score(3, Kind::Open, "a", &[]),
        ];

        let rows = summarise(&scores, &BootstrapOptions::default());

        // Accuracy: both failed items; objects_named: the one of the unknown kind.
        assert_eq!(find(&rows, "accuracy", "all").worst, 1.0 / 3.0);
        assert_eq!(find(&rows, "objects_named", "all").worst, 0.5);
        assert_eq!(find(&rows, "accuracy", "visual_to_context").worst, 0.5);
        assert!(rows.iter().all(|row| row.slice != "open"), "nothing was measured");
    }

    #[test]
    fn chance_is_shown_only_where_every_item_has_it() {
        let choice = [("accuracy", 1.0), ("chance", 0.25)];
        let scores = [
            score(0, Kind::VisualToContext, "a", &choice),
            score(1, Kind::VisualToContext, "b", &[("accuracy", 0.0), ("chance", 0.2)]),
            score(2, Kind::ContextToVisual, "c", &choice[..1]),
        ];

        let rows = summarise(&scores, &BootstrapOptions::default());

        assert_eq!(find(&rows, "accuracy", "visual_to_context").chance, Some(0.225));
        assert_eq!(find(&rows, "accuracy", "all").chance, None);
        assert!(rows.iter().all(|row| row.measure != "chance"));
    }

    #[test]
    fn the_interval_fits_the_values() {
        let rows_of = |clusters: [&str; 4], values: [f64; 4]| {
            let scores: Vec<_> = (0..4)
                .map(|at| score(at, Kind::VisualToContext, clusters[at], &[("accuracy", values[at])]))
                .collect();
            summarise(&scores, &BootstrapOptions::default())[0].interval
        };

        let own = rows_of(["a", "b", "c", "d"], [0.0, 1.0, 1.0, 1.0]);
        let shared = rows_of(["a", "a", "b", "b"], [0.0, 1.0, 1.0, 1.0]);
        let perfect = rows_of(["a", "a", "b", "b"], [1.0; 4]);
        let one = rows_of(["a"; 4], [0.0, 1.0, 1.0, 1.0]);

        assert_eq!(own, wilson(3, 4));
        assert_eq!(shared.map(|interval| interval.method), Some(IntervalMethod::ClusterBootstrap));
        assert_eq!(perfect, wilson(2, 2), "two pictures, two trials");
        assert_eq!(one, None);
    }

    #[test]
    fn rows_come_in_the_order_of_measures_and_kinds() {
        let both = [("token_f1", 0.5), ("accuracy", 1.0)];
        let scores =
            [score(0, Kind::ContextToVisual, "a", &both), score(1, Kind::VisualToContext, "b", &both)];

        let rows = summarise(&scores, &BootstrapOptions::default());

        let order: Vec<_> = rows.iter().map(|row| (row.measure.as_str(), row.slice.as_str())).collect();
        assert_eq!(
            order,
            [
                ("accuracy", "all"),
                ("accuracy", "visual_to_context"),
                ("accuracy", "context_to_visual"),
                ("accuracy_macro", "all"),
                ("token_f1", "all"),
                ("token_f1", "visual_to_context"),
                ("token_f1", "context_to_visual"),
            ]
        );
    }
}
