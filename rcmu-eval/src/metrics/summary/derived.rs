//! Rows that are no plain means over items.

use std::collections::BTreeMap;

use rcmu_data::Kind;

use crate::{
    Interval, ItemScore, SummaryRow,
    metrics::{
        BootstrapOptions, Confusion, bootstrap, names,
        summary::{ALL, Slice, Table, tally::TallyItem},
    },
};

/// `accuracy_macro`: the mean of the accuracies of the kinds; only for two kinds or more, be they measured or failed as a
/// whole.
pub(super) fn macro_row(table: &Table, options: &BootstrapOptions) -> Option<SummaryRow> {
    let kinds = || {
        Kind::ALL.into_iter().filter_map(|kind| {
            let values = table.values(Slice::Of(kind), names::ACCURACY);
            (!values.is_empty()).then_some((kind, values))
        })
    };
    let count = kinds().count();
    // Kinds that count with the worst and best values alone.
    let failed = table.tally.failed.keys().filter(|kind| !table.tally.measured.contains(kind)).count();
    if count == 0 || count + failed < 2 {
        return None;
    }
    // Sum and number per kind, of one picture after another.
    let mut sums = vec![(0.0, 0.0); table.ranks.len() * count];
    let mut rows = Vec::new();
    for (at, (kind, values)) in kinds().enumerate() {
        for &(cluster, value) in &values {
            let sum = &mut sums[cluster as usize * count + at];
            // Accuracies are 0 or 1: the order does not change their sum.
            *sum = (sum.0 + value, sum.1 + 1.0);
        }
        rows.push(table.row(
            kind.name(),
            names::ACCURACY,
            &values,
            &BootstrapOptions { resamples: 0, seed: 0 },
        ));
    }
    let sum = |value: &dyn Fn(&SummaryRow) -> f64| rows.iter().map(value).sum::<f64>();
    let clusters: Vec<_> =
        sums.chunks_exact(count).filter(|own| own.iter().any(|(_, number)| *number > 0.0)).collect();
    let interval = bootstrap(clusters.len(), options, |drawn| {
        let mut sums = vec![(0.0, 0.0); count];
        for &at in drawn {
            for (sum, more) in sums.iter_mut().zip(clusters[at as usize]) {
                *sum = (sum.0 + more.0, sum.1 + more.1);
            }
        }
        // A draw that lacks a kind has no macro average: 0 / 0.
        sums.iter().map(|(sum, number)| sum / number).sum::<f64>() / count as f64
    });
    Some(SummaryRow {
        measure: names::ACCURACY_MACRO.to_owned(),
        slice: ALL.to_owned(),
        count: rows.iter().map(|row| row.count).sum(),
        value: sum(&|row| row.value) / count as f64,
        interval,
        worst: sum(&|row| row.worst) / (count + failed) as f64,
        best: (sum(&|row| row.best) + failed as f64) / (count + failed) as f64,
        chance: None,
    })
}

/// `abstention_precision` and `abstention_f1`, from the items whose scores say whether they should be declined.
pub(super) fn abstention_rows(table: &Table, options: &BootstrapOptions) -> Vec<SummaryRow> {
    let mut clusters: BTreeMap<u32, Confusion> = BTreeMap::new();
    let sorts = [(names::ABSTENTION_RECALL, true), (names::OVER_REFUSAL, false)];
    for (measure, should) in sorts {
        for (cluster, value) in table.values(Slice::All, measure) {
            let sum = clusters.entry(cluster).or_default();
            *sum = add(*sum, Confusion::count([(should, value == 1.0)]));
        }
    }
    let clusters: Vec<_> = clusters.into_values().collect();
    let total = clusters.iter().copied().fold(Confusion::default(), add);
    let (worst, best) = bounds(total, table);
    let row = |measure: &str, of: fn(Confusion) -> Option<f64>| {
        let value = of(total)?;
        Some(SummaryRow {
            measure: measure.to_owned(),
            slice: ALL.to_owned(),
            count: total.true_positive + total.false_positive + total.true_negative + total.false_negative,
            value,
            interval: interval(&clusters, options, of),
            worst: of(worst).unwrap_or(value),
            best: of(best).unwrap_or(value),
            chance: None,
        })
    };
    // Without both kinds of questions, neither says anything.
    let both =
        total.true_positive + total.false_negative > 0 && total.false_positive + total.true_negative > 0;
    let rows =
        [row(names::ABSTENTION_PRECISION, Confusion::precision), row(names::ABSTENTION_F1, Confusion::f1)];
    rows.into_iter().flatten().filter(|_| both).collect()
}

fn interval(
    clusters: &[Confusion],
    options: &BootstrapOptions,
    of: fn(Confusion) -> Option<f64>,
) -> Option<Interval> {
    bootstrap(clusters.len(), options, |drawn| {
        let drawn = drawn.iter().map(|&at| clusters[at as usize]);
        of(drawn.fold(Confusion::default(), add)).unwrap_or(f64::NAN)
    })
}

/// Whether an item should be declined, and was.
pub(in crate::metrics) fn declined(score: &ItemScore) -> Option<(bool, bool)> {
    let recall = score.measures.get(names::ABSTENTION_RECALL).map(|&value| (true, value == 1.0));
    recall.or_else(|| score.measures.get(names::OVER_REFUSAL).map(|&value| (false, value == 1.0)))
}

/// The counts if every failed item had been declined wrongly or not, or rightly.
///
/// Whether a failed item of no certain kind was answerable is not known: at worst it was, at best it was not.
fn bounds(total: Confusion, table: &Table) -> (Confusion, Confusion) {
    let (mut worst, mut best) = (total, total);
    for (kind, &failed) in &table.tally.failed {
        match kind {
            Kind::UnanswerableVisualToContext | Kind::UnanswerableContextToVisual => {
                worst.false_negative += failed;
                best.true_positive += failed;
            }
            Kind::Open => {
                worst.false_positive += failed;
                best.true_positive += failed;
            }
            _ => {
                worst.false_positive += failed;
                best.true_negative += failed;
            }
        }
    }
    (worst, best)
}

fn add(a: Confusion, b: Confusion) -> Confusion {
    Confusion {
        true_positive: a.true_positive + b.true_positive,
        false_positive: a.false_positive + b.false_positive,
        true_negative: a.true_negative + b.true_negative,
        false_negative: a.false_negative + b.false_negative,
    }
}

/// `bind_gap`: by how much consistency falls when regions of one class are permuted; from -1 to 1.
pub(super) fn bind_gap_row(table: &Table, options: &BootstrapOptions) -> Option<SummaryRow> {
    let consistency = table.tally.measure(names::RCID_CONSISTENCY)?;
    let permuted = table.tally.measure(names::RCID_PERMUTED)?;
    let gap = |item: &TallyItem<'_>| Some(item.value(consistency)? - item.value(permuted)?);
    let items = table.tally.items();
    let gaps: Vec<_> = items.filter_map(|item| Some((table.rank(item.cluster()), gap(&item)?))).collect();
    if gaps.is_empty() {
        return None;
    }
    let failed = table.failed(ALL, names::RCID_PERMUTED) as f64;
    let mut row = table.row(ALL, names::BIND_GAP, &gaps, options);
    let sum = row.value * row.count as f64;
    row.worst = (sum - failed) / (row.count as f64 + failed);
    row.best = (sum + failed) / (row.count as f64 + failed);
    Some(row)
}

#[cfg(test)]
mod tests {
    use crate::{ItemScore, Outcome, SummaryRow, metrics::summarise};

    use super::*;

    fn score(kind: Kind, cluster: usize, measures: &[(&str, f64)]) -> ItemScore {
        ItemScore {
            item: String::new(),
            kind,
            cluster: cluster.to_string(),
            outcome: if measures.is_empty() { Outcome::ModelFailed } else { Outcome::Scored },
            how: String::new(),
            measures: measures.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
        }
    }

    fn find(scores: &[ItemScore], measure: &str) -> SummaryRow {
        let rows = summarise(scores, &BootstrapOptions::default());
        rows.into_iter().find(|row| row.measure == measure && row.slice == ALL).expect("the row is there")
    }

    #[test]
    fn macro_accuracy_weighs_kinds_alike() {
        // One kind with 3 of 4, one with 0 of 1: micro 3 / 5, macro (0.75 + 0) / 2.
        let mut scores: Vec<_> = (0..4)
            .map(|at| score(Kind::VisualToContext, at, &[("accuracy", f64::from(u8::from(at > 0)))]))
            .collect();
        scores.push(score(Kind::ContextToVisual, 4, &[("accuracy", 0.0)]));

        assert_eq!(find(&scores, "accuracy").value, 0.6);
        assert_eq!(find(&scores, "accuracy_macro").value, 0.375);
    }

    #[test]
    fn a_kind_that_failed_as_a_whole_moves_the_bounds_of_macro_accuracy() {
        let right = |kind, at| score(kind, at, &[("accuracy", 1.0)]);
        let failed = |at| score(Kind::UnanswerableVisualToContext, at, &[]);
        let mut scores =
            vec![right(Kind::VisualToContext, 0), right(Kind::ContextToVisual, 1), failed(2), failed(3)];

        // (1 + 1) / 2; with the third kind (1 + 1 + 0) / 3 and (1 + 1 + 1) / 3.
        let row = find(&scores, "accuracy_macro");
        assert_eq!((row.value, row.worst, row.best, row.count), (1.0, 2.0 / 3.0, 1.0, 2));

        // One kind measured, another one not: 1 / 1, (1 + 0) / 2 and (1 + 1) / 2.
        scores.remove(1);
        let row = find(&scores, "accuracy_macro");
        assert_eq!((row.value, row.worst, row.best, row.count), (1.0, 0.5, 1.0, 1));
    }

    #[test]
    fn abstention_joins_answerable_and_unanswerable_items() {
        // Two of three unanswerable ones declined, one of four answerable ones: P = 2/3, R = 2/3, F1 = 4/6.
        let unanswerable = Kind::UnanswerableVisualToContext;
        let mut scores: Vec<_> = (0..3)
            .map(|at| score(unanswerable, at, &[("abstention_recall", f64::from(u8::from(at > 0)))]))
            .collect();
        scores.extend(
            (3..7).map(|at| {
                score(Kind::VisualToContext, at, &[("over_refusal", f64::from(u8::from(at == 3)))])
            }),
        );

        let precision = find(&scores, "abstention_precision");
        assert_eq!((precision.value, precision.count), (2.0 / 3.0, 7));
        assert_eq!(find(&scores, "abstention_recall").value, 2.0 / 3.0);
        assert_eq!(find(&scores, "abstention_f1").value, 4.0 / 6.0);

        // A failed unanswerable item: missed at worst, 4 / (4 + 1 + 2); declined at best, 6 / (6 + 1 + 1).
        scores.push(score(unanswerable, 9, &[]));
        let f1 = find(&scores, "abstention_f1");
        assert_eq!((f1.worst, f1.best), (4.0 / 7.0, 0.75));
    }

    #[test]
    fn bind_gap_is_a_difference_that_may_be_negative() {
        let scores = [
            score(Kind::Description, 0, &[("rcid_consistency", 1.0), ("rcid_permuted", 0.25)]),
            score(Kind::Description, 1, &[("rcid_consistency", 0.0), ("rcid_permuted", 1.0)]),
            score(Kind::Description, 2, &[]),
        ];

        let row = find(&scores, "bind_gap");

        // (0.75 - 1) / 2 = -0.125; with the failed one (-0.25 - 1) / 3 and (-0.25 + 1) / 3.
        assert_eq!((row.value, row.worst, row.best), (-0.125, -1.25 / 3.0, 0.25));
    }
}
