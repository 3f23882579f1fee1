//! The right answers of the figurine world, scored like any reply.

#![allow(clippy::float_cmp, reason = "0 and 1 are exact, and hand calculations are meant to be")]

use std::collections::BTreeMap;

use rcmu_core::FinishReason;
use rcmu_data::{
    Error, Kind, Sample,
    figurines::{Split, WorldOptions, rcp_items, samples, scene_items},
};
use rcmu_eval::{ItemScore, judge::Judges, scorers::score_item};

fn score(sample: &Sample, reply: &str) -> ItemScore {
    score_item(sample, reply, FinishReason::EndOfText, &Judges::rules())
}

/// Measures of which the right answer has the best value, whatever its kind.
const BEST: [(&str, f64); 17] = [
    ("accuracy", 1.0),
    ("exact_match", 1.0),
    ("token_f1", 1.0),
    ("abstention_recall", 1.0),
    ("hallucinated_answer", 0.0),
    ("over_refusal", 0.0),
    ("citation_precision", 1.0),
    ("citation_recall", 1.0),
    ("citation_exact", 1.0),
    ("alce_recall", 1.0),
    ("alce_precision", 1.0),
    ("box_iou", 1.0),
    ("objects_named", 1.0),
    ("rcid_accuracy", 1.0),
    ("rcid_consistency", 1.0),
    ("contradiction_rate", 0.0),
    ("swap_rate", 0.0),
];

#[test]
fn the_right_answer_of_every_figurine_item_is_right() -> Result<(), Error> {
    let mut kinds = BTreeMap::new();
    let mut all = samples(Split::Test, 11, 1500).collect::<Result<Vec<_>, _>>()?;
    for seed in 0..200 {
        all.extend(scene_items(seed, &WorldOptions::grounding(3))?.samples);
    }

    for sample in all {
        let score = score(&sample, &sample.answer);
        *kinds.entry(sample.kind).or_insert(0) += 1;

        for (name, best) in BEST {
            let found = score.measures.get(name).copied().unwrap_or(best);
            assert_eq!(found, best, "{name} of {}: {} {:?}", sample.id, sample.answer, score);
        }
        assert!(score.measures.contains_key("accuracy"), "{score:?}");
    }

    println!("{kinds:?}");
    assert!(kinds.len() >= 6, "{kinds:?}");
    Ok(())
}

#[test]
fn the_right_option_of_every_benchmark_item_is_right_by_letter_and_by_text() -> Result<(), Error> {
    for seed in 0..40 {
        for sample in rcp_items(seed, Split::Test)?.samples {
            for reply in [&sample.answer, &sample.accepted[0]] {
                let score = score(&sample, reply);

                assert_eq!(score.measures["accuracy"], 1.0, "{reply}: {:?} {score:?}", sample.options);
                assert_eq!(score.measures["chance"], 1.0 / sample.options.len() as f64);
            }
        }
    }
    Ok(())
}

#[test]
fn descriptions_that_exchange_two_contexts_are_swapped_and_keep_what_is_seen() -> Result<(), Error> {
    let mut exchanged = 0;

    for sample in samples(Split::Test, 12, 1500) {
        let mut sample = sample?;
        if sample.kind != Kind::Description || sample.regions.len() < 2 || !sample.cited {
            continue;
        }
        let (first, second) = (sample.regions[0].facts.clone(), sample.regions[1].facts.clone());
        if first.is_empty() || second.is_empty() {
            continue;
        }
        let info = |at: usize| sample.regions[at].region.info().to_owned();
        let infos = [info(1), info(0)];
        for (at, (facts, info)) in [second, first].into_iter().zip(infos).enumerate() {
            let region = &sample.regions[at].region;
            sample.regions[at].region = rcmu_core::Region::new(region.label(), region.bbox(), info)?;
            sample.regions[at].facts = facts;
        }

        let score = score(&sample, &sample.answer);

        exchanged += 1;
        // Each of the two mentions claims an owner at least, whom only the other text knows.
        assert!(score.measures["swap_rate"] > 0.0, "{}: {score:?}", sample.answer);
        assert!(score.measures["rcid_accuracy"] < 1.0, "{}: {score:?}", sample.answer);
        assert_eq!(score.measures["rcid_consistency"], 1.0, "{}: {score:?}", sample.answer);
        assert_eq!(score.measures["citation_exact"], 1.0);
    }

    assert!(exchanged > 20, "{exchanged}");
    Ok(())
}
