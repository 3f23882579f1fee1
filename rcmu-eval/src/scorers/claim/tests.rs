use std::collections::BTreeMap;

use rcmu_core::{FinishReason, ImageSize, Region};
use rcmu_data::{Kind, PictureSource, Provenance, Sample, SampleRegion};
use rcmu_prompt::{Targets, parse};

use super::*;
use crate::{
    judge::RuleEntailment,
    scorers::{clause::clauses, subject::subjects},
};

type Pairs<'a> = &'a [(&'a str, &'a str)];

fn region(facts: Pairs, visual: Pairs, info: &str) -> SampleRegion {
    let map = |pairs: Pairs| -> BTreeMap<_, _> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    SampleRegion {
        region: Region::new("figurine", None, info).expect("the label is not blank"),
        facts: map(facts),
        visual: map(visual),
    }
}

fn judged(text: &str, regions: Vec<SampleRegion>, default: Option<usize>) -> Vec<JudgedClaim> {
    let size = ImageSize::new(1000, 1000).expect("the sides are not empty");
    let answer = parse(text, Targets::new(regions.len(), 0, size), FinishReason::EndOfText);
    let clauses = clauses(&answer, regions.len());
    let sample = Sample {
        id: "a".into(),
        picture: PictureSource::File("a.png".into()),
        references: Vec::new(),
        regions,
        kind: Kind::Description,
        question: "Describe the image.".into(),
        options: Vec::new(),
        cited: true,
        answer: "A figurine.".into(),
        accepted: Vec::new(),
        citations: Vec::new(),
        answerable: true,
        provenance: Provenance::default(),
    };
    let subjects = subjects(&sample);
    let claims = claims(&clauses, &subjects, default);
    let questions = Questions::new(&RuleEntailment);
    let judged = claims.iter().map(|claim| Stop::found(claim.judge(&subjects, &questions)));
    judged.map(|claim| claim.expect("rules never fail").expect("there are few questions")).collect()
}

fn scene() -> Vec<SampleRegion> {
    vec![
        region(&[("owner", "Lily"), ("job", "teacher")], &[("colour", "red"), ("shape", "robot")], ""),
        region(&[("owner", "Tom"), ("pet", "cat")], &[("colour", "blue"), ("shape", "owl")], ""),
    ]
}

fn texts(claims: &[JudgedClaim]) -> Vec<&str> {
    claims.iter().map(|claim| claim.text.as_str()).collect()
}

#[test]
fn facts_are_claims_and_what_is_seen_is_none() {
    let claims =
        judged("A red robot owned by Lily, a teacher [1], and a blue owl owned by Tom [2].", scene(), None);

    assert_eq!(texts(&claims), ["owner: lily", "job: teacher", "owner: tom"]);
    assert!(claims.iter().all(|claim| claim.entailed && !claim.contradicted && claim.swapped_with.is_none()));
}

#[test]
fn a_fact_of_another_region_is_swapped_and_contradicted() {
    let claims = judged("A red robot owned by Tom [1].", scene(), None);

    assert_eq!(texts(&claims), ["owner: tom"]);
    assert_eq!((claims[0].entailed, claims[0].contradicted, claims[0].swapped_with), (false, true, Some(2)));
}

#[test]
fn an_invented_name_and_an_invented_age_are_entailed_by_nothing() {
    let claims = judged("A red robot owned by Zorg, aged 99 [1].", scene(), None);

    assert_eq!(texts(&claims), ["name: zorg", "age: 99"]);
    assert!(claims.iter().all(|claim| !claim.entailed && claim.swapped_with.is_none()));
}

#[test]
fn a_number_that_counts_things_is_no_age() {
    let regions = || vec![region(&[("age", "2")], &[], "")];

    assert_eq!(texts(&judged("There are two dogs [1].", regions(), None)), Vec::<&str>::new());
    for text in ["It is 2 [1].", "It is 2, and small [1].", "A 2-year-old [1].", "One aged 2 sits [1]."] {
        assert_eq!(texts(&judged(text, regions(), None)), ["age: 2"], "{text}");
    }
}

#[test]
fn without_marks_the_name_says_of_whom() {
    let people = vec![
        region(&[("name", "John Smith"), ("age", "41")], &[], ""),
        region(&[("name", "Sam"), ("age", "8")], &[], ""),
    ];

    let claims = judged("John is 8 years old. Sam is 8 years old.", people, None);

    assert_eq!(texts(&claims), ["name: john", "age: 8", "name: sam", "age: 8"]);
    assert_eq!(claims.iter().map(|claim| claim.entailed).collect::<Vec<_>>(), [true, false, true, true]);
    assert_eq!(claims[1].swapped_with, Some(2));
}

#[test]
fn every_name_of_a_region_is_its_name() {
    let johns = || {
        vec![
            region(&[("name", "John Smith"), ("alias", "Johnny")], &[], ""),
            region(&[("name", "Sam"), ("full_name", "Sam Novak")], &[], ""),
        ]
    };

    for (text, expected) in [
        ("Johnny [1] waves.", "alias: johnny"),
        ("John [1] waves.", "name: john"),
        ("Sam Novak [2] waves.", "full_name: sam novak"),
    ] {
        let claims = judged(text, johns(), None);

        assert_eq!(texts(&claims), [expected]);
        assert!(claims[0].entailed && !claims[0].contradicted, "{text}");
    }
    // Another one's alias is still none of this one's names.
    let swapped = judged("Johnny [2] waves.", johns(), None);
    assert_eq!((swapped[0].contradicted, swapped[0].swapped_with), (true, Some(1)));
}

#[test]
fn a_possessive_pronoun_means_an_owner_by_each_of_his_names() {
    for dog in [
        region(&[("name", "Bella"), ("owner", "John")], &[], ""),
        region(&[], &[], "Bella is a dog owned by John."),
    ] {
        let regions = vec![region(&[("name", "John Smith")], &[], ""), dog];

        let claims = judged("John Smith [1] sits beside Bella, his dog [2].", regions, None);

        assert_eq!(texts(&claims), ["name: john smith", "name: bella", "owner: john smith"]);
        assert!(claims.iter().all(|claim| claim.entailed && !claim.contradicted), "{claims:?}");
    }
}

#[test]
fn what_is_said_of_nobody_is_neither_entailed_nor_swapped() {
    let claims = judged("Someone is a teacher.", scene(), None);

    assert_eq!(claims[0].regions, Vec::<u32>::new());
    assert_eq!((claims[0].entailed, claims[0].swapped_with), (false, None));
}

#[test]
fn a_text_without_structured_facts_is_read_as_well() {
    let regions = vec![region(&[], &[], "Bella is a 2-year-old dog owned by Lily.")];

    let claims = judged("Bella, a 3-year-old dog of Lily [1].", regions, None);

    assert_eq!(texts(&claims), ["name: bella", "age: 3", "name: lily"]);
    assert_eq!(claims.iter().map(|claim| claim.entailed).collect::<Vec<_>>(), [true, false, true]);
    assert!(claims[1].contradicted);
}

#[test]
fn an_endless_answer_has_a_limited_number_of_claims() {
    let text: Vec<_> = (0..2000).map(|at| format!("of Zorg{at},")).collect();

    let claims = judged(&text.join(" "), scene(), None);

    assert_eq!(claims.len(), MAX_CLAIMS);
}
