use rcmu_core::Region;
use rcmu_data::{Kind, PictureSource, Provenance, SampleRegion};

use super::*;
use crate::judge::{Entailment, FactVision, Verdict};

fn sample(kind: Kind) -> Sample {
    let region = |owner: &str, colour: &str, shape: &str| SampleRegion {
        region: Region::new("figurine", None, "").expect("the label is not blank"),
        facts: [("owner".to_owned(), owner.to_owned())].into(),
        visual: [("colour".to_owned(), colour.to_owned()), ("shape".to_owned(), shape.to_owned())].into(),
    };
    Sample {
        id: "a".into(),
        picture: PictureSource::File("a.png".into()),
        references: Vec::new(),
        regions: vec![region("Lily", "red", "robot"), region("Tom", "blue", "cat")],
        kind,
        question: "Who owns the red robot?".into(),
        options: Vec::new(),
        cited: true,
        answer: "Lily owns it.[1]".into(),
        accepted: vec!["Lily".into()],
        citations: vec![1],
        answerable: true,
        provenance: Provenance::default(),
    }
}

fn score(sample: &Sample, reply: &str) -> ItemScore {
    score_item(sample, reply, FinishReason::EndOfText, &Judges::rules())
}

fn of(score: &ItemScore, name: &str) -> Option<f64> {
    score.measures.get(name).copied()
}

#[test]
fn a_right_cited_answer_has_every_measure() {
    let score = score(&sample(Kind::VisualToContext), "Lily owns it.[1]");

    assert_eq!(
        (score.outcome, score.how.as_str()),
        (Outcome::Scored, "answers; says exactly what is expected")
    );
    for name in ["accuracy", "exact_match", "token_f1", "contains", "citation_f1", "citation_exact"] {
        assert_eq!(of(&score, name), Some(1.0), "{name}");
    }
    for name in ["over_refusal", "swap_rate", "contradiction_rate"] {
        assert_eq!(of(&score, name), Some(0.0), "{name}");
    }
}

#[test]
fn another_regions_fact_is_wrong_and_swapped() {
    let score = score(&sample(Kind::VisualToContext), "Tom owns it.[2]");

    assert_eq!((of(&score, "accuracy"), of(&score, "swap_rate")), (Some(0.0), Some(1.0)));
    assert_eq!(of(&score, "citation_precision"), Some(0.0));
}

#[test]
fn an_unanswerable_question_wants_a_refusal_without_marks() {
    let mut sample = sample(Kind::UnanswerableVisualToContext);
    sample.answerable = false;
    sample.citations.clear();

    let declined = score(&sample, "Cannot be answered.");
    let answered = score(&sample, "Lily owns it.[1]");
    let blank = score(&sample, " ");

    assert_eq!(declined.outcome, Outcome::Abstained);
    assert_eq!((of(&declined, "accuracy"), of(&declined, "citation_f1")), (Some(1.0), Some(1.0)));
    assert_eq!((of(&answered, "hallucinated_answer"), of(&answered, "citation_f1")), (Some(1.0), Some(0.0)));
    assert_eq!((blank.outcome, of(&blank, "hallucinated_answer")), (Outcome::Unparseable, Some(0.0)));
    assert_eq!((of(&blank, "accuracy"), of(&blank, "exact_match")), (Some(0.0), None));
}

#[test]
fn a_choice_says_how_it_was_read() {
    let mut sample = sample(Kind::VisualToContext);
    sample.options = ["Tom", "Lily", "Not enough information"].map(String::from).into();
    sample.answer = "B".into();

    let right = score(&sample, "Answer: B");
    let declined = score(&sample, "C");
    let unread = score(&sample, "A or B");

    assert_eq!(
        (right.outcome, right.how.as_str()),
        (Outcome::Scored, "choice-3: B by a letter stated as the answer")
    );
    assert_eq!((of(&right, "accuracy"), of(&right, "chance")), (Some(1.0), Some(1.0 / 3.0)));
    assert_eq!((declined.outcome, of(&declined, "over_refusal")), (Outcome::Abstained, Some(1.0)));
    assert_eq!((unread.outcome, of(&unread, "accuracy")), (Outcome::Unparseable, Some(0.0)));
}

#[test]
fn what_is_right_is_no_refusal_and_the_same_said_wrongly_is_one() {
    let mut sample = sample(Kind::VisualToContext);
    sample.options = ["Tom", "Lily", "It cannot be determined."].map(String::from).into();
    sample.answer = "C".into();
    let refusal = |sample: &Sample, reply: &str| {
        let score = score(sample, reply);
        (score.outcome, of(&score, "accuracy"), of(&score, "over_refusal"))
    };

    assert_eq!(refusal(&sample, "C"), (Outcome::Scored, Some(1.0), Some(0.0)));
    sample.answer = "B".into();
    assert_eq!(refusal(&sample, "C"), (Outcome::Abstained, Some(0.0), Some(1.0)));
}

#[test]
fn citations_of_which_nothing_is_known_are_judged_by_entailment_alone() {
    for kind in [Kind::VisualToContext, Kind::ContextToVisual, Kind::Open, Kind::Description] {
        let sample = Sample { citations: Vec::new(), ..sample(kind) };

        // Lily's text supports the first mark, and not the second.
        for (reply, expected) in [("Lily owns it.[1]", 1.0), ("Lily owns it.[2]", 0.0)] {
            let score = score(&sample, reply);

            assert!(
                score
                    .measures
                    .keys()
                    .all(|name| !name.starts_with("citation_") || name == "citation_invalid")
            );
            assert_eq!(
                (of(&score, "alce_recall"), of(&score, "alce_precision")),
                (Some(expected), Some(expected))
            );
        }
    }
    let mut choice = Sample { citations: Vec::new(), ..sample(Kind::VisualToContext) };
    choice.options = ["Tom", "Lily"].map(String::from).into();
    choice.answer = "B".into();
    let chosen = score(&choice, "Lily [1]");
    assert_eq!((of(&chosen, "citation_f1"), of(&chosen, "alce_recall")), (None, Some(1.0)));
}

#[test]
fn a_sample_without_a_right_option_is_not_scored() {
    let mut sample = sample(Kind::VisualToContext);
    sample.options = ["Tom", "Max"].map(String::from).into();
    sample.answer = "Q".into();

    let score = score(&sample, "A");

    assert_eq!((score.outcome, score.measures.len()), (Outcome::JudgeFailed, 0));
}

#[test]
fn a_sample_that_cites_no_region_of_its_own_is_not_scored() {
    for number in [0, 9] {
        let sample = Sample { citations: vec![number], ..sample(Kind::VisualToContext) };

        let score = score(&sample, "Lily owns it.[1]");

        assert_eq!((score.outcome, score.measures.len()), (Outcome::JudgeFailed, 0), "{number}");
    }
}

#[test]
fn a_box_is_right_when_it_overlaps_by_half() {
    let mut sample = sample(Kind::Grounding);
    sample.answer = "<|box_start|>(0,0),(100,100)<|box_end|>.".into();
    sample.accepted = vec!["(0,0),(100,100)".into()];

    // Moved by 20 of 100: 8000 shared of 12000.
    let near = score(&sample, "<|box_start|>(20,0),(120,100)<|box_end|>.");
    let far = score(&sample, "(60,0),(160,100)");

    assert_eq!((of(&near, "accuracy"), of(&near, "box_hit")), (Some(1.0), Some(1.0)));
    assert!((of(&near, "box_iou").expect("boxes") - 2.0 / 3.0).abs() < 1e-12);
    assert_eq!(of(&far, "accuracy"), Some(0.0));
}

#[test]
fn a_description_has_the_parts_of_its_score() {
    let mut sample = sample(Kind::Description);
    sample.citations = vec![1, 2];

    let score = score(&sample, "A red robot owned by Lily [1], and a blue cat owned by Tom [2].");

    for name in [
        "accuracy",
        "objects_named",
        "rcid_score",
        "rcid_coverage",
        "rcid_accuracy",
        "rcid_consistency",
        "alce_recall",
        "alce_precision",
    ] {
        assert_eq!(of(&score, name), Some(1.0), "{name}");
    }
    assert_eq!(of(&score, "rcid_permuted"), Some(0.0));
    assert!(score.how.contains("RCIDScore 100.0 (coverage 1.000"), "{}", score.how);
}

#[test]
fn a_pronoun_is_supported_by_any_owner_that_it_may_mean() {
    let person = |name: &str, facts: &[(&str, &str)]| {
        let mut region = sample(Kind::Description).regions.remove(0);
        region.facts = facts.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        region.facts.insert("name".into(), name.into());
        region
    };
    let mut sample = sample(Kind::Description);
    sample.regions = vec![person("Ann", &[]), person("Lily", &[]), person("Bella", &[("owner", "Lily")])];
    sample.citations = vec![1, 2, 3];

    let score = score(&sample, "Ann [1] stands beside Lily [2] and Bella, her dog [3].");

    // `her` may mean Ann or Lily, and Bella's text tells Lily: all three clauses are supported.
    assert_eq!((of(&score, "alce_recall"), of(&score, "alce_precision")), (Some(1.0), Some(1.0)));
}

/// Never gives a verdict.
struct Broken;

impl Entailment for Broken {
    fn identity(&self) -> String {
        "broken".into()
    }

    fn entails(&self, _: &str, _: &str) -> Result<Verdict, JudgeError> {
        Err(JudgeError::Empty)
    }
}

#[test]
fn failures_have_no_measures() {
    let sample = sample(Kind::VisualToContext);
    let broken = Judges { entailment: &Broken, vision: &FactVision };
    let lost = Reply::Failed { reason: "the engine failed".into() };
    let late = Reply::Text { text: "Lily".into(), finish: "deadline".into() };

    let judge = score_item(&sample, "Lily owns it.", FinishReason::EndOfText, &broken);
    let lost = score_reply(&sample, &lost, &Judges::rules());
    let late = score_reply(&sample, &late, &Judges::rules());

    assert_eq!((judge.outcome, judge.measures.len()), (Outcome::JudgeFailed, 0));
    assert_eq!(judge.how, "the judge's reply is empty");
    assert_eq!(
        (lost.outcome, lost.how.as_str(), lost.measures.len()),
        (Outcome::ModelFailed, "the engine failed", 0)
    );
    assert_eq!((late.outcome, late.measures.len()), (Outcome::ModelFailed, 0));
}

#[test]
fn a_reply_at_the_limit_of_tokens_is_scored_and_said_to_be_cut() {
    let cut = Reply::Text { text: "Lily owns".into(), finish: "max_tokens".into() };

    let score = score_reply(&sample(Kind::VisualToContext), &cut, &Judges::rules());

    assert_eq!(of(&score, "accuracy"), Some(1.0));
    assert!(score.how.ends_with("cut at the limit of tokens"), "{}", score.how);
}

#[test]
fn items_of_one_picture_are_one_cluster() {
    let (one, mut other) = (sample(Kind::Open), sample(Kind::Description));
    assert_eq!(cluster_of(&one), cluster_of(&other));

    other.picture = PictureSource::File("b.png".into());
    assert_ne!(cluster_of(&one), cluster_of(&other));
    assert_eq!(cluster_of(&one).len(), 32);
}
