//! What the measures are called, and what they say.

mod table;

pub use table::{MEASURES, names};

/// Which way a measure gets better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Better {
    /// 1 is best.
    Higher,
    /// 0 is best.
    Lower,
}

/// What a measure says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    /// Its name in scores and reports.
    pub name: &'static str,
    /// Which way it gets better.
    pub better: Better,
    /// What it says, for a person who reads a report.
    pub meaning: &'static str,
}

impl Measure {
    /// The measure of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        MEASURES.iter().find(|measure| measure.name == name)
    }

    /// The worst and the best value of the measure of this name; higher is better where the name is not known.
    pub(super) fn worst_and_best(name: &str) -> (f64, f64) {
        match Self::find(name).map(|measure| measure.better) {
            Some(Better::Lower) => (1.0, 0.0),
            Some(Better::Higher) | None => (0.0, 1.0),
        }
    }

    /// Where its rows stand in a report.
    pub(crate) fn place(name: &str) -> usize {
        MEASURES.iter().position(|measure| measure.name == name).unwrap_or(MEASURES.len())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::metrics::measure::table::{EXAMPLES, SOURCES};

    #[test]
    fn every_measure_shows_a_sum_and_says_whose_it_is() {
        assert!(EXAMPLES.iter().all(|example| example.contains(" = ")), "{EXAMPLES:?}");
        let says = |source: &&str| source.starts_with("Theirs: ") || source.starts_with("Ours");
        assert!(SOURCES.iter().all(says), "{SOURCES:?}");
    }

    #[test]
    fn every_name_is_there_once() {
        let seen: BTreeSet<_> = MEASURES.iter().map(|measure| measure.name).collect();

        assert_eq!(seen.len(), MEASURES.len());
        assert!(!seen.contains(names::CHANCE));
    }

    #[test]
    fn rates_of_faults_are_worst_at_one() {
        assert_eq!(Measure::worst_and_best(names::SWAP_RATE), (1.0, 0.0));
        assert_eq!(Measure::worst_and_best(names::ACCURACY), (0.0, 1.0));
        assert_eq!(Measure::worst_and_best("of a plug-in"), (0.0, 1.0));
    }
}
