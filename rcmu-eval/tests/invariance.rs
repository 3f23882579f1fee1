//! What makes no difference: the order of items, the numbers of regions, where the options of a question stand.

#![allow(clippy::float_cmp, reason = "0 and 1 are exact, and equal bits are meant to be equal")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use rcmu_core::{Answer, FinishReason, ImageSize, Region};
use rcmu_data::{Kind, PictureSource, Provenance, Sample, SampleRegion};
use rcmu_eval::{
    ItemScore, Outcome,
    judge::Judges,
    metrics::{
        BootstrapOptions, CitationAverages, CitationCounts, CitedItem, Confusion, InvalidCitations,
        PairedCounts, PairedItem, citation_rows, compare, invalid_citation_row, names, paired_bootstrap,
        paired_counts, summarise,
    },
    scorers::{RcidScore, Rotation, rcid_score, rotated_questions, score_item},
};
use rcmu_prompt::{Targets, parse};

/// Few draws: what holds, holds for any number.
const FEW: BootstrapOptions = BootstrapOptions { resamples: 40, seed: 1 };
/// Sums of a few shares in another order differ by less.
const ROUNDING: f64 = 1e-12;

/// A list and the same in another order.
fn shuffled<T: Clone + std::fmt::Debug>(
    items: impl Strategy<Value = Vec<T>>,
) -> impl Strategy<Value = (Vec<T>, Vec<T>)> {
    items.prop_flat_map(|items| (Just(items.clone()), Just(items).prop_shuffle()))
}

fn counts() -> impl Strategy<Value = CitationCounts> {
    let numbers = || proptest::collection::btree_set(1_u64..9, 0..6);
    (numbers(), numbers()).prop_map(|(cited, right)| CitationCounts::of(&cited, &right))
}

/// Scores of items with different names, a third of a point at a time, some failed.
fn scores() -> impl Strategy<Value = Vec<ItemScore>> {
    let values = proptest::collection::vec((0_u8..5, proptest::option::weighted(0.9, 0_u8..=6)), 0..24);
    values.prop_map(|values| {
        let score = |(at, (cluster, value)): (usize, (u8, Option<u8>))| ItemScore {
            item: at.to_string(),
            kind: Kind::ALL[at % 3],
            cluster: cluster.to_string(),
            outcome: if value.is_some() { Outcome::Scored } else { Outcome::JudgeFailed },
            how: String::new(),
            measures: value
                .map(|value| {
                    let share = f64::from(value) / 6.0;
                    [("token_f1".to_owned(), share), ("accuracy".to_owned(), share.floor())].into()
                })
                .unwrap_or_default(),
        };
        values.into_iter().enumerate().map(score).collect()
    })
}

proptest! {
    #[test]
    fn comparisons_do_not_depend_on_the_order(
        (first, first_shuffled) in shuffled(scores()),
        (second, second_shuffled) in shuffled(scores()),
    ) {
        for measure in ["accuracy", "token_f1"] {
            let found = compare(&first, &second, measure, &FEW);

            prop_assert_eq!(found, compare(&first_shuffled, &second_shuffled, measure, &FEW));
        }
    }

    #[test]
    fn paired_differences_do_not_depend_on_the_order(
        (pairs, others) in shuffled(proptest::collection::vec((0_usize..5, 0_u8..=6, 0_u8..=6), 0..20)),
    ) {
        const PICTURES: [&str; 5] = ["a", "b", "c", "d", "e"];
        let items = |pairs: &[(usize, u8, u8)]| -> Vec<_> {
            let item = |&(at, first, second): &(usize, u8, u8)| {
                PairedItem { cluster: PICTURES[at], first: f64::from(first) / 6.0, second: f64::from(second) / 6.0 }
            };
            pairs.iter().map(item).collect()
        };
        let counts = |pairs: &[(usize, u8, u8)]| -> Vec<_> {
            let item = |&(at, first, second): &(usize, u8, u8)| PairedCounts {
                cluster: PICTURES[at],
                first: [f64::from(first), 6.0],
                second: [f64::from(second), 6.0],
            };
            pairs.iter().map(item).collect()
        };
        let ratio = |[part, whole]: &[f64; 2]| (*whole > 0.0).then(|| part / whole);

        prop_assert_eq!(paired_bootstrap(&items(&pairs), &FEW), paired_bootstrap(&items(&others), &FEW));
        prop_assert_eq!(
            paired_counts(&counts(&pairs), ratio, &FEW),
            paired_counts(&counts(&others), ratio, &FEW)
        );
    }

    #[test]
    fn rows_of_citations_do_not_depend_on_the_order(
        (items, others) in shuffled(proptest::collection::vec((0_u8..5, counts()), 0..20)),
        failed in 0_usize..3,
    ) {
        let cited = |items: &[(u8, CitationCounts)]| -> Vec<_> {
            let item = |(cluster, counts): &(u8, CitationCounts)| {
                CitedItem { cluster: cluster.to_string(), counts: *counts }
            };
            items.iter().map(item).collect()
        };
        prop_assert_eq!(
            citation_rows(&cited(&items), failed, &FEW),
            citation_rows(&cited(&others), failed, &FEW)
        );

        let names = |items: &[(u8, CitationCounts)]| -> Vec<_> {
            items.iter().map(|(cluster, _)| cluster.to_string()).collect()
        };
        let (one, other) = (names(&items), names(&others));
        let invalid = |names: &[String], items: &[(u8, CitationCounts)]| {
            let counts = items.iter().map(|(_, counts)| InvalidCitations {
                invalid: counts.cited - counts.hits,
                cited: counts.cited,
            });
            let answers: Vec<_> = names.iter().map(String::as_str).zip(counts).collect();
            invalid_citation_row(&answers, failed, &FEW)
        };
        prop_assert_eq!(invalid(&one, &items), invalid(&other, &others));
    }

    #[test]
    fn precision_and_recall_have_the_same_hits(items in proptest::collection::vec(counts(), 1..20)) {
        let micro = CitationAverages::micro_average(&items).expect("there are answers");
        let sum = |of: fn(&CitationCounts) -> usize| items.iter().map(of).sum::<usize>() as f64;
        let (hits, cited, right) = (sum(|item| item.hits), sum(|item| item.cited), sum(|item| item.right));

        // Where nothing is cited and nothing right, all are 1 by definition.
        if cited + right > 0.0 {
            prop_assert!((micro.precision * cited - hits).abs() < 1e-9);
            prop_assert!((micro.recall * right - hits).abs() < 1e-9);
            prop_assert!((micro.f1 * (cited + right) - 2.0 * hits).abs() < 1e-9);
        }
    }

    #[test]
    fn rows_of_abstention_fit_each_other(
        pairs in proptest::collection::vec((any::<bool>(), any::<bool>()), 1..40),
    ) {
        let score = |(at, &(should, did)): (usize, &(bool, bool))| ItemScore {
            item: at.to_string(),
            kind: if should { Kind::UnanswerableVisualToContext } else { Kind::VisualToContext },
            cluster: (at / 2).to_string(),
            outcome: if did { Outcome::Abstained } else { Outcome::Scored },
            how: String::new(),
            measures: [(
                if should { names::ABSTENTION_RECALL } else { names::OVER_REFUSAL }.to_owned(),
                f64::from(u8::from(did)),
            )].into(),
        };
        let scores: Vec<_> = pairs.iter().enumerate().map(score).collect();
        let rows = summarise(&scores, &FEW);
        let row = |measure: &str| {
            rows.iter().find(|row| row.measure == measure && row.slice == "all").map(|row| row.value)
        };
        let counts = Confusion::count(pairs.iter().copied());
        let declined = (counts.true_positive + counts.false_positive) as f64;
        let should = (counts.true_positive + counts.false_negative) as f64;

        if let (Some(precision), Some(recall)) = (row("abstention_precision"), row("abstention_recall")) {
            prop_assert!((precision * declined - recall * should).abs() < 1e-9, "both are right refusals");
            let f1 = row("abstention_f1").expect("it is there with precision");
            prop_assert!((f1 * (precision + recall) - 2.0 * precision * recall).abs() < 1e-9);
        }
        if let Some(refused) = row("over_refusal") {
            prop_assert!((refused * (pairs.len() as f64 - should) - (declined - counts.true_positive as f64)).abs() < 1e-9);
        }
    }
}

/// Owner, job, class, colour and shape of the regions. The last two are of one class.
const REGIONS: [[&str; 5]; 4] = [
    ["Lily", "teacher", "dog", "red", "robot"],
    ["Tom", "nurse", "person", "blue", "cat"],
    ["Zoe", "painter", "figurine", "green", "owl"],
    ["Max", "baker", "figurine", "white", "bear"],
];

/// A description of these regions, numbered in this order.
fn described(order: &[usize]) -> Sample {
    let region = |&at: &usize| {
        let [owner, job, class, colour, shape] = REGIONS[at];
        let map = |pairs: [(&str, &str); 2]| -> BTreeMap<String, String> {
            pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        SampleRegion {
            region: Region::new(class, None, "").expect("the label is not blank"),
            facts: map([("owner", owner), ("job", job)]),
            visual: map([("colour", colour), ("shape", shape)]),
        }
    };
    Sample {
        id: "a".into(),
        picture: PictureSource::File("a.png".into()),
        references: Vec::new(),
        regions: order.iter().map(region).collect(),
        kind: Kind::Description,
        question: "Describe the image.".into(),
        options: Vec::new(),
        cited: true,
        answer: "Figurines.".into(),
        accepted: Vec::new(),
        citations: Vec::new(),
        answerable: true,
        provenance: Provenance::default(),
    }
}

/// A part of a description: words, or marks of regions by their place in [`REGIONS`]; 9 is none.
#[derive(Clone, Debug)]
enum Part {
    Words(&'static str),
    Marks(Vec<usize>),
}

fn parts() -> impl Strategy<Value = Vec<Part>> {
    const WORDS: [&str; 18] = [
        "a red robot",
        "a blue cat",
        "a green owl",
        "a white bear",
        "a dog",
        "a person",
        "a figurine",
        "owned by Lily",
        "owned by Tom",
        "of Zoe",
        "of Max",
        "a teacher",
        "a nurse",
        "a painter",
        "and",
        ".",
        ", not",
        "red",
    ];
    let words = proptest::sample::select(&WORDS[..]).prop_map(Part::Words);
    let marks = proptest::collection::vec(proptest::sample::select(&[0_usize, 1, 2, 3, 9][..]), 1..3);
    proptest::collection::vec(prop_oneof![3 => words, 2 => marks.prop_map(Part::Marks)], 0..16)
}

/// The description with the numbers that regions in this order have.
fn written(parts: &[Part], order: &[usize]) -> String {
    let number =
        |region: &usize| order.iter().position(|own| own == region).map_or(9, |at| at + 1).to_string();
    let part = |part: &Part| match part {
        Part::Words(words) => (*words).to_owned(),
        Part::Marks(marks) => format!("[{}]", marks.iter().map(number).collect::<Vec<_>>().join(", ")),
    };
    parts.iter().map(part).collect::<Vec<_>>().join(" ")
}

fn read(text: &str, regions: usize) -> Answer {
    let size = ImageSize::new(1000, 1000).expect("the sides are not empty");
    parse(text, Targets::new(regions, 0, size), FinishReason::EndOfText)
}

fn rcid(parts: &[Part], order: &[usize]) -> RcidScore {
    let answer = read(&written(parts, order), order.len());
    let score = rcid_score(&described(order), &answer, &Judges::rules()).expect("rules never fail");
    score.expect("the sample has regions")
}

fn close(one: Option<f64>, other: Option<f64>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => (one - other).abs() < ROUNDING,
        (one, other) => one == other,
    }
}

proptest! {
    #[test]
    fn descriptions_score_alike_however_regions_are_numbered(
        parts in parts(),
        order in Just(vec![0, 1, 2, 3]).prop_shuffle(),
    ) {
        let (plain, permuted) = (rcid(&parts, &[0, 1, 2, 3]), rcid(&parts, &order));

        let known = |score: &RcidScore| {
            let shares = [score.objects, score.coverage, score.accuracy, score.contradiction_rate, score.swap_rate];
            let parts = [score.facts, score.consistency, score.permuted, score.score(), score.bind_gap()];
            shares.map(Some).into_iter().chain(parts).collect::<Vec<_>>()
        };
        let both = known(&plain).into_iter().zip(known(&permuted));
        for (at, (one, other)) in both.enumerate() {
            prop_assert!(close(one, other), "part {}: {:?} and {:?} in {}", at, one, other, written(&parts, &order));
        }
        prop_assert_eq!(plain.checks, permuted.checks);
        prop_assert_eq!(plain.invalid_citations, permuted.invalid_citations);
        // Citations judged by entailment, and all else that an item is measured by.
        let score = |order: &[usize]| {
            let text = written(&parts, order);
            score_item(&described(order), &text, FinishReason::EndOfText, &Judges::rules())
        };
        let (plain, permuted) = (score(&[0, 1, 2, 3]), score(&order));
        prop_assert_eq!(plain.outcome, permuted.outcome);
        prop_assert_eq!(plain.measures.keys().collect::<Vec<_>>(), permuted.measures.keys().collect::<Vec<_>>());
        for (name, value) in &plain.measures {
            prop_assert!(close(Some(*value), permuted.measures.get(name).copied()), "{}", name);
        }
    }

    #[test]
    fn the_gap_of_binding_lies_between_its_bounds(parts in parts(), count in 1_usize..=4) {
        let order: Vec<_> = (4 - count..4).collect();
        let score = rcid(&parts, &order);

        let shares = [score.consistency, score.permuted].into_iter().flatten();
        prop_assert!(shares.into_iter().all(|share| (0.0..=1.0).contains(&share)));
        match (score.consistency, score.permuted, score.bind_gap()) {
            (Some(own), Some(other), Some(gap)) => {
                // No more than consistency itself, no less than what is left of the others.
                prop_assert!(-other <= gap && gap <= own, "{} of {} and {}", gap, own, other);
                prop_assert!((-1.0..=1.0).contains(&gap));
            }
            (_, permuted, gap) => prop_assert!(permuted.is_none() && gap.is_none()),
        }
        // Alone of its class no region can be exchanged.
        prop_assert!(count > 1 || score.bind_gap().is_none());
    }

    #[test]
    fn letters_that_go_with_their_option_are_right_in_all_rotations_or_in_none(
        count in 2_usize..8,
        (right, chosen) in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        form in proptest::sample::select(&["{}", "{}.", "({})", "Answer: {}", "The answer is {}."][..]),
        lower in any::<bool>(),
        order in any::<u64>(),
    ) {
        const OPTIONS: [&str; 7] = ["Rome", "Oslo", "Lima", "Bern", "Kyiv", "Doha", "Not enough information"];
        let (right, chosen) = (right.index(count), chosen.index(count));
        let letter = |place: usize| char::from(b'A' + place as u8);
        let question = Sample {
            kind: Kind::VisualToContext,
            cited: false,
            options: OPTIONS[7 - count..].iter().map(|option| (*option).to_owned()).collect(),
            answer: letter(right).to_string(),
            ..described(&[0])
        };
        let score = |by: usize| {
            let rotation = Rotation::new(by, count).expect("there are options");
            let asked = rotation.apply_to(&question).expect("there is a right option");
            let letter = letter(rotation.to_rotated(chosen));
            let letter = if lower && form.contains(['(', ':']) { letter.to_ascii_lowercase() } else { letter };
            let reply = form.replace("{}", &letter.to_string());
            score_item(&asked, &reply, FinishReason::EndOfText, &Judges::rules())
        };
        let mut scores: Vec<_> = (0..count).map(score).collect();
        let outcomes: Vec<_> = scores.iter().map(|score| score.outcome).collect();
        let start = (order % count as u64) as usize;
        scores.rotate_left(start);

        let questions = rotated_questions(&scores);

        let expected = f64::from(u8::from(chosen == right));
        prop_assert_eq!(questions.len(), 1);
        prop_assert_eq!(questions[0].measures[names::ROTATION_ACCURACY], expected, "{:?}", scores);
        prop_assert_eq!(questions[0].measures[names::ROTATION_ALL], expected);
        prop_assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{:?}", outcomes);
        prop_assert!(scores.iter().all(|score| score.measures[names::CHANCE] == 1.0 / count as f64));
    }
}
