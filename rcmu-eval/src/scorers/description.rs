use std::collections::BTreeMap;

use rcmu_data::Sample;

use crate::judge::{lower, positions};

/// The share of the regions whose colour and shape an answer names; `None` when no region has both among its visual
/// facts.
///
/// Colour and shape have to stand next to each other, as in `red robot`. Regions that look alike have to be named
/// once each. With `r` regions that have both and `c(l)` the times that look `l` of `n(l)` regions is said: `Σ
/// min(n(l), c(l)) / r`.
///
/// # Examples
///
/// A red robot, a red robot and a blue cat; the answer says "a red robot and a blue cat":
/// `(min(2, 1) + min(1, 1)) / 3 = 0.666667`.
///
/// # Source
///
/// Ours.
pub fn objects_named(sample: &Sample, text: &str) -> Option<f64> {
    let mut looks: BTreeMap<Vec<String>, usize> = BTreeMap::new();
    for region in &sample.regions {
        let colour = region.visual.get("colour").or_else(|| region.visual.get("color"));
        if let (Some(colour), Some(shape)) = (colour, region.visual.get("shape")) {
            let look = lower(colour).into_iter().chain(lower(shape)).collect();
            *looks.entry(look).or_default() += 1;
        }
    }
    let said = lower(text);
    let count: usize = looks.values().sum();
    let named: usize = looks.iter().map(|(look, number)| positions(&said, look).len().min(*number)).sum();
    (count > 0).then(|| named as f64 / count as f64)
}

#[cfg(test)]
mod tests {
    use rcmu_core::Region;
    use rcmu_data::{Kind, PictureSource, Provenance, SampleRegion};

    use super::*;

    fn sample(looks: &[(&str, &str)]) -> Sample {
        let region = |(colour, shape): &(&str, &str)| SampleRegion {
            region: Region::new("figurine", None, "").expect("the label is not blank"),
            facts: BTreeMap::new(),
            visual: [("colour".to_owned(), (*colour).to_owned()), ("shape".to_owned(), (*shape).to_owned())]
                .into(),
        };
        Sample {
            id: "a".into(),
            picture: PictureSource::File("a.png".into()),
            references: Vec::new(),
            regions: looks.iter().map(region).collect(),
            kind: Kind::Description,
            question: "Describe the image.".into(),
            options: Vec::new(),
            cited: false,
            answer: "Figurines.".into(),
            accepted: Vec::new(),
            citations: Vec::new(),
            answerable: true,
            provenance: Provenance::default(),
        }
    }

    #[test]
    fn regions_that_look_alike_are_named_once_each() {
        let sample = sample(&[("red", "robot"), ("red", "robot"), ("blue", "cat")]);

        assert_eq!(objects_named(&sample, "A red robot and a blue cat."), Some(2.0 / 3.0));
        assert_eq!(objects_named(&sample, "A red robot, a Red Robot and a blue cat."), Some(1.0));
        assert_eq!(objects_named(&sample, "A red cat and a blue robot."), Some(0.0));
    }

    #[test]
    fn unknown_looks_are_not_measured() {
        assert_eq!(objects_named(&sample(&[]), "A red robot."), None);
    }
}
