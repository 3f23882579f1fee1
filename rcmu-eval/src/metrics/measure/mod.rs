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
    pub(super) fn place(name: &str) -> usize {
        MEASURES.iter().position(|measure| measure.name == name).unwrap_or(MEASURES.len())
    }
}

/// Declares the names of measures and their table, in the order of reports.
macro_rules! measures {
    ($($constant:ident = $name:literal, $better:ident: $meaning:literal;)+) => {
        /// The names of the measures.
        pub mod names {
            $(
                #[doc = $meaning]
                pub const $constant: &str = $name;
            )+
            /// What guessing would get on this item: 1 / options. No row of its own: it fills the column of
            /// `accuracy`.
            pub const CHANCE: &str = "chance";
        }

        /// All measures that have rows, in the order of reports.
        pub const MEASURES: &[Measure] =
            &[$(Measure { name: $name, better: Better::$better, meaning: $meaning }),+];
    };
}

measures! {
    ACCURACY = "accuracy", Higher: "Share of right answers.";
    ACCURACY_MACRO = "accuracy_macro", Higher: "Mean over the kinds of items of their accuracy.";
    ROTATION_ACCURACY = "rotation_accuracy", Higher: "Share of the rotations of a question's options with a right answer, mean over questions.";
    ROTATION_ALL = "rotation_all", Higher: "Share of questions that are answered rightly in every rotation of their options.";
    EXACT_MATCH = "exact_match", Higher: "The normalised answer equals an accepted one.";
    TOKEN_F1 = "token_f1", Higher: "F1 of the words shared with the nearest accepted answer.";
    CONTAINS = "contains", Higher: "The answer says an accepted value, whatever else it says.";
    ABSTENTION_PRECISION = "abstention_precision", Higher: "Share of the declined questions that are unanswerable.";
    ABSTENTION_RECALL = "abstention_recall", Higher: "Share of the unanswerable questions that were declined.";
    ABSTENTION_F1 = "abstention_f1", Higher: "Harmonic mean of abstention precision and recall.";
    HALLUCINATED_ANSWER = "hallucinated_answer", Lower: "Share of the unanswerable questions that were answered.";
    OVER_REFUSAL = "over_refusal", Lower: "Share of the answerable questions that were declined.";
    CONTEXT_FOLLOWED = "context_followed", Higher: "With permuted contexts: the answer is what they say, where that differs.";
    CITATION_PRECISION = "citation_precision", Higher: "Share of the cited numbers that are right, mean over answers.";
    CITATION_RECALL = "citation_recall", Higher: "Share of the right numbers that are cited, mean over answers.";
    CITATION_F1 = "citation_f1", Higher: "F1 of cited and right numbers, mean over answers.";
    CITATION_EXACT = "citation_exact", Higher: "Exactly the right numbers are cited.";
    CITATION_PRECISION_MICRO = "citation_precision_micro", Higher: "Share of all cited numbers that are right.";
    CITATION_RECALL_MICRO = "citation_recall_micro", Higher: "Share of all right numbers that are cited.";
    CITATION_F1_MICRO = "citation_f1_micro", Higher: "F1 of all cited and all right numbers.";
    ALCE_RECALL = "alce_recall", Higher: "Share of the statements that need support and are entailed by what they cite.";
    ALCE_PRECISION = "alce_precision", Higher: "Share of the citations that support their statement.";
    BOX_IOU = "box_iou", Higher: "Intersection over union of named and right boxes.";
    BOX_HIT = "box_hit", Higher: "Share of boxes with an intersection over union of 0.5 or more.";
    OBJECTS_NAMED = "objects_named", Higher: "Share of the objects that are named with their colour and shape.";
    RCID_SCORE = "rcid_score", Higher: "`RCIDScore` / 100: harmonic mean of coverage, accuracy and consistency.";
    RCID_COVERAGE = "rcid_coverage", Higher: "Share of objects and facts that the description mentions.";
    RCID_ACCURACY = "rcid_accuracy", Higher: "Share of contextual claims that their region's text entails.";
    RCID_CONSISTENCY = "rcid_consistency", Higher: "Agreement of mentions with what their regions show.";
    RCID_PERMUTED = "rcid_permuted", Lower: "The same with regions of one class permuted: a control.";
    BIND_GAP = "bind_gap", Higher: "Consistency minus consistency with permuted regions.";
    CONTRADICTION_RATE = "contradiction_rate", Lower: "Share of claims that their region's text contradicts.";
    SWAP_RATE = "swap_rate", Lower: "Share of claims that only another region's text entails.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

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
