//! One row of two runs' tables, whatever it is made of.

use std::collections::BTreeMap;

use rcmu_data::Kind;

use super::{Comparison, joined::Joined, plain};
use crate::{
    ItemScore,
    metrics::{
        BootstrapOptions, CitationCounts, Confusion, InvalidCitations, PairedCounts, names, paired_counts,
        summary::declined,
    },
};

/// The name of a score and which answer to its item it is: that of a second answer may be another item's name.
type Key<'a> = (&'a str, u32);

/// What one measured answer cites.
#[derive(Clone, Debug)]
pub(crate) struct CitedAnswer<'a> {
    /// The name of its score.
    pub(crate) item: &'a str,
    /// Which of the answers to its item it is, from 0.
    pub(crate) repeat: u32,
    /// A key of its picture.
    pub(crate) cluster: &'a str,
    /// Whether marks were asked for and the right ones are known.
    pub(crate) asked: bool,
    /// Cited numbers against the right ones.
    pub(crate) counts: CitationCounts,
    /// Cited numbers that point at nothing.
    pub(crate) invalid: InvalidCitations,
}

/// What one of two runs says about its items.
pub(crate) struct Side<'a> {
    answers: BTreeMap<Key<'a>, &'a ItemScore>,
    rotated: BTreeMap<Key<'a>, &'a ItemScore>,
    cited: BTreeMap<Key<'a>, &'a CitedAnswer<'a>>,
}

impl<'a> Side<'a> {
    /// The scores of answers, each with which answer to its item it is, those of rotated questions, and what the answers
    /// cite.
    pub(crate) fn new(
        answers: impl IntoIterator<Item = (u32, &'a ItemScore)>,
        rotated: &'a [ItemScore],
        cited: &'a [CitedAnswer<'a>],
    ) -> Self {
        let measured = |scores: &mut dyn Iterator<Item = (u32, &'a ItemScore)>| {
            let measured = scores.filter(|(_, score)| score.outcome.is_measured());
            measured.map(|(repeat, score)| ((score.item.as_str(), repeat), score)).collect()
        };
        Self {
            answers: measured(&mut answers.into_iter()),
            rotated: measured(&mut rotated.iter().map(|score| (0, score))),
            cited: cited.iter().map(|answer| ((answer.item, answer.repeat), answer)).collect(),
        }
    }

    /// The scores that a measure stands in.
    fn scores(&self, measure: &str) -> &BTreeMap<Key<'a>, &'a ItemScore> {
        let is_rotated = matches!(measure, names::ROTATION_ACCURACY | names::ROTATION_ALL);
        if is_rotated { &self.rotated } else { &self.answers }
    }
}

/// Compares two runs on one row of their tables, also on one that is no plain mean over items.
///
/// `None` when no item has the measure in both runs, or the measure has no value over those that do.
pub(crate) fn compare_row(
    [first, second]: [&Side<'_>; 2],
    measure: &str,
    slice: &str,
    options: &BootstrapOptions,
) -> Option<Comparison> {
    let citations = |of: fn(CitationCounts) -> f64| {
        let counts = |answer: &CitedAnswer<'_>| {
            let CitationCounts { hits, cited, right } = answer.counts;
            answer.asked.then_some([hits as f64, cited as f64, right as f64])
        };
        let value = move |[hits, cited, right]: &[f64; 3]| {
            Some(of(CitationCounts { hits: *hits as usize, cited: *cited as usize, right: *right as usize }))
        };
        ratio(joined_citations(first, second, counts), measure, value, options)
    };
    let abstention = |of: fn(Confusion) -> Option<f64>| {
        let joined = Joined::of(&first.answers, &second.answers, |score| {
            let sums = sums(Confusion::count([declined(score)?]));
            Some((score.cluster.as_str(), sums))
        });
        ratio(joined, measure, |sums| both_kinds(confusion(sums)).and_then(of), options)
    };
    match measure {
        names::CITATION_PRECISION_MICRO => citations(CitationCounts::precision),
        names::CITATION_RECALL_MICRO => citations(CitationCounts::recall),
        names::CITATION_F1_MICRO => citations(CitationCounts::f1),
        names::CITATION_INVALID_MICRO => {
            let counts = |answer: &CitedAnswer<'_>| {
                let InvalidCitations { invalid, cited } = answer.invalid;
                (cited > 0).then_some([invalid as f64, cited as f64])
            };
            let value = |[invalid, cited]: &[f64; 2]| (*cited > 0.0).then(|| invalid / cited);
            ratio(joined_citations(first, second, counts), measure, value, options)
        }
        names::ABSTENTION_PRECISION => abstention(Confusion::precision),
        names::ABSTENTION_F1 => abstention(Confusion::f1),
        names::ACCURACY_MACRO => {
            let joined = Joined::of(&first.answers, &second.answers, |score| {
                Some((score.cluster.as_str(), right_by_kind(score)?))
            });
            let kinds = kinds(&joined);
            ratio(joined, measure, |sums| macro_average(sums, &kinds), options)
        }
        names::BIND_GAP => {
            let joined = Joined::of(&first.answers, &second.answers, |score| {
                let of = |name| score.measures.get(name).copied();
                let gap = of(names::RCID_CONSISTENCY)? - of(names::RCID_PERMUTED)?;
                Some((score.cluster.as_str(), gap))
            });
            plain(joined, measure, options)
        }
        _ => {
            let joined = Joined::of(first.scores(measure), second.scores(measure), |score| {
                let value = score.measures.get(measure).copied().filter(|value| value.is_finite())?;
                (slice == "all" || slice == score.kind.name()).then_some((score.cluster.as_str(), value))
            });
            plain(joined, measure, options)
        }
    }
}

fn joined_citations<'a, const N: usize>(
    first: &Side<'a>,
    second: &Side<'a>,
    counts: impl Fn(&CitedAnswer<'a>) -> Option<[f64; N]>,
) -> Joined<'a, [f64; N]> {
    Joined::of(&first.cited, &second.cited, |answer| Some((answer.cluster, counts(answer)?)))
}

/// Compares runs on a measure of sums.
fn ratio<const N: usize>(
    joined: Joined<'_, [f64; N]>,
    measure: &str,
    of: impl Fn(&[f64; N]) -> Option<f64>,
    options: &BootstrapOptions,
) -> Option<Comparison> {
    let pairs = joined.pairs.into_iter();
    let pairs: Vec<_> =
        pairs.map(|(cluster, first, second)| PairedCounts { cluster, first, second }).collect();
    Some(Comparison {
        measure: measure.to_owned(),
        paired: paired_counts(&pairs, of, options)?,
        mcnemar: None,
        only_in_first: joined.only_in_first,
        only_in_second: joined.only_in_second,
    })
}

fn sums(counts: Confusion) -> [f64; 4] {
    let Confusion { true_positive, false_positive, true_negative, false_negative } = counts;
    [true_positive as f64, false_positive as f64, true_negative as f64, false_negative as f64]
}

fn confusion(sums: &[f64; 4]) -> Confusion {
    let [true_positive, false_positive, true_negative, false_negative] = sums.map(|sum| sum as usize);
    Confusion { true_positive, false_positive, true_negative, false_negative }
}

/// The counts, unless only questions of one sort are among them: their row is not there either.
fn both_kinds(counts: Confusion) -> Option<Confusion> {
    let unanswerable = counts.true_positive + counts.false_negative;
    let answerable = counts.false_positive + counts.true_negative;
    (unanswerable > 0 && answerable > 0).then_some(counts)
}

/// The place of a kind's accuracy among the sums, and after it that of its items.
fn right_by_kind(score: &ItemScore) -> Option<[f64; 2 * Kind::ALL.len()]> {
    let accuracy = score.measures.get(names::ACCURACY).copied().filter(|value| value.is_finite())?;
    let at = 2 * Kind::ALL.iter().position(|kind| *kind == score.kind)?;
    let mut sums = [0.0; 2 * Kind::ALL.len()];
    (sums[at], sums[at + 1]) = (accuracy, 1.0);
    Some(sums)
}

/// The places of the kinds that are there.
fn kinds<const N: usize>(joined: &Joined<'_, [f64; N]>) -> Vec<usize> {
    let is_there = |at: &usize| joined.pairs.iter().any(|(_, sums, _)| sums[at + 1] > 0.0);
    (0..N).step_by(2).filter(is_there).collect()
}

/// The mean over these kinds of their accuracy; none for one kind alone, or when one has no item.
fn macro_average<const N: usize>(sums: &[f64; N], kinds: &[usize]) -> Option<f64> {
    if kinds.len() < 2 || kinds.iter().any(|&at| sums[at + 1] == 0.0) {
        return None;
    }
    Some(kinds.iter().map(|&at| sums[at] / sums[at + 1]).sum::<f64>() / kinds.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Outcome;

    fn score(item: usize, kind: Kind, measures: &[(&str, f64)]) -> ItemScore {
        ItemScore {
            item: item.to_string(),
            kind,
            cluster: item.to_string(),
            outcome: Outcome::Scored,
            how: String::new(),
            measures: measures.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
        }
    }

    /// The number of pairs and the values of both runs.
    fn compared(first: &[ItemScore], second: &[ItemScore], measure: &str) -> Option<(usize, f64, f64)> {
        let sides = [first, second].map(|scores| Side::new(scores.iter().map(|score| (0, score)), &[], &[]));
        let found = compare_row([&sides[0], &sides[1]], measure, "all", &BootstrapOptions::default())?;
        Some((found.paired.count, found.paired.first, found.paired.second))
    }

    #[test]
    fn macro_accuracy_is_compared_over_the_kinds_that_both_runs_measured() {
        let (v2c, c2v) = (Kind::VisualToContext, Kind::ContextToVisual);
        let run = |values: [f64; 4]| -> Vec<ItemScore> {
            let kinds = [v2c, v2c, v2c, c2v].into_iter().zip(values).enumerate();
            kinds.map(|(at, (kind, value))| score(at, kind, &[("accuracy", value)])).collect()
        };
        let (first, mut second) = (run([1.0, 0.0, 1.0, 0.0]), run([1.0, 1.0, 1.0, 1.0]));

        // (2 / 3 + 0 / 1) / 2 and (3 / 3 + 1 / 1) / 2.
        assert_eq!(compared(&first, &second, "accuracy_macro"), Some((4, 1.0 / 3.0, 1.0)));
        // Of one kind alone there is no such row.
        second.truncate(3);
        assert_eq!(compared(&first, &second, "accuracy_macro"), None);
    }

    #[test]
    fn a_second_answer_is_not_the_item_that_has_its_name() {
        // Item `1` was answered twice, and there is an item `1#2`.
        let scores = |values: [f64; 2]| {
            values
                .map(|value| ItemScore { item: "1#2".into(), ..score(1, Kind::Open, &[("accuracy", value)]) })
        };
        let (first, second) = (scores([1.0, 0.0]), scores([0.0, 0.0]));
        let sides = [&first, &second].map(|scores| Side::new([(1, &scores[0]), (0, &scores[1])], &[], &[]));

        let found = compare_row([&sides[0], &sides[1]], "accuracy", "all", &BootstrapOptions::default());

        let paired = found.expect("both are shared").paired;
        assert_eq!((paired.count, paired.first, paired.second), (2, 0.5, 0.0));
    }

    #[test]
    fn abstention_is_compared_by_counts_of_all_shared_questions() {
        let recall =
            |at, value| score(at, Kind::UnanswerableVisualToContext, &[("abstention_recall", value)]);
        let refusal = |at, value| score(at, Kind::VisualToContext, &[("over_refusal", value)]);
        let first = [recall(0, 1.0), recall(1, 0.0), refusal(2, 1.0), refusal(3, 0.0)];
        let second = [recall(0, 1.0), recall(1, 1.0), refusal(2, 0.0), refusal(3, 0.0), refusal(4, 1.0)];

        // TP 1, FN 1, FP 1: 1 / 2 and 2 / (2 + 1 + 1); TP 2: 2 / 2 and 4 / 4. The fifth is in the second run alone.
        assert_eq!(compared(&first, &second, "abstention_precision"), Some((4, 0.5, 1.0)));
        assert_eq!(compared(&first, &second, "abstention_f1"), Some((4, 0.5, 1.0)));
        assert_eq!(compared(&first[..2], &second[..2], "abstention_f1"), None);
    }

    #[test]
    fn the_gap_of_binding_is_compared_item_by_item() {
        let gap = |consistency, permuted| {
            let measures = [("rcid_consistency", consistency), ("rcid_permuted", permuted)];
            [score(0, Kind::Description, &measures)]
        };

        assert_eq!(compared(&gap(1.0, 0.75), &gap(1.0, 0.25), "bind_gap"), Some((1, 0.25, 0.75)));
    }

    #[test]
    fn micro_averages_are_compared_by_counts_of_shared_answers() {
        let cites = |item, hits, cited, right, invalid| CitedAnswer {
            item,
            repeat: 0,
            cluster: item,
            asked: true,
            counts: CitationCounts { hits, cited, right },
            invalid: InvalidCitations { invalid, cited },
        };
        let first = [cites("a", 1, 2, 1, 1), cites("b", 0, 2, 3, 0), cites("c", 1, 1, 1, 1)];
        let second = [cites("a", 1, 1, 1, 0), cites("b", 2, 4, 3, 1), cites("d", 0, 9, 1, 9)];
        let sides = [Side::new([], &[], &first), Side::new([], &[], &second)];
        let of = |measure| {
            let found = compare_row([&sides[0], &sides[1]], measure, "all", &BootstrapOptions::default());
            let found = found.expect("two answers are shared");
            assert_eq!((found.paired.count, found.only_in_first, found.only_in_second), (2, 1, 1));
            (found.paired.first, found.paired.second)
        };

        // Of `a` and `b`: 1 hit of 4 cited and 4 right; 3 of 5 and 4.
        assert_eq!(of("citation_precision_micro"), (1.0 / 4.0, 3.0 / 5.0));
        assert_eq!(of("citation_recall_micro"), (1.0 / 4.0, 3.0 / 4.0));
        assert_eq!(of("citation_f1_micro"), (2.0 / 8.0, 6.0 / 9.0));
        assert_eq!(of("citation_invalid_micro"), (1.0 / 4.0, 1.0 / 5.0));
    }
}
