use std::collections::{BTreeMap, BTreeSet};

use rcmu_data::Kind;

use crate::{
    ItemScore, SummaryRow,
    metrics::{BootstrapOptions, CitedAnswer, Measure, Side, compare_row},
    report::{ComparisonRow, Uncompared, UncomparedRow},
};

/// One of two runs that are compared.
pub(super) struct Run<'a> {
    /// The scores of its answers, each with which answer to its item it is, from 0.
    pub(super) answers: &'a [(u32, &'a ItemScore)],
    /// The scores of questions that were asked in all rotations.
    pub(super) rotated: &'a [ItemScore],
    /// What its measured answers cite.
    pub(super) cited: &'a [CitedAnswer<'a>],
    /// Its table; intervals are not needed.
    pub(super) rows: &'a [SummaryRow],
}

/// Compares two runs on every row that both of their tables have, and tells of every other row why it is not compared.
pub(super) fn compare_tables(
    first: &Run<'_>,
    second: &Run<'_>,
    options: &BootstrapOptions,
) -> (Vec<ComparisonRow>, Vec<UncomparedRow>) {
    let side = |run: &Run<'_>| -> Keyed {
        let counts = run.rows.iter().map(|row| (key(&row.measure, &row.slice), row.count));
        counts.collect()
    };
    let (one, other) = (side(first), side(second));
    let sides = [first, second].map(|run| Side::new(run.answers.iter().copied(), run.rotated, run.cited));
    let (mut rows, mut uncompared) = (Vec::new(), Vec::new());
    let keys: BTreeSet<_> = one.keys().chain(other.keys()).collect();
    for key in keys {
        let (_, measure, _, slice) = key;
        let (first, second) = (one.get(key).copied(), other.get(key).copied());
        let why = match (first, second) {
            (Some(_), None) => Uncompared::OnlyFirst,
            (None, Some(_)) => Uncompared::OnlySecond,
            _ => match compare_row([&sides[0], &sides[1]], measure, slice, options) {
                Some(comparison) => {
                    rows.push(ComparisonRow { slice: slice.clone(), comparison });
                    continue;
                }
                None => Uncompared::NothingShared,
            },
        };
        uncompared.push(UncomparedRow {
            measure: measure.clone(),
            slice: slice.clone(),
            first: first.unwrap_or(0),
            second: second.unwrap_or(0),
            why,
        });
    }
    (rows, uncompared)
}

/// Measure and slice, each with its place in reports before it.
type Key = (usize, String, usize, String);
/// How many items each row is about.
type Keyed = BTreeMap<Key, usize>;

fn key(measure: &str, slice: &str) -> Key {
    let kind = Kind::ALL.iter().position(|kind| kind.name() == slice).map_or(0, |at| at + 1);
    (Measure::place(measure), measure.to_owned(), kind, slice.to_owned())
}
