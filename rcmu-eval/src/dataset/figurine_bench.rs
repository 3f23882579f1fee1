use rcmu_data::figurines::{Split, WorldOptions, rcp_items, scene_items};

use super::Dataset;
use crate::Error;

/// Most sets of pictures that are made at once.
const MAX_SETS: usize = 100_000;

/// Makes the shipped benchmark: `sets` sets of pictures in the shape of RC&P-Bench, with 10 questions each.
///
/// A set has four reference pictures with profiles and one picture of all four figurines. The same seed gives the same
/// items and, drawn when they are asked, the same pictures, on every platform; set k has the seed `seed + k`. Scenes are
/// those of the test split: training has seen none of their pairs of shape and colour together.
///
/// # Errors
///
/// [`Error::RunOption`] over 100,000 sets; [`Error::Data`] when a set cannot be laid out.
///
/// # Source
///
/// Theirs: what a set and its questions are, as the figure of RC&P-Bench in arXiv 2508.12263 shows. Ours: the world of
/// figurines, so that numbers compare with those of the paper in kind only.
pub fn figurine_bench(seed: u64, sets: usize) -> Result<Dataset, Error> {
    if sets > MAX_SETS {
        let message = format!("is {sets}, expected up to {MAX_SETS}");
        return Err(Error::RunOption { option: "sets", message });
    }
    let mut items = Vec::new();
    for set in 0..sets as u64 {
        items.extend(rcp_items(seed.wrapping_add(set), Split::Test)?.samples);
    }
    Dataset::new(format!("figurine-bench-{seed}-{sets}"), "", items)
}

/// Questions of all kinds about `scenes` scenes of the figurine world's test split, such as the shipped model was made for.
///
/// Scene k has the seed `seed + k`; `options` say what scenes are like and what is asked. The same seed and options give the
/// same items on every platform.
///
/// # Errors
///
/// [`Error::RunOption`] over 100,000 scenes; [`Error::Data`] when the options leave nothing to draw.
///
/// # Source
///
/// Ours, in the kinds of questions of RCMU (arXiv 2508.12263).
pub fn figurine_scenes(seed: u64, scenes: usize, options: &WorldOptions) -> Result<Dataset, Error> {
    if scenes > MAX_SETS {
        let message = format!("is {scenes}, expected up to {MAX_SETS}");
        return Err(Error::RunOption { option: "scenes", message });
    }
    let mut items = Vec::new();
    for scene in 0..scenes as u64 {
        items.extend(scene_items(seed.wrapping_add(scene), options)?.samples);
    }
    Dataset::new(format!("figurines-{}-{seed}-{scenes}", options.split), "", items)
}

#[cfg(test)]
mod tests {
    use rcmu_data::Kind;

    use super::*;
    use crate::dataset::insufficient_option;

    #[test]
    fn the_same_seed_gives_the_same_items() {
        let bench = figurine_bench(5, 3).unwrap();

        assert_eq!(bench.items(), figurine_bench(5, 3).unwrap().items());
        assert_ne!(bench.hash(), figurine_bench(6, 3).unwrap().hash());
        assert_eq!(bench.items().len(), 30);
    }

    #[test]
    fn a_journal_of_one_seed_is_that_of_no_other() {
        let manifest = |dataset: &Dataset| {
            let nobody = rcmu_core::ScriptedGenerator::new(Vec::<String>::new());
            crate::run::Run::new(dataset, &nobody, crate::run::RunOptions::default()).unwrap().manifest()
        };
        let world = WorldOptions::test().simple();
        let benches = [5, 6].map(|seed| figurine_bench(seed, 1).unwrap());
        let scenes = [5, 6].map(|seed| figurine_scenes(seed, 2, &world).unwrap());

        for pair in [benches, scenes] {
            let differences = manifest(&pair[0]).differences(&manifest(&pair[1]));
            let fields: Vec<_> = differences.iter().map(|it| it.field.as_str()).collect();
            let expected = ["dataset.hash", "dataset.name"];
            assert!(fields.starts_with(&expected), "{fields:?}");
            assert!(pair[0].name().contains("-5-") && pair[1].name().contains("-6-"));
        }
    }

    #[test]
    fn every_item_has_the_shape_of_the_benchmark() {
        let bench = figurine_bench(1, 20).unwrap();
        let mut places = std::collections::BTreeSet::new();
        for item in bench.items() {
            assert_eq!(item.references.len(), 4);
            assert!(
                item.references.iter().all(|own| (100..=130).contains(&own.info.split_whitespace().count()))
            );
            let place = insufficient_option(&item.options).expect("one option says so");
            let gold = usize::from(item.answer.as_bytes()[0] - b'A');
            let unanswerable =
                matches!(item.kind, Kind::UnanswerableVisualToContext | Kind::UnanswerableContextToVisual);
            assert_eq!(gold == place, unanswerable);
            assert_eq!(item.answerable, !unanswerable);
            places.insert((item.options.len(), place));
        }

        // Four to six options, and the insufficient one at each of their places: 4 + 5 + 6.
        assert_eq!(places.len(), 15);
    }

    #[test]
    fn too_many_sets_are_refused() {
        assert!(matches!(figurine_bench(1, usize::MAX), Err(Error::RunOption { option: "sets", .. })));
    }
}
