use std::collections::{BTreeMap, BTreeSet, HashSet};

use rcmu_core::{Answer, CitationTarget};
use rcmu_data::Sample;

use crate::metrics::{CitationCounts, InvalidCitations, names};

/// Compares the numbers that an answer cites with those of the sample.
///
/// Numbers of reference pictures come after those of the regions; a number that points at nothing is cited and wrong.
///
/// # Examples
///
/// An answer that ends in `movie nights.[3]`, right is 3: 1 hit, 1 cited, 1 right; precision `1 / 1`, recall `1 / 1`, F1
/// `2 * 1 / (1 + 1) = 1`.
///
/// # Source
///
/// Theirs: what [`CitationCounts`] makes of the counts. Ours: the numbers of reference pictures, and that a number that
/// points at nothing is cited.
pub fn citation_counts(sample: &Sample, answer: &Answer) -> CitationCounts {
    let regions = sample.regions.len() as u64;
    let number = |target: CitationTarget| match target {
        CitationTarget::Region(id) => u64::from(id.number()),
        CitationTarget::Reference(place) => regions + u64::from(place),
        CitationTarget::Unresolved(number) => number,
    };
    let citations = answer.statements.iter().flat_map(|statement| &statement.citations);
    let cited: BTreeSet<_> = citations.map(|citation| number(citation.target)).collect();
    let right = sample.citations.iter().map(|&number| u64::from(number)).collect();
    CitationCounts::of(&cited, &right)
}

/// Whether marks are asked for and the right numbers are known: an answerable question that names none leaves them open.
pub(crate) fn are_citations_known(sample: &Sample) -> bool {
    sample.cited && !(sample.answerable && sample.citations.is_empty())
}

/// Counts the numbers that an answer cites, and those of them that point at nothing.
///
/// # Examples
///
/// Of two regions and a reference picture, which has number 3, `Lily [1] and Bella [3, 9], Lily [1].` cites 1, 3 and 9,
/// and 9 is nothing: 1 of 3.
///
/// # Source
///
/// Ours.
pub fn invalid_citations(answer: &Answer) -> InvalidCitations {
    let citations = answer.statements.iter().flat_map(|statement| &statement.citations);
    let cited: HashSet<_> = citations.map(|citation| citation.target).collect();
    let invalid = cited.iter().filter(|target| matches!(target, CitationTarget::Unresolved(_))).count();
    InvalidCitations { invalid, cited: cited.len() }
}

/// Writes the measure of citations of nothing.
pub(super) fn measure_invalid(measures: &mut BTreeMap<String, f64>, counts: InvalidCitations) {
    if let Some(share) = counts.share() {
        measures.insert(names::CITATION_INVALID.to_owned(), share);
    }
}

/// Writes the measures of citations.
pub(super) fn measure(measures: &mut BTreeMap<String, f64>, counts: CitationCounts) {
    measures.insert(names::CITATION_PRECISION.to_owned(), counts.precision());
    measures.insert(names::CITATION_RECALL.to_owned(), counts.recall());
    measures.insert(names::CITATION_F1.to_owned(), counts.f1());
    measures.insert(names::CITATION_EXACT.to_owned(), counts.exact());
}

#[cfg(test)]
mod tests {
    use rcmu_core::{FinishReason, ImageSize, Region};
    use rcmu_data::{Kind, PictureSource, Provenance, SampleReference, SampleRegion};
    use rcmu_prompt::{Targets, parse};

    use super::*;

    #[test]
    fn numbers_of_reference_pictures_come_after_regions_and_unknown_ones_are_wrong() {
        let source = || PictureSource::File("a.png".into());
        let region = || SampleRegion {
            region: Region::new("dog", None, "").expect("the label is not blank"),
            facts: BTreeMap::new(),
            visual: BTreeMap::new(),
        };
        let sample = Sample {
            id: "a".into(),
            picture: source(),
            references: vec![SampleReference {
                picture: source(),
                info: String::new(),
                facts: BTreeMap::new(),
            }],
            regions: vec![region(), region()],
            kind: Kind::Open,
            question: "Who?".into(),
            options: Vec::new(),
            cited: true,
            answer: "Lily.[1][3]".into(),
            accepted: Vec::new(),
            citations: vec![1, 3],
            answerable: true,
            provenance: Provenance::default(),
        };
        let size = ImageSize::new(1000, 1000).expect("the sides are not empty");
        let answer =
            parse("Lily [1] and Bella [3, 9], Lily [1].", Targets::new(2, 1, size), FinishReason::EndOfText);

        let counts = citation_counts(&sample, &answer);

        assert_eq!(counts, CitationCounts { hits: 2, cited: 3, right: 2 });
        assert_eq!(invalid_citations(&answer), InvalidCitations { invalid: 1, cited: 3 });
    }
}
