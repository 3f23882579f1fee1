//! What holds for every item in the shape of RC&P-Bench.

use std::collections::BTreeSet;

use rcmu_data::{
    Error, Kind, PictureSource,
    figurines::{SceneSpec, Split, rcp_items},
};
use rcmu_prompt::is_refusal;

const SEEDS: u64 = 200;

fn spec(picture: &PictureSource) -> &SceneSpec {
    match picture {
        PictureSource::Figurines(spec) => spec,
        _ => panic!("the picture is drawn"),
    }
}

#[test]
fn the_same_seed_gives_the_same_items() -> Result<(), Error> {
    assert_eq!(rcp_items(3, Split::Test)?, rcp_items(3, Split::Test)?);
    assert_ne!(rcp_items(3, Split::Test)?, rcp_items(3, Split::Validation)?);
    Ok(())
}

#[test]
fn every_item_has_four_profiles_and_four_boxes() -> Result<(), Error> {
    for seed in 0..SEEDS {
        let items = rcp_items(seed, Split::Test)?;
        let stands: BTreeSet<_> = items.spec.figurines.iter().filter_map(|figurine| figurine.stand).collect();
        assert_eq!((items.spec.figurines.len(), stands.len()), (4, 4));
        let sample = &items.samples[0];
        assert_eq!(sample.references.len(), 4);
        for reference in &sample.references {
            let words = reference.info.split_whitespace().count();
            assert!((100..=130).contains(&words), "{words} words: {}", reference.info);
            assert!(reference.facts.values().all(|value| reference.info.contains(value.as_str())));
            assert_eq!(spec(&reference.picture).figurines.len(), 1);
        }
    }
    Ok(())
}

#[test]
fn every_figurine_is_asked_about_both_ways_and_cites_its_own_picture() -> Result<(), Error> {
    for seed in 0..SEEDS {
        let items = rcp_items(seed, Split::Train)?;
        for kind in [Kind::VisualToContext, Kind::ContextToVisual] {
            let cited: BTreeSet<_> = items
                .samples
                .iter()
                .filter(|sample| sample.kind == kind)
                .flat_map(|it| &it.citations)
                .collect();
            assert_eq!(cited.into_iter().copied().collect::<Vec<_>>(), [1, 2, 3, 4]);
        }
        for sample in &items.samples {
            sample.check()?;
            assert!((4..=6).contains(&sample.options.len()), "{sample:?}");
            assert_eq!(sample.options.iter().collect::<BTreeSet<_>>().len(), sample.options.len());
            let place = usize::from(sample.answer.as_bytes()[0] - b'A');
            assert_eq!(sample.accepted, [sample.options[place].clone()]);
            assert_eq!(is_refusal(&sample.options[place]), !sample.answerable, "{sample:?}");
            assert_eq!(sample.options.iter().filter(|option| is_refusal(option)).count(), 1, "{sample:?}");
            if sample.kind == Kind::VisualToContext {
                let reference = &sample.references[sample.citations[0] as usize - 1];
                let fact = sample.provenance.prompt.trim_start_matches("rcp/");
                let told = reference.facts[fact].to_lowercase();
                assert_eq!(sample.accepted[0].to_lowercase(), told, "{sample:?}");
            }
            if sample.kind == Kind::ContextToVisual {
                let reference = &sample.references[sample.citations[0] as usize - 1];
                let alone = &spec(&reference.picture).figurines[0];
                let query = items.spec.figurines.iter();
                let it = query.into_iter().find(|it| (it.shape, it.colour) == (alone.shape, alone.colour));
                let it = it.expect("the figurine of the reference picture is in the picture");
                let stand = it.stand.expect("every figurine has a box");
                let expected = format!("the {} in the {} box", it.shape.word(), stand.word());
                assert_eq!(sample.accepted[0].to_lowercase(), expected, "{sample:?}");
            }
        }
    }
    Ok(())
}

#[test]
fn letters_and_option_counts_vary() -> Result<(), Error> {
    let (mut letters, mut counts) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..SEEDS {
        for sample in rcp_items(seed, Split::Test)?.samples {
            counts.insert(sample.options.len());
            if !sample.answerable {
                letters.insert(sample.answer);
            }
        }
    }

    assert_eq!(counts.into_iter().collect::<Vec<_>>(), [4, 5, 6]);
    assert_eq!(letters.into_iter().collect::<String>(), "ABCDEF");
    Ok(())
}
