//! The worked example of every measure, from replies to the row of the report.
//!
//! The replies and sums are those of the documentation of `rcmu_eval::metrics::names`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod runs;

use std::collections::BTreeSet;

use rcmu_core::{FinishReason, ImageSize, Region, ScriptedGenerator};
use rcmu_data::{Kind, PictureSource, Provenance, Sample, SampleRegion};
use rcmu_eval::{
    ItemScore, Outcome, Reply, SummaryRow,
    dataset::Dataset,
    journal,
    judge::Judges,
    metrics::{BootstrapOptions, CitedItem, MEASURES, citation_rows, invalid_citation_row, names, summarise},
    report::{ReportOptions, Scores},
    run::{Mode, Run, RunOptions},
    scorers::{Rotation, citation_counts, cluster_of, invalid_citations, rotated_questions, score_reply},
};
use rcmu_prompt::{Targets, parse};

use runs::{Scratch, write_picture};

/// A measure, what its row says, and the sum by hand.
type Worked = (&'static str, f64, f64);
type Pairs<'a> = &'a [(&'a str, &'a str)];

fn region(facts: Pairs, visual: Pairs) -> SampleRegion {
    let map = |pairs: Pairs| pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    SampleRegion {
        region: Region::new("figurine", None, "").unwrap(),
        facts: map(facts),
        visual: map(visual),
    }
}

/// A question about a picture of its own.
fn sample(id: &str, kind: Kind, regions: Vec<SampleRegion>) -> Sample {
    Sample {
        id: id.into(),
        picture: PictureSource::File(format!("{id}.png")),
        references: Vec::new(),
        regions,
        kind,
        question: "What is it?".into(),
        options: Vec::new(),
        cited: true,
        answer: "Something.".into(),
        accepted: Vec::new(),
        citations: Vec::new(),
        answerable: true,
        provenance: Provenance::default(),
    }
}

/// A question with this accepted answer.
fn asks(id: &str, kind: Kind, accepted: &str) -> Sample {
    Sample { answer: accepted.into(), accepted: vec![accepted.into()], ..sample(id, kind, Vec::new()) }
}

/// A question that cannot be answered.
fn unanswerable(id: &str) -> Sample {
    Sample { answerable: false, ..sample(id, Kind::UnanswerableVisualToContext, Vec::new()) }
}

fn said(text: &str) -> Reply {
    Reply::Text { text: text.into(), finish: "end_of_text".into() }
}

fn rows(items: &[(Sample, Reply)]) -> Vec<SummaryRow> {
    let scores: Vec<_> =
        items.iter().map(|(sample, reply)| score_reply(sample, reply, &Judges::rules())).collect();
    summarise(&scores, &BootstrapOptions::default())
}

fn value(rows: &[SummaryRow], measure: &str) -> f64 {
    rows.iter().find(|row| row.measure == measure && row.slice == "all").expect(measure).value
}

fn answers() -> Vec<Worked> {
    let v2c = |id, reply| (asks(id, Kind::VisualToContext, "Lily"), said(reply));
    let failed = Reply::Failed { reason: "no answer".into() };
    let plain = rows(&[
        v2c("a", "Lily."),
        v2c("b", "It is Lily."),
        v2c("c", "Lily!"),
        v2c("d", "Tom."),
        (asks("e", Kind::VisualToContext, "Lily"), failed),
    ]);
    let kinds = rows(&[
        v2c("a", "Lily."),
        v2c("b", "Lily."),
        v2c("c", "Lily."),
        v2c("d", "Tom."),
        (asks("e", Kind::ContextToVisual, "red"), said("Blue.")),
    ]);
    let words = |replies: &[&str]| {
        let item = |reply: &&str| (asks(reply, Kind::Open, "teacher"), said(reply));
        rows(&replies.iter().map(item).collect::<Vec<_>>())
    };
    vec![
        // 3 right of 4 measured; the fifth failed.
        (names::ACCURACY, value(&plain, "accuracy"), 3.0 / 4.0),
        // (3 / 4 + 0 / 1) / 2.
        (names::ACCURACY_MACRO, value(&kinds, "accuracy_macro"), 0.375),
        // (1 + 0) / 2.
        (names::EXACT_MATCH, value(&words(&["The teacher!", "She is a teacher."]), "exact_match"), 0.5),
        // One word is shared of 3 and of 1: 2 * 1 / (3 + 1).
        (names::TOKEN_F1, value(&words(&["The owner is a teacher."]), "token_f1"), 0.5),
        // (1 + 0) / 2.
        (names::CONTAINS, value(&words(&["A teacher or a nurse.", "Not a teacher."]), "contains"), 0.5),
    ]
}

fn abstention() -> Vec<Worked> {
    let (declines, answers) = ("Cannot be answered.", "Lily.");
    let mut items = vec![
        (unanswerable("a"), said(declines)),
        (unanswerable("b"), said(declines)),
        (unanswerable("c"), said(answers)),
        (unanswerable("d"), said("")),
        (asks("e", Kind::VisualToContext, "Lily"), said(declines)),
    ];
    items.extend(["f", "g", "h", "i"].map(|id| (asks(id, Kind::VisualToContext, "Lily"), said(answers))));
    let rows = rows(&items);
    vec![
        // TP 2, FN 2 (one answered, one empty), FP 1, TN 4.
        (names::ABSTENTION_PRECISION, value(&rows, "abstention_precision"), 2.0 / 3.0),
        (names::ABSTENTION_RECALL, value(&rows, "abstention_recall"), 2.0 / 4.0),
        // 2 * 2 / (2 * 2 + 1 + 2).
        (names::ABSTENTION_F1, value(&rows, "abstention_f1"), 4.0 / 7.0),
        (names::HALLUCINATED_ANSWER, value(&rows, "hallucinated_answer"), 1.0 / 4.0),
        (names::OVER_REFUSAL, value(&rows, "over_refusal"), 1.0 / 5.0),
    ]
}

fn chance() -> Vec<Worked> {
    let item = |id, options: &[&str]| {
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        (Sample { options, ..asks(id, Kind::Open, "A") }, said("A"))
    };
    let four = ["Rome", "Oslo", "Lima", "Paris"];
    let five = ["Rome", "Oslo", "Lima", "Paris", "Bonn"];
    let rows = rows(&[item("a", &four), item("b", &five)]);
    let row = rows.iter().find(|row| row.measure == "accuracy" && row.slice == "all");
    // (1 / 4 + 1 / 5) / 2.
    vec![(names::CHANCE, row.and_then(|row| row.chance).unwrap(), 0.225)]
}

fn citations() -> Vec<Worked> {
    let cites = |id, reply: &str, right: &[u32]| {
        let regions = vec![region(&[], &[]); 5];
        (Sample { citations: right.to_vec(), ..sample(id, Kind::Open, regions) }, said(reply))
    };
    let items = [cites("a", "Lily [1].", &[1]), cites("b", "Lily [2], Tom [3, 4].", &[2, 5])];
    let rows = rows(&items);
    let size = ImageSize::new(1000, 1000).unwrap();
    let counted = items.each_ref().map(|(sample, reply)| {
        let Reply::Text { text, .. } = reply else { panic!("both are texts") };
        let answer = parse(text, Targets::new(5, 0, size), FinishReason::EndOfText);
        CitedItem { cluster: cluster_of(sample), counts: citation_counts(sample, &answer) }
    });
    let micro = citation_rows(&counted, 0, &BootstrapOptions::default());
    vec![
        // (1 / 1 + 1 / 3) / 2.
        (names::CITATION_PRECISION, value(&rows, "citation_precision"), 2.0 / 3.0),
        // (1 / 1 + 1 / 2) / 2.
        (names::CITATION_RECALL, value(&rows, "citation_recall"), 0.75),
        // (2 * 1 / (1 + 1) + 2 * 1 / (3 + 2)) / 2.
        (names::CITATION_F1, value(&rows, "citation_f1"), 0.7),
        (names::CITATION_EXACT, value(&rows, "citation_exact"), 1.0 / 2.0),
        // Hits 1 + 1, cited 1 + 3, right 1 + 2.
        (names::CITATION_PRECISION_MICRO, value(&micro, "citation_precision_micro"), 2.0 / 4.0),
        (names::CITATION_RECALL_MICRO, value(&micro, "citation_recall_micro"), 2.0 / 3.0),
        // 2 * 2 / (4 + 3).
        (names::CITATION_F1_MICRO, value(&micro, "citation_f1_micro"), 4.0 / 7.0),
    ]
}

fn invalid() -> Vec<Worked> {
    let says = |id, reply: &str| (sample(id, Kind::Open, vec![region(&[], &[]); 2]), said(reply));
    let items = [says("a", "Lily [1], Tom [9]."), says("b", "Lily [1]."), says("c", "Lily.")];
    let rows = rows(&items);
    let size = ImageSize::new(1000, 1000).unwrap();
    let counted = items.each_ref().map(|(sample, reply)| {
        let Reply::Text { text, .. } = reply else { panic!("all are texts") };
        let answer = parse(text, Targets::new(2, 0, size), FinishReason::EndOfText);
        (cluster_of(sample), invalid_citations(&answer))
    });
    let counted = counted.each_ref().map(|(cluster, counts)| (cluster.as_str(), *counts));
    let micro = invalid_citation_row(&counted, 0, &BootstrapOptions::default()).unwrap();
    let row = rows.iter().find(|row| row.measure == "citation_invalid" && row.slice == "all").unwrap();
    assert_eq!((row.count, micro.count), (2, 2), "an answer that cites nothing is in no denominator");
    vec![
        // (1 / 2 + 0 / 1) / 2.
        (names::CITATION_INVALID, row.value, 0.25),
        // (1 + 0) / (2 + 1).
        (names::CITATION_INVALID_MICRO, micro.value, 1.0 / 3.0),
    ]
}

fn alce() -> Vec<Worked> {
    let regions = vec![
        region(&[("name", "Lily"), ("job", "teacher")], &[]),
        region(&[("name", "Tom"), ("job", "nurse")], &[]),
    ];
    let reply = "Lily is a teacher [1]. Tom is a nurse [1][2]. Lily is a nurse [1].";
    let rows = rows(&[(sample("a", Kind::Open, regions), said(reply))]);
    vec![
        // The first two of three statements follow.
        (names::ALCE_RECALL, value(&rows, "alce_recall"), 2.0 / 3.0),
        // Precise: the first [1] alone, [2] alone; not: [1] beside [2], [1] of a statement that does not follow.
        (names::ALCE_PRECISION, value(&rows, "alce_precision"), 2.0 / 4.0),
    ]
}

fn boxes() -> Vec<Worked> {
    let right = Sample { answer: "(0,0),(100,100)".into(), ..sample("a", Kind::Grounding, Vec::new()) };
    let rows = rows(&[(right, said("(20,0),(120,100) and (900,900),(999,999)"))]);
    vec![
        // 80 * 100 of 100 * 100 + 100 * 100 - 80 * 100, over two boxes.
        (names::BOX_IOU, value(&rows, "box_iou"), 8000.0 / 12000.0 / 2.0),
        (names::BOX_HIT, value(&rows, "box_hit"), 1.0 / 2.0),
    ]
}

const RED_ROBOT: Pairs = &[("colour", "red"), ("shape", "robot")];
const BLUE_CAT: Pairs = &[("colour", "blue"), ("shape", "cat")];

fn descriptions() -> Vec<Worked> {
    let of = |regions: Vec<SampleRegion>, reply: &str| {
        rows(&[(sample("a", Kind::Description, regions), said(reply))])
    };
    let looks = [RED_ROBOT, RED_ROBOT, BLUE_CAT].map(|look| region(&[], look)).into();
    let named = of(looks, "A red robot and a blue cat.");
    let covered = vec![
        region(&[("owner", "Lily"), ("job", "teacher")], RED_ROBOT),
        region(&[("owner", "Tom"), ("job", "nurse")], BLUE_CAT),
    ];
    let known = known(&covered);
    let covered = of(covered, "A red robot owned by Lily [1].");
    let claimed = vec![
        region(&[("owner", "Lily"), ("city", "Rome"), ("age", "41"), ("job", "teacher")], RED_ROBOT),
        region(&[("owner", "Tom"), ("job", "nurse"), ("pet", "parrot")], BLUE_CAT),
    ];
    let claimed = of(claimed, "A red robot owned by Lily of Rome, aged 41, a nurse with a parrot [1].");
    let shown = vec![region(&[("owner", "Lily")], RED_ROBOT), region(&[("owner", "Tom")], BLUE_CAT)];
    let shown = of(shown, "A red robot of Lily [1], and a red figurine of Tom [2].");
    let mut worked = vec![
        // One of two red robots, and the blue cat: (1 + 1) / 3.
        (names::OBJECTS_NAMED, value(&named, "objects_named"), 2.0 / 3.0),
        // Objects 1 / 2, facts (1 / 2 + 0 / 2) / 2 = 0.25; (0.5 + 0.25) / 2.
        (names::RCID_COVERAGE, value(&covered, "rcid_coverage"), 0.375),
        (names::RCID_OBJECTS, value(&covered, "rcid_objects"), 0.5),
        (names::RCID_FACTS, value(&covered, "rcid_facts"), 0.25),
        // Accuracy 1 / 1 and consistency (3 / 3) / 1: 3 / (2.666667 + 1 + 1).
        (names::RCID_SCORE, value(&covered, "rcid_score"), 9.0 / 14.0),
        // Lily, Rome and 41 of Lily, Rome, 41, nurse, parrot.
        (names::RCID_ACCURACY, value(&claimed, "rcid_accuracy"), 3.0 / 5.0),
        // She is a teacher: nurse.
        (names::CONTRADICTION_RATE, value(&claimed, "contradiction_rate"), 1.0 / 5.0),
        // Nurse and parrot.
        (names::SWAP_RATE, value(&claimed, "swap_rate"), 2.0 / 5.0),
        // [1] is a robot, the only one that is red, and red: 3 / 3. [2] is a figurine, and neither red nor the red one of
        // both: 1 / 3. (1 + 1 / 3) / 2.
        (names::RCID_CONSISTENCY, value(&shown, "rcid_consistency"), 2.0 / 3.0),
        // The cat is no red robot: 0 / 3. The robot is a figurine, red, and the red one of both: 3 / 3.
        (names::RCID_PERMUTED, value(&shown, "rcid_permuted"), 1.0 / 2.0),
        // 2 / 3 - 1 / 2.
        (names::BIND_GAP, value(&shown, "bind_gap"), 1.0 / 6.0),
    ];
    worked.extend(known);
    worked
}

/// Of how many of four descriptions each part of `RCIDScore` is known; two figurines with owner, job and look.
fn known(regions: &[SampleRegion]) -> Vec<Worked> {
    let bare: Vec<_> = regions.iter().map(|own| SampleRegion { facts: [].into(), ..own.clone() }).collect();
    let of = |id, regions: &[SampleRegion], reply: &str| {
        (sample(id, Kind::Description, regions.to_vec()), said(reply))
    };
    let rows = rows(&[
        of("a", regions, "A red robot owned by Lily [1]."),
        of("b", regions, "Someone owned by Lily [1]."),
        of("c", &bare, "A red robot [1]."),
        of("d", regions, "A figurine owned by Lily [1]."),
    ]);
    let row = |measure: &str| rows.iter().find(|row| row.measure == measure && row.slice == "all").unwrap();
    let share = |measure, known: usize| -> Worked {
        assert_eq!(row(measure).count, 4, "{measure}: N is all descriptions");
        (measure, row(measure).value, known as f64 / 4.0)
    };
    let of = |measure, part: &str, known| {
        assert_eq!(row(part).count, known, "{part}: what is not known is no zero");
        share(measure, known)
    };
    assert_eq!(row("rcid_objects").count, 4);
    vec![
        // The third has no fact to tell.
        of(names::RCID_FACTS_KNOWN, "rcid_facts", 3),
        // `Someone` is nothing that can be seen.
        of(names::RCID_CONSISTENCY_KNOWN, "rcid_consistency", 3),
        of(names::RCID_PERMUTED_KNOWN, "rcid_permuted", 3),
        of(names::RCID_SCORE_KNOWN, "rcid_score", 3),
        share(names::RCID_CLASS_KNOWN, 3),
        // `A figurine` fits both, and has neither colour nor shape.
        share(names::RCID_BOX_KNOWN, 2),
        share(names::RCID_VISION_KNOWN, 2),
    ]
}

fn permuted() -> Vec<Worked> {
    let scratch = Scratch::new("worked");
    let item = |id: &str, owner: &str, number| {
        write_picture(&scratch.path(&format!("{id}.png")), 7);
        let regions = vec![region(&[("owner", "Lily")], RED_ROBOT), region(&[("owner", "Tom")], BLUE_CAT)];
        Sample {
            answer: owner.into(),
            accepted: vec![owner.into()],
            citations: vec![number],
            ..sample(id, Kind::VisualToContext, regions)
        }
    };
    let folder = scratch.path("");
    let dataset = Dataset::new("worked", folder, vec![item("a", "Lily", 1), item("b", "Tom", 2)]).unwrap();
    let generator = ScriptedGenerator::new(["Tom.", "Tom."].map(String::from).to_vec());
    let options = RunOptions { mode: Mode::PermutedContexts { seed: 0 }, ..RunOptions::default() };
    let path = scratch.path("run.journal");
    Run::new(&dataset, &generator, options).unwrap().execute(&path).unwrap();
    let contents = journal::read(&path).unwrap();
    let scores = Scores::of(&dataset, &contents, &Judges::rules()).unwrap();
    let rows = scores.report(&ReportOptions::default()).unwrap().rows;
    // Lily's robot is told to be Tom's, which is followed; Tom's cat to be Lily's, which is not.
    vec![(names::CONTEXT_FOLLOWED, value(&rows, "context_followed"), 1.0 / 2.0)]
}

fn rotations() -> Vec<Worked> {
    let question = |id: &str| {
        let mut choice = asks(id, Kind::Open, "B");
        choice.options = ["Rome", "Oslo", "Lima"].map(String::from).to_vec();
        choice
    };
    // `Oslo` is found in all rotations; of the other question the last rotation is answered wrongly.
    let scores = |id: &str, replies: [&str; 3]| -> Vec<_> {
        let asked = (0..3).map(|by| Rotation::new(by, 3).unwrap().apply_to(&question(id)).unwrap());
        asked.zip(replies).map(|(item, reply)| score_reply(&item, &said(reply), &Judges::rules())).collect()
    };
    let (always, some) = (scores("a", ["B", "A", "C"]), scores("b", ["B", "A", "A"]));
    let rows = |scores: &[ItemScore]| summarise(&rotated_questions(scores), &BootstrapOptions::default());
    let both = rows(&[always, some.clone()].concat());
    vec![
        (names::ROTATION_ACCURACY, value(&rows(&some), "rotation_accuracy"), 2.0 / 3.0),
        // (1 + 0) / 2
        (names::ROTATION_ALL, value(&both, "rotation_all"), 1.0 / 2.0),
    ]
}

#[test]
fn every_measure_comes_to_its_sum_by_hand() {
    let worked = [
        answers(),
        rotations(),
        abstention(),
        chance(),
        citations(),
        invalid(),
        alce(),
        boxes(),
        descriptions(),
        permuted(),
    ];
    let worked: Vec<_> = worked.into_iter().flatten().collect();

    for (measure, found, sum) in &worked {
        assert!((found - sum).abs() < 1e-12, "{measure}: {found} instead of {sum}");
    }
    let shown: BTreeSet<_> = worked.iter().map(|(measure, ..)| *measure).collect();
    let all: BTreeSet<_> = MEASURES.iter().map(|measure| measure.name).chain([names::CHANCE]).collect();
    assert_eq!(shown, all, "each measure has an example");
}

#[test]
fn a_text_without_an_answer_is_measured_as_wrong() {
    let mut choice = asks("a", Kind::Open, "A");
    choice.options = vec!["Rome".into(), "Oslo".into()];

    let score = score_reply(&choice, &said("A or B"), &Judges::rules());

    assert!(score.outcome == Outcome::Unparseable && score.outcome.is_measured());
    assert_eq!(score.measures.get("accuracy"), Some(&0.0));
}
