use std::collections::BTreeMap;

use rcmu_data::{Kind, Sample};

use crate::{ItemScore, Outcome, metrics::names, scorers::right_option};

/// Stands between the id of a question and the number of places by which its options were moved.
const ROTATED: &str = "/rotated-";

/// Options moved up by some places, the first ones to the end.
///
/// With `n` options and a rotation by `k`: place `i` has the option that stood at `(i + k) mod n`.
///
/// # Examples
///
/// ```
/// use rcmu_eval::scorers::Rotation;
///
/// let rotation = Rotation::new(1, 3).expect("there are options");
///
/// assert_eq!(rotation.apply(&["red", "green", "blue"]), ["green", "blue", "red"]);
/// assert_eq!(rotation.to_original(2), 0);
/// assert_eq!(rotation.to_rotated(0), 2);
/// ```
///
/// # Source
///
/// Ours, after the circular evaluation of `MMBench` (arXiv 2307.06281).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    by: usize,
    count: usize,
}

impl Rotation {
    /// A rotation by `by` places of `count` options; `None` without options.
    pub const fn new(by: usize, count: usize) -> Option<Self> {
        if count == 0 { None } else { Some(Self { by: by % count, count }) }
    }

    /// The options in their new order; as many as the rotation is for, and others unchanged.
    pub fn apply<T: Clone>(self, options: &[T]) -> Vec<T> {
        let mut rotated = options.to_vec();
        if options.len() == self.count {
            rotated.rotate_left(self.by);
        }
        rotated
    }

    /// The old place of the option at this place.
    pub const fn to_original(self, place: usize) -> usize {
        (place % self.count + self.by) % self.count
    }

    /// The new place of the option that stood at this place.
    pub const fn to_rotated(self, place: usize) -> usize {
        (place % self.count + self.count - self.by) % self.count
    }

    /// The sample with its options rotated, its answer the new letter, and `/rotated-` with the number of places after its
    /// id; `None` when it has other options or no right one.
    pub fn apply_to(self, sample: &Sample) -> Option<Sample> {
        let right = right_option(sample).filter(|_| sample.options.len() == self.count)?;
        let mut rotated = sample.clone();
        rotated.id = format!("{}{ROTATED}{}", sample.id, self.by);
        rotated.options = self.apply(&sample.options);
        rotated.answer = char::from(b'A' + self.to_rotated(right) as u8).to_string();
        Some(rotated)
    }
}

/// How often the right option was chosen over all rotations of a question: `hits / rotations`; `None` without any.
///
/// `chosen` are the places in the original order; `None` for a reply that could not be read, which is wrong.
///
/// # Examples
///
/// Right is 1; the replies to four rotations mean 1, 1, 2 and nothing: `2 / 4`.
///
/// ```
/// let chosen = [Some(1), Some(1), Some(2), None];
///
/// assert_eq!(rcmu_eval::scorers::rotation_accuracy(&chosen, 1), Some(0.5));
/// ```
///
/// # Source
///
/// Ours.
pub fn rotation_accuracy(chosen: &[Option<usize>], right: usize) -> Option<f64> {
    let hits = chosen.iter().filter(|choice| **choice == Some(right)).count();
    (!chosen.is_empty()).then(|| hits as f64 / chosen.len() as f64)
}

/// One score for each question that was asked with all rotations of its options, as
/// [`Dataset::rotated`](crate::dataset::Dataset::rotated) makes them.
///
/// It has `rotation_accuracy`, the share of the rotations in which the right option was chosen ([`rotation_accuracy`]), and
/// `rotation_all`, 1 when that are all of them. A question of which a rotation was not asked or not measured counts as failed.
///
/// # Examples
///
/// A question of three options, right in two of its rotations: `rotation_accuracy` is `2 / 3`, `rotation_all` 0.
///
/// # Source
///
/// Theirs: `rotation_all`, the circular evaluation of `MMBench` (arXiv 2307.06281). Ours: `rotation_accuracy`, and that a
/// question without all its rotations counts as failed.
pub fn rotated_questions(scores: &[ItemScore]) -> Vec<ItemScore> {
    let mut questions: BTreeMap<String, RotatedQuestion> = BTreeMap::new();
    for score in scores {
        if let Some(question) = question_of(&score.item) {
            questions.entry(question).or_insert_with(|| RotatedQuestion::of(score)).add(score);
        }
    }
    questions.into_iter().map(|(item, question)| question.score(item)).collect()
}

/// A question over those of its rotations that were scored so far.
#[derive(Clone, Debug)]
pub(crate) struct RotatedQuestion {
    kind: Kind,
    cluster: String,
    /// How many options it has, if its first score says so.
    options: Option<usize>,
    rotations: usize,
    /// The sum of their accuracies; none as soon as one has none.
    right: Option<f64>,
}

impl RotatedQuestion {
    /// Begins with nothing scored, of the kind of its first score.
    pub(crate) fn of(first: &ItemScore) -> Self {
        let options = first.measures.get(names::CHANCE).map(|chance| (1.0 / chance).round() as usize);
        Self { kind: first.kind, cluster: first.cluster.clone(), options, rotations: 0, right: Some(0.0) }
    }

    /// Adds a rotation.
    pub(crate) fn add(&mut self, score: &ItemScore) {
        self.rotations += 1;
        self.right =
            self.right.zip(score.measures.get(names::ACCURACY)).map(|(sum, accuracy)| sum + accuracy);
    }

    /// The score of the question.
    pub(crate) fn score(self, item: String) -> ItemScore {
        let whole = self.right.filter(|_| self.options == Some(self.rotations));
        let measures = whole.map_or_else(BTreeMap::new, |right| {
            let share = right / self.rotations as f64;
            let always = f64::from(u8::from(share == 1.0));
            BTreeMap::from([
                (names::ROTATION_ACCURACY.to_owned(), share),
                (names::ROTATION_ALL.to_owned(), always),
            ])
        });
        let outcome = if whole.is_some() { Outcome::Scored } else { Outcome::ModelFailed };
        let (kind, cluster) = (self.kind, self.cluster);
        ItemScore { item, kind, cluster, outcome, how: String::new(), measures }
    }
}

/// The id of the question, of which this is the id of one rotation; what follows the rotation, as of a repeat, stays.
pub(crate) fn question_of(id: &str) -> Option<String> {
    let (question, rest) = id.rsplit_once(ROTATED)?;
    let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    (after.len() < rest.len()).then(|| format!("{question}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_goes_and_comes_back() {
        for count in 1..=26 {
            for by in 0..30 {
                let rotation = Rotation::new(by, count).expect("there are options");
                let options: Vec<_> = (0..count).collect();

                let rotated = rotation.apply(&options);

                for (place, option) in rotated.into_iter().enumerate() {
                    assert_eq!(option, rotation.to_original(place));
                    assert_eq!(rotation.to_rotated(option), place);
                }
            }
        }
    }

    fn score(item: &str, accuracy: Option<f64>) -> ItemScore {
        let measures = accuracy.map(|value| {
            BTreeMap::from([(names::ACCURACY.to_owned(), value), (names::CHANCE.to_owned(), 1.0 / 3.0)])
        });
        ItemScore {
            item: item.into(),
            kind: rcmu_data::Kind::VisualToContext,
            cluster: "a".into(),
            outcome: if accuracy.is_some() { Outcome::Scored } else { Outcome::JudgeFailed },
            how: String::new(),
            measures: measures.unwrap_or_default(),
        }
    }

    #[test]
    fn a_question_is_summed_up_over_its_rotations() {
        let scores = [
            score("a/rotated-0", Some(1.0)),
            score("b", Some(1.0)),
            score("a/rotated-1", Some(0.0)),
            score("c/rotated-0", Some(1.0)),
            score("a/rotated-2", Some(1.0)),
            score("c/rotated-2", Some(1.0)),
            score("c/rotated-1", Some(1.0)),
        ];

        let questions = rotated_questions(&scores);

        // (1 + 0 + 1) / 3, and 3 / 3; `b` was not rotated
        let found: Vec<_> = questions
            .iter()
            .map(|q| (q.item.as_str(), q.measures["rotation_accuracy"], q.measures["rotation_all"]))
            .collect();
        assert_eq!(found, [("a", 2.0 / 3.0, 0.0), ("c", 1.0, 1.0)]);
    }

    #[test]
    fn a_question_without_all_its_rotations_failed() {
        let missing = [score("a/rotated-0", Some(1.0)), score("a/rotated-1", Some(1.0))];
        let failed = [missing[0].clone(), missing[1].clone(), score("a/rotated-2", None)];

        for scores in [missing.as_slice(), &failed] {
            let questions = rotated_questions(scores);
            assert_eq!((questions.len(), questions[0].outcome), (1, Outcome::ModelFailed));
            assert!(questions[0].measures.is_empty());
        }
        assert_eq!(question_of("a/rotated-11#2").as_deref(), Some("a#2"));
        assert_eq!(question_of("a/rotated-"), None);
        assert_eq!(question_of("a"), None);
    }

    #[test]
    fn nothing_to_rotate_is_no_rotation() {
        assert_eq!(Rotation::new(1, 0), None);
        assert_eq!(rotation_accuracy(&[], 0), None);
        let other = Rotation::new(1, 3).expect("there are options");
        assert_eq!(other.apply(&["a", "b"]), ["a", "b"]);
    }
}
