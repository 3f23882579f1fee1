//! What holds for every input.

#![allow(clippy::float_cmp, reason = "0 and 1 are exact, and hand calculations are meant to be")]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use proptest::prelude::*;
use rcmu_core::{BBox, FinishReason, ImageSize, Region};
use rcmu_data::{Kind, PictureSource, Provenance, Sample, SampleRegion};
use rcmu_eval::{
    ItemScore, Outcome,
    judge::{Entailment, Judges, RuleEntailment},
    metrics::{
        BootstrapOptions, CitationAverages, CitationCounts, Confusion, MEASURES, PairedItem, match_boxes,
        mcnemar, paired_bootstrap, summarise, wilson,
    },
    scorers::{Rotation, choose, normalise, score_item, token_f1},
};
use rcmu_prompt::{Targets, parse};

/// Few draws: the properties hold for any number.
const FEW: BootstrapOptions = BootstrapOptions { resamples: 50, seed: 1 };

fn numbers() -> impl Strategy<Value = BTreeSet<u64>> {
    proptest::collection::btree_set(1_u64..9, 0..6)
}

fn counts() -> impl Strategy<Value = CitationCounts> {
    (numbers(), numbers()).prop_map(|(cited, right)| CitationCounts::of(&cited, &right))
}

fn bbox() -> impl Strategy<Value = BBox> {
    (0_u16..=900, 0_u16..=900, 0_u16..=100, 0_u16..=100)
        .prop_map(|(x, y, w, h)| BBox::new(x, y, x + w, y + h).expect("the corners are in order"))
}

/// Words of answers, true and false, with marks good and bad.
fn reply() -> impl Strategy<Value = String> {
    const PARTS: [&str; 32] = [
        "Lily",
        "Tom",
        "Zorg",
        "owns",
        "it",
        "a",
        "red robot",
        "blue cat",
        "teacher",
        "nurse",
        "34-year-old",
        "aged 27",
        "not",
        "his",
        "her",
        "[1]",
        "[2]",
        "[9]",
        "[1, 2]",
        "[",
        ".",
        ",",
        "A",
        "B.",
        "(C)",
        "Answer: B",
        "or",
        "Cannot be answered.",
        "(10,20),(30,40)",
        "<|box_start|>(1,2),(3 4)<|box_end|>",
        "\n",
        "ß’s",
    ];
    proptest::collection::vec(proptest::sample::select(&PARTS[..]), 0..24).prop_map(|parts| parts.join(" "))
}

fn sample(kind: Kind, options: bool, answerable: bool) -> Sample {
    let map = |pairs: &[(&str, &str)]| -> BTreeMap<_, _> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let region = |facts: &[(&str, &str)], visual: &[(&str, &str)]| SampleRegion {
        region: Region::new("figurine", None, "").expect("the label is not blank"),
        facts: map(facts),
        visual: map(visual),
    };
    Sample {
        id: "a".into(),
        picture: PictureSource::File("a.png".into()),
        references: Vec::new(),
        regions: vec![
            region(&[("owner", "Lily"), ("job", "teacher")], &[("colour", "red"), ("shape", "robot")]),
            region(&[("owner", "Tom"), ("age", "34")], &[("colour", "blue"), ("shape", "cat")]),
        ],
        kind,
        question: "Who?".into(),
        options: if options {
            ["Tom", "Lily", "Not enough information"].map(String::from).into()
        } else {
            Vec::new()
        },
        cited: true,
        answer: if options { "B".into() } else { "Lily owns it.[1]".into() },
        accepted: vec!["Lily".into()],
        citations: if answerable { vec![1] } else { Vec::new() },
        answerable,
        provenance: Provenance::default(),
    }
}

fn score() -> impl Strategy<Value = ItemScore> {
    let outcome = proptest::sample::select(&Outcome::ALL[..]);
    let kind = proptest::sample::select(&Kind::ALL[..]);
    let share = (0_u8..=4).prop_map(|quarters| f64::from(quarters) / 4.0);
    (outcome, kind, 0_u8..6, any::<bool>(), share, any::<bool>()).prop_map(
        |(outcome, kind, cluster, right, share, declined)| {
            let unanswerable =
                matches!(kind, Kind::UnanswerableVisualToContext | Kind::UnanswerableContextToVisual);
            let flag = |is: bool| f64::from(u8::from(is));
            let mut measures = BTreeMap::new();
            if outcome.is_measured() {
                measures.insert("accuracy".to_owned(), flag(right));
                measures.insert("token_f1".to_owned(), share);
                measures.insert("swap_rate".to_owned(), share / 3.0);
                let abstention = if unanswerable { "abstention_recall" } else { "over_refusal" };
                measures.insert(abstention.to_owned(), flag(declined));
            }
            let cluster = cluster.to_string();
            ItemScore { item: String::new(), kind, cluster, outcome, how: String::new(), measures }
        },
    )
}

proptest! {
    #[test]
    fn citation_measures_lie_between_0_and_1_and_fit_each_other(item in counts()) {
        let (p, r, f1, exact) = (item.precision(), item.recall(), item.f1(), item.exact());

        prop_assert!([p, r, f1, exact].iter().all(|value| (0.0..=1.0).contains(value)));
        let harmonic = if p + r > 0.0 { 2.0 * p * r / (p + r) } else { 0.0 };
        prop_assert!((f1 - harmonic).abs() < 1e-12);
        prop_assert_eq!(exact == 1.0, p == 1.0 && r == 1.0);
    }

    #[test]
    fn exchanging_cited_and_right_exchanges_precision_and_recall(cited in numbers(), right in numbers()) {
        let (one, other) = (CitationCounts::of(&cited, &right), CitationCounts::of(&right, &cited));

        prop_assert_eq!((one.precision(), one.recall(), one.f1()), (other.recall(), other.precision(), other.f1()));
    }

    #[test]
    fn averages_do_not_depend_on_the_order(
        (items, shuffled) in proptest::collection::vec(counts(), 1..20)
            .prop_flat_map(|items| (Just(items.clone()), Just(items).prop_shuffle())),
    ) {
        prop_assert_eq!(CitationAverages::micro_average(&items), CitationAverages::micro_average(&shuffled));
        prop_assert_eq!(CitationAverages::macro_average(&items), CitationAverages::macro_average(&shuffled));
    }

    #[test]
    fn one_answer_has_the_same_micro_and_macro_average(item in counts()) {
        prop_assert_eq!(CitationAverages::micro_average(&[item]), CitationAverages::macro_average(&[item]));
    }

    #[test]
    fn abstention_rates_add_up(
        pairs in proptest::collection::vec((any::<bool>(), any::<bool>()), 0..40),
    ) {
        let counts = Confusion::count(pairs.clone());
        let turned = Confusion::count(pairs.iter().map(|&(should, did)| (did, should)));

        if let (Some(recall), Some(missed)) = (counts.recall(), counts.miss_rate()) {
            prop_assert!((recall + missed - 1.0).abs() < 1e-12);
        }
        prop_assert_eq!(counts.precision(), turned.recall());
        prop_assert_eq!(counts.f1(), turned.f1());
        if let (Some(p), Some(r), Some(f1)) = (counts.precision(), counts.recall(), counts.f1()) {
            prop_assert!(f1 <= p.max(r) + 1e-12 && f1 >= p.min(r) - 1e-12);
        }
    }

    #[test]
    fn an_interval_holds_its_proportion(count in 1_usize..500, share in 0.0..=1.0_f64) {
        let successes = (share * count as f64) as usize;
        let (one, turned) = (wilson(successes, count), wilson(count - successes, count));
        let (one, turned) = (one.expect("there are trials"), turned.expect("there are trials"));

        let p = successes as f64 / count as f64;
        prop_assert!(0.0 <= one.low && one.low <= p && p <= one.high && one.high <= 1.0, "{:?}", one);
        prop_assert!((one.low + turned.high - 1.0).abs() < 1e-12);
    }

    #[test]
    fn p_values_are_probabilities_and_do_not_depend_on_the_order(b in 0_usize..400, c in 0_usize..400) {
        let (one, other) = (mcnemar(b, c), mcnemar(c, b));

        prop_assert!((0.0..=1.0).contains(&one.exact_p) && (0.0..=1.0).contains(&one.chi_square_p));
        prop_assert_eq!((one.exact_p, one.chi_square_p), (other.exact_p, other.chi_square_p));
        prop_assert!((-0.5..=0.5).contains(&one.g));
    }

    #[test]
    fn boxes_match_alike_in_any_order(
        (predicted, shuffled) in proptest::collection::vec(bbox(), 0..5)
            .prop_flat_map(|boxes| (Just(boxes.clone()), Just(boxes).prop_shuffle())),
        right in proptest::collection::vec(bbox(), 0..5),
    ) {
        let found = match_boxes(&predicted, &right);

        prop_assert!((0.0..=1.0).contains(&found.iou) && (0.0..=1.0).contains(&found.hits));
        prop_assert!((found.iou - match_boxes(&right, &predicted).iou).abs() < 1e-9);
        prop_assert!((found.iou - match_boxes(&shuffled, &right).iou).abs() < 1e-9);
    }

    #[test]
    fn f1_is_symmetric_and_1_for_the_same_words(a in ".{0,40}", b in ".{0,40}") {
        prop_assert!((token_f1(&a, &b) - token_f1(&b, &a)).abs() < 1e-12);
        prop_assert!((0.0..=1.0).contains(&token_f1(&a, &b)));
        prop_assert_eq!(token_f1(&a, &a), 1.0);
        prop_assert_eq!(normalise(&normalise(&a)), normalise(&a));
    }

    #[test]
    fn a_choice_by_text_follows_its_option_through_every_rotation(
        options in proptest::collection::btree_set("[d-h]{2,5}( [j-m]{2,4})?", 2..7),
        right in any::<prop::sample::Index>(),
        by in 0_usize..30,
    ) {
        let options: Vec<_> = options.into_iter().collect();
        let right = right.index(options.len());
        let rotation = Rotation::new(by, options.len()).expect("there are options");
        let size = ImageSize::new(1000, 1000).expect("the sides are not empty");
        let reply = parse(&format!("It is {}.", options[right]), Targets::new(1, 0, size), FinishReason::EndOfText);

        let before = choose(&reply, &options);
        let after = choose(&reply, &rotation.apply(&options));

        let back = after.map(|choice| rotation.to_original(choice.index));
        prop_assert_eq!(before.map(|choice| choice.index), back);
    }

    #[test]
    fn a_rotated_sample_keeps_its_right_option(by in 0_usize..10) {
        let sample = sample(Kind::VisualToContext, true, true);
        let rotation = Rotation::new(by, sample.options.len()).expect("there are options");

        let rotated = rotation.apply_to(&sample).expect("there is a right option");

        let letter = rotated.answer.bytes().next().expect("a letter");
        prop_assert_eq!(&rotated.options[usize::from(letter - b'A')], "Lily");
        let score = score_item(&rotated, &rotated.answer, FinishReason::EndOfText, &Judges::rules());
        prop_assert_eq!(score.measures["accuracy"], 1.0);
    }

    #[test]
    fn every_reply_to_every_kind_has_known_measures_between_0_and_1(
        reply in reply(),
        kind in proptest::sample::select(&Kind::ALL[..]),
        options in any::<bool>(),
        answerable in any::<bool>(),
    ) {
        let sample = sample(kind, options, answerable);

        let score = score_item(&sample, &reply, FinishReason::EndOfText, &Judges::rules());

        prop_assert!(score.outcome.is_measured(), "{:?}", score);
        prop_assert!(score.measures.contains_key("accuracy"));
        for (name, value) in &score.measures {
            prop_assert!((0.0..=1.0).contains(value), "{} = {}", name, value);
            prop_assert!(name == "chance" || MEASURES.iter().any(|measure| measure.name == name), "{}", name);
        }
    }

    #[test]
    fn a_score_depends_on_nothing_but_sample_and_reply(reply in ".{0,200}") {
        let sample = sample(Kind::Description, false, true);
        let score = || score_item(&sample, &reply, FinishReason::EndOfText, &Judges::rules());

        prop_assert_eq!(score(), score());
    }

    #[test]
    fn rows_do_not_depend_on_the_order_and_hold_their_values(
        (scores, shuffled) in proptest::collection::vec(score(), 0..30)
            .prop_flat_map(|scores| (Just(scores.clone()), Just(scores).prop_shuffle())),
    ) {
        let rows = summarise(&scores, &FEW);

        prop_assert_eq!(&rows, &summarise(&shuffled, &FEW));
        for row in rows {
            let name = format!("{row:?}");
            prop_assert!((0.0..=1.0).contains(&row.value) && row.count > 0, "{}", name);
            let (low, high) = (row.worst.min(row.best), row.worst.max(row.best));
            prop_assert!(low <= row.value + 1e-12 && row.value <= high + 1e-12, "{}", name);
            if let Some(interval) = row.interval {
                prop_assert!(0.0 <= interval.low && interval.low <= interval.high && interval.high <= 1.0, "{}", name);
            }
        }
    }

    #[test]
    fn exchanging_two_runs_turns_their_difference_round(
        values in proptest::collection::vec((0_u8..5, 0_u8..=4, 0_u8..=4), 1..20),
    ) {
        let clusters: Vec<_> = values.iter().map(|(cluster, ..)| cluster.to_string()).collect();
        let pair = |turned: bool| -> Vec<_> {
            values
                .iter()
                .zip(&clusters)
                .map(|(&(_, a, b), cluster)| {
                    let (a, b) = (f64::from(a) / 4.0, f64::from(b) / 4.0);
                    let (first, second) = if turned { (b, a) } else { (a, b) };
                    PairedItem { cluster, first, second }
                })
                .collect()
        };

        let one = paired_bootstrap(&pair(false), &FEW).expect("there are items");
        let other = paired_bootstrap(&pair(true), &FEW).expect("there are items");

        prop_assert!((one.difference + other.difference).abs() < 1e-12);
        prop_assert!((one.difference - (one.second - one.first)).abs() < 1e-12);
        prop_assert_eq!(one.p_value, other.p_value);
        if let (Some(one), Some(other)) = (one.interval, other.interval) {
            prop_assert!((one.low + other.high).abs() < 1e-9);
        }
    }

    #[test]
    fn the_rules_judge_any_two_texts(premise in ".{0,80}", hypothesis in ".{0,80}") {
        prop_assert!(RuleEntailment.entails(&premise, &hypothesis).is_ok());
    }
}

#[test]
fn endless_replies_are_scored_soon() {
    let parts = [
        "Lily ",
        "red robot ",
        "A, B, ",
        "his teacher ",
        "Lily [1] ",
        "Zorg owns it. ",
        "34 ",
        "[9]",
        "(1,2),(3,4) ",
        "not ",
        "Answer: ",
        "(",
        "aged 34 Tom ",
        "a red robot of Lily, a blue cat of Tom. ",
        "\"",
        "1. ",
    ];
    for part in parts {
        let reply = part.repeat(100_000 / part.len());
        for (kind, options) in
            [(Kind::VisualToContext, true), (Kind::VisualToContext, false), (Kind::Description, false)]
        {
            let begun = Instant::now();

            let score =
                score_item(&sample(kind, options, true), &reply, FinishReason::MaxTokens, &Judges::rules());

            // A pass over 100 kB takes well under a second; work that grows with its square takes minutes.
            assert!(begun.elapsed() < Duration::from_secs(20), "{part:?}: {:?}", begun.elapsed());
            assert!(score.outcome.is_measured());
        }
    }
}
