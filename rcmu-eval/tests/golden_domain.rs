//! The examples of the task's authors (figures and README of arXiv 2508.12263) and what each has to score, by hand.

#![allow(clippy::float_cmp, reason = "0 and 1 are exact, and hand calculations are meant to be")]

use std::collections::BTreeMap;

use rcmu_core::{Answer, BBox, FinishReason, ImageSize, Region};
use rcmu_data::{Kind, PictureSource, Provenance, Sample, SampleRegion};
use rcmu_eval::{
    Outcome,
    dataset::insufficient_option,
    judge::Judges,
    metrics::{CitationAverages, CitationCounts},
    scorers::{citation_counts, rcid_score, score_item},
};
use rcmu_prompt::{Targets, parse, parse_bbox};

type Pairs<'a> = &'a [(&'a str, &'a str)];

fn region(label: &str, facts: Pairs) -> SampleRegion {
    SampleRegion {
        region: Region::new(label, None, "").expect("the label is not blank"),
        facts: facts.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        visual: BTreeMap::new(),
    }
}

/// A man, his dog and a boy's dog.
fn park(kind: Kind) -> Sample {
    Sample {
        id: "park".into(),
        picture: PictureSource::File("park.jpg".into()),
        references: Vec::new(),
        regions: vec![
            region("man", &[("name", "John Smith"), ("age", "41"), ("job", "marketing executive")]),
            region(
                "dog",
                &[("name", "Bella"), ("age", "2"), ("owner", "John Smith"), ("likes", "watching birds")],
            ),
            region("dog", &[("name", "Sam"), ("age", "8"), ("likes", "chasing after his laser toy")]),
        ],
        kind,
        question: "What activities does the behind dog in the picture enjoy?".into(),
        options: Vec::new(),
        cited: true,
        answer:
            "Sam enjoys chasing after his laser toy, and sitting in the family's lap during movie nights.[3]"
                .into(),
        accepted: vec!["chasing after his laser toy".into()],
        citations: vec![3],
        answerable: true,
        provenance: Provenance::default(),
    }
}

fn read(text: &str) -> Answer {
    let size = ImageSize::new(1000, 1000).expect("the sides are not empty");
    parse(text, Targets::new(3, 0, size), FinishReason::EndOfText)
}

fn measures(sample: &Sample, reply: &str) -> (Outcome, BTreeMap<String, f64>) {
    let score = score_item(sample, reply, FinishReason::EndOfText, &Judges::rules());
    (score.outcome, score.measures)
}

#[test]
fn a_mark_after_the_final_stop_cites_the_sentence_before() {
    let sample = park(Kind::VisualToContext);

    let counts = citation_counts(&sample, &read(&sample.answer));
    let (outcome, measures) = measures(&sample, &sample.answer);

    // Cited {3}, right {3}: 1 / 1, 1 / 1, 2 * 1 / (1 + 1).
    assert_eq!(counts, CitationCounts { hits: 1, cited: 1, right: 1 });
    assert_eq!((counts.precision(), counts.recall(), counts.f1()), (1.0, 1.0, 1.0));
    assert_eq!((outcome, measures["accuracy"], measures["swap_rate"]), (Outcome::Scored, 1.0, 0.0));
}

#[test]
fn an_answer_about_the_other_dog_cites_nothing_and_is_a_swap() {
    let sample = park(Kind::VisualToContext);
    let reply = "Bella enjoys watching birds.";

    let counts = citation_counts(&sample, &read(reply));
    let (outcome, measures) = measures(&sample, reply);

    // Cited {}, right {3}: recall 0 / 1. Two claims, `Bella` and `watching birds`, are said of region 3; the text of
    // region 3 entails neither, that of region 2 entails both: 2 / 2.
    assert_eq!((counts.cited, counts.recall(), counts.exact()), (0, 0.0, 0.0));
    assert_eq!((outcome, measures["accuracy"], measures["swap_rate"]), (Outcome::Scored, 0.0, 1.0));
}

#[test]
fn a_wrong_age_in_a_full_description_costs_one_claim_of_eight() {
    let mut sample = park(Kind::Description);
    sample.citations = vec![1, 2, 3];
    let reply = "John Smith, a 34-year-old marketing executive [1], is standing on the grass. Bella, his 2-year-old \
                 black and white dog [2], sits next to him, and Sam, an 8-year-old dog [3], lies behind them.";

    let score =
        rcid_score(&sample, &read(reply), &Judges::rules()).expect("rules never fail").expect("regions");

    // Claims: John Smith, 34, marketing executive, Bella, his, 2, Sam, 8. All but 34 are entailed: 7 / 8 = 0.875; the
    // context says 41: 1 / 8 contradicted. Nobody else is 34: no swap. All three are named.
    let texts: Vec<_> = score.claims.iter().map(|claim| claim.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "name: john smith",
            "age: 34",
            "job: marketing executive",
            "name: bella",
            "owner: john smith",
            "age: 2",
            "name: sam",
            "age: 8",
        ]
    );
    assert_eq!((score.objects, score.accuracy), (1.0, 0.875));
    assert_eq!((score.contradiction_rate, score.swap_rate, score.invalid_citations), (0.125, 0.0, 0));
    // Facts besides names: John tells 1 of 2 (job), Bella 2 of min(2, 3), Sam 1 of 2: (0.5 + 1 + 0.5) / 3 = 2 / 3.
    assert!((score.facts.expect("there are facts") - 2.0 / 3.0).abs() < 1e-12);
    assert!((score.coverage - 5.0 / 6.0).abs() < 1e-12);
    // The class noun is said of both dogs; `man` is not said, and no other noun in that clause.
    assert_eq!((score.consistency, score.checks.class), (Some(1.0), 2));
    // 300 / (6 / 5 + 8 / 7 + 1) = 300 / 3.342857 = 89.743590.
    assert!((score.score().expect("all parts are known") - 89.743_590).abs() < 1e-6);
}

#[test]
fn a_description_without_names_scores_0() {
    let sample = park(Kind::Description);

    let reply = read("The image shows a woman on the grass with two dogs.");
    let score = rcid_score(&sample, &reply, &Judges::rules()).expect("rules never fail").expect("regions");

    // Nobody is named, nothing is cited: 0 of 3; no claims.
    assert_eq!((score.objects, score.coverage, score.accuracy, score.claims.len()), (0.0, 0.0, 0.0, 0));
    assert_eq!(score.score(), Some(0.0));
}

#[test]
fn refusals_abstain_and_cite_nothing() {
    for (kind, reply) in [
        (
            Kind::UnanswerableVisualToContext,
            "Cannot be answered. The description does not provide any information about the training of the dog.",
        ),
        (Kind::UnanswerableContextToVisual, "The person is not in the image."),
    ] {
        let sample = Sample { answerable: false, citations: Vec::new(), accepted: Vec::new(), ..park(kind) };

        let (outcome, measures) = measures(&sample, reply);

        // Right {} and cited {}: every measure of citations is 1.
        assert_eq!(outcome, Outcome::Abstained, "{reply}");
        for (name, expected) in [
            ("accuracy", 1.0),
            ("abstention_recall", 1.0),
            ("hallucinated_answer", 0.0),
            ("citation_precision", 1.0),
            ("citation_recall", 1.0),
            ("citation_f1", 1.0),
            ("citation_exact", 1.0),
        ] {
            assert_eq!(measures[name], expected, "{name}: {reply}");
        }
    }
}

#[test]
fn the_insufficient_option_is_found_by_its_text() {
    let text = "there is not enough information to answer the question";
    let four = ["the doll in the red box", "the doll in the blue box", text, "the doll in the green box"];
    let five = ["Rome", "Oslo", "Lima", "Paris", "There is not enough information to answer the question"];
    let options = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();

    assert_eq!(insufficient_option(&options(&four)), Some(2), "C of four, in lower case");
    assert_eq!(insufficient_option(&options(&five)), Some(4), "E of five");

    let sample = Sample {
        options: options(&four),
        answer: "C".into(),
        answerable: false,
        citations: Vec::new(),
        ..park(Kind::UnanswerableContextToVisual)
    };
    let (outcome, measures) = measures(&sample, &format!("C. {text}"));
    assert_eq!((outcome, measures["accuracy"], measures["chance"]), (Outcome::Abstained, 1.0, 0.25));
}

#[test]
fn the_box_with_a_space_for_its_comma_is_read() {
    let (bbox, _repairs) = parse_bbox("(214,424),(583 884)").expect("it is a box");

    assert_eq!(bbox, BBox::new(214, 424, 583, 884).expect("the corners are in order"));
    // And it overlaps itself fully: 369 * 460 / (369 * 460).
    assert_eq!(bbox.iou(bbox), 1.0);
}

#[test]
fn averages_over_the_two_answers_about_the_dog() {
    // The cited answer (1 of 1 of 1) and the one without marks (0 of 0 of 1).
    let counts =
        [CitationCounts { hits: 1, cited: 1, right: 1 }, CitationCounts { hits: 0, cited: 0, right: 1 }];

    let micro = CitationAverages::micro_average(&counts).expect("two answers");
    let macro_average = CitationAverages::macro_average(&counts).expect("two answers");

    // Micro: precision 1 / 1, recall 1 / 2, F1 2 / (1 + 2). Macro: (1 + 0) / 2 each.
    assert_eq!((micro.precision, micro.recall, micro.f1), (1.0, 0.5, 2.0 / 3.0));
    assert_eq!((macro_average.precision, macro_average.recall, macro_average.f1), (0.5, 0.5, 0.5));
    assert_eq!((micro.exact, macro_average.exact), (0.5, 0.5));
}
