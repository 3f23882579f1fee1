use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use rcmu_core::{FinishReason, ImageSize, Region};
use rcmu_data::{Kind, PictureSource, Provenance, SampleRegion};
use rcmu_prompt::{Targets, parse};

use super::*;
use crate::{
    journal::RecordKey,
    judge::{Entailment, Verdict, VisionCheck},
};

fn sample() -> Sample {
    let map = |pairs: &[(&str, &str)]| -> BTreeMap<_, _> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let region = |colour, shape, owner, job| SampleRegion {
        region: Region::new("figurine", None, "").expect("the label is not blank"),
        facts: map(&[("owner", owner), ("job", job)]),
        visual: map(&[("colour", colour), ("shape", shape)]),
    };
    Sample {
        id: "a".into(),
        picture: PictureSource::File("a.png".into()),
        references: Vec::new(),
        regions: vec![region("red", "robot", "Lily", "teacher"), region("blue", "cat", "Tom", "nurse")],
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

fn score(text: &str) -> RcidScore {
    score_of(&sample(), text)
}

fn score_of(sample: &Sample, text: &str) -> RcidScore {
    let size = ImageSize::new(1000, 1000).expect("the sides are not empty");
    let answer = parse(text, Targets::new(2, 0, size), FinishReason::EndOfText);
    let score = rcid_score(sample, &answer, &Judges::rules()).expect("rules never fail");
    score.expect("the sample has regions")
}

#[test]
fn a_full_description_scores_100_and_is_bound_to_its_regions() {
    let score = score("A red robot owned by Lily, a teacher [1], and a blue cat owned by Tom, a nurse [2].");

    assert_eq!(
        (score.objects, score.facts, score.accuracy, score.consistency),
        (1.0, Some(1.0), 1.0, Some(1.0))
    );
    assert_eq!(score.score(), Some(100.0));
    // Against the other region every check fails: class, box and vision.
    assert_eq!((score.permuted, score.bind_gap()), (Some(0.0), Some(1.0)));
    assert_eq!(
        score.to_string(),
        "RCIDScore 100.0 (coverage 1.000, accuracy 1.000, consistency 1.000; checks: class 2, box 2, vision 2)"
    );
}

#[test]
fn several_regions_of_a_class_are_mentioned_by_its_plural() {
    let region = |class: &str| SampleRegion {
        region: Region::new(class, None, "").expect("the label is not blank"),
        facts: BTreeMap::new(),
        visual: BTreeMap::new(),
    };
    let sample = Sample { regions: ["woman", "dog", "dog"].map(region).into(), ..sample() };
    let size = ImageSize::new(1000, 1000).expect("the sides are not empty");

    for text in ["A woman [1] is standing with two dogs [2][3].", "A woman with two dogs [1][2][3]."] {
        let answer = parse(text, Targets::new(3, 0, size), FinishReason::EndOfText);
        let score = rcid_score(&sample, &answer, &Judges::rules()).expect("rules never fail");

        let score = score.expect("the sample has regions");
        assert_eq!((score.objects, score.consistency, score.checks.class), (1.0, Some(1.0), 3), "{text}");
    }
}

#[test]
fn contexts_bound_to_the_wrong_boxes_lose_accuracy_but_not_consistency() {
    let score = score("A red robot owned by Tom, a nurse [1], and a blue cat owned by Lily, a teacher [2].");

    assert_eq!((score.accuracy, score.swap_rate, score.contradiction_rate), (0.0, 1.0, 1.0));
    assert_eq!((score.consistency, score.score()), (Some(1.0), Some(0.0)));
}

#[test]
fn half_a_description_has_half_the_coverage() {
    // Objects 1/2; facts: the first region tells 1 of 2, the second none: (0.5 + 0) / 2 = 0.25; coverage 0.375.
    // Accuracy and consistency are 1: 300 / (1 / 0.375 + 1 + 1) = 300 / 4.666667 = 64.285714.
    let score = score("A red robot owned by Lily [1].");

    assert_eq!((score.objects, score.facts, score.coverage), (0.5, Some(0.25), 0.375));
    assert!((score.score().expect("all parts are known") - 64.285_714).abs() < 1e-6);
}

#[test]
fn a_name_inside_a_longer_one_covers_no_region() {
    let mut sample = sample();
    for (region, name) in sample.regions.iter_mut().zip(["John", "John Smith"]) {
        region.facts = [("name".to_owned(), name.to_owned())].into();
    }

    assert_eq!(score_of(&sample, "John Smith [2] waves.").objects, 0.5);
    assert_eq!(score_of(&sample, "John Smith [2] waves to John [1].").objects, 1.0);
}

#[test]
fn a_region_of_which_nothing_is_known_is_not_said_to_be_the_wrong_box() {
    let mut sample = sample();
    sample.regions[0].visual.clear();

    // The second is a blue cat, the first may be one: only the class noun `figurine` can be judged.
    let score = score_of(&sample, "A blue figurine [1].");

    assert_eq!((score.consistency, score.checks), (Some(1.0), Checks { class: 1, right_box: 0, vision: 0 }));
}

#[test]
fn a_fact_of_several_cited_regions_is_told_of_each() {
    let mut sample = sample();
    for region in &mut sample.regions {
        region.facts = [("home".to_owned(), "Rome".to_owned())].into();
    }

    // Each region tells 1 of min(2, 1): (1 + 1) / 2.
    let score = score_of(&sample, "Both live in Rome [1][2].");

    assert_eq!((score.facts, score.claims.len(), score.accuracy), (Some(1.0), 1, 1.0));
}

#[test]
fn words_that_fit_every_region_have_no_gap() {
    // `figurine` is the class noun of both; nothing else can be seen.
    let score = score("A figurine owned by Lily [1].");

    assert_eq!((score.consistency, score.permuted, score.bind_gap()), (Some(1.0), Some(1.0), Some(0.0)));
    assert_eq!(score.checks, Checks { class: 1, right_box: 0, vision: 0 });
}

#[test]
fn consistency_that_cannot_be_judged_leaves_the_score_open() {
    // Objects 0; facts (1/2 + 0) / 2 = 0.25; coverage 0.125. No noun and nothing that can be seen is said.
    let open = score("Someone owned by Lily [1].");
    let nothing = score("Someone is there.");

    assert_eq!((open.coverage, open.accuracy, open.consistency, open.score()), (0.125, 1.0, None, None));
    assert!(open.to_string().starts_with("RCIDScore not known (coverage 0.125"), "{open}");
    assert_eq!((nothing.coverage, nothing.consistency, nothing.score()), (0.0, None, Some(0.0)));
}

#[test]
fn the_score_is_the_harmonic_mean_and_the_gap_a_difference() {
    let parts = RcidScore {
        coverage: 1.0,
        accuracy: 0.875,
        consistency: Some(0.5),
        permuted: Some(0.25),
        ..score("A red robot [1].")
    };

    // 300 / (1 / 1 + 1 / 0.875 + 1 / 0.5) = 300 / 4.142857; 0.5 - 0.25.
    assert!((parts.score().expect("all parts are known") - 72.413_793).abs() < 1e-6);
    assert_eq!(parts.bind_gap(), Some(0.25));
}

/// Never finds what was said, and counts the questions about texts and about pictures.
#[derive(Default)]
struct Counting(AtomicUsize, AtomicUsize);

impl Entailment for Counting {
    fn identity(&self) -> String {
        "counting".into()
    }

    fn entails(&self, _: &str, _: &str) -> Result<Verdict, JudgeError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(Verdict::Neutral)
    }
}

impl VisionCheck for Counting {
    fn identity(&self) -> String {
        "counting".into()
    }

    fn shows(&self, _: &Sample, _: usize, _: &str) -> Result<Option<bool>, JudgeError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        Ok(Some(false))
    }

    fn question_key(&self, _: &Sample, _: usize, _: &str) -> Result<RecordKey, JudgeError> {
        Err(JudgeError::Empty)
    }
}

#[test]
fn an_endless_answer_about_many_regions_has_a_limited_number_of_questions() {
    let mut sample = sample();
    sample.regions = sample.regions.into_iter().cycle().take(100).collect();
    let text: Vec<_> = (0..200).map(|at| format!("A figurine of Zorg{at} [1]. ")).collect();
    let counting = Counting::default();
    let judges = Judges { entailment: &counting, vision: &counting };

    let size = ImageSize::new(1000, 1000).expect("the sides are not empty");
    let answer = parse(&text.concat(), Targets::new(100, 0, size), FinishReason::EndOfText);
    let score = rcid_score(&sample, &answer, &judges).expect("it never fails").expect("there are regions");

    // Each claim is asked of all 100 regions, each mention about all 100 figurines: 4096 / 100 is 40 and a rest.
    assert_eq!((score.claims.len(), score.checks.vision), (40, 40));
    assert_eq!((counting.0.into_inner(), counting.1.into_inner()), (4096, 4000));
}

#[test]
fn marks_that_point_at_nothing_are_counted() {
    assert_eq!(score("A red robot [1][7] and more [8].").invalid_citations, 2);
}
